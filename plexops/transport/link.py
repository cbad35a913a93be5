"""What carries a driver's reads and an authorized plan's writes."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import lru_cache
from typing import Protocol, TypeVar

from plexops.languages import LANGUAGES, LanguageName
from plexops.languages.contracts import ContractName, refuse_read
from plexops.languages.plex_tv import RESOURCES
from plexops.model.exchange import Command, Look, Question, Read, Reply, SoapCall, Write
from plexops.transport.here import HereSettings, LocalSettings
from plexops.transport.http_settings import HttpSettings
from plexops.transport.ssh_settings import SshSettings

#: What shows a key when it is connected to.
RemoteSettings = SshSettings | HttpSettings
#: What may be written to.
LinkSettings = RemoteSettings | LocalSettings
#: What may be asked.
ReadSettings = LinkSettings | HereSettings

_Found = TypeVar("_Found")


class ReadLink(Protocol):
    """A way to one device that can only ask. It connects at the first `ask`; one thread uses it at a time."""

    @property
    def identity(self) -> str:
        """Who answered: `SHA256:…` of an SSH host key, `sha256//…` of a TLS key, `local:…` of this computer itself,
        "" for plain HTTP and before the first answer."""
        ...

    def ask(self, reads: Sequence[Read]) -> tuple[Reply, ...]:
        """Ask all questions and give the answers in the same order.

        An answer that was cut off has `whole=False`. Raises PlexopsError where nobody, or the wrong one, answered;
        TypeError or ValueError, before anything is sent, where one of them is not known to only read.
        """
        ...

    def close(self) -> None:
        """Let go of the connection. Never raises; a closed link is not used again."""
        ...


def only_reads(reads: Sequence[Read], speaks: LanguageName, contract: ContractName = "json") -> None:
    """Let nothing but reads through, whoever asks: a profile's reads were judged when it was loaded, a driver's not.

    `contract` is what counts over HTTP.

    Raises TypeError for a Write, which looks like a Read to whoever only takes its `ask`, and ValueError for a request
    that is not on the allow-list of the device's language.
    """
    for read in reads:
        if not isinstance(read, Read):
            raise TypeError(f"{type(read).__name__} is no read")
    for read in reads:
        reason = _refusal(speaks, contract, read.ask)
        if reason:
            raise ValueError(f"{read.id!r} is no read: {reason}")


def _refusal(speaks: LanguageName, contract: ContractName, ask: Question) -> str | None:
    if isinstance(ask, Look):
        return "only this computer itself looks around"
    if isinstance(ask, Command):
        return _judged(speaks, ask.text)
    if speaks != "json":
        return "it is an HTTP request"
    if isinstance(ask, SoapCall):
        return refuse_read("soap", f"{ask.service}#{ask.action}")
    if ask == RESOURCES:  # a constant of ours: no profile and no answer can put anything into it
        return None
    if ask.method == "GET" and ask.body is not None:
        return "a GET with a body may act"
    # What a search by POST looks for is its body's or its query's, and nothing of what it does.
    query = () if contract == "json" and ask.method == "POST" else ask.query
    asked = "&".join(f"{name}={value}" for name, value in query)
    target = f"{ask.method} {ask.path}{'?' if asked else ''}{asked}"
    return refuse_read(contract, target, ask.body, dict(ask.headers))


@lru_cache(maxsize=4096)
def _judged(speaks: LanguageName, text: str) -> str | None:
    """Judge a text once: the reads of a family are the same at every look, and at every home of a fleet."""
    return LANGUAGES[speaks].refuse_read(text)


class WriteLink(ReadLink, Protocol):
    """A way to one device for the one step that was authorized."""

    def send(self, write: Write) -> Reply:
        """Send one request, once. It is never repeated.

        Raises PlexopsError PLX-D109 when the request left and its outcome is unknown; any other PlexopsError means
        that it never left.
        """
        ...


class Answering(Protocol):
    """What answers reads: a link, or anything that stands for one."""

    def ask(self, reads: Sequence[Read]) -> Sequence[Reply]:
        """Answer all of them, in their order."""
        ...


def carry(asks: Generator[Sequence[Read], Sequence[Reply], _Found], link: Answering) -> _Found:
    """Carry a driver's questions over a link and its answers back, and give what the driver makes of them.

    Raises what the link raises.
    """
    try:
        reads = next(asks)
        while True:
            reads = asks.send(link.ask(tuple(reads)))
    except StopIteration as done:
        found: _Found = done.value
        return found

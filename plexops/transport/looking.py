"""What this computer itself finds out, without a login: a link like a device's, so that it is recorded as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType

from plexops.model.exchange import Look, LookKind, Read, Reply
from plexops.transport.echo import ask_echo
from plexops.transport.here import HereSettings
from plexops.transport.stun import STUN_PORT, ask_stun

#: So many are waited for at once.
_MOST = 16


@dataclass(frozen=True, slots=True)
class _Found:
    """What one look came to; `failure` is why it came to nothing."""

    text: str = ""
    failure: str = ""


class HereLink:
    """A link to what is around this computer. Everything is looked at at once; nothing has an identity."""

    def __init__(self, settings: HereSettings) -> None:
        self._device = settings.device

    @property
    def identity(self) -> str:
        """Nobody vouches for what answers here."""
        return ""

    def ask(self, reads: Sequence[Read]) -> tuple[Reply, ...]:
        """Look, within the seconds of each read. Status 0: found; 1: not, with the reason in `stderr`.

        Raises TypeError, before anything is sent, where one of them is no look of this computer's.
        """
        looks = [(read, _look_of(read)) for read in reads]
        if not looks:
            return ()
        with ThreadPoolExecutor(min(_MOST, len(looks)), "plexops-here") as pool:
            found = list(pool.map(lambda pair: _HOW[pair[1].kind](pair[1].target, pair[0].seconds), looks))
        return tuple(
            Reply(read.id, 1 if one.failure else 0, one.text, one.failure)
            for read, one in zip(reads, found, strict=True)
        )

    def close(self) -> None:
        """Nothing is open."""


def _look_of(read: Read) -> Look:
    if not isinstance(read, Read) or not isinstance(read.ask, Look):
        raise TypeError("this computer only looks around")
    return read.ask


def _echo(url: str, seconds: float) -> _Found:
    answer = ask_echo(url, seconds=seconds)
    return _Found(failure=answer.failure) if answer.address is None else _Found(str(answer.address))


def _stun(target: str, seconds: float) -> _Found:
    host, _, port = target.partition(":")
    # It may ask twice.
    mapped = ask_stun(host, int(port or STUN_PORT), seconds=seconds / 2)
    return _Found(failure="no answer") if mapped is None else _Found(str(mapped.address))


_HOW: Mapping[LookKind, Callable[[str, float], _Found]] = MappingProxyType(
    {LookKind.ECHO: _echo, LookKind.STUN: _stun}
)

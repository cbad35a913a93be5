"""What this computer itself finds out, without a login: a link like a device's, so that it is recorded as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address
from types import MappingProxyType

from msgspec import Struct

from plexops.model.exchange import Look, LookKind, Read, Reply
from plexops.model.igd import Service
from plexops.pattern import Pattern
from plexops.transport.around import natpmp
from plexops.transport.around.banners import page_title
from plexops.transport.around.checkers import ask_check_host, ask_echoip, ask_portchecker
from plexops.transport.around.echo import ask_echo
from plexops.transport.around.fetch import FetchError
from plexops.transport.around.igd import Control, ask_address, ask_mapping, read_description
from plexops.transport.around.natpmp import PMP_PORT
from plexops.transport.around.ssdp import SSDP_PORT, find_gateways
from plexops.transport.around.stun import STUN_PORT, ask_stun
from plexops.transport.here import HereSettings, address_towards, routes
from plexops.transport.net import is_private
from plexops.transport.workers import workers

#: So many are waited for at once.
_MOST = 16
#: What a description says of one very box and nobody needs: it is kept nowhere.
_UNWANTED = Pattern(r"<(serialNumber|UDN)>[^<]*")


class _Found(Struct, frozen=True):
    """What one look came to; `failure` is why it came to nothing. `status` is HTTP's, where its answer is one."""

    text: str = ""
    failure: str = ""
    status: int = 0


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

        What a gateway was asked over HTTP, and answered, keeps its status: a refusal says something as well.

        Raises TypeError, before anything is sent, where one of them is no look of this computer's.
        """
        looks = [(read, _look_of(read)) for read in reads]
        if not looks:
            return ()
        with workers(min(_MOST, len(looks)), "plexops-here") as pool:
            found = list(pool.map(lambda pair: _found(pair[1], pair[0].seconds), looks))
        return tuple(
            Reply(read.id, 1 if one.failure else one.status, one.text, one.failure)
            for read, one in zip(reads, found, strict=True)
        )

    def close(self) -> None:
        """Nothing is open."""


def _look_of(read: Read) -> Look:
    if not isinstance(read, Read) or not isinstance(read.ask, Look):
        raise TypeError("this computer only looks around")
    return read.ask


def _found(look: Look, seconds: float) -> _Found:
    """Look. What a box said may have led to a place that is never asked: that is why it was not found."""
    try:
        return _HOW[look.kind](look, seconds)
    except FetchError as error:
        return _Found(failure=f"{error.outcome}: {error.detail}")
    except ValueError as error:
        return _Found(failure=str(error))


def _echo(look: Look, seconds: float) -> _Found:
    answer = ask_echo(look.target, seconds=seconds)
    return _Found(failure=answer.failure) if answer.address is None else _Found(str(answer.address))


def _stun(look: Look, seconds: float) -> _Found:
    # It may ask twice.
    mapped = ask_stun(*_place(look.target, STUN_PORT), seconds=seconds / 2)
    return _Found(failure="no answer") if mapped is None else _Found(str(mapped.address))


def _routes(_look: Look, _seconds: float) -> _Found:
    try:
        return _Found(routes())
    except OSError as error:
        return _Found(failure=f"this system does not tell its routes ({error.strerror})")


def _ssdp(look: Look, seconds: float) -> _Found:
    """One line for each box: its address, where its description is, what it says it runs."""
    host, port = _place(look.target, SSDP_PORT)
    also = IPv4Address(look.detail) if look.detail else None
    asked = also or IPv4Address(host)
    # A group has no way of its own: the search leaves where the gateway is.
    interface = None if asked.is_multicast else address_towards(asked)
    boxes = find_gateways(interface, seconds=seconds, group=(host, port), also=also)
    if not boxes:
        return _Found(failure="no device answered")
    return _Found("".join(f"{box.address} {box.location} {box.server}".rstrip() + "\n" for box in boxes))


def _igd(look: Look, seconds: float) -> _Found:
    return _Found(_UNWANTED.sub(r"<\1>", read_description(look.target, seconds=seconds)))


def _igd_address(look: Look, seconds: float) -> _Found:
    status, text = ask_address(Control(look.target, Service(look.detail)), seconds=seconds)
    return _Found(text, status=status)


def _igd_mapping(look: Look, seconds: float) -> _Found:
    service, _, index = look.detail.rpartition(" ")
    status, text = ask_mapping(Control(look.target, Service(service)), int(index), seconds=seconds)
    return _Found(text, status=status)


def _nat_pmp(look: Look, seconds: float) -> _Found:
    host, port = _place(look.target, PMP_PORT)
    told = natpmp.ask_address(IPv4Address(host), port, seconds=seconds)
    return _Found(failure=told.failure) if told.address is None else _Found(str(told.address))


def _title(look: Look, seconds: float) -> _Found:
    if not is_private(_place(look.target, 80)[0]):
        raise ValueError(f"{look.target} is not in a home")
    title = page_title(look.target, seconds=seconds)
    return _Found(title) if title else _Found(failure="its page has no title")


def _check_host(look: Look, seconds: float) -> _Found:
    return _Found(ask_check_host(look.target, *_place(look.detail, 0), seconds=seconds))


def _portchecker(look: Look, seconds: float) -> _Found:
    return _Found(ask_portchecker(look.target, *_place(look.detail, 0), seconds=seconds))


def _echoip(look: Look, seconds: float) -> _Found:
    return _Found(ask_echoip(look.target, int(look.detail), seconds=seconds))


def _place(target: str, usual: int) -> tuple[str, int]:
    host, _, port = target.partition(":")
    return host, int(port or usual)


_HOW: Mapping[LookKind, Callable[[Look, float], _Found]] = MappingProxyType(
    {
        LookKind.ECHO: _echo,
        LookKind.STUN: _stun,
        LookKind.ROUTES: _routes,
        LookKind.SSDP: _ssdp,
        LookKind.IGD: _igd,
        LookKind.IGD_ADDRESS: _igd_address,
        LookKind.IGD_MAPPING: _igd_mapping,
        LookKind.NAT_PMP: _nat_pmp,
        LookKind.TITLE: _title,
        LookKind.CHECK_HOST: _check_host,
        LookKind.PORTCHECKER: _portchecker,
        LookKind.ECHOIP: _echoip,
    }
)

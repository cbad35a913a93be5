"""What this computer itself finds out, without a login: a link like a device's, so that it is recorded as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address
from types import MappingProxyType

from plexops.model.exchange import Look, LookKind, Read, Reply
from plexops.model.igd import Service
from plexops.pattern import Pattern
from plexops.transport.around import natpmp
from plexops.transport.around.banners import page_title
from plexops.transport.around.checkers import ask_check_host, ask_echo, ask_echoip, ask_portchecker
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


#: Looks, within so many seconds. Gives a text, with HTTP's status where that is one; ValueError says why there is nothing.
_How = Callable[[Look, float], str | tuple[int, str]]


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
        looks = [_look_of(read) for read in reads]
        if not looks:
            return ()
        with workers(min(_MOST, len(looks)), "plexops-here") as pool:
            return tuple(pool.map(_looked, reads, looks))

    def close(self) -> None:
        """Nothing is open."""


def _look_of(read: Read) -> Look:
    if not isinstance(read, Read) or not isinstance(read.ask, Look):
        raise TypeError("this computer only looks around")
    return read.ask


def _looked(read: Read, look: Look) -> Reply:
    """Look. What a box said may have led to a place that is never asked: that is why it was not found."""
    try:
        told = _HOW[look.kind](look, read.seconds)
    except (FetchError, ValueError) as error:
        return Reply(read.id, 1, "", str(error))
    status, text = (0, told) if isinstance(told, str) else told
    return Reply(read.id, status, text)


def _stun(look: Look, seconds: float) -> str:
    # It may ask twice.
    mapped = ask_stun(*_place(look.target, STUN_PORT), seconds=seconds / 2)
    if mapped is None:
        raise ValueError("no answer")
    return str(mapped.address)


def _routes(_look: Look, _seconds: float) -> str:
    try:
        return routes()
    except OSError as error:
        raise ValueError(f"this system does not tell its routes ({error.strerror})") from None


def _ssdp(look: Look, seconds: float) -> str:
    """One line for each box: its address, where its description is, what it says it runs."""
    host, port = _place(look.target, SSDP_PORT)
    also = IPv4Address(look.detail) if look.detail else None
    asked = also or IPv4Address(host)
    # A group has no way of its own: the search leaves where the gateway is.
    interface = None if asked.is_multicast else address_towards(asked)
    boxes = find_gateways(interface, seconds=seconds, group=(host, port), also=also)
    if not boxes:
        raise ValueError("no device answered")
    return "".join(f"{box.address} {box.location} {box.server}".rstrip() + "\n" for box in boxes)


def _igd_mapping(look: Look, seconds: float) -> tuple[int, str]:
    service, _, index = look.detail.rpartition(" ")
    return ask_mapping(Control(look.target, Service(service)), int(index), seconds=seconds)


def _nat_pmp(look: Look, seconds: float) -> str:
    host, port = _place(look.target, PMP_PORT)
    return str(natpmp.ask_address(IPv4Address(host), port, seconds=seconds))


def _title(look: Look, seconds: float) -> str:
    if not is_private(_place(look.target, 80)[0]):
        raise ValueError(f"{look.target} is not in a home")
    title = page_title(look.target, seconds=seconds)
    if not title:
        raise ValueError("its page has no title")
    return title


def _place(target: str, usual: int) -> tuple[str, int]:
    host, _, port = target.partition(":")
    return host, int(port or usual)


_HOW: Mapping[LookKind, _How] = MappingProxyType(
    {
        LookKind.ECHO: lambda look, left: str(ask_echo(look.target, seconds=left)),
        LookKind.STUN: _stun,
        LookKind.ROUTES: _routes,
        LookKind.SSDP: _ssdp,
        LookKind.IGD: lambda look, left: _UNWANTED.sub(r"<\1>", read_description(look.target, seconds=left)),
        LookKind.IGD_ADDRESS: lambda look, left: ask_address(
            Control(look.target, Service(look.detail)), seconds=left
        ),
        LookKind.IGD_MAPPING: _igd_mapping,
        LookKind.NAT_PMP: _nat_pmp,
        LookKind.TITLE: _title,
        LookKind.CHECK_HOST: lambda look, left: ask_check_host(
            look.target, *_place(look.detail, 0), seconds=left
        ),
        LookKind.PORTCHECKER: lambda look, left: ask_portchecker(
            look.target, *_place(look.detail, 0), seconds=left
        ),
        LookKind.ECHOIP: lambda look, left: ask_echoip(look.target, int(look.detail), seconds=left),
    }
)

"""What this computer alone can see of a home, without an inventory and without a login."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from msgspec import Struct, field

from plexops.model.entries import Echo, Probe, UpnpMapping
from plexops.model.status import ExitStatus


class OwnNetwork(Struct, frozen=True):
    """Where this computer is: its interface and address, the default gateway, and the LAN that the gateway is in."""

    interface: str
    address: IPv4Address
    gateway: IPv4Address
    network: IPv4Network


class SeenGateway(Struct, frozen=True):
    """A box that says by UPnP that it leads to the internet; or our own gateway, that said it by NAT-PMP alone.

    `wan` None: it did not tell its address there, and `why` says why. `wanless`: it said that it has none, which is
    also how UPnP daemons keep a private one to themselves. `mappings` None: they were not read; `whole` is False where
    there may be more of them than were read. `wan_by` is how it told its address.
    """

    address: IPv4Address
    title: str = ""
    maker: str = ""
    model: str = ""
    software: str = ""
    wan: IPv4Address | None = field(name="wan_address", default=None)
    wanless: bool = field(name="says_no_wan_address", default=False)
    mappings: tuple[UpnpMapping, ...] | None = None
    whole: bool = True
    why: str = ""
    wan_by: str = field(name="wan_address_by", default="UPnP")


class SeenPlex(Struct, frozen=True):
    """A Plex server that answered `/identity`. `local`: it runs on this computer."""

    address: IPv4Address
    port: int
    identifier: str = field(name="machine_identifier")
    name: str = ""
    version: str = ""
    claimed: bool | None = None
    local: bool = field(name="on_this_computer", default=False)
    secure: bool = False


class QuickVerdict(Struct, frozen=True):
    """How far a look from this computer goes. `decided` is False where it found no cause: that is never "in order"."""

    id: str
    decided: bool
    layer: str
    cause: str
    because: tuple[str, ...] = ()
    do: tuple[str, ...] = ()


class QuickReport(Struct, frozen=True):
    """All that a look from this computer gave. `unseen` says what it could not see, and who could."""

    network: OwnNetwork | None
    gateways: tuple[SeenGateway, ...]
    plex: tuple[SeenPlex, ...]
    echoes: tuple[Echo, ...]
    offline: bool
    unseen: tuple[str, ...]
    verdict: QuickVerdict
    seconds: float = 0.0
    #: What services outside met at the port, and what each was asked and told, in words.
    probes: tuple[Probe, ...] = ()
    asked: tuple[str, ...] = ()

    @property
    def router(self) -> SeenGateway | None:
        """The gateway that is this computer's own default gateway, if that one answers."""
        if self.network is None:
            return None
        return next((box for box in self.gateways if box.address == self.network.gateway), None)

    @property
    def exit_status(self) -> ExitStatus:
        """A cause is a finding; without one the look is incomplete, whatever it saw."""
        return ExitStatus.FINDINGS if self.verdict.decided else ExitStatus.INCOMPLETE

"""Values of what plexops reads but never makes: leases, UPnP mappings, firewall lines, listeners, echoes, probes."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

from msgspec import Struct

from plexops.model.values import Endpoint, Ports, Protocol


class Lease(Struct, frozen=True):
    """An address that the DHCP server has given."""

    mac: str
    address: IPv4Address
    name: str = ""


class Neighbour(Struct, frozen=True):
    """Who answered the router at an address of the LAN. `current`: within the last minute; else it may be long ago."""

    mac: str
    address: IPv4Address
    current: bool = False


class UpnpMapping(Struct, frozen=True):
    """A mapping that some host asked the router for."""

    external_port: Ports
    address: IPv4Address
    port: Ports
    protocol: Protocol
    name: str = ""


class HostRule(Struct, frozen=True):
    """One line of the host firewall's own file, in its order: where a rule of ours is written.

    What packets really meet is asked of the kernel. `port` is set where the line is about TCP to just that port, from
    everybody to everywhere: the firewall takes a second line about the same for the first. `lasting`: it is there after
    a restart, too.
    """

    action: str
    port: int | None = None
    lasting: bool = True


class Listener(Struct, frozen=True):
    """A listening TCP socket of the server. `*` is all addresses of both families, `0.0.0.0` and `::` those of one."""

    address: str
    port: int


class Echo(Struct, frozen=True):
    """What a service outside says our public address is. `asked_from` is `server` or `controller`."""

    source: str
    address: IPv4Address
    asked_from: str


class ProbeAnswer(StrEnum):
    """What a connection attempt from outside met."""

    OPEN = "open"
    #: A connection came about, and it was not asked who answers: neither success nor failure of this Plex.
    LISTENS = "something listens"
    REFUSED = "refused"
    TIMED_OUT = "timed out"
    #: No connection came about; whether it was refused or nothing came back, the witness does not tell.
    CLOSED = "closed"
    #: A device on the way answered that the host is not to be reached (ICMP host unreachable, or prohibited).
    UNREACHABLE = "unreachable"
    WRONG_SERVER = "wrong server"
    #: The name by which it was asked leads to no address there.
    NO_NAME = "no such name"
    #: This Plex answers, with a certificate that does not hold for the name by which it was asked: apps turn away.
    UNTRUSTED = "certificate not trusted"
    UNKNOWN = "unknown"


class Probe(Struct, frozen=True):
    """One attempt to reach Plex from a vantage. `identifier` is the machineIdentifier that answered.

    `name`: it was asked by that name, which led to `address`; None where it led nowhere, or that is not known. `inside`:
    it was made in the home itself (hairpin), where success proves nothing. `made` is when, in UTC ISO; empty for an
    attempt of this run. `status` is the HTTP status of whoever answered and is no Plex; 0 where none was told.
    """

    vantage: str
    address: IPv4Address | IPv6Address | None
    port: int
    answer: ProbeAnswer
    identifier: str = ""
    inside: bool = False
    made: str = ""
    name: str = ""
    status: int = 0

    @property
    def asked(self) -> Endpoint:
        """What was asked for: a name, or an address."""
        return Endpoint(self.name or str(self.address), self.port)

    @property
    def tried(self) -> Endpoint:
        """The address that was tried."""
        return Endpoint(str(self.address), self.port)

    @property
    def over_ipv6(self) -> bool:
        """Whether that is one of IPv6."""
        return isinstance(self.address, IPv6Address)


class LogWord(StrEnum):
    """What a line of Plex's log says. The lines are in `parsers.plex_log`."""

    STARTED = "started"
    LISTENING = "listening"
    BIND_FAILED = "bind failed"
    PUBLIC_ADDRESS = "public address"
    #: plex.tv did not tell the public address: `number` is Plex's own code, -6 where a name was not found.
    NO_PUBLIC_ADDRESS = "no public address"
    ROUTER_ADDRESS = "router address"
    ROUTER_ADDRESS_PRIVATE = "router address private"
    NO_IGD = "no IGD"
    PMP_FAILED = "PMP failed"
    MAPPED = "mapped"
    MAPPING_FAILED = "mapping failed"
    MAPPING_CONFLICT = "mapping conflict"
    STATE = "state"
    ANNOUNCED = "announced"
    PUBLISH_ANSWER = "publish answer"
    #: plex.tv tried: `number` is 1 or 0, `milliseconds` how long it took.
    REACHABILITY = "reachability"
    TOO_SOON = "too soon"
    STALE_ANSWER = "stale answer"
    UNCHANGED = "unchanged"
    OFFLINE = "offline"
    ONLINE = "online"
    SIGN_IN_LOST = "sign-in lost"
    #: The server belongs to no account, and says so when it publishes.
    UNCLAIMED = "unclaimed"
    #: It has just been claimed, and plex.tv took that.
    CLAIMED = "claimed"
    #: A request came in from outside; `text` is Plex's class: WAN, Subnet, Loopback.
    REQUEST = "request"
    MANUAL_MODE = "manual mode"
    PUBLISHING = "publishing"


class LogEvent(Struct, frozen=True):
    """One line of Plex's log that says something about the way in. `time` is the server's local time, ISO, no zone."""

    word: LogWord
    time: str
    address: str = ""
    port: int | None = None
    number: int | None = None
    milliseconds: int | None = None
    text: str = ""

"""Values of what plexops reads but never makes: leases, UPnP mappings, filter rules, listeners, echoes, probes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network

from plexops.model.values import Ports, Protocol


@dataclass(frozen=True, slots=True)
class Lease:
    """An address that the DHCP server has given."""

    mac: str
    address: IPv4Address
    name: str = ""


@dataclass(frozen=True, slots=True)
class UpnpMapping:
    """A mapping that some host asked the router for."""

    external_port: Ports
    address: IPv4Address
    port: Ports
    protocol: Protocol
    name: str = ""


class FilterVerdict(StrEnum):
    """What a filter rule does with a packet that matches."""

    ACCEPT = "accept"
    DROP = "drop"
    REJECT = "reject"
    JUMP = "jump"
    RETURN = "return"
    CONTINUE = "continue"


@dataclass(frozen=True, slots=True)
class FilterRule:
    """One rule of a packet filter. None matches everything. A chain's policy is its last rule, without matches.

    `chain` is unique on the device (`inet filter forward`); `base` chains see every packet, and each of them has
    to accept it. `target` is the chain of a jump. `understood` is False where the rule matches on something that
    these fields cannot hold: it may or may not match.
    """

    chain: str
    base: bool
    verdict: FilterVerdict
    target: str = ""
    protocol: Protocol | None = None
    ports: Ports | None = None
    destination: IPv4Network | None = None
    source: IPv4Network | None = None
    in_interfaces: tuple[str, ...] | None = None
    out_interfaces: tuple[str, ...] | None = None
    #: True: only packets whose destination was translated; False: only those whose was not.
    translated: bool | None = None
    #: True: only new connections; False: only packets of known ones.
    new: bool | None = None
    #: 4, 6, or 0 for both.
    family: int = 0
    understood: bool = True
    #: In a base chain: it is asked before addresses are translated.
    early: bool = False


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening TCP socket of the server. An empty address is all addresses."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Echo:
    """What somebody outside says our public address is. `asked_from` is `server` or `controller`."""

    source: str
    address: IPv4Address
    asked_from: str


class ProbeAnswer(StrEnum):
    """What a connection attempt from outside met."""

    OPEN = "open"
    REFUSED = "refused"
    TIMED_OUT = "timed out"
    #: Somebody on the way answered that nobody gets there (ICMP host unreachable, or prohibited).
    UNREACHABLE = "unreachable"
    WRONG_SERVER = "wrong server"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Probe:
    """One attempt to reach Plex from a vantage. `identifier` is the machineIdentifier that answered.

    `inside`: it was made in the home itself (hairpin), where success proves nothing. `made` is when, in UTC ISO; empty
    for an attempt of this run.
    """

    vantage: str
    address: IPv4Address
    port: int
    answer: ProbeAnswer
    identifier: str = ""
    inside: bool = False
    made: str = ""


@dataclass(frozen=True, slots=True)
class Pinhole:
    """A rule of the router that lets connections over IPv6 through to a host. Empty `address`: to every host."""

    address: str
    ports: Ports | None
    protocol: Protocol | None


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
    #: A request came in from outside; `text` is Plex's class: WAN, Subnet, Loopback.
    REQUEST = "request"
    MANUAL_MODE = "manual mode"
    PUBLISHING = "publishing"


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One line of Plex's log that says something about the way in. `time` is the server's local time, ISO, no zone."""

    word: LogWord
    time: str
    address: str = ""
    port: int | None = None
    number: int | None = None
    milliseconds: int | None = None
    text: str = ""

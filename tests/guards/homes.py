"""Homes and wishes that nobody thought of: one seed makes the same ones again on every machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address
from random import Random
from typing import Literal, TypeVar

from msgspec import Struct

from plexops.lab.base import ForwardSeed, MappingSeed, PinholeSeed, ReservationSeed, Seed
from plexops.lab.isp import ISPS, IspKind
from plexops.lab.scenario import FOREIGN_FORWARDS, FOREIGN_RESERVATIONS, MAPPINGS, lan
from plexops.lab.server import MAC
from plexops.lab.ufw_rule import Rule
from plexops.model.resources.dhcp_reservation import Reservation
from plexops.model.resources.firewall_rule import FirewallRule
from plexops.model.resources.plex_remote_access import RemoteAccess
from plexops.model.resources.port_forward import PortForward
from plexops.model.resources.upnp import Upnp
from plexops.model.site import ResolvedTask, State
from plexops.model.snapshot import Kind
from plexops.model.values import Ports
from tests.conformance.conformance_bench import NAME, NEW, OLD, PLEX, Family, task

#: Each as often as it weighs.
Shares = Sequence[tuple[int, str]]
_T = TypeVar("_T")
#: A second address that the Plex host has besides.
SECOND = lan(60)
NAS = lan(20)
Ufw = Literal["on", "off", "none"]


class Home(Struct, frozen=True):
    """One home with what its owner wants of plexops: all that it takes to try it again."""

    number: int
    family: Family
    seed: Seed
    isp: IspKind
    #: Where the host is now.
    address: IPv4Address
    second: bool
    ufw: Ufw
    rules: tuple[Rule, ...]
    #: Where Plex answers, and where the inventory says that it does.
    port: int
    told: int
    #: What services outside say our address is.
    echoes: tuple[str, ...]
    static: bool
    tasks: tuple[ResolvedTask, ...]

    @property
    def named(self) -> int | None:
        """The one port that may come to reach the host."""
        wanted = (t for t in self.tasks if t.kind is Kind.PORT_FORWARD and t.state is State.PRESENT)
        return next((t.want.external_port.single for t in wanted if isinstance(t.want, PortForward)), None)

    def __str__(self) -> str:
        """What is in it besides what every home has."""
        seed = self.seed
        wishes = [f"{t.kind} {t.state}{' adopt' if t.adopt else ''}: {t.want}" for t in self.tasks]
        parts: Iterable[object] = (
            f"home {self.number} ({self.family}), WAN {seed.wan_address} ({self.isp}), echoes {self.echoes}",
            f"host at {self.address}, {SECOND} too: {self.second}, static: {self.static}",
            f"Plex at {self.port}, inventory says {self.told}",
            f"ufw {self.ufw}: {[(r.action, r.protocol, r.port, r.source) for r in self.rules]}",
            *(f for f in seed.forwards if f not in FOREIGN_FORWARDS),
            *(r for r in seed.reservations if r not in FOREIGN_RESERVATIONS),
            *(m for m in seed.mappings if m not in MAPPINGS),
            *seed.pinholes,
            f"upnp {seed.upnp}, strict {seed.strict_filter}, IPv6 {seed.ipv6}, early {seed.early_filter}",
            *wishes,
        )
        return "\n  ".join(map(str, parts))


def home(number: int, family: Family) -> Home:
    """Make one home."""
    rng = Random(f"{family} {number}")  # noqa: S311 - the same again is what it is for
    isp: IspKind = _one(rng, [(16, "public"), (1, "cgnat"), (1, "double_nat"), (1, "differs")])  # type: ignore[assignment]
    port = 32400 if rng.random() < 0.9 else 32401
    # Half of the owners take the usual playbook as it is: what is odd then is their home alone.
    usual = rng.random() < 0.5
    told = port if usual or rng.random() < 0.85 else rng.choice([22, 445, 8096, 32400, 32401])
    address = OLD if rng.random() < 0.4 else PLEX
    wan, public = ISPS[isp].wan, ISPS[isp].public
    echoes = rng.choice([(public, public)] * 7 + [(public,), (), (public, IPv4Address("93.184.216.9"))])
    ufw: Ufw = _one(rng, [(6, "on"), (3, "off"), (1, "none")])  # type: ignore[assignment]
    ipv6 = rng.random() < 0.3
    seed = Seed(
        forwards=(*FOREIGN_FORWARDS, *_forwards(rng)),
        reservations=(*FOREIGN_RESERVATIONS, *_reservations(rng)),
        mappings=_mappings(rng),
        upnp=rng.random() < 0.8,
        pinholes=_pinholes(rng) if ipv6 else (),
        strict_filter=rng.random() < 0.3,
        early_filter=_early(rng) if family in ("openwrt", "linux") else (),
        wan_address=wan,
        wan_gateway=ISPS[isp].gateway,
        wan_prefix=ISPS[isp].prefix,
        ipv6=ipv6,
    )
    return Home(
        number=number,
        family=family,
        seed=seed,
        isp=isp,
        address=address,
        second=rng.random() < 0.1,
        ufw=ufw,
        rules=_rules(rng),
        port=port,
        told=told,
        echoes=tuple(map(str, echoes)),
        static=rng.random() < 0.2,
        tasks=_usual_tasks(rng, told) if usual else _tasks(rng, told),
    )


def _one(rng: Random, shares: Shares) -> str:
    return rng.choices([what for _, what in shares], [weight for weight, _ in shares])[0]


def _some(rng: Random, what: Sequence[_T], counts: Sequence[int]) -> tuple[_T, ...]:
    return tuple(rng.sample(what, rng.choice(counts)))


#: What somebody forwards: external ports, port inside, and how often.
_EXTERNALS = ("40000", "32500", "32400", "32000-33000", "32399-32401", "8443", "2222", "", "20000-60000")


def _forwards(rng: Random) -> tuple[ForwardSeed, ...]:
    found = [_forward(rng, number) for number in range(rng.choice([0, 0, 1, 1, 2, 3]))]
    if rng.random() < 0.15:
        address = rng.choice([PLEX, PLEX, OLD])
        enabled = rng.random() < 0.8
        ours = ForwardSeed(
            "plex", rng.choice(["32500", "40123"]), address, "32400", ours=True, enabled=enabled
        )
        found.insert(rng.randrange(len(found) + 1), ours)
    return tuple(found)


def _forward(rng: Random, number: int) -> ForwardSeed:
    external = rng.choices(_EXTERNALS, [3, 3, 2, 2, 1, 2, 2, 1, 1])[0]
    address = rng.choice([NAS, NAS, NAS, PLEX, PLEX, OLD, SECOND, NEW])
    inner = "" if not external or "-" in external else rng.choice(["32400", "32400", "22", "445", ""])
    protocol = rng.choice(["tcp", "tcp", "tcp", "udp", "both"]) if external else "any"
    return ForwardSeed(
        f"of others {number}",
        external,
        address,
        inner,
        protocol,  # type: ignore[arg-type]
        enabled=rng.random() < 0.75,
        source=rng.choice(["", "", "", "93.184.216.0/24"]),
        passage=rng.random() < 0.8,
    )


def _reservations(rng: Random) -> tuple[ReservationSeed, ...]:
    choices = [
        *[()] * 5,
        *[(ReservationSeed("media", (MAC,), PLEX),)] * 3,
        (ReservationSeed("media", (MAC.upper(),), OLD),),
        (ReservationSeed("plex", (MAC,), PLEX, ours=True),),
        (ReservationSeed("console", ("02:00:00:00:00:07",), PLEX),),
    ]
    return rng.choice(choices)


def _mappings(rng: Random) -> tuple[MappingSeed, ...]:
    more = [
        MappingSeed(32400, OLD, 32400, "tcp", "Plex Media Server"),
        MappingSeed(32400, PLEX, 32400, "tcp", "Plex Media Server"),
        MappingSeed(18444, PLEX, 32400, "tcp", "Plex Media Server"),
        MappingSeed(32500, lan(160), 3074, "tcp", "Xbox"),
        MappingSeed(40123, OLD, 22, "tcp", "backup"),
    ]
    return (*(MAPPINGS if rng.random() < 0.7 else ()), *_some(rng, more, [0, 0, 0, 0, 1, 2]))


def _pinholes(rng: Random) -> tuple[PinholeSeed, ...]:
    address = rng.choice(["", "2003:e5:3f0a:1d00:5054:ff:fe12:3456"])
    holes = [PinholeSeed("web at home", 443), PinholeSeed("plex over six", 32400, address)]
    return _some(rng, holes, [0, 1, 1, 2])


def _early(rng: Random) -> tuple[str, ...]:
    rules = [
        "ip saddr 192.0.2.0/24 drop",
        "tcp dport 32400 drop",
        "ip saddr 198.51.100.0/24 tcp dport 32400-32500 drop",
        "@nh,64,8 9 drop",
    ]
    return _some(rng, rules, [0, 0, 0, 1])


def _rules(rng: Random) -> tuple[Rule, ...]:
    lan_only = "192.168.1.0/24"
    rules = [
        Rule("allow", "tcp", "32400", "any", lan_only, comment="plex at home"),
        Rule("deny", "tcp", "32400", "any", "any", comment="not from outside"),
        Rule("deny", "tcp", "32000:33000", "any", "any"),
        Rule("allow", "tcp", "32400", "any", "any", comment="Plex"),
        Rule("allow", "tcp", "22", "any", "any"),
        Rule("deny", "any", "any", "any", "93.184.216.0/24"),
        Rule("allow", "tcp", "8096", "any", lan_only),
    ]
    return _some(rng, rules, [0, 0, 1, 1, 2])


def _usual_tasks(rng: Random, told: int) -> tuple[ResolvedTask, ...]:
    external, adopt = rng.choice([32500, 40123, 50000]), rng.random() < 0.4
    wishes: tuple[tuple[Kind, object], ...] = (
        (Kind.DHCP_RESERVATION, Reservation((MAC,), PLEX, "plex")),
        (Kind.FIREWALL_RULE, FirewallRule(told)),
        (Kind.PORT_FORWARD, PortForward(Ports.of(external), PLEX, Ports.of(told), name=NAME)),
        (Kind.PLEX_REMOTE_ACCESS, RemoteAccess(enabled=True, manual=True, manual_port=external)),
    )
    return tuple(task(kind, want, adopt=adopt) for kind, want in wishes)


def _tasks(rng: Random, told: int) -> tuple[ResolvedTask, ...]:
    """What a playbook of their own says."""
    external = rng.choices([32500, 40123, 50000, 32400, 22, 8443, 32401], [12, 4, 4, 2, 1, 1, 1])[0]
    adopt = rng.random() < 0.4
    reserve = Reservation((MAC,), rng.choices([PLEX, NEW, NAS, lan(1)], [20, 1, 1, 1])[0], "plex")
    rule = told if rng.random() < 0.95 else rng.choice([22, 445, 32400, 8096])
    inner = told if rng.random() < 0.95 else rng.choice([22, 445, 32400])
    target = PLEX if rng.random() < 0.93 else rng.choice([NAS, OLD, NEW])
    forward = PortForward(Ports.of(external), target, Ports.of(inner), name=NAME)
    remote = RemoteAccess(enabled=True, manual=rng.random() < 0.95, manual_port=external)
    wishes: list[ResolvedTask] = []
    for share, kind, want in (
        (0.85, Kind.DHCP_RESERVATION, reserve),
        (0.85, Kind.FIREWALL_RULE, FirewallRule(rule)),
        (0.85, Kind.PORT_FORWARD, forward),
        (0.5, Kind.PLEX_REMOTE_ACCESS, remote),
        (0.15, Kind.UPNP, Upnp(enabled=False)),
    ):
        if rng.random() >= share:
            continue
        leaves = kind not in (Kind.PLEX_REMOTE_ACCESS, Kind.UPNP) and rng.random() < 0.06
        wishes.append(task(kind, want, state=State.ABSENT if leaves else State.PRESENT, adopt=adopt))
    return tuple(wishes)

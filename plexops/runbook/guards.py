"""The guards: safety rules that can only refuse. Pure functions; no setting and no flag reaches them.

They judge what a plan adds. An exposure that was there before is a finding, and no reason to roll back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from plexops.model.change import Action, Change
from plexops.model.plan import GuardVerdict
from plexops.model.resources.dhcp_reservation import Reservation
from plexops.model.resources.port_forward import PortForward
from plexops.model.snapshot import Entry, Kind, KindState, Role
from plexops.model.values import PLEX_PORT, Protocol
from plexops.runbook.conditions import Holds, WanCause, wan
from plexops.runbook.view import SiteView

#: How old evidence may be when something is changed, in seconds.
FRESH_SECONDS = 600.0

#: Ports above 1023 that belong to well-known services or to routers' own management.
WELL_KNOWN_PORTS: frozenset[int] = frozenset(
    {
        1080,
        1194,
        1433,
        1723,
        1883,
        1900,
        2049,
        2082,
        2083,
        2222,
        2375,
        2376,
        3128,
        3306,
        3389,
        4443,
        5000,
        5001,
    }
    | {5060, 5061, 5353, 5432, 5555, 5900, 5985, 5986, 6379, 7547, 8000, 8080, 8081, 8088, 8123, 8291, 8443}
    | {8728, 8729, 8883, 8888, 9000, 9090, 9100, 9200, 10000, 11211, 27017, 49000, 51820}
)


@dataclass(frozen=True, slots=True)
class Case:
    """What guards judge: a site before and after, and the changes between.

    `adopted` are the ids of changes whose adoption a person allowed. `undoing` is set while changes are put back:
    nothing that merely restores what was there is held to what only new things must meet.
    """

    before: SiteView
    after: SiteView
    changes: tuple[Change, ...]
    adopted: frozenset[str] = frozenset()
    undoing: bool = False


#: A guard gives the reason why it refuses, or None.
Guard = Callable[[Case], str | None]


def _forwards(case: Case) -> Iterator[tuple[Change, PortForward]]:
    """Give the forwards that a plan makes or alters."""
    for change in case.changes:
        if change.kind is Kind.PORT_FORWARD and change.want is not None and not case.undoing:
            yield change, change.want


def _opened(case: Case) -> bool:
    return any(forward.enabled for _, forward in _forwards(case))


def no_external_32400(case: Case) -> str | None:
    """G1: 32400 itself is never open to the internet, neither as a port nor inside a range."""
    for change, forward in _forwards(case):
        if forward.enabled and PLEX_PORT in forward.external_port:
            return f"{change.id} would open 32400 itself to the internet"
    for change in case.changes:
        announces = change.kind is Kind.PLEX_REMOTE_ACCESS and change.want is not None and not case.undoing
        if announces and change.want.enabled and change.want.manual_port == PLEX_PORT:
            return f"{change.id} would have Plex announce 32400 itself"
    return None


def no_dmz(case: Case) -> str | None:
    """G2: the Plex host is nobody's DMZ."""
    hosts = (case.before.plex_address, case.before.server_address)
    for change, forward in _forwards(case):
        if forward.enabled and forward.is_dmz and forward.address in hosts:
            return f"{change.id} would hand every port to the Plex host"
    return None


def no_loosened_firewall(case: Case) -> str | None:
    """G3: firewalls stay on, and get one allow rule at most: TCP, to the Plex port."""
    for change in case.changes:
        if (
            change.kind is Kind.FIREWALL_RULE
            and change.want is not None
            and change.want.port != case.before.plex_port
        ):
            return f"{change.id} would admit port {change.want.port}, which is not Plex's"
        if change.kind is Kind.PASSAGE and change.want is not None:
            target = (change.want.address, change.want.port)
            if target != (case.before.plex_address, case.before.plex_port):
                return f"{change.id} would let packets pass to {target[0]}:{target[1]}, which is not Plex"
        if change.kind in (Kind.HOST_FIREWALL, Kind.FILTER_RULE):
            return f"{change.id} would change a firewall as a whole"
    was, is_ = (view.of(Role.SERVER).flag("firewall.active") for view in (case.before, case.after))
    return "the host firewall would be switched off" if was and is_ is False else None


def public_address_proven(case: Case) -> str | None:
    """G4: no forward behind carrier NAT, or while nobody proved that the WAN address is the public one."""
    if not _opened(case):
        return None
    condition = wan(case.before)
    if condition.holds is Holds.YES or condition.cause is WanCause.SECOND_NAT:
        return None
    return condition.says


def no_second_nat(case: Case) -> str | None:
    """G5: no forward through a second NAT."""
    if not _opened(case):
        return None
    condition = wan(case.before)
    return condition.says if condition.cause is WanCause.SECOND_NAT else None


def sound_reservation(case: Case) -> str | None:
    """G6: a reservation lies in the LAN, collides with nobody, and a MAC has one."""
    for change in case.changes:
        if change.kind is Kind.DHCP_RESERVATION and change.want is not None and not case.undoing:
            reason = _unsound(case, change, change.want)
            if reason:
                return f"{change.id}: {reason}"
    return None


def _unsound(case: Case, change: Change, want: Reservation) -> str | None:
    router = case.after.of(Role.ROUTER)
    lan = router.text("lan.network")
    if lan is None or want.address is None:
        return "the router's LAN is unknown"
    network = IPv4Network(lan)
    if want.address not in network:
        return f"{want.address} is not in the LAN {network}"
    if want.address in (network.network_address, network.broadcast_address):
        return f"{want.address} is no host's address"
    if str(want.address) == router.text("lan.address"):
        return f"{want.address} is the router's own address"
    mine = (_same_as(change, entry) for entry in router.of(Kind.DHCP_RESERVATION))
    others = [entry for entry, own in zip(router.of(Kind.DHCP_RESERVATION), mine, strict=True) if not own]
    for entry in others:
        if entry.values is None:
            return f"the reservation “{entry.label or entry.handle}” cannot be read"
        if want.mac in entry.values.macs:
            return f"{want.mac} has another reservation, “{entry.label or entry.handle}”"
        if entry.values.address == want.address:
            return f"{want.address} is reserved for “{entry.label or entry.handle}”"
    for entry in router.of(Kind.LEASE):
        if (
            entry.values is not None
            and entry.values.address == want.address
            and entry.values.mac not in want.macs
        ):
            return f"{want.address} is leased to {entry.values.mac} now"
    return None


def _same_as(change: Change, entry: Entry) -> bool:
    """Tell whether an entry of the projected state is the change's own."""
    if entry.owner.ours:
        return entry.owner.key == change.key
    return change.before is not None and not change.before.owner.ours and change.before.handle == entry.handle


def sound_external_port(case: Case) -> str | None:
    """G7: the external port is 1024 to 65535, free, and no well-known service's."""
    for change, forward in _forwards(case):
        if not forward.enabled:
            continue
        reason = _unsound_port(forward)
        if reason:
            return f"{change.id}: {reason}"
        taken = _taken_by(case, change, forward)
        if taken:
            return f"{change.id}: port {forward.external_port} is taken by {taken}"
    return None


def _unsound_port(forward: PortForward) -> str | None:
    port = forward.external_port.single
    if port is None:
        return f"{forward.external_port} is not one port"
    if not 1024 <= port <= 65535:
        return f"port {port} is not between 1024 and 65535"
    return f"port {port} belongs to a well-known service" if port in WELL_KNOWN_PORTS else None


def _taken_by(case: Case, change: Change, forward: PortForward) -> str | None:
    router = case.after.of(Role.ROUTER)
    if router.state(Kind.PORT_FORWARD) is not KindState.PRESENT:
        return "nobody knows whom: the router's forwards could not be read"
    for entry in router.of(Kind.PORT_FORWARD):
        if _same_as(change, entry):
            continue
        name = f"“{entry.label or entry.handle}”"
        if entry.values is None:
            return f"{name}, perhaps: it cannot be read"
        other: PortForward = entry.values
        meets = other.external_port.overlaps(forward.external_port) and other.protocol.meets(forward.protocol)
        if other.enabled and meets:
            return f"the forward {name}"
    for entry in router.of(Kind.UPNP_MAPPING):
        if entry.values is None:
            return "a UPnP mapping, perhaps: it cannot be read"
        if entry.values.external_port.overlaps(forward.external_port):
            return f"a UPnP mapping of {entry.values.address}"
    return None


def forward_reaches_plex(case: Case) -> str | None:
    """G8: a forward goes to the Plex host's fixed address, TCP, to the port where Plex itself answered."""
    for change, forward in _forwards(case):
        if not forward.enabled:
            continue
        reason = _misses(case, forward)
        if reason:
            return f"{change.id}: {reason}"
    return None


def _misses(case: Case, forward: PortForward) -> str | None:
    view = case.before
    elsewhere = _aims_elsewhere(view, forward)
    if elsewhere:
        return elsewhere
    if not view.server_is_static and not _is_reserved(case.after, view.plex_address):
        return f"{forward.address} is neither reserved nor static: it would move"
    if view.of(Role.PLEX).text("plex.identifier") is None:
        return "no Plex server answered"
    answered = view.plex_answered_at
    if answered is not None and answered != (str(forward.address), forward.port.single):
        return f"Plex answered at {answered[0]}:{answered[1]}, not where the forward goes"
    return None


def _aims_elsewhere(view: SiteView, forward: PortForward) -> str | None:
    if forward.protocol is not Protocol.TCP:
        return f"Plex needs TCP alone, not {forward.protocol}"
    if forward.address != view.plex_address or forward.port.single != view.plex_port:
        return f"{forward.address}:{forward.port} is not where Plex is ({view.plex_address}:{view.plex_port})"
    return None


def _is_reserved(view: SiteView, address: IPv4Address | None) -> bool:
    return any(
        entry.values is not None and entry.values.enabled and entry.values.address == address
        for entry in view.of(Role.ROUTER).of(Kind.DHCP_RESERVATION)
    )


def fresh_evidence(case: Case) -> str | None:
    """G9: every stop that the inventory gives access to was read, ten minutes ago at most."""
    for role in sorted(case.before.asked):
        if role not in case.before.snapshots:
            return f"the {role} did not answer"
        age = case.before.ages.get(role, 0.0)
        if age > FRESH_SECONDS:
            return f"what the {role} said is {age / 60:.0f} minutes old"
    return None


def no_lock_out(case: Case) -> str | None:
    """G10: the path by which plexops logs in is not touched."""
    router = case.before.management.get(Role.ROUTER)
    wan_address = case.before.of(Role.ROUTER).text("wan.address")
    for change, forward in _forwards(case):
        if router is not None and router[0] == wan_address and router[1] in forward.external_port:
            return f"{change.id} would take the port by which plexops reaches the router"
    server = case.before.management.get(Role.SERVER)
    for change in case.changes:
        closes = change.kind is Kind.FIREWALL_RULE and change.action is Action.DELETE
        if (
            closes
            and server is not None
            and change.before is not None
            and change.before.values.port == server[1]
        ):
            return f"{change.id} would close the port by which plexops reaches the server"
    return None


def nothing_of_others(case: Case) -> str | None:
    """G11: what plexops did not make is changed only when adopted, and never deleted."""
    for change in case.changes:
        entry = change.before
        if entry is None or entry.owner.ours or change.kind in (Kind.PLEX_REMOTE_ACCESS, Kind.UPNP):
            continue
        if change.action is Action.ADOPT and change.id in case.adopted:
            continue
        if change.action is Action.RESTORE and case.undoing:
            continue
        return f"{change.id} would change “{entry.label or entry.handle}”, which plexops did not make"
    return None


def nothing_pending(case: Case) -> str | None:
    """G12: nobody else's change is under way."""
    if case.before.unfinished_run:
        return f"run {case.before.unfinished_run} was interrupted: settle it first with `plexops recover`"
    pending = (case.before.of(Role.ROUTER).text("pending") or "").strip()
    if pending:
        return f"somebody staged edits on the router and did not apply them: {pending.splitlines()[0]}"
    return None


def upnp_last(case: Case) -> str | None:
    """G13: UPnP is switched off last, and only when no other host uses it."""
    for position, change in enumerate(case.changes):
        if change.kind is not Kind.UPNP or change.want is None or change.want.enabled or case.undoing:
            continue
        if position != len(case.changes) - 1:
            return "UPnP would be switched off before the rest is proven"
        for entry in case.before.of(Role.ROUTER).of(Kind.UPNP_MAPPING):
            if entry.values is None or entry.values.address != case.before.plex_address:
                who = "somebody" if entry.values is None else str(entry.values.address)
                return f"{who} has a UPnP mapping (“{entry.label or entry.handle}”)"
    return None


#: All of them, in order. A plan can be sent only if each holds.
GUARDS: tuple[tuple[str, str, Guard], ...] = (
    ("G1", "32400 is never opened to the internet", no_external_32400),
    ("G2", "no DMZ to the Plex host", no_dmz),
    ("G3", "no firewall is loosened beyond Plex's port", no_loosened_firewall),
    ("G4", "the WAN address is proven to be public", public_address_proven),
    ("G5", "no forward through a second NAT", no_second_nat),
    ("G6", "a reservation is sound", sound_reservation),
    ("G7", "the external port is sound and free", sound_external_port),
    ("G8", "a forward reaches Plex at its fixed address", forward_reaches_plex),
    ("G9", "fresh evidence of every stop", fresh_evidence),
    ("G10", "the way in for plexops stays", no_lock_out),
    ("G11", "nothing of others without adoption", nothing_of_others),
    ("G12", "nobody else's change is under way", nothing_pending),
    ("G13", "UPnP goes last", upnp_last),
)


def judge(case: Case) -> tuple[GuardVerdict, ...]:
    """Ask every guard."""
    verdicts = []
    for name, title, guard in GUARDS:
        reason = guard(case)
        verdicts.append(GuardVerdict(name, title, holds=reason is None, reason=reason or ""))
    return tuple(verdicts)


def judge_on_paper(case: Case) -> tuple[str, ...]:
    """Give what would be refused whatever the devices say: all that guards can know before anything was read."""
    reasons = [guard(case) for guard in (no_external_32400, no_dmz, no_loosened_firewall)]
    for change, forward in _forwards(case):
        if forward.enabled:
            for reason in (_unsound_port(forward), _aims_elsewhere(case.before, forward)):
                reasons.append(reason and f"{change.id}: {reason}")
    return tuple(reason for reason in reasons if reason)

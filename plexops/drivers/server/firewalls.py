"""Which firewall a server has: the inventory's word, else the one that is on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plexops.drivers.server.firewall import FirewallState, Host, Reading
from plexops.drivers.server.firewalld import Firewalld
from plexops.drivers.server.own_rules import OwnRules, SystemRules, ask_services
from plexops.drivers.server.ufw import Ufw
from plexops.model.exchange import Read
from plexops.model.site import HostFirewall
from plexops.model.snapshot import Fact, KindState

#: One firewall: it asks (`reads` in the first round, whichever it will turn out to be), understands, writes, and says
#: how a person looks; `word` is the inventory's.
Firewall = Ufw | Firewalld | OwnRules | SystemRules
#: Those that have a switch of their own.
_SWITCHED = (Ufw(), Firewalld())
#: Those that are a file of the owner's and what loads it.
_OWN = (OwnRules(HostFirewall.NFTABLES), OwnRules(HostFirewall.IPTABLES))
#: Set in their own pages. Proxmox filters before its guests see a packet: only its chains show that its node was asked.
_SYSTEMS = (
    *map(SystemRules, (HostFirewall.SYNOLOGY, HostFirewall.UNRAID, HostFirewall.TRUENAS, HostFirewall.QNAP)),
    SystemRules(HostFirewall.PROXMOX, shown_by=("PVEFW-", "proxmox-firewall")),
)
_ALL: tuple[Firewall, ...] = (*_SWITCHED, *_OWN, *_SYSTEMS)
FIREWALLS: Mapping[str, Firewall] = {one.word: one for one in _ALL}
#: What `firewall: none` says: the inventory's word, not something that was seen.
_NONE = FirewallState(
    KindState.ABSENT,
    {
        "firewall.kind": Fact("firewall.kind", "none", "inventory"),
        "firewall.active": Fact("firewall.active", False, "inventory"),
    },
    reason="the inventory says `firewall: none`",
)
_NO_KNOWN = "the server has no firewall that plexops knows: if it has none at all, say `firewall: none`"


def reads_of(word: HostFirewall) -> tuple[Read, ...]:
    """Give what the first round asks about firewalls."""
    if word is HostFirewall.AUTO:
        return tuple(read for one in _SWITCHED for read in one.reads)
    return FIREWALLS[word].reads if word in FIREWALLS else ()


def observe_firewall(word: HostFirewall, host: Host) -> Reading:
    """Read the firewall that the inventory names, or find out which one is on."""
    if word is HostFirewall.NONE:
        return _NONE
    if word in FIREWALLS:
        return (yield from FIREWALLS[word].observe(host))
    seen: list[FirewallState] = []
    for one in _SWITCHED:
        state = yield from one.observe(host)
        seen.append(state)
    unknown = [state for state in seen if state.state is KindState.UNKNOWN]
    if unknown or any(map(_is_on, seen)):
        return unknown[0] if unknown else _the_one([state for state in seen if _is_on(state)])
    services = yield from ask_services()
    own: list[FirewallState] = []
    for rules in _OWN:
        if rules.is_on(services):
            state = yield from rules.told(host, services)
            own.append(state)
    if own:
        return _the_one(own)
    off = (state for state in seen if state.state is KindState.PRESENT)
    return next(off, FirewallState(KindState.UNKNOWN, reason=_NO_KNOWN))


def _the_one(on: Sequence[FirewallState]) -> FirewallState:
    if len(on) == 1:
        return on[0]
    names = " and ".join(str(state.facts["firewall.kind"].value) for state in on)
    why = f"{names} are both on, and one may undo the other: switch one off, or name the one that counts"
    return FirewallState(KindState.UNKNOWN, reason=f"{why} (`firewall:`)")


def _is_on(state: FirewallState) -> bool:
    active = state.facts.get("firewall.active")
    return active is not None and active.value is True

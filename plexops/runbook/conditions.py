"""Conditions: what must hold for a way in, decided in one place for audit, verdicts and guards alike."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address

from plexops.model.entries import Echo, Probe, ProbeAnswer
from plexops.model.resources.port_forward import PortForward
from plexops.model.snapshot import Entry, Kind, Role
from plexops.model.values import (
    CARRIER_NAT_NETWORKS,
    PLEX_PORT,
    PRIVATE_NETWORKS,
    TRANSITION_NETWORKS,
    UNUSABLE_NETWORKS,
)
from plexops.runbook.view import SiteView


class Holds(StrEnum):
    """What is known about a condition."""

    YES = "holds"
    NO = "fails"
    UNKNOWN = "unknown"


class WanCause(StrEnum):
    """Why the WAN address is not, or not known to be, the public one."""

    NONE = ""
    CARRIER_NAT = "carrier NAT"
    TRANSITION = "DS-Lite or 464XLAT"
    SECOND_NAT = "second NAT"
    DOWN = "no internet"
    DIFFERS = "differs"
    UNPROVEN = "unproven"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition with what decided it. `stop` is the runbook's safe stop: what to do instead of going on."""

    holds: Holds
    says: str
    exhibits: tuple[str, ...] = ()
    cause: WanCause = WanCause.NONE
    stop: tuple[str, ...] = ()


#: R2's three ways on, cheapest first. Hardware is no way while the ISP is the limit.
CARRIER_NAT_OPTIONS = (
    "Ask the ISP for a public IPv4 address; sometimes it costs nothing.",
    "Keep Plex Relay (about 1 Mbit/s, 2 Mbit/s with Plex Pass): `access: relay`.",
    "Reach home over Tailscale or WireGuard: `access: vpn`.",
)
#: R3's ways on.
SECOND_NAT_OPTIONS = (
    "Put the ISP's gateway into bridge mode, so that it no longer translates.",
    "Or make your own router, never the Plex host, the gateway's DMZ host.",
    "If the box is not yours and can't be changed, treat it as carrier NAT and ask the ISP.",
)


def wan(view: SiteView) -> Condition:
    """Is the router's WAN address the public one? (runbook R2, R3, D1, D2, E1, M3)"""
    router = view.of(Role.ROUTER)
    text = router.text("wan.address")
    if text is None:
        return _without_wan_address(view)
    address = IPv4Address(text)
    shown = (router.facts["wan.address"].exhibit,)
    kind = _kind_of(address)
    if kind is not None:
        return Condition(Holds.NO, kind[1].format(address=address), shown, kind[0], kind[2])
    seen = public_addresses(view)
    exhibits = (*shown, *(exhibit for _, _, exhibit in seen))
    answers = {public for public, _, _ in seen}
    if not answers:
        return Condition(
            Holds.UNKNOWN,
            f"the WAN address is {address}; nobody outside said what our public address is",
            exhibits,
            WanCause.UNPROVEN,
        )
    if answers == {address}:
        agree = f"{len(seen)} of {len(seen)} sources agree"
        return Condition(Holds.YES, f"WAN address = public address ({agree})", exhibits)
    if len(answers) > 1:
        said = ", ".join(f"{source}: {public}" for public, source, _ in seen)
        return Condition(
            Holds.UNKNOWN,
            f"the sources disagree about our public address ({said})",
            exhibits,
            WanCause.UNPROVEN,
        )
    other = answers.pop()
    return Condition(
        Holds.NO,
        f"the WAN address is {address} but the world sees {other}: a NAT, VPN or proxy stands between",
        exhibits,
        WanCause.DIFFERS,
        CARRIER_NAT_OPTIONS,
    )


def _without_wan_address(view: SiteView) -> Condition:
    """A router that is not asked tells no WAN address; then only Plex or a vantage can prove the way in."""
    reason = view.of(Role.ROUTER).reasons.get("wan.address", "the router was not asked")
    return Condition(Holds.UNKNOWN, f"the router's WAN address is unknown: {reason}", (), WanCause.UNPROVEN)


def _kind_of(address: IPv4Address) -> tuple[WanCause, str, tuple[str, ...]] | None:
    if any(address in network for network in CARRIER_NAT_NETWORKS):
        text = "the WAN address {address} is in 100.64.0.0/10: carrier NAT. A forward cannot work"
        return WanCause.CARRIER_NAT, text, CARRIER_NAT_OPTIONS
    if any(address in network for network in TRANSITION_NETWORKS):
        text = (
            "the WAN address {address} is in 192.0.0.0/29: DS-Lite or 464XLAT. There is no way in over IPv4"
        )
        return WanCause.TRANSITION, text, CARRIER_NAT_OPTIONS
    if any(address in network for network in PRIVATE_NETWORKS):
        text = "the WAN address {address} is a private one: a second NAT stands between the router and the internet"
        return WanCause.SECOND_NAT, text, SECOND_NAT_OPTIONS
    if any(address in network for network in UNUSABLE_NETWORKS):
        text = "the WAN address is {address}: the router has no internet connection"
        return WanCause.DOWN, text, ("Bring the internet connection up first.",)
    return None


def public_addresses(view: SiteView) -> list[tuple[IPv4Address, str, str]]:
    """Give what others see as our address, asked from the home: address, source, exhibit."""
    seen: list[tuple[IPv4Address, str, str]] = []
    for entry in view.of(Role.OUTSIDE).of(Kind.ECHO):
        echo: Echo = entry.values
        seen.append((echo.address, echo.source, entry.exhibit))
    plex = view.of(Role.PLEX)
    text = plex.text("plex.public_address")
    if text:
        try:
            seen.append((IPv4Address(text), "Plex", plex.facts["plex.public_address"].exhibit))
        except ValueError:
            return seen
    return seen


def dmz(view: SiteView) -> Condition:
    """Is the Plex host nobody's DMZ, and 32400 not forwarded as such? (runbook R5, boundaries)"""
    router = view.of(Role.ROUTER)
    if not router.kinds or router.state(Kind.PORT_FORWARD) != "present":
        reason = router.reasons.get(Kind.PORT_FORWARD, "the router's forwards were not read")
        return Condition(Holds.UNKNOWN, reason)
    exposed = exposures(view)
    if exposed:
        first = exposed[0]
        what = "every port is handed to" if first.values.is_dmz else "32400 itself is forwarded to"
        return Condition(
            Holds.NO,
            f"{what} {first.values.address} by “{first.label or first.handle}”",
            tuple(entry.exhibit for entry in exposed),
            stop=("Remove that forward on the router: plexops deletes nothing that it did not make.",),
        )
    return Condition(Holds.YES, "no DMZ, and 32400 is not forwarded", _exhibits(router.of(Kind.PORT_FORWARD)))


def exposures(view: SiteView) -> tuple[Entry, ...]:
    """Give the forwards that expose Plex in a way that the runbook forbids."""
    return tuple(
        entry
        for entry in view.of(Role.ROUTER).of(Kind.PORT_FORWARD)
        if entry.values is not None and _exposes(entry.values, view)
    )


def _exposes(forward: PortForward, view: SiteView) -> bool:
    if not forward.enabled or forward.address is None:
        return False
    to_plex = forward.address in (view.plex_address, view.server_address)
    return to_plex and (forward.is_dmz or PLEX_PORT in forward.external_port)


def host_firewall(view: SiteView) -> Condition:
    """Is the server's own firewall on? (runbook boundaries)"""
    server = view.of(Role.SERVER)
    active = server.flag("firewall.active")
    if active is None:
        reason = server.reasons.get("firewall.active", "the server was not asked")
        return Condition(Holds.UNKNOWN, f"whether the host firewall is on is unknown: {reason}")
    exhibit = (server.facts["firewall.active"].exhibit,)
    name = server.text("firewall.kind") or "the firewall"
    if active:
        return Condition(Holds.YES, f"{name} is on", exhibit)
    return Condition(
        Holds.NO,
        f"{name} is off",
        exhibit,
        stop=("Switch it on by hand, after allowing SSH: sudo ufw enable",),
    )


def reachability(view: SiteView, port: int | None = None) -> Condition:
    """Is Plex reachable from the internet? (runbook M1, M4, D4, E3, E4) `port`: the only one that counts."""
    if view.access == "relay":
        return _through_relay(view)
    vantages = from_vantages(view, port)
    plex = plex_verdict(view, port)
    for condition in (vantages, plex):
        if condition.holds is Holds.YES:
            return condition
    if Holds.NO in (vantages.holds, plex.holds):
        return vantages if vantages.holds is Holds.NO else plex
    return Condition(Holds.UNKNOWN, f"{plex.says}; {vantages.says}", (*plex.exhibits, *vantages.exhibits))


def _through_relay(view: SiteView) -> Condition:
    plex = view.of(Role.PLEX)
    relay = plex.flag("plex.relay")
    if relay is None:
        return Condition(Holds.UNKNOWN, "Plex did not say whether the relay is allowed")
    exhibit = (plex.facts["plex.relay"].exhibit,)
    if relay:
        return Condition(Holds.YES, "Plex Relay is allowed, as `access: relay` wants", exhibit)
    return Condition(Holds.NO, "`access: relay`, but Plex's RelayEnabled is off", exhibit)


def from_vantages(view: SiteView, port: int | None) -> Condition:
    """Say what the vantages saw of a port, or of any port that they tried where none is given."""
    probes = [
        (entry.values, entry.exhibit)
        for entry in view.of(Role.OUTSIDE).of(Kind.PROBE)
        if port is None or entry.values.port == port
    ]
    known = [(probe, exhibit) for probe, exhibit in probes if probe.answer is not ProbeAnswer.UNKNOWN]
    if not known:
        return Condition(Holds.UNKNOWN, "no vantage outside answered" if probes else "no vantage outside")
    identifier = view.of(Role.PLEX).text("plex.identifier")
    for probe, exhibit in known:
        if probe.answer is ProbeAnswer.OPEN and (not identifier or probe.identifier == identifier):
            return Condition(Holds.YES, f"{probe.vantage} reached Plex at port {probe.port}", (exhibit,))
    first: Probe = known[0][0]
    said = ", ".join(f"{probe.vantage}: {probe.answer}" for probe, _ in known)
    return Condition(
        Holds.NO, f"port {first.port} from outside: {said}", tuple(exhibit for _, exhibit in known)
    )


def plex_verdict(view: SiteView, port: int | None) -> Condition:
    """Healthy is: mapped, no error, and a public address that is not empty (`facts` of python-plexapi's tests)."""
    plex = view.of(Role.PLEX)
    state = plex.text("plex.mapping_state")
    if state is None:
        return Condition(Holds.UNKNOWN, "Plex was not asked, or did not say")
    exhibit = (plex.facts["plex.mapping_state"].exhibit,)
    error = plex.text("plex.mapping_error") or ""
    if state in ("waiting", "unknown"):
        return Condition(Holds.UNKNOWN, f"Plex has no verdict yet ({state})", exhibit)
    if state == "mapped" and not error and plex.text("plex.public_address"):
        reached = plex.text("plex.public_port")
        if port is not None and reached != str(port):
            return Condition(Holds.UNKNOWN, f"Plex is reachable at port {reached}, not {port}", exhibit)
        return Condition(Holds.YES, f"plex.tv reached Plex at port {reached}", exhibit)
    why = f" ({error})" if error else ""
    return Condition(Holds.NO, f"plex.tv could not reach Plex: {state}{why}", exhibit)


def _exhibits(entries: tuple[Entry, ...]) -> tuple[str, ...]:
    return tuple(sorted({entry.exhibit for entry in entries}))

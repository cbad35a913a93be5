"""Conditions: what must hold for a way in, decided in one place for audit, verdicts and guards alike."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address

from plexops.model import values
from plexops.model.answers import Topic
from plexops.model.entries import Probe, ProbeAnswer
from plexops.model.snapshot import Entry, Kind, Role, Snapshot
from plexops.runbook.answers import Heard, attempts, counting
from plexops.runbook.condition import Condition, Holds, WanCause
from plexops.runbook.exposures import Exposure, exposures
from plexops.runbook.view import SiteView, ipv4, operator_of, public_addresses
from plexops.structs import replace

#: R2's three ways on, cheapest first. Hardware is no way while the ISP is the limit.
CARRIER_NAT_OPTIONS = (
    "Ask the ISP for a public IPv4 address; sometimes it costs nothing.",
    "Keep Plex Relay (about 1 Mbit/s, 2 Mbit/s with Plex Pass): `access: relay`.",
    "Reach home over Tailscale or WireGuard: `access: vpn`.",
)
_WHICH = "plexops diagnose tells a VPN, or another way out of the home, from a NAT of the ISP's."
#: What would decide where one source alone was heard.
_SECOND = "a second source would decide, of another operator (`echoes:` in the inventory), or an attempt from outside"
#: What makes that the router loads at its start what plexops writes.
PERSIST = (
    'Add the line include "/etc/nftables.d/*.nft" at the end of the router\'s /etc/nftables.conf, and see to it that'
    " nftables.service is enabled."
)
#: R3's ways on.
SECOND_NAT_OPTIONS = (
    "Put the ISP's gateway into bridge mode, so that it no longer translates.",
    "Or make your own router, never the Plex host, the gateway's DMZ host.",
    "Where it passes the port, or everything, on already, say so: `upstream: {profile: manual, passes_on: true}`.",
    "If the box is not yours and can't be changed, treat it as carrier NAT and ask the ISP.",
)


def wan(view: SiteView) -> Condition:
    """Is the router's WAN address the public one? (runbook R2, R3, D1, D2, E1, M3)"""
    router = view.of(Role.ROUTER)
    address = ipv4(router.text("wan.address"))
    if address is not None:
        return _passed_on(view, _of_wan_address(view, address, (router.shows("wan.address"),)))
    word = counting(view, Topic.WAN_ADDRESS)
    return _without_wan_address(view) if word is None else _passed_on(view, _by_word(view, word))


def _by_word(view: SiteView, word: Heard) -> Condition:
    """Judge what the router's own page shows, as you say."""
    shown, seen = (word.answer.exhibit,), public_addresses(view)
    exhibits = (*shown, *(exhibit for _, _, exhibit in seen))
    if word.said.address is not None:
        found = _of_wan_address(view, word.said.address, shown)
        return replace(found, says=f"{word.says}: {found.says}")
    if word.said.kind == "down":
        first = ("Bring the internet connection up first.",)
        return Condition(Holds.NO, word.says, shown, WanCause.DOWN, first)
    if word.said.kind == "none" and not seen:
        return Condition(Holds.UNKNOWN, f"{word.says}, or it is down", shown, WanCause.UNPROVEN)
    return Condition(Holds.NO, word.says, exhibits, WanCause.TRANSITION, CARRIER_NAT_OPTIONS)


def _passed_on(view: SiteView, found: Condition) -> Condition:
    """A second NAT stops nothing where it hands the port on to the router: by an attempt that got in, or as you say."""
    if found.cause is not WanCause.SECOND_NAT:
        return found
    came = _came_through(view)
    if came is not None:
        says = f"{found.says}, and passes on: {came.values.vantage} reached Plex at port {came.values.port}"
        return Condition(Holds.YES, says, (*found.exhibits, came.exhibit), WanCause.SECOND_NAT)
    word, told = counting(view, Topic.BOX_BEFORE), ""
    if word is not None and word.meaning.passes:
        told = word.says
    elif word is None and view.upstream_passes_on:
        told = "the inventory says that it passes on (`upstream: {passes_on: true}`)"
    shown = found.exhibits if word is None else (*found.exhibits, word.answer.exhibit)
    return Condition(Holds.UNKNOWN, f"{found.says}; {told}", shown, found.cause) if told else found


def _came_through(view: SiteView) -> Entry[Probe] | None:
    """Give an attempt that met this Plex at the home's own public address: by a name it may have come another way."""
    own, public = view.of(Role.PLEX).text("plex.identifier"), {one for one, _, _ in public_addresses(view)}
    direct = (e for e in counting_probes(view, None) if e.values.address in public and not e.values.name)
    return next((e for e in direct if own and e.values.identifier == own), None)


def _of_wan_address(view: SiteView, address: IPv4Address, shown: tuple[str, ...]) -> Condition:
    router, seen = view.of(Role.ROUTER), public_addresses(view)
    ways = _ways_out(view)
    if ways > 1 and {public for public, _, _ in seen} != {address}:
        # Which of them the world sees is not known, so that neither address says anything about the other.
        says = f"the router has {ways} ways to the internet, and {address} is not proven to be the public one"
        return Condition(Holds.UNKNOWN, says, (*shown, router.shows("wan.ways")), WanCause.SEVERAL)
    kind = _kind_of(address)
    if kind is not None:
        return Condition(Holds.NO, kind[1].format(address=address), shown, kind[0], kind[2])
    exhibits = (*shown, *(exhibit for _, _, exhibit in seen))
    answers = {public for public, _, _ in seen}
    operators = sorted({operator_of(source) for _, source, _ in seen})
    if answers == {address}:
        return _agreed(view, address, operators, exhibits)
    other = next(iter(answers), None)
    if other is None:
        says = f"the WAN address is {address}; no service outside gave our public address"
    elif len(answers) > 1:
        said = ", ".join(f"{source}: {public}" for public, source, _ in seen)
        says = f"the sources disagree about our public address ({said})"
    elif len(operators) < 2:
        alone = f"{operators[0]} alone says that the world sees {other}"
        says = f"the WAN address is {address}; {alone}: {_SECOND}"
    elif "wan.ways" in router.reasons:
        says = f"the WAN address is {address}, the world sees {other}, and how many ways out the router has was not read"
    else:
        says = f"the WAN address is {address} but the world sees {other}: a NAT, VPN or proxy stands between"
        return Condition(Holds.NO, says, exhibits, WanCause.DIFFERS, (_WHICH, *CARRIER_NAT_OPTIONS))
    return Condition(Holds.UNKNOWN, says, exhibits, WanCause.UNPROVEN)


def _agreed(
    view: SiteView, address: IPv4Address, operators: Sequence[str], exhibits: tuple[str, ...]
) -> Condition:
    """Two operators that say the same prove it, and so does an attempt that met this very Plex there; one alone does not."""
    if len(operators) > 1:
        agree = f"{', '.join(operators)} agree"
        return Condition(Holds.YES, f"WAN address = public address ({agree})", exhibits)
    came = _came_through(view)
    if came is not None:
        # It met Plex at an address that a source named, and they all name this one.
        says = f"WAN address = public address ({came.values.vantage} reached Plex there)"
        return Condition(Holds.YES, says, (*exhibits, came.exhibit))
    says = f"{operators[0]} alone says that the WAN address {address} is the public one: {_SECOND}"
    return Condition(Holds.UNKNOWN, says, exhibits, WanCause.UNPROVEN)


def _ways_out(view: SiteView) -> int:
    """Count the interfaces that may carry the home's traffic: those of the preferred routes, and the WAN side itself.

    A route with a higher metric is not in use. But where none of those in use leaves by the WAN side, what the world
    sees is the address of another side.
    """
    router = view.of(Role.ROUTER)
    used = _ways_in_use(view)
    side = router.text("wan.interface")
    if used and side and side not in used and "-" not in used:
        used = (*used, side)
    return max(len(used), 1)


def _ways_in_use(view: SiteView) -> tuple[str, ...]:
    routes = [text.split() for text in view.of(Role.ROUTER).texts("wan.ways") or ()]
    known = [(int(words[0]), words[1:]) for words in routes if words and words[0].isdecimal()]
    least = min((metric for metric, _ in known), default=0)
    names = [name for metric, names in known if metric == least for name in names]
    # Those without a name are other ways each.
    return (*dict.fromkeys(name for name in names if name != "-"), *(name for name in names if name == "-"))


def _without_wan_address(view: SiteView) -> Condition:
    """A router that is not asked tells no WAN address; then only Plex or a vantage can prove the way in."""
    router = view.of(Role.ROUTER)
    if router.flag("wan.up") is False:
        shown = (router.shows("wan.up"),)
        others = ", ".join(_ways_in_use(view))
        if others:
            says = f"the router's WAN side is down, and its traffic leaves by another one: {others}"
            return Condition(Holds.UNKNOWN, says, shown, WanCause.UNPROVEN)
        says = "the router says that its internet connection is down"
        return Condition(Holds.NO, says, shown, WanCause.DOWN, ("Bring the internet connection up first.",))
    reason = router.reasons.get("wan.address", "the router was not asked")
    if "wan.address" in router.facts:
        reason = f"“{router.text('wan.address')}” is no IPv4 address"
    return Condition(Holds.UNKNOWN, f"the router's WAN address is unknown: {reason}", (), WanCause.UNPROVEN)


def _kind_of(address: IPv4Address) -> tuple[WanCause, str, tuple[str, ...]] | None:
    if any(address in network for network in values.CARRIER_NAT_NETWORKS):
        text = "the WAN address {address} is in 100.64.0.0/10: carrier NAT. A forward cannot work"
        return WanCause.CARRIER_NAT, text, CARRIER_NAT_OPTIONS
    if any(address in network for network in values.TRANSITION_NETWORKS):
        text = (
            "the WAN address {address} is in 192.0.0.0/29: DS-Lite or 464XLAT. There is no way in over IPv4"
        )
        return WanCause.TRANSITION, text, CARRIER_NAT_OPTIONS
    if any(address in network for network in values.PRIVATE_NETWORKS):
        text = "the WAN address {address} is a private one: a second NAT stands between the router and the internet"
        return WanCause.SECOND_NAT, text, SECOND_NAT_OPTIONS
    if any(address in network for network in values.UNUSABLE_NETWORKS):
        text = "the WAN address is {address}: the router has no internet connection"
        return WanCause.DOWN, text, ("Bring the internet connection up first.",)
    return None


def dmz(view: SiteView) -> Condition:
    """Is the Plex host no DMZ, and 32400 not open to the internet, over IPv4 and IPv6? (runbook R5, boundaries)"""
    return dmz_by(view, exposures(view))


def dmz_by(view: SiteView, found: tuple[Exposure, ...] | None) -> Condition:
    """As `dmz`, by exposures that were asked for before."""
    router = view.of(Role.ROUTER)
    if found is None:
        reason = router.reasons.get("packets") or router.reasons.get(Kind.PORT_FORWARD)
        return Condition(Holds.UNKNOWN, reason or "the router's forwards were not read")
    certain = [one for one in found if one.certain]
    if certain:
        return Condition(
            Holds.NO,
            certain[0].says(),
            tuple(dict.fromkeys(one.exhibit for one in certain if one.exhibit)),
            stop=("Remove that forward on the router: plexops deletes nothing that it did not make.",),
        )
    if found:
        says = f"whether {found[0].called} leads to the Plex host at {values.PLEX_PORT} is not known"
        return Condition(Holds.UNKNOWN, says, (found[0].exhibit,) if found[0].exhibit else ())
    shown = tuple(sorted({entry.exhibit for entry in router.of(Kind.PORT_FORWARD)}))
    return Condition(Holds.YES, "no DMZ, and 32400 is not forwarded", shown)


def persists(view: SiteView) -> Condition:
    """Is what plexops writes on the router there again after a restart?"""
    there = "what plexops writes is loaded again when the router starts"
    gone = (
        "/etc/nftables.conf does not include /etc/nftables.d: the forwards that plexops writes there are not loaded"
        " when the router starts"
    )
    router = view.of(Role.ROUTER)
    unknown = router.reasons.get("persists", "the router was not asked")
    return _by_flag(router, "persists", (there, gone, unknown), (PERSIST,))


def host_firewall(view: SiteView) -> Condition:
    """Is the server's own firewall on? (runbook boundaries)"""
    server = view.of(Role.SERVER)
    name = server.text("firewall.kind") or "the firewall"
    reason = server.reasons.get("firewall.active", "the server was not asked")
    says = (f"{name} is on", f"{name} is off", f"whether the host firewall is on is unknown: {reason}")
    by_hand = (
        "Switch it on by hand, after allowing SSH: sudo ufw enable, or sudo systemctl enable --now firewalld"
    )
    return _by_flag(server, "firewall.active", says, (by_hand,))


def _by_flag(
    snapshot: Snapshot, fact: str, says: tuple[str, str, str], stop: tuple[str, ...] = ()
) -> Condition:
    """Judge by one fact. `says`: where it is true, false, not known; `stop`: what to do where it is false."""
    flag, shown = snapshot.flag(fact), (snapshot.shows(fact),)
    if flag is None:
        return Condition(Holds.UNKNOWN, says[2])
    return Condition(Holds.YES, says[0], shown) if flag else Condition(Holds.NO, says[1], shown, stop=stop)


def reachability(view: SiteView, port: int | None = None) -> Condition:
    """Is Plex reachable from the internet? (runbook M1, M4, D4, E3, E4) `port`: the only one that counts."""
    if view.access == "relay":
        allowed = "Plex Relay is allowed, as `access: relay` wants"
        off = "`access: relay`, but Plex's RelayEnabled is off"
        says = (allowed, off, "Plex did not say whether the relay is allowed")
        return _by_flag(view.of(Role.PLEX), "plex.relay", says)
    vantages = from_vantages(view, port)
    plex = plex_verdict(view, port)
    both = {vantages.holds, plex.holds}
    if both == {Holds.YES, Holds.NO}:
        # A vantage tried just now, plex.tv at some time: neither outvotes the other.
        return Condition(Holds.NO, f"{vantages.says}; yet {plex.says}", (*vantages.exhibits, *plex.exhibits))
    for holds in (Holds.YES, Holds.NO):
        if holds in both:
            return vantages if vantages.holds is holds else plex
    return Condition(Holds.UNKNOWN, f"{plex.says}; {vantages.says}", (*plex.exhibits, *vantages.exhibits))


def from_vantages(view: SiteView, port: int | None) -> Condition:
    """Say what the vantages saw of a port, or of any port that they tried where none is given."""
    known = [(entry.values, entry.exhibit) for entry in counting_probes(view, port)]
    if not known:
        return Condition(Holds.UNKNOWN, _why_none_counts(view, port))
    identifier = view.of(Role.PLEX).text("plex.identifier")
    for probe, exhibit in known:
        if probe.answer is ProbeAnswer.OPEN and (not identifier or probe.identifier == identifier):
            return Condition(Holds.YES, f"{probe.vantage} reached Plex at port {probe.port}", (exhibit,))
    first = known[0][0]
    said = ", ".join(f"{probe.vantage}: {probe.answer}" for probe, _ in known)
    shown = tuple(exhibit for _, exhibit in known)
    return Condition(Holds.NO, f"port {first.port} from outside: {said}", shown)


#: Of “something listens” it is not known whether it is this Plex: neither success nor failure.
_SAYS_NOTHING = frozenset({ProbeAnswer.UNKNOWN, ProbeAnswer.LISTENS})


def counting_probes(view: SiteView, port: int | None) -> tuple[Entry[Probe], ...]:
    """Give the attempts that count: from outside the home, with a known answer; at this port, or at any for None.

    One from inside proves nothing either way: hairpin NAT may let it in where no viewer gets in, or keep it out.
    """
    return tuple(
        entry
        for entry in _probes(view, port)
        if not entry.values.inside and entry.values.answer not in _SAYS_NOTHING
    )


def stands_inside(probe: Probe) -> str:
    """Say why an attempt from inside does not count."""
    return f"vantage {probe.vantage} stands in the home, or does not say where: it proves nothing"


def _probes(view: SiteView, port: int | None) -> tuple[Entry[Probe], ...]:
    tried = (*view.of(Role.OUTSIDE).held(Probe), *attempts(view, port))
    return tuple(entry for entry in tried if port in (None, entry.values.port) and not entry.values.over_ipv6)


def _why_none_counts(view: SiteView, port: int | None) -> str:
    probes = [entry.values for entry in _probes(view, port)]
    inside = dict.fromkeys(stands_inside(probe) for probe in probes if probe.inside)
    return "; ".join(["no vantage outside answered" if probes else "no vantage outside", *inside])


#: Errors with which Plex has announced nothing, so that plex.tv was not asked to try.
_NOTHING_TRIED = frozenset({"doublenat", "publisherror", "myplexgone", "badauth", "jumboframes"})


def nothing_tried(state: str, error: str) -> bool:
    """Tell by Plex's mapping state and error whether it announced nothing, so that there was nothing to try."""
    return error in _NOTHING_TRIED or (state == "failed" and error != "unreachable")


def plex_verdict(view: SiteView, port: int | None) -> Condition:
    """Healthy is: mapped, no error, and a public address that is not empty (`facts` of python-plexapi's tests)."""
    plex = view.of(Role.PLEX)
    state = plex.text("plex.mapping_state")
    if state is None:
        return _plex_web(view)
    exhibit = (plex.shows("plex.mapping_state"),)
    error = plex.text("plex.mapping_error") or ""
    if state in ("waiting", "unknown"):
        return Condition(Holds.UNKNOWN, f"Plex has no verdict yet ({state})", exhibit)
    healthy = state == "mapped" and not error
    if healthy and "plex.public_address" not in plex.facts:
        why = plex.reasons.get("plex.public_address", "Plex did not say at which address plex.tv sees it")
        says = f"Plex is mapped, and whether plex.tv got in is not known: {why}"
        return Condition(Holds.UNKNOWN, says, exhibit)
    if healthy and plex.text("plex.public_address"):
        known = plex.text("plex.public_port")
        reached = f"port {known}" if known else "a port that it does not tell"
        if port is not None and known != str(port):
            return Condition(Holds.UNKNOWN, f"Plex is reachable at {reached}, not {port}", exhibit)
        return Condition(Holds.YES, f"plex.tv reached Plex at {reached}", exhibit)
    why = f"{state} ({error})" if error else state
    if nothing_tried(state, error):
        return Condition(Holds.NO, f"Plex has nothing that plex.tv could try: {why}", exhibit)
    return Condition(Holds.NO, f"plex.tv could not reach Plex: {why}", exhibit)


def _plex_web(view: SiteView) -> Condition:
    """Where Plex itself did not say: what Plex Web shows, as you say."""
    word = counting(view, Topic.PLEX_WEB)
    if word is None or not word.meaning.plex_tv:
        why = view.of(Role.PLEX).reasons.get("plex.mapping_state", "Plex was not asked, or did not say")
        return Condition(Holds.UNKNOWN, why)
    holds = Holds.YES if word.meaning.plex_tv == "yes" else Holds.NO
    return Condition(holds, word.says, (word.answer.exhibit,))

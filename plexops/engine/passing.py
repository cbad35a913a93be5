"""What packets for Plex meet: the router's own filter behind a forward, and the host's."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from plexops.engine.findings import Comparison
from plexops.model.change import Action, Change
from plexops.model.resources import KINDS
from plexops.model.resources.passage import Passage
from plexops.model.resources.port_forward import PortForward
from plexops.model.site import ResolvedTask
from plexops.model.snapshot import Kind, KindState, Role, Snapshot
from plexops.runbook.filtering import InboundPacket, Passes, Walk, walk
from plexops.runbook.view import SiteView


def passage_for(given: Comparison, task: ResolvedTask, snapshot: Snapshot) -> Change | str | None:
    """Decide whether the router's filter lets the forwarded packets through; else give the change, or why unknown."""
    router = given.drivers.router
    forward: PortForward = task.want
    if router is None or Kind.PASSAGE not in router.kinds or forward.address is None:
        return None
    state = snapshot.state(Kind.FILTER_RULE)
    if state is not KindState.PRESENT:
        reason = snapshot.reasons.get(Kind.FILTER_RULE, "its rules were not read")
        return f"whether the router's filter lets it through is unknown: {reason}"
    port = forward.port.single or given.view.plex_port
    packet = _forwarded(given.view, forward.address, port)
    walked = walk(snapshot.of(Kind.FILTER_RULE), packet)
    if walked.passes is Passes.YES:
        return None
    if walked.passes is Passes.UNKNOWN or walked.stopped_by is None:
        return "whether the router's filter lets it through is unknown: a rule there cannot be read"
    want = Passage(forward.address, port, walked.chain, walked.stopped_by.handle)
    ours = [e for e in snapshot.of(Kind.PASSAGE) if e.owner.key == task.key]
    fields = KINDS[Kind.PASSAGE].differs(want, ours[0].values) if ours and ours[0].values is not None else ()
    return Change(
        role=Role.ROUTER,
        kind=Kind.PASSAGE,
        key=task.key,
        action=Action.UPDATE if ours else Action.CREATE,
        before=ours[0] if ours else None,
        want=want,
        fields=fields,
        place=task.place,
        task="what is forwarded passes the router's filter",
    )


def _forwarded(view: SiteView, address: IPv4Address, port: int) -> InboundPacket:
    """The interface on which a packet leaves is only known for what is in the router's LAN."""
    lan = view.of(Role.ROUTER).text("lan.network")
    inside = lan is not None and address in IPv4Network(lan, strict=False)
    return InboundPacket(
        address,
        port,
        view.wan_names,
        translated=True,
        out_interfaces=view.lan_names if inside else frozenset(),
    )


def host_walk(view: SiteView, port: int) -> Walk:
    """Send a viewer's packet through the server's own firewall."""
    server = view.of(Role.SERVER)
    address = view.server_address or IPv4Address("0.0.0.0")  # noqa: S104 - no socket: any address of the host
    interface = server.text("host.interface")
    arrives = frozenset({interface}) if interface else frozenset()
    return walk(server.of(Kind.FILTER_RULE), InboundPacket(address, port, arrives, translated=False))

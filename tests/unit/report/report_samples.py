"""Sample runs as the engine would report them, and one in which every text is hostile. Formats are judged on them."""

from __future__ import annotations

from plexops.model.errors import Place, Problem
from plexops.model.finding import FindingStatus
from plexops.model.run import (
    ChangeReport,
    DeviceDiff,
    Exhibit,
    FieldChange,
    FindingReport,
    GuardReport,
    LayerMark,
    MaskedReport,
    Moment,
    Proof,
    SiteReport,
    VerdictReport,
    map_texts,
)
from plexops.structs import replace

RUN_ID = "01kb3qy7c2v5n8r4t6w9x0z1ae"
PLAYBOOK = "playbooks/plex-remote-access.yaml"
DIGEST = "7c41e09b52aa93d0" * 4

UCI = """firewall.plexops_plex=redirect
firewall.plexops_plex.target='DNAT'
firewall.plexops_plex.src='wan'
firewall.plexops_plex.proto='tcp'
firewall.plexops_plex.src_dport='32500'
firewall.plexops_plex.dest_ip='192.168.1.50'
firewall.plexops_plex.dest_port='32400'"""


def hops(*marks: tuple[str, str]) -> tuple[LayerMark, ...]:
    """Give the path of a site with one router; marks are (mark, word) from the ISP to Plex."""
    details = (
        "WAN 203.0.113.7 is the address that the Internet sees",
        "OpenWrt 24.10.2 at 192.168.1.1",
        "Debian 13 at 192.168.1.50, ufw on",
        "Plex Media Server 1.43.0 on port 32400",
    )
    stops = ("isp", "router", "server", "plex")
    labels = ("ISP", "router", "server", "Plex")
    path = [
        LayerMark(stop, label, mark, word, detail)  # type: ignore[arg-type]
        for stop, label, (mark, word), detail in zip(stops, labels, marks, details, strict=True)
    ]
    return (LayerMark("internet", "Internet", "not-asked", ""), *path)


FORWARD = FindingReport(
    FindingStatus.DRIFT,
    "router",
    "port_forward",
    "plex",
    "The router forwards our port",
    want="32500 → 192.168.1.50:32400",
    have='32500 → 192.168.1.83:32400  "Plex", made by hand: can be adopted',
    why="the forward reaches a host that is not there any more",
    place=Place(PLAYBOOK, 6, 7),
    exhibits=("E2",),
    adoptable="router/port_forward/3",
)
ANNOUNCE = FindingReport(
    FindingStatus.DRIFT,
    "plex",
    "plex_remote_access",
    "plex",
    "Plex announces it",
    want="manual port 32500",
    have="automatic, last 18444",
    place=Place(PLAYBOOK, 7, 7),
    exhibits=("E4",),
)
NOTE = FindingReport(
    FindingStatus.NOTE,
    "router",
    "upnp",
    "upnp",
    "UPnP on, used by xbox and ps5: left alone",
    exhibits=("E3",),
)
RESERVED = FindingReport(
    FindingStatus.OK,
    "router",
    "dhcp_reservation",
    "plex",
    "The host keeps its address",
    want="52:54:00:··:··:··#k3f2 → 192.168.1.50",
    have="52:54:00:··:··:··#k3f2 → 192.168.1.50",
    place=Place(PLAYBOOK, 4, 7),
    exhibits=("E1",),
)
ADMITTED = FindingReport(
    FindingStatus.OK,
    "server",
    "firewall_rule",
    "plex",
    "The host lets Plex in",
    want="tcp 32400 allowed",
    have="ufw allows tcp 32400",
    place=Place(PLAYBOOK, 5, 7),
)
EXHIBITS = (
    Exhibit(
        "E1",
        "router",
        "uci show dhcp",
        "2026-11-22T08:41:01Z",
        "dhcp.plexops_plex.ip='192.168.1.50'\ndhcp.plexops_plex.mac='52:54:00:··:··:··#k3f2'",
        "9c1e" * 16,
    ),
    Exhibit(
        "E2",
        "router",
        "uci show firewall",
        "2026-11-22T08:41:01Z",
        UCI.replace(".50'", ".83'").replace("plexops_plex", "cfg0e3837"),
        "5f2a" * 16,
    ),
    Exhibit(
        "E3",
        "router",
        "upnpc -l",
        "2026-11-22T08:41:01Z",
        "i protocol exPort->inAddr:inPort description\n"
        "0 UDP 3074->192.168.1.60:3074 'xbox'\n1 UDP 9308->192.168.1.61:9308 'ps5'",
        "77aa" * 16,
        cut=True,
    ),
    Exhibit(
        "E4",
        "plex",
        "GET /:/prefs",
        "2026-11-22T08:41:02Z",
        '<Setting id="ManualPortMappingMode" type="bool" value="0"/>\n'
        '<Setting id="LastAutomaticMappedPort" type="int" value="18444"/>',
        "c0de" * 16,
    ),
)
GUARDS = (
    GuardReport("G1", "Plex's own port 32400 is never opened to the Internet", "holds"),
    GuardReport("G4", "No forward behind carrier NAT", "holds", "WAN 203.0.113.7 equals the public address"),
    GuardReport("G7", "The external port is free and unprivileged", "holds"),
    GuardReport("G10", "The way we manage the device is not touched", "holds"),
    GuardReport("G13", "UPnP is switched off last", "not-applicable", "the plan leaves UPnP alone"),
)
BATCH = """uci -q batch <<'EOF'
set firewall.plexops_plex=redirect
set firewall.plexops_plex.src_dport='32500'
EOF"""
CHANGES = (
    ChangeReport(
        "router/port_forward/plex",
        "router",
        "port_forward",
        "plex",
        "create",
        "+",
        "port forward plex",
        fields=(
            FieldChange("external_port", "", "32500"),
            FieldChange("address", "", "192.168.1.50"),
            FieldChange("port", "", "32400"),
        ),
        commands=(
            BATCH,
            "uci commit firewall && /etc/init.d/firewall reload",
        ),
        undo=("uci delete firewall.plexops_plex", "uci commit firewall && /etc/init.d/firewall reload"),
        window="a timer on the router undoes it after 180 s unless confirmed",
        exposure="opens TCP 32500 to the Internet, towards Plex only",
        place=Place(PLAYBOOK, 6, 7),
    ),
    ChangeReport(
        "plex/plex_remote_access/plex",
        "plex",
        "plex_remote_access",
        "plex",
        "update",
        "~",
        "remote access",
        fields=(FieldChange("manual", "no", "yes"), FieldChange("manual_port", "", "32500")),
        commands=("PUT /:/prefs?ManualPortMappingMode=1&ManualPortMappingPort=32500",),
        undo=("PUT /:/prefs?ManualPortMappingMode=0",),
        window="none: the API has no timer; undone by this run if refuted",
        place=Place(PLAYBOOK, 7, 7),
    ),
)


def site_of(**fields: object) -> SiteReport:
    """Give a site that is in order, with some fields replaced."""
    base = SiteReport(
        name="home",
        access="forward",
        outcome="In order: Plex is reachable from outside on port 32500.",
        hops=hops(("ok", "ok"), ("ok", "ok"), ("ok", "ok"), ("ok", "ok")),
        findings=(
            RESERVED,
            ADMITTED,
            replace(FORWARD, status=FindingStatus.OK, have=FORWARD.want, why="", adoptable=None),
            replace(ANNOUNCE, status=FindingStatus.OK, have=ANNOUNCE.want),
            NOTE,
        ),
        exhibits=EXHIBITS,
        timeline=(Moment(0.0, "asked router, server, Plex"), Moment(0.41, "compared 5 findings")),
    )
    return replace(base, **fields)  # type: ignore[arg-type]


def run_of(site: SiteReport, command: str = "audit", status: int = 0) -> MaskedReport:
    """Give a run of one site."""
    return MaskedReport(
        command=command,  # type: ignore[arg-type]
        run_id=RUN_ID,
        started="2026-11-22T08:41:00+00:00",
        seconds=0.42,
        version="0.1.0",
        exit_status=status,
        sites=(replace(site, exit_status=status),),
        journal_head="5f2a" * 16,
    )


IN_ORDER = run_of(site_of())

DRIFT = run_of(
    site_of(
        outcome="Remote access fails at the router: its forward leads to an address where Plex is not.",
        hops=hops(("ok", "ok"), ("drift", "drift"), ("ok", "ok"), ("drift", "drift")),
        findings=(RESERVED, ADMITTED, FORWARD, ANNOUNCE, NOTE),
        next_steps=("plexops apply --dry-run",),
        not_asked=("outside: no vantage in the inventory",),
    ),
    status=1,
)

DRY_RUN = run_of(
    site_of(
        outcome="2 changes are planned; nothing was sent.",
        hops=hops(("ok", "ok"), ("drift", "drift"), ("ok", "ok"), ("drift", "drift")),
        findings=(RESERVED, ADMITTED, replace(FORWARD, adoptable=None), ANNOUNCE, NOTE),
        changes=CHANGES,
        guards=GUARDS,
        plan_digest=DIGEST,
        next_steps=(f"plexops apply plan.json --approve {DIGEST[:12]}",),
    ),
    command="dry-run",
)

APPLIED = run_of(
    site_of(
        outcome="Applied and proven: Plex is reachable from outside on port 32500.",
        hops=hops(("ok", "ok"), ("changed", "changed"), ("ok", "ok"), ("changed", "changed")),
        changes=tuple(replace(change, outcome="done") for change in CHANGES),
        guards=GUARDS,
        proofs=(
            Proof("proven", "router", "both changes read back over a new connection"),
            Proof("proven", "Plex", "mapped and published as 203.0.113.7:32500, 6 s after the forward"),
            Proof("unknown", "outside", "no vantage in the inventory"),
        ),
        plan_digest=DIGEST,
        before_after=(
            DeviceDiff(
                "router",
                "firewall.@zone[0].name='lan'\nfirewall.@zone[1].name='wan'\nfirewall.@rule[0].name='Allow-Ping'\nfirewall.@rule[1].name='Allow-DHCP-Renew'",
                "firewall.@zone[0].name='lan'\nfirewall.@zone[1].name='wan'\nfirewall.@rule[0].name='Allow-Ping'\nfirewall.@rule[1].name='Allow-DHCP-Renew'\n"
                + UCI,
            ),
            DeviceDiff(
                "plex",
                "ManualPortMappingMode=0\nManualPortMappingPort=\nsecureConnections=1",
                "ManualPortMappingMode=1\nManualPortMappingPort=32500\nsecureConnections=1",
            ),
        ),
        timeline=(
            Moment(0.0, "preflight: host keys match, no other run"),
            Moment(0.4, "planned 2 changes; 4 guards hold"),
            Moment(0.9, "router: window opened, 180 s"),
            Moment(1.3, "router: port forward sent and read back"),
            Moment(1.6, "plex: remote access set and read back"),
            Moment(7.7, "plex: published; effect proven"),
            Moment(7.9, "router: window closed"),
        ),
    ),
    command="apply",
)

UNDONE = run_of(
    site_of(
        outcome="Plex could not be reached through the new forward; both changes were undone and read back.",
        hops=hops(("unknown", "unknown"), ("drift", "undone"), ("ok", "ok"), ("drift", "undone")),
        findings=(RESERVED, ADMITTED, FORWARD, ANNOUNCE),
        changes=tuple(replace(change, outcome="undone") for change in CHANGES),
        guards=GUARDS,
        proofs=(Proof("refuted", "Plex", "not reachable: the probe of 203.0.113.7:32500 timed out"),),
        next_steps=("plexops diagnose",),
    ),
    command="apply",
    status=5,
)

CGNAT = run_of(
    site_of(
        outcome="Your ISP shares one public address between many homes (carrier NAT): no forward can work.",
        safe_stop="plexops will not change any forward while this holds, with any flag.",
        hops=(
            LayerMark("internet", "Internet", "not-asked", ""),
            LayerMark(
                "isp",
                "ISP",
                "stop",
                "carrier NAT",
                "WAN 100.72.13.9 is in 100.64.0.0/10; the Internet sees 203.0.113.7",
            ),
            LayerMark("upstream", "ISP gateway", "unknown", "unknown", "not in the inventory"),
            LayerMark("router", "router", "ok", "ok", "OpenWrt 24.10.2 at 192.168.1.1"),
            LayerMark("server", "server", "ok", "ok", "Debian 13 at 192.168.1.50, ufw on"),
            LayerMark("plex", "Plex", "not-asked", "not asked", "nothing below the ISP can cure this"),
        ),
        findings=(
            RESERVED,
            ADMITTED,
            FindingReport(
                FindingStatus.STOPPED,
                "router",
                "wan",
                "wan",
                "The WAN has a public IPv4 address",
                want="a public address on the router's WAN",
                have="100.72.13.9",
                why="100.64.0.0/10 is carrier-grade NAT: a connection from outside never reaches the router",
                exhibits=("E5",),
                steps=(
                    "ask the ISP for a public IPv4 address (sometimes free)",
                    "keep Plex Relay (about 1 Mbps, 2 Mbps with Plex Pass)",
                    "Tailscale or WireGuard into the home network",
                ),
            ),
            FindingReport(
                FindingStatus.NOT_APPLICABLE,
                "router",
                "port_forward",
                "plex",
                "The router forwards our port",
                why="not judged after a safe stop",
                place=Place(PLAYBOOK, 6, 7),
            ),
        ),
        exhibits=(
            Exhibit(
                "E5",
                "router",
                "ubus call network.interface dump",
                "2026-11-22T08:41:01Z",
                '{"interface":"wan","ipv4-address":[{"address":"100.72.13.9","mask":10}]}',
                "ab12" * 16,
            ),
        ),
    ),
    status=3,
)

DIAGNOSED = run_of(
    site_of(
        outcome="The port is closed at the router.",
        verdict=VerdictReport(
            layer="router",
            cause="no forward for port 32500, and the UPnP table is empty",
            because=(
                "the WAN address is the public one; one NAT only",
                "Plex listens on 32400 and the host lets it in",
                "the router lists no forward for 32500",
            ),
            exhibits=("E2", "E3"),
            overturned_by=(
                "a UPnP mapping for 32400 appears on the router",
                "a vantage connects to 203.0.113.7:32500",
            ),
        ),
        hops=hops(("ok", "ok"), ("drift", "no forward"), ("ok", "ok"), ("drift", "stale")),
        findings=(),
        exhibits=EXHIBITS,
        next_steps=("plexops apply --dry-run",),
    ),
    command="diagnose",
    status=1,
)

UNREACHABLE = run_of(
    site_of(
        outcome="The router did not let us in: nothing about it is known.",
        hops=hops(("unknown", "unknown"), ("unknown", "refused us"), ("ok", "ok"), ("ok", "ok")),
        findings=(
            ADMITTED,
            replace(
                FORWARD,
                status=FindingStatus.UNKNOWN,
                have="",
                why="the router refused the login",
                adoptable=None,
            ),
        ),
        errors=(
            Problem(
                "PLX-D203",
                'router "router" refused the login as root',
                cure="check the key, or use -k",
                where="192.168.1.1:22",
            ),
        ),
    ),
    status=4,
)

SAMPLES = {
    "in order": IN_ORDER,
    "drift": DRIFT,
    "dry run": DRY_RUN,
    "applied": APPLIED,
    "undone": UNDONE,
    "cgnat": CGNAT,
    "diagnosed": DIAGNOSED,
    "unreachable": UNREACHABLE,
}


def everywhere(text: str) -> MaskedReport:
    """Give a report that has every kind of content, with one text in every field that takes free text."""
    site = replace(
        APPLIED.sites[0],
        safe_stop="stop",
        verdict=DIAGNOSED.sites[0].verdict,
        findings=(*CGNAT.sites[0].findings, *DRIFT.sites[0].findings, *UNREACHABLE.sites[0].findings),
        not_asked=("x",),
        weak_ssh=("x",),
        asked=("x",),
        next_steps=("x", "y"),
        errors=(replace(UNREACHABLE.sites[0].errors[0], place=Place("a", 1, 1), detail=("x",), path="x"),),
    )
    return map_texts(run_of(site, "apply", 1), lambda _, __: text)

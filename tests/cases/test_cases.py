"""Cases as data: what a task wants, what the device holds, and what comparing them shall come to.

A file `KIND/THEME.yaml` is a list of cases:

    name      what the case shows, in a sentence
    family    whose driver renders (default openwrt)
    want      the task's fields; what is left out has the usual value
    state     present or absent; `adopt: true` gives leave on the task, `allow: ID` on the command line
    know      what is known of a kind where it is not simply present: absent, unknown, unsupported; with `reason`
    have      the device's entries of this kind, in order: values, `label`, `owner` (our key), `unreadable`, `raw`
    filter    the device's packet filter, in order, where it was read: rules with `verdict`, what they match on (`ports`,
              `protocol`, `source`, `translated`, `new`, `other`) and their `name`; `policy` for what none of them takes
    lines     the lines of the host firewall's own file; `facts` of the same device
    expect    status, and what else the case is about: action, fields, adopt_id, changes (kind and action of each),
              `have`, `why` and `steps` as texts that must occur, `script` and `undo` as exact lines
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import yaml

from plexops.config.profiles import load_profile
from plexops.drivers.plex.driver import PlexDriver
from plexops.drivers.router.compile import compile_profile
from plexops.drivers.router.profiled import ProfiledDriver
from plexops.drivers.server.driver import ServerDriver
from plexops.engine.decide.compare import Comparison, compare
from plexops.engine.look.site_state import Drivers
from plexops.model.entries import HostRule
from plexops.model.errors import Place
from plexops.model.exchange import Command, Script
from plexops.model.finding import Finding
from plexops.model.intervals import ALL_V4, network
from plexops.model.matches import (
    AddressIn,
    Match,
    Other,
    PortIn,
    ProtocolIs,
    Side,
    StateIs,
    Test,
    TranslatedIs,
)
from plexops.model.matches import State as Tracked
from plexops.model.packets import (
    Box,
    Chain,
    Hook,
    LocalAddress,
    Route,
    Rule,
    TranslateDestination,
    Verdict,
)
from plexops.model.plan import shown
from plexops.model.resources import KINDS
from plexops.model.resources.dhcp_reservation import Reservation
from plexops.model.resources.firewall_rule import FirewallRule
from plexops.model.resources.plex_remote_access import RemoteAccess
from plexops.model.resources.port_forward import ANYBODY, PortForward
from plexops.model.resources.upnp import Upnp
from plexops.model.site import ResolvedTask, Site, SiteTasks, State
from plexops.model.snapshot import FOREIGN, Entry, Fact, Kind, KindState, Owner, Role, Snapshot
from plexops.model.values import Ports, Protocol
from plexops.runbook.view import SiteView

Case = Mapping[str, Any]

HERE = Path(__file__).parent
WHERE = Place("playbook.yaml", 1, 1)
MAC = "52:54:00:12:34:56"
PLEX = IPv4Address("192.168.1.50")
EXPECTED = frozenset(
    {"status", "action", "fields", "adopt_id", "changes", "have", "why", "steps", "script", "undo"}
)
KNOWN = frozenset(
    {
        "name",
        "family",
        "want",
        "state",
        "adopt",
        "allow",
        "know",
        "reason",
        "have",
        "filter",
        "lines",
        "facts",
        "expect",
    }
)


def _cases() -> list[Any]:
    found = []
    for path in sorted(HERE.glob("*/*.yaml")):
        for case in yaml.safe_load(path.read_text(encoding="utf-8")):
            kind = Kind(path.parent.name)
            found.append(pytest.param(kind, case, id=f"{kind}/{path.stem}: {case['name']}"))
    return found


CASES = _cases()


def test_there_are_cases_of_every_kind_and_their_words_are_known() -> None:
    assert len(CASES) >= 40
    kinds = {param.values[0] for param in CASES}
    assert kinds == {
        Kind(folder.name) for folder in HERE.iterdir() if folder.is_dir() and list(folder.glob("*.yaml"))
    }
    assert len(kinds) == 5
    names = [param.id for param in CASES]
    assert len(names) == len(set(names))
    for param in CASES:
        case = param.values[1]
        assert set(case) <= KNOWN, param.id
        assert set(case["expect"]) <= EXPECTED, param.id
        assert "status" in case["expect"], param.id


@pytest.mark.parametrize(("kind", "case"), CASES)
def test_case(kind: Kind, case: Case) -> None:
    expect = case["expect"]
    finding, scripts, functions = judge(kind, case)
    assert str(finding.status) == expect["status"], finding
    first = finding.changes[0] if finding.changes else None
    if "changes" in expect:
        assert [f"{change.kind} {change.action}" for change in finding.changes] == expect["changes"]
    elif "action" in expect:
        assert first is not None
        assert str(first.action) == expect["action"]
        assert tuple(expect.get("fields", first.fields)) == first.fields
    else:
        assert finding.changes == ()
    assert finding.adopt_id == expect.get("adopt_id", "")
    for name in ("have", "why"):
        assert expect.get(name, "") in getattr(finding, name), getattr(finding, name)
    assert expect.get("steps", "") in "\n".join(finding.steps)
    if "script" in expect:
        assert [shown(write).removeprefix(functions) for write in scripts[0].writes] == expect["script"]
    if "undo" in expect:
        assert [text.removeprefix(functions) for text in scripts[0].undo] == expect["undo"]


def judge(kind: Kind, case: Case) -> tuple[Finding, tuple[Script, ...], str]:
    """Compare a case's task with its snapshot; give the finding, the scripts of its changes, and what begins them all."""
    router = ProfiledDriver(compile_profile(load_profile(case.get("family", "openwrt"), Path())))
    drivers = Drivers(router, ServerDriver(), PlexDriver())
    state = State(case.get("state", "present"))
    fields = {**USUAL[kind], **case.get("want", {})}
    task = ResolvedTask(
        case["name"],
        kind,
        "plex",
        WHERE,
        values={name: str(value) for name, value in fields.items()},
        want=build(kind, fields),
        state=state,
        adopt=case.get("adopt", False),
    )
    snapshot = snapshot_of(kind, case)
    view = SiteView("home", server_mac=MAC, server_address=PLEX, plex_address=PLEX)
    given = Comparison(
        SiteTasks(Site("home", WHERE), (task,)),
        view.with_snapshot(snapshot),
        drivers,
        router.profile.profile,
        frozenset(filter(None, [case.get("allow", "")])),
    )
    finding = compare(given)[0]
    scripts = tuple(drivers.of(c.role).script(c, snapshot) for c in finding.changes[:1])
    kept = router.profile.resources.get(kind, ())
    own = "" if not kept or kept[0].store is None else kept[0].store.functions
    return finding, scripts, f"{own} {router.profile.profile.functions}".strip() + " "


#: The values that a case leaves out.
USUAL: Mapping[Kind, Mapping[str, Any]] = {
    Kind.PORT_FORWARD: {
        "external_port": "32500",
        "address": str(PLEX),
        "port": "32400",
        "name": "plexops: Plex remote access",
    },
    Kind.DHCP_RESERVATION: {"mac": MAC, "address": str(PLEX), "name": "plex"},
    Kind.FIREWALL_RULE: {"port": 32400},
    Kind.UPNP: {"enabled": False},
    Kind.PLEX_REMOTE_ACCESS: {"manual_port": 32500, "enabled": True, "manual": True},
}


def build(kind: Kind, fields: Mapping[str, Any]) -> Any:
    """Make the model's values of a case's words."""
    match kind:
        case Kind.PORT_FORWARD:
            return PortForward(
                external_port=Ports.parse(str(fields["external_port"])),
                address=IPv4Address(fields["address"]) if fields.get("address") else None,
                port=Ports.parse(str(fields["port"])),
                protocol=Protocol(fields.get("protocol", "tcp")),
                enabled=fields.get("enabled", True),
                source=fields.get("source", ANYBODY),
                name=fields.get("name", ""),
            )
        case Kind.DHCP_RESERVATION:
            address = IPv4Address(fields["address"]) if fields.get("address") else None
            macs = tuple(str(fields["mac"]).split())
            return Reservation(macs, address, fields.get("name", ""), fields.get("enabled", True))
        case Kind.FIREWALL_RULE:
            return FirewallRule(fields["port"])
        case Kind.UPNP:
            return Upnp(fields["enabled"])
        case _:
            return RemoteAccess(
                fields["enabled"],
                fields["manual"],
                fields["manual_port"],
                fields.get("last_automatic_port", 0),
            )


def snapshot_of(kind: Kind, case: Case) -> Snapshot:
    """Make the snapshot of the one device that a case is about."""
    role = KINDS[kind].role
    entries = [entry_of(kind, position, held) for position, held in enumerate(case.get("have", ()))]
    known = KindState(case.get("know", "present"))
    facts = {
        name: Fact(name, value, "case") for name, value in {**FACTS[role], **case.get("facts", {})}.items()
    }
    reasons: dict[str, str] = {kind: case["reason"]} if "reason" in case else {}
    box = box_of(role, case, entries) if "filter" in case else None
    lines = [
        Entry(
            Kind.HOST_RULE,
            HostRule(line["action"], line.get("port")),
            {},
            FOREIGN,
            str(place),
            "case",
            place,
            line["label"],
        )
        for place, line in enumerate(case.get("lines", ()))
    ]
    return Snapshot(
        role, facts, (*entries, *lines), {kind: known, Kind.PASSAGE: KindState.PRESENT}, reasons, box
    )


def entry_of(kind: Kind, position: int, held: Mapping[str, Any]) -> Entry:
    """Make one entry as a device holds it."""
    words = {
        name: value for name, value in held.items() if name not in ("label", "owner", "unreadable", "raw")
    }
    values = None if held.get("unreadable") else build(kind, {**USUAL[kind], **words})
    owner = Owner(held["owner"]) if "owner" in held else FOREIGN
    raw = {name: tuple(v) if isinstance(v, list) else v for name, v in held.get("raw", {}).items()}
    label = held.get("label", f"plexops_{held['owner']}" if "owner" in held else "somebody's")
    handle = f"plexops_{held['owner']}" if "owner" in held else f"cfg0{position}0000"
    return Entry(kind, values, raw, owner, handle, "router.case", position, label)


def line_of(position: int, line: Mapping[str, Any]) -> Entry:
    """Make one line of the host firewall's file."""
    values = HostRule(line["action"], line.get("port"))
    return Entry(Kind.HOST_RULE, values, {}, FOREIGN, str(position), "case", position, line["label"])


#: What every device of its role tells.
FACTS: Mapping[Role, Mapping[str, Any]] = {
    Role.ROUTER: {"wan.address": "203.0.113.20", "x.dhcp": "dnsmasq", "x.filter": "nft"},
    Role.SERVER: {"host.interface": "eth0"},
    Role.PLEX: {},
}
PLACES = {
    Role.ROUTER: (("203.0.113.20", "wan0"), ("192.168.1.1", "lan0")),
    Role.SERVER: ((str(PLEX), "eth0"),),
}


def box_of(role: Role, case: Case, entries: list[Entry]) -> Box:
    """Make the device's packet filter: the forwards that it holds, and one filter chain."""
    routeros = case.get("family") == "routeros"
    at_router = role is Role.ROUTER
    rules = [rule_of(place, one) for place, one in enumerate(case["filter"]) if "policy" not in one]
    policy = next((Verdict(one["policy"]) for one in case["filter"] if "policy" in one), Verdict.ACCEPT)
    stage = ("filter/forward" if routeros else "forward") if at_router else "input"
    chains = [Chain(f"inet filter {stage}", tuple(rules), Hook(stage, policy=policy))]
    if at_router:
        first = Hook("nat/dstnat" if routeros else "prerouting", -100, nat=True)
        chains.append(Chain("nat", tuple(map(forward_of, entries)), first))
    lan = PLACES[role][-1][1]
    out = PLACES[role][0][1]
    return Box(
        "routeros" if routeros else "netfilter",
        {chain.id: chain for chain in chains},
        tuple(LocalAddress(4, int(IPv4Address(text)), name) for text, name in PLACES[role]),
        (Route(4, network("192.168.1.0/24")[1], 24, lan), Route(4, ALL_V4, 0, out)),
        out,
        inserts={} if at_router else {"firewall_rule": (chains[0].id,)},
    )


def rule_of(place: int, one: Mapping[str, Any]) -> Rule:
    """Make one rule of a packet filter."""
    tests: list[Test] = []
    if "protocol" in one:
        tests.append(ProtocolIs(frozenset({one["protocol"]})))
    if "ports" in one:
        tests.append(PortIn(Side.DESTINATION, Ports.parse(str(one["ports"])).ranges))
    if "source" in one:
        tests.append(AddressIn(Side.SOURCE, 4, network(one["source"])[1]))
    if one.get("translated"):
        tests.append(TranslatedIs(Side.DESTINATION))
    if "new" in one:
        known = frozenset({Tracked.ESTABLISHED, Tracked.RELATED})
        tests.append(StateIs(frozenset({Tracked.NEW}) if one["new"] else known))
    if "other" in one:
        tests.append(Other(one["other"]))
    words = f"{' '.join(f'{n} {v}' for n, v in one.items() if n != 'name')}"
    matches = tuple(Match(test, words=words) for test in tests)
    return Rule(matches, (Verdict(one["verdict"]),), words, one.get("name", ""), str(place + 10), "case")


def forward_of(entry: Entry) -> Rule:
    """Make the rule that a forward which the device holds is to its packets."""
    values = entry.values
    assert isinstance(values, PortForward)
    assert values.address is not None
    tests: tuple[Test, ...] = (
        ProtocolIs(frozenset({"tcp"})),
        PortIn(Side.DESTINATION, values.external_port.ranges),
    )
    to = TranslateDestination(((int(values.address), int(values.address)),), values.port.ranges)
    off = "" if values.enabled else "disabled"
    return Rule(
        tuple(Match(test) for test in tests),
        (to,),
        str(values),
        entry.label,
        entry.handle,
        entry.exhibit,
        off,
    )


def test_the_runner_sees_a_wrong_expectation() -> None:
    """A runner that passes everything would pass this."""
    case = {"name": "nothing there", "have": [], "expect": {"status": "ok"}}
    with pytest.raises(AssertionError):
        test_case(Kind.PORT_FORWARD, case)
    scripted = {**case, "expect": {"status": "drift", "action": "create", "script": ["uci commit"]}}
    with pytest.raises(AssertionError):
        test_case(Kind.PORT_FORWARD, scripted)
    assert isinstance(judge(Kind.PORT_FORWARD, case)[1][0].writes[0].ask, Command)
    assert Role.ROUTER is judge(Kind.PORT_FORWARD, case)[0].role

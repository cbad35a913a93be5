"""Profiles that speak tree and soap: what is refused at load, and what a description and a tree give."""

from __future__ import annotations

from pathlib import Path

import pytest

from plexops.config.profiles import load_profile
from plexops.drivers.router.compile import CompiledProfile, compile_profile
from plexops.drivers.router.functions import search
from plexops.drivers.router.profiled import ProfiledDriver
from plexops.model.errors import PlexopsError
from plexops.model.exchange import Read, Reply, SoapCall
from plexops.model.snapshot import Kind, KindState, Snapshot

SOAP = """\
profile: mine
format: 2
title: Mine
speaks: soap
port: 5000
services:
  wan: {found: /rootDesc.xml, type: "urn:schemas-upnp-org:service:WANIPConnection:1"}
reads:
  address: {call: "wan#GetExternalIPAddress", absent: [501]}
  mappings: {call: "wan#GetGenericPortMappingEntry", each: {arg: NewPortMappingIndex, ends: [713], most: 2}}
facts: {wan.address: address.NewExternalIPAddress}
kinds:
  port_forward:
    fields: {external_port: NewExternalPort, address: NewInternalClient}
    backends: {a: {active: {wan.address: 203.0.113.9}, rows: mappings}}
verified: []
"""
WRITTEN = SOAP.replace(
    "    fields: {external",
    """    owner: {NewPortMappingDescription: "plexops-{{ key }}"}
    set: {NewRemoteHost: "", NewLeaseDuration: 0}
    write: {soap: wan, add: AddPortMapping, delete: DeletePortMapping, by: [NewRemoteHost, NewExternalPort]}
    fields: {external""",
)
TREE = """\
profile: mine
format: 2
title: Mine
speaks: tree
reads: {config: {run: show configuration commands, as: tree}}
facts: {x.name: "nodes(config, 'system')[0].\\"host-name\\""}
kinds: {upnp: {rows: "nodes(config, 'service upnp2')", fields: {enabled: on}}}
verified: []
"""
DESCRIPTION = """<?xml version="1.0"?><root><device><serviceList><service><serviceType>{}</serviceType>
<controlURL>{}</controlURL></service></serviceList></device></root>"""
IP = "urn:schemas-upnp-org:service:WANIPConnection:"


def loaded(folder: Path, text: str) -> CompiledProfile:
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    return compile_profile(load_profile(f"{folder}/mine.yaml", folder))


@pytest.mark.parametrize(
    ("text", "old", "new", "says"),
    [
        (SOAP, "wan#GetExternalIPAddress", "wna#GetExternalIPAddress", "there is no service 'wna'"),
        (SOAP, "wan#GetExternalIPAddress", "wan#DeletePortMapping", "not known to only read"),
        (SOAP, "wan#GetExternalIPAddress", "wan#X_AVM-DE_GetConfigFile", "secrets away"),
        (SOAP, "absent: [501]", "absent: [401]", "401 and 606 refuse"),
        (SOAP, "ends: [713]", "ends: [713, 606]", "401 and 606 refuse"),
        (SOAP, "ends: [713], most: 2}", "ends: [713]}, absent: [713]", "a table ends"),
        (SOAP, "/rootDesc.xml", "/setup.xml", "not known to only read"),
        (SOAP, "found: /rootDesc.xml", "at: /a/../b", "no plain path"),
        (SOAP, '{call: "wan#GetExternalIPAddress", absent: [501]}', "{get: /info}", "is not asked so"),
        (WRITTEN, "soap: wan", "soap: lan", "there is no service 'lan'"),
        (WRITTEN, "add: AddPortMapping, ", "", "wants `add`, `delete` and `by`"),
        (WRITTEN, "by: [NewRemoteHost, NewExternalPort]", "by: [NewProtocol]", "each a field or a constant"),
        (WRITTEN, "add: AddPortMapping", "add: Reboot", "“Reboot” cannot stand here"),
        (WRITTEN, "delete: DeletePortMapping", "delete: FactoryReset", "“FactoryReset” cannot stand here"),
        (WRITTEN, ", by: [", ", ordered: true, by: [", "the store `soap` knows no ordered"),
        (
            WRITTEN,
            "soap: wan, add: AddPortMapping, delete: DeletePortMapping, by: [NewRemoteHost, NewExternalPort]",
            'requests: {put: [{send: "POST /x"}]}',
            "has no store `requests`",
        ),
        (WRITTEN, "kinds:", "window: {kind: timer, directory: /run}\nkinds:", "has no window"),
        (TREE, "run: show configuration commands", "run: show configuration", "secrets away"),
        (TREE, "run: show configuration commands", "run: configure", "not known to only read"),
        (TREE, "run: show configuration commands", "get: /config", "only a family that speaks rest"),
        (TREE, "run: show configuration commands", 'call: "wan#GetInfo"', "is not asked so"),
        (TREE, "nodes(config, 'system')", "nodes(config)", "nodes takes 2"),
        (TREE, "verified: []", "login: digest\nverified: []", "says no login here"),
    ],
)
def test_what_could_act_or_mislead_is_refused_at_load(
    text: str, old: str, new: str, says: str, tmp_path: Path
) -> None:
    assert old in text
    with pytest.raises(PlexopsError) as refused:
        loaded(tmp_path, text.replace(old, new, 1))
    assert says in " ".join(problem.reason for problem in refused.value.problems)


@pytest.mark.parametrize(("text", "says"), [(TREE, "not of this form"), (SOAP, "has no window")])
def test_a_window_of_another_language_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(PlexopsError) as refused:
        loaded(tmp_path, f"{text}window: {{kind: timer, directory: /run}}\n")
    assert says in refused.value.problems[0].reason


HEAD = TREE[: TREE.index("facts:")].replace("speaks", "verified: []\nspeaks")
RULE = '{tree: "nat destination rule *number", new: 1-9, taken: x.numbers}'
NODES = f"""\
kinds:
  port_forward:
    rows: nodes(config, 'nat destination rule *number')
    handle: number
    owner: {{description: "plexops:{{{{ key }}}}"}}
    fields: {{external_port: destination port, address: translation address}}
    write: {RULE}
"""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('rule *number",', '*kind *number",', "a place is words and facts"),
        ('rule *number",', 'rule $(x) *number",', "a place is words and facts"),
        ('rule *number",', 'rule number",', "the one free word"),
        ('rule *number",', 'rule *other",', "the one free word"),
        ("new: 1-9, taken: x.numbers", "new: 1-9", "say `new` and `taken`"),
        ("x.numbers}", "x.other}", "there is no fact 'x.other'"),
        ("{{ fact.x.numbers }}", "{{ fact.x.other }}", "there is no fact 'x.other'"),
        ("destination port", "destination 'port'", "is no leaf"),
        ('tree: "nat destination rule *number"', "uci: firewall", "has no store `uci`"),
        ("minutes: 3", "minutes: 3, needs: {x.other: [a]}", "there is no fact 'x.other'"),
    ],
)
def test_a_place_that_is_none_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    facts = (
        "facts:\n  x.numbers: join(' ', nodes(config, 'nat destination rule *number')[].number) || 'none'\n"
    )
    written = (
        NODES.replace('rule *number",', 'rule {{ fact.x.numbers }} *number",') if "fact" in old else NODES
    )
    text = f"{HEAD}{facts}{written}window: {{kind: commit-confirm, minutes: 3}}\n"
    loaded(tmp_path, text)
    assert old in text
    with pytest.raises(PlexopsError) as refused:
        loaded(tmp_path, text.replace(old, new, 1))
    assert says in " ".join(problem.reason for problem in refused.value.problems)


def test_a_table_that_is_written_is_taken(tmp_path: Path) -> None:
    assert ProfiledDriver(loaded(tmp_path, WRITTEN)).kinds == {Kind.PORT_FORWARD}


def observed(folder: Path, description: str, answer: str = "") -> tuple[Snapshot, list[Read]]:
    """Give what comes of a description, and all that was asked; every action is answered alike."""
    asked: list[Read] = []
    observation = ProfiledDriver(loaded(folder, SOAP)).observe()
    reads = next(observation)
    while True:
        asked += reads
        replies = [
            Reply(read.id, 200, answer if isinstance(read.ask, SoapCall) else description) for read in reads
        ]
        try:
            reads = observation.send(replies)
        except StopIteration as done:
            seen: Snapshot = done.value
            return seen, asked


@pytest.mark.parametrize(
    ("listed", "control", "asked"),
    [
        (f"{IP}1", "/ctl/IPConn", f"{IP}1 /ctl/IPConn"),
        (f"{IP}2", "ctl/IPConn", f"{IP}2 /ctl/IPConn"),
        (f"{IP}2", "http://203.0.113.66/ctl", ""),
        (f"{IP}2", "//203.0.113.66/ctl", ""),
        (f"{IP}2", "/ctl?reboot=1", ""),
        (f"{IP}2", "/a/../reboot", ""),
        (f"{IP}1#Reboot 2", "/ctl", ""),
    ],
)
def test_a_service_is_asked_where_the_device_itself_says_and_nowhere_else(
    listed: str, control: str, asked: str, tmp_path: Path
) -> None:
    seen, reads = observed(tmp_path, DESCRIPTION.format(listed, control))
    calls = {f"{read.ask.service} {read.ask.path}" for read in reads if isinstance(read.ask, SoapCall)}
    assert calls == ({asked} if asked else set())
    assert seen.state(Kind.PORT_FORWARD) is KindState.UNKNOWN
    assert "wan.address" in seen.reasons


@pytest.mark.parametrize(
    ("description", "says"),
    [
        (DESCRIPTION.format("urn:x:service:Other:1", "/x"), "the device has no address"),
        ("<html><body>Login</body></html>", "a page for people"),
        ("<root/>", "no description of a device"),
        ("", "not understood"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><root/>', "not understood"),
    ],
)
def test_a_description_without_the_service_says_that_there_is_none_and_any_other_page_says_nothing(
    description: str, says: str, tmp_path: Path
) -> None:
    seen, reads = observed(tmp_path, description)
    assert len(reads) == 1
    assert says in seen.reasons["wan.address"]


def test_a_table_that_does_not_end_is_unknown(tmp_path: Path) -> None:
    body = (
        "<s:Envelope xmlns:s='x'><s:Body><u:{0}Response xmlns:u='y'>{1}</u:{0}Response></s:Body></s:Envelope>"
    )
    entry = "<NewExternalIPAddress>203.0.113.9</NewExternalIPAddress>"
    same = body.format("GetExternalIPAddress", entry)
    seen, reads = observed(tmp_path, DESCRIPTION.format(f"{IP}1", "/ctl"), same)
    assert seen.text("wan.address") == "203.0.113.9"
    assert seen.state(Kind.PORT_FORWARD) is KindState.UNKNOWN
    assert "place 0 of the table" in seen.reasons[Kind.PORT_FORWARD]
    assert [read.id for read in reads] == ["services.wan", "address", "mappings.0"]


def test_nodes_of_a_tree_are_rows() -> None:
    tree = [["a", "rule", "10", "port", "1"], ["a", "rule", "10", "disable"], ["b"]]
    assert search("nodes(@, 'a rule *number')", tree) == [{"number": "10", "port": "1", "disable": "set"}]
    assert search("nodes(@, 'c')", tree) == []
    with pytest.raises(ValueError, match="nodes"):
        search("nodes(@.x, 'c')", {"x": "text"})

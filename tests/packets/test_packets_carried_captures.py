"""Recorded listings of nft against what a person reads in them, rule by rule; and what is no listing at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from plexops.drivers.rulesets.nft import read_nft
from plexops.model.intervals import show_addresses, show_ports
from plexops.model.matches import (
    AddressIn,
    FamilyIs,
    InterfaceIs,
    Match,
    PortIn,
    ProtocolIs,
    Side,
    StateIs,
    TranslatedIs,
)
from plexops.model.packets import Jump, Rule, TranslateDestination, TranslateSource
from plexops.packets.reach import AnswerKind
from plexops.parsers import PARSERS, ParseError
from tests.captures.capture_files import DATA, answer
from tests.packets.iptables_home import HOST, ask, box

CASES: list[dict[str, Any]] = list(
    yaml.safe_load_all((Path(__file__).parent / "data" / "captures.yaml").read_text(encoding="utf-8"))
)


def text_of(source: str, command: str | None) -> str:
    path = DATA / source
    return answer(path, command)


def read_as_a_person(rule: Rule) -> dict[str, str]:
    """Name what a rule matches on in the columns of the expectations."""
    row = {"handle": rule.handle, "does": " & ".join(map(done, rule.effects))}
    if rule.name:
        row["name"] = rule.name
    for match in rule.matches:
        column, value = looked_at(match)
        if column:
            row[column] = (
                f"{row[column]} & {value}" if column in row else ("!" if match.negated else "") + value
            )
    return row


def looked_at(match: Match) -> tuple[str, str]:
    test = match.test
    match test:
        case ProtocolIs(names):
            return "protocol", ",".join(sorted(names))
        case PortIn(side, numbers):
            return ("dport" if side is Side.DESTINATION else "sport"), show_ports(numbers)
        case AddressIn(side, family, numbers):
            return ("daddr" if side is Side.DESTINATION else "saddr"), show_addresses(family, numbers, 99)
        case InterfaceIs(side, names):
            return ("oifname" if side is Side.DESTINATION else "iifname"), ",".join(names)
        case StateIs(states):
            return "ct_state", ",".join(sorted(states))
        case TranslatedIs(Side.DESTINATION):
            return "ct_status", "dnat"
        case FamilyIs(families) if "nfproto" in match.words:
            return "nfproto", "".join(f"ipv{family}" for family in families)
        case FamilyIs():
            return "", ""
    return "also", match.words


def done(effect: object) -> str:
    match effect:
        case Jump(chain, goto):
            return f"{'goto' if goto else 'jump'} {chain}"
        case TranslateDestination():
            to = show_addresses(4, effect.addresses) if effect.addresses else ""
            port = show_ports(effect.ports) if effect.ports else ""
            return f"{'redirect' if effect.to_itself else 'dnat'} {to}:{port}"
        case TranslateSource(None):
            return "masquerade"
        case TranslateSource(addresses):
            return f"snat {show_addresses(4, addresses or ())}"
    return str(effect)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['source']}: {case.get('command', '')}")
def test_a_capture_is_read_as_a_person_reads_it(case: dict[str, Any]) -> None:
    read = read_nft(json.loads(text_of(case["source"], case.get("command"))), {}, "x")
    if "count" in case:
        assert [len(read.chains), sum(len(chain.rules) for chain in read.chains)] == case["count"]
    if "chains" in case:
        assert [
            [c.id, "nat" if c.hook.nat else "filter", c.hook.stage, c.hook.priority, str(c.hook.policy)]
            for c in read.chains
            if c.hook is not None
        ] == case["chains"]
    chains = {chain.id: chain for chain in read.chains}
    for name, rows in case["rules"].items():
        found = [read_as_a_person(rule) for rule in chains[name].rules]
        for one, row in zip(found, rows, strict=True):
            if row.get("also") == "*":
                assert one.pop("also")
                row = {column: value for column, value in row.items() if column != "also"}  # noqa: PLW2901
            assert one == row


def test_every_recording_of_nft_is_read() -> None:
    """No rule of a rule set that nft itself made, of all shapes that were recorded, is beyond what is known."""
    for case in CASES:
        if "ufw" not in case["source"]:
            read = read_nft(json.loads(text_of(case["source"], case.get("command"))), {}, "x")
            rules = [rule for chain in read.chains for rule in chain.rules]
            assert not [rule.words for rule in rules if "UnknownEffect" in str(rule.effects)]


@pytest.mark.parametrize(
    ("source", "command"),
    [
        ("linux/nft_list_ruleset.txt", None),
        ("linux/nft_list_table_missing.txt", None),
        ("firewall/nft-native.txt", "nft -a list ruleset"),
    ],
)
def test_a_listing_for_people_is_no_answer(source: str, command: str | None) -> None:
    with pytest.raises(ParseError):
        PARSERS["json"](text_of(source, command))


def test_a_host_with_nft_alone_stops_plex_by_the_rule_that_was_left_over() -> None:
    read = read_nft(json.loads(text_of("firewall/nft-native.txt", "nft -j list ruleset")), {}, "x")
    here = box(read, *HOST, wan="eth0")
    assert ask(here, HOST[0][0], 32400).kind is AnswerKind.NOBODY
    # The same chain with our rule before it, and with one behind all others, which is no use.
    text = text_of("firewall/nft-native.txt", "nft -j -a list chain inet filter input")
    opened = box(read_nft(json.loads(text), {}, "x"), *HOST, wan="eth0")
    assert ask(opened, HOST[0][0], 32400).kind is AnswerKind.EVERYBODY
    assert ask(opened, HOST[0][0], 8096).kind is AnswerKind.NOBODY


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '{"nftables": 1}',
        '{"nftables": [1]}',
        '{"nftables": [{"rule": {"family": "inet"}}]}',
        '{"nftables": [{"chain": {}}]}',
        '{"nftables": [{"chain": {"family": "ip", "table": "t", "name": 1}}]}',
        '{"nftables": [{"rule": {"expr": []}}]}',
    ],
)
def test_what_nft_does_not_print_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        read_nft(json.loads(text), {}, "x")


def test_a_ruleset_of_many_chains_takes_linear_time() -> None:
    where = {"family": "ip", "table": "t"}
    count = 10_000
    chains: list[Any] = [{"chain": {**where, "name": f"c{index}"}} for index in range(count)]
    rules: list[Any] = [
        {"rule": {**where, "chain": f"c{index}", "expr": [{"accept": None}]}} for index in range(count)
    ]
    read = read_nft({"nftables": [*chains, *rules]}, {}, "x")
    assert [len(chain.rules) for chain in read.chains] == [1] * count

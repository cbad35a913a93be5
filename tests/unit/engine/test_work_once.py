"""What a home shares with others, or asks several times, is worked out once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from plexops.drivers.rulesets import iptables, nft_rules
from plexops.drivers.rulesets.nft import read_nft
from plexops.drivers.rulesets.nft_matches import Table
from plexops.engine.decide.compare import Comparison, compare
from plexops.evidence import journal
from plexops.model.exchange import Json
from plexops.model.packets import Box, Rule
from plexops.packets.reach import Answer, Asked, Target, who_reaches
from plexops.runbook import way_in
from plexops.runbook.situation import Situation
from plexops.runbook.verdict import judge
from tests.unit.engine.seen_home import looked_at


def test_no_way_through_a_box_is_walked_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    walks: list[tuple[int, Asked, Target]] = []
    boxes: list[Box] = []  # else another box may get the identity of one that is gone

    def counted(path: list[Box], asked: Asked, target: Target) -> Answer:
        boxes.extend(path)
        walks.append((id(path[0]), asked, target))
        return who_reaches(path, asked, target)

    with looked_at("openwrt", "in-order", tmp_path) as looked:
        monkeypatch.setattr(way_in, "who_reaches", counted)
        home, view = looked.home, looked.seen.view
        compare(Comparison(home.tasks, view, home.drivers, home.profile))
        assert judge(Situation(view, home.tasks.external_port)).id == "reachable"
        assert walks
        assert len(walks) == len(set(walks))
        asked = len(walks)
        compare(Comparison(home.tasks, view, home.drivers, home.profile))
        assert len(walks) == asked


def _listing(handle: int, *expression: Json) -> Json:
    place = {"family": "inet", "table": "t"}
    return {
        "nftables": [
            {"table": {"family": "inet", "name": "t", "handle": 1}},
            {"chain": {**place, "name": "c", "handle": 2}},
            {"rule": {**place, "chain": "c", "handle": handle, "expr": list(expression)}},
        ]
    }


def _rule(handle: int, *expression: Json) -> Rule:
    ((rule,),) = (chain.rules for chain in read_nft(_listing(handle, *expression), {}, "router.nft").chains)
    return rule


PORT: Json = {
    "match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 32400}
}
LIMIT: Json = {"limit": {"rate": 3, "burst": 5, "per": "minute"}}


def test_a_rule_that_homes_have_in_common_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Sequence[Json]] = []
    parts = nft_rules._parts

    def counted(expression: Sequence[Json], table: Table, handle: str) -> nft_rules._Parts:
        read.append(expression)
        return parts(expression, table, handle)

    monkeypatch.setattr(nft_rules, "_parts", counted)
    nft_rules._alone.cache_clear()
    first = _rule(7, PORT, {"counter": {"packets": 1, "bytes": 60}}, {"accept": None})
    again = _rule(9, PORT, {"counter": {"packets": 5, "bytes": 300}}, {"accept": None})
    assert len(read) == 1
    assert (first.matches, first.effects, first.words) == (again.matches, again.effects, again.words)
    assert (first.handle, again.handle) == ("7", "9")


def test_what_is_counted_rule_by_rule_is_told_apart() -> None:
    first, again = _rule(7, PORT, LIMIT, {"accept": None}), _rule(9, PORT, LIMIT, {"accept": None})
    assert first.matches[:-1] == again.matches[:-1]
    assert first.matches[-1] != again.matches[-1]


def test_a_chain_that_homes_have_in_common_is_read_once() -> None:
    text = "*filter\n:INPUT ACCEPT [{}:0]\n-A INPUT -p tcp -m tcp --dport 32400 -j ACCEPT\nCOMMIT\n"
    iptables._rules.cache_clear()
    for packets in range(3):
        iptables.read_iptables(text.format(packets), 4, False, {}, "server.iptables")
    assert iptables._rules.cache_info().misses == 1


def test_a_journal_is_verified_without_writing_its_records_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, written = tmp_path / "j", list[object]()

    def counted(value: object) -> bytes:
        written.append(value)
        return b""

    with journal.Journal.create(path, "run", "0.1.0") as open_journal:
        for step in range(20):
            open_journal.append("sent", {"step": step})
    monkeypatch.setattr(journal, "_canonical", counted)
    assert len(journal.read_journal(path, "run").records) == 21
    assert written == []

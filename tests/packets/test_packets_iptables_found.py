"""What real connections decided about rules of iptables. The texts of ufw, firewalld and Docker are what these loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from plexops.model.intervals import intersect
from plexops.model.matches import Family
from plexops.packets.reach import AnswerKind
from tests.packets.handmade import n
from tests.packets.iptables_home import (
    DATA,
    HOST,
    ROUTER,
    ask,
    at_host,
    box,
    read,
    stored,
    unknown_in,
)

#: Docker's own networks of the host in `docker-range`.
BRIDGES = (("172.17.0.1", "docker0", 16), ("172.18.0.1", "br-2a5af20ff15c", 16))


@pytest.mark.parametrize(
    ("name", "reached"),
    [
        ("ufw-input-accept-before-ufw", AnswerKind.EVERYBODY),
        ("ufw-input-flushed-v4-only", AnswerKind.EVERYBODY),
        ("ufw-before-rules-accept", AnswerKind.EVERYBODY),
        ("ufw-before-rules-drop", AnswerKind.NOBODY),
        ("ufw-interface-wildcard-plus", AnswerKind.EVERYBODY),
        ("host-native", AnswerKind.NOBODY),
    ],
)
def test_a_hosts_own_filter(name: str, reached: AnswerKind) -> None:
    assert at_host(stored(name)) is reached


@pytest.mark.parametrize(
    ("name", "reached"),
    [
        ("ufw-input-accept-before-ufw", AnswerKind.NOBODY),
        ("ufw-input-flushed-v4-only", AnswerKind.NOBODY),
        ("ufw-before-rules-drop", AnswerKind.EVERYBODY),
        ("ufw-interface-wildcard-plus", AnswerKind.EVERYBODY),
    ],
)
def test_ufw_over_ipv6_is_a_filter_of_its_own(name: str, reached: AnswerKind) -> None:
    assert at_host(stored(name, 6), "2001:db8:1::50") is reached


def test_ufw_with_many_rules_lets_in_all_but_those_denied_before() -> None:
    part = stored("ufw-many-rules")
    answer = ask(box(part, *HOST, wan="eth0"), "192.168.1.50", 32400)
    assert answer.kind is AnswerKind.SOME
    assert not intersect(answer.senders, n("203.0.113.0/24"))
    denied = ask(box(part, *HOST, wan="eth0"), "192.168.1.50", 32400, sender="203.0.113.0/24")
    assert denied.kind is AnswerKind.NOBODY
    assert at_host(part, port=8080) is AnswerKind.NOBODY
    assert at_host(part, port=32413) is AnswerKind.EVERYBODY
    assert at_host(part, port=32411) is AnswerKind.NOBODY
    assert at_host(part, port=2222) is AnswerKind.UNKNOWN  # `ufw limit`: `recent --update` is not modelled


@pytest.mark.parametrize("kind", ["legacy", "nft"])
def test_a_dnat_of_either_iptables(kind: str) -> None:
    here = box(stored(f"dnat-{kind}", legacy=kind == "legacy"), *ROUTER)
    assert ask(here, "203.0.113.20", 32500, "192.168.1.50", 32400).kind is AnswerKind.EVERYBODY
    assert ask(here, "203.0.113.20", 32501, "192.168.1.50", 32400).kind is AnswerKind.NOBODY
    prefix = "legacy ip" if kind == "legacy" else "ip"
    assert f"{prefix} nat PREROUTING" in here.chains


def test_a_routers_filter_drops_what_only_the_dnat_names() -> None:
    here = box(stored("router"), *ROUTER)
    assert ask(here, "203.0.113.20", 32500, "192.168.1.50", 32400).kind is AnswerKind.EVERYBODY
    assert ask(here, "203.0.113.20", 8443, "192.168.1.20", 443).kind is AnswerKind.NOBODY


@pytest.mark.parametrize(
    ("family", "to", "port", "end", "reached"),
    [
        (4, "203.0.113.20", 32400, "192.168.1.50", AnswerKind.NOBODY),  # its second packet meets the router
        (4, "203.0.113.20", 32500, "192.168.1.50", AnswerKind.EVERYBODY),
        (4, "203.0.113.20", 80, "", AnswerKind.EVERYBODY),
        (6, "2001:db8:a::20", 32400, "", AnswerKind.EVERYBODY),
        (6, "2001:db8:1::50", 32400, "", AnswerKind.EVERYBODY),
        (6, "2001:db8:1::99", 32400, "", AnswerKind.EVERYBODY),
    ],
)
def test_notrack_after_the_first_packet(
    family: Family, to: str, port: int, end: str, reached: AnswerKind
) -> None:
    sets = "create good hash:net family inet\nadd good 10.0.0.0/8\ncreate good6 hash:net family inet6\n"
    sets += "add good6 2001:db8:99::/64\n"
    text = (DATA / f"notrack-after-syn.v{family}.txt").read_text()
    here = box(read(text, family, sets=sets), *ROUTER)
    for sender in ("198.51.100.77", "192.0.2.9") if family == 4 else ("2001:db8:99::77", "2001:db8:98::9"):
        assert ask(here, to, port, end, 32400 if end else 0, sender).kind is reached


@pytest.mark.parametrize(("port", "reached"), [(32400, "everybody"), (32401, "everybody"), (32402, "nobody")])
def test_a_range_that_docker_publishes(port: int, reached: str) -> None:
    here = box(stored("docker-range"), *HOST, *BRIDGES, wan="eth0")
    assert ask(here, "192.168.1.50", port, "172.18.0.2", port).kind.value == reached


def test_firewalld_of_the_iptables_backend() -> None:
    here = box(stored("firewalld"), *HOST, wan="eth0")
    assert ask(here, "192.168.1.50", 32400).kind is AnswerKind.EVERYBODY
    assert ask(here, "192.168.1.50", 32401).kind is AnswerKind.NOBODY
    assert ask(here, "192.168.1.50", 8324).senders == n("203.0.113.0/24")
    assert ask(here, "192.168.1.50", 8324, sender="203.0.113.7").kind is AnswerKind.EVERYBODY
    assert at_host(stored("firewalld", 6), "2001:db8:1::50") is AnswerKind.EVERYBODY
    assert at_host(stored("firewalld", 6), "2001:db8:1::50", 32401) is AnswerKind.NOBODY


@pytest.mark.parametrize("path", sorted(DATA.glob("*.v?.txt")), ids=lambda path: path.name)
def test_plain_texts_hold_nothing_that_is_not_modelled(path: Path) -> None:
    family: Family = 6 if path.name.endswith("v6.txt") else 4
    part = read(path.read_text(), family)
    limited = [words for words in unknown_in(part) if "recent --update" in words]
    assert limited == list(unknown_in(part))
    assert bool(limited) is path.name.startswith("ufw-many-rules")
    assert part.outside_model == ()
    lines = [line for line in path.read_text().splitlines() if "-A " in line]
    assert sum(len(chain.rules) for chain in part.chains) == len(lines)


@pytest.mark.parametrize("line", (DATA / "decided.txt").read_text().splitlines())
def test_rules_that_a_connection_was_tried_on(line: str) -> None:
    """Each line: family, port, table, chain, the rules, and where a connection from 198.51.100.77 ended."""
    where, rules, ended = line.split(" | ")
    version, port, table, chain = where.split()
    family: Family = 6 if version == "6" else 4
    text = "".join(f"-A {chain} {one}\n" for one in rules.split(" ; "))
    part = read(
        f"*{table}\n:{chain} ACCEPT [0:0]\n{text}COMMIT\n",
        family,
        sets=(DATA / "decided-sets.txt").read_text(),
    )
    here = box(part, *ROUTER)
    to, sender = ("2001:db8:a::20", "2001:db8:99::77") if family == 6 else ("203.0.113.20", "198.51.100.77")
    _, _, address, end_port = ended.split() if ended != "silent" else ("", "", to, port)
    answer = ask(here, to, int(port), address, int(end_port), sender)
    assert answer.kind is (AnswerKind.NOBODY if ended == "silent" else AnswerKind.EVERYBODY)


@pytest.mark.parametrize("extra", ["-m geoip --source-country DE", "-j QUEER --all"])
@pytest.mark.parametrize(
    ("name", "port", "end"),
    [("ufw-before-rules-drop", 32400, ""), ("ufw-many-rules", 32413, ""), ("docker-range", 32400, "172.18.0.2"),
     ("firewalld", 32400, "")]
)  # fmt: skip
def test_what_is_not_modelled_makes_no_answer_surer(name: str, port: int, end: str, extra: str) -> None:
    """One rule after the other gets a match, or a target, that is not modelled."""
    lines = (DATA / f"{name}.v4.txt").read_text().splitlines()

    def reached(text: str) -> AnswerKind:
        return ask(box(read(text), *HOST, *BRIDGES, wan="eth0"), "192.168.1.50", port, end).kind

    whole = reached("\n".join(lines))
    assert whole is not AnswerKind.UNKNOWN
    doubted = 0
    for place, line in enumerate(lines):
        if line.startswith("-A "):
            changed = (
                line.replace(" -j ", f" {extra} -j ")
                if "-m" in extra
                else line.partition(" -j ")[0] + f" {extra}"
            )
            found = reached("\n".join([*lines[:place], changed, *lines[place + 1 :]]))
            assert found in (whole, AnswerKind.UNKNOWN), line
            doubted += found is AnswerKind.UNKNOWN
    assert doubted > 0

"""Somebody's own forward: adopted by name only, one field of it, and given back byte for byte."""

from __future__ import annotations

import difflib

import pytest

from plexops.lab.routers import RouterName
from tests.faults.engine_bench import KILLED, Bench, Ended, Homes

ADOPTING: tuple[RouterName, ...] = ("openwrt", "routeros", "opnsense")
OLD, NEW = "192.168.1.83", "192.168.1.50"


def changed_lines(before: str, after: str) -> list[str]:
    """Give the lines that differ, with `-` or `+` in front."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]


def digest_of(bench: Bench, *more: str) -> str:
    """Give the digest that a dry run shows."""
    digest: str = bench("apply", "--dry-run", "--format", "json", *more).document["plan_digest"]
    return digest


def conflict(ended: Ended) -> dict[str, object]:
    """Give the only conflict of an audit."""
    found = [f for f in ended.document["findings"] if f["status"] == "conflict"]
    assert len(found) == 1, ended
    return dict(found[0])


def adopt_in_playbook(bench: Bench) -> None:
    """Write `adopt: true` beside the forward's task."""
    path = bench.home.playbook_dir / "plex-remote-access.yaml"
    text = path.read_text("utf-8")
    ours = "port_forward: {external_port"
    assert text.count(ours) == 1
    path.write_text(text.replace(ours, "adopt: true, " + ours), "utf-8")


@pytest.mark.parametrize("router", ADOPTING)
def test_without_adoption_nothing_changes(homes: Homes, router: RouterName) -> None:
    with homes(router, "stale-forward") as bench:
        before = bench.state()
        audit = bench("audit", "--format", "json")
        assert audit.status == 1
        found = conflict(audit)
        assert found["adoptable"] == "router/port_forward/plex"
        assert OLD in str(found["have"])
        assert "router/port_forward/plex" in bench("audit", "-v").out
        for yes in (
            ["--yes"],
            ["--approve", digest_of(bench)],
            ["--yes", "--adopt", "router/port_forward/other"],
        ):
            ended = bench("apply", *yes)
            assert ended.status in (1, 2), ended
            assert bench.state() == before
        assert bench.writes() == []


@pytest.mark.parametrize("way", ["option", "task"])
@pytest.mark.parametrize("router", ADOPTING)
def test_adopted_one_field_changes_and_rollback_gives_it_back(
    homes: Homes, router: RouterName, way: str
) -> None:
    with homes(router, "stale-forward") as bench:
        before = bench.state()
        if way == "task":
            adopt_in_playbook(bench)
        adopt = ["--adopt", "router/port_forward/plex"] if way == "option" else []
        ended = bench("apply", "--yes", *adopt)
        assert ended.status == 0, ended
        after = bench.state()
        lines = changed_lines(before["router"], after["router"])
        assert len(lines) == 2, lines
        # One field of one entry: what was there, with the one address in place of the other.
        assert lines[0][1:].replace(OLD, NEW) == lines[1][1:], lines
        assert lines[0][0] == "-"
        assert lines[1][0] == "+"
        assert (before["server"], before["plex"]) == (after["server"], after["plex"])
        assert after["32500 from outside"] == "open"
        assert bench("audit").status == 0, "somebody's forward that equals the desire is in order"
        back = bench("rollback", "last", "--yes")
        assert back.status == 0, back
        assert bench.state() == before


def test_linux_says_why_it_cannot_adopt(homes: Homes) -> None:
    with homes("linux", "stale-forward") as bench:
        before = bench.state()
        found = conflict(bench("audit", "--format", "json"))
        assert found["adoptable"] is None
        assert "cannot be changed from here" in str(found["why"])
        ended = bench("apply", "--yes", "--adopt", "router/port_forward/plex")
        assert ended.status == 1, ended
        assert bench.state() == before
        assert bench.writes() == []


@pytest.mark.parametrize("router", [*ADOPTING, "linux"])
def test_what_somebody_uses_for_something_else_is_never_taken(homes: Homes, router: RouterName) -> None:
    with homes(router, "foreign-rule") as bench:
        before = bench.state()
        found = conflict(bench("audit", "--format", "json"))
        assert found["adoptable"] is None
        yes = ["--yes"], ["--yes", "--adopt", "router/port_forward/plex"], ["--approve", digest_of(bench)]
        for given in yes:
            assert bench("apply", *given).status == 1
        adopt_in_playbook(bench)
        assert bench("apply", "--yes").status == 1
        assert bench("apply", "--yes", "--adopt", "router/port_forward/plex").status == 1
        assert bench("apply", "--approve", digest_of(bench)).status == 1
        assert bench.state() == before
        assert bench.writes() == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("router", ["openwrt", "routeros"])
def test_killed_while_adopting(homes: Homes, router: RouterName) -> None:
    """The old words come back, by recover or by the router itself."""
    for point in range(3, 40):
        with homes(router, "stale-forward") as bench:
            before = bench.state()
            ended = bench("apply", "--yes", "--adopt", "router/port_forward/plex", die_at=point)
            if bench.journal()[-1]["kind"] == "finish":
                break
            assert ended.status == KILLED
            settled = bench("recover", "--format", "json")
            assert settled.status == 0, settled
            # A run that had come to its end is completed: there is nothing to settle.
            outcome = settled.document["outcome"].lower()
            if "new state" in outcome or "nothing to do" in outcome:
                assert changed_lines(before["router"], bench.state()["router"])
                assert bench("audit").status == 0
            else:
                assert bench.state() == before, outcome
    assert point > 6


def test_edited_after_the_adoption_is_not_rolled_back(homes: Homes) -> None:
    """Somebody changed their own forward since: what they did stays."""
    with homes("openwrt", "stale-forward") as bench:
        assert bench("apply", "--yes", "--adopt", "router/port_forward/plex").status == 0
        edit = "uci set firewall.@redirect[-1].dest_ip=192.168.1.20; uci commit firewall; /etc/init.d/firewall reload"
        assert bench.home.router.execute(edit, b"", "root").status == 0
        edited = bench.state()
        back = bench("rollback", "last", "--yes")
        assert back.status == 3, back
        assert "PLX-R220" in back.out + back.err
        assert bench.state() == edited

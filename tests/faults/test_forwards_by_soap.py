"""Port forwards of a FRITZ!Box, written by TR-064: from the command line to its table, over TLS with Digest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plexops.lab.scenarios import SCENARIOS
from plexops.structs import replace
from tests.faults.engine_bench import KILLED, Bench
from tests.faults.mapping_router import OTHERS, PAGE, FritzBox, household
from tests.forking import Forker

OURS = {
    "NewRemoteHost": "0.0.0.0", "NewExternalPort": "32500", "NewProtocol": "TCP", "NewInternalPort": "32400",
    "NewInternalClient": "192.168.1.50", "NewEnabled": "1", "NewPortMappingDescription": "plexops-plex",
    "NewLeaseDuration": "0",
}  # fmt: skip
GONE = "- {name: away, sites: all, tasks: [{name: t, port_forward: {external_port: 32500, state: absent}}]}\n"
KEY = {name: OURS[name] for name in ("NewRemoteHost", "NewExternalPort", "NewProtocol")}


def box(bench: Bench) -> FritzBox:
    router = bench.home.router
    assert isinstance(router, FritzBox)
    return router


def sent(bench: Bench) -> list[tuple[str, dict[str, str]]]:
    """Give what the router was told, in order."""
    lines = [line.split(" ", 4) for line in bench.home.commands("router") if line.startswith("# write ")]
    return [(line[3].partition("#")[2], json.loads(line[4])) for line in lines]


def test_a_forward_is_made_kept_and_given_back(forking: Forker, tmp_path: Path) -> None:
    with household(forking, tmp_path) as bench:
        before = bench.state()
        assert bench("audit").status == 1
        dry = bench("apply", "--dry-run")
        assert dry.status == 0, dry
        assert "#AddPortMapping {" in dry.out
        assert "window    none: this device does not undo by itself, only plexops does" in dry.out
        assert sent(bench) == []
        made = bench("apply", "--yes")
        assert made.status == 0, made
        assert box(bench).table.rows == [*OTHERS, OURS]
        assert sent(bench) == [("AddPortMapping", OURS)]
        assert list(sent(bench)[0][1]) == list(OURS), (
            "arguments stand in the order of the service's description"
        )
        assert bench.state()["32500 from outside"] == "open"
        again = bench("apply", "--yes")
        assert again.status == 0, again
        assert len(sent(bench)) == 1
        back = bench("rollback", "last", "--yes")
        assert back.status == 0, back
        assert sent(bench)[1:] == [
            ("AddPortMapping", {**OURS, "NewEnabled": "0"}),
            ("DeletePortMapping", KEY),
        ]
        assert bench.state() == before
        assert bench.state()["32500 from outside"] == "closed"


def test_what_is_to_be_gone_is_taken_away_and_comes_back(forking: Forker, tmp_path: Path) -> None:
    with household(forking, tmp_path) as bench:
        box(bench).table.rows.append(dict(OURS))
        before = bench.state()
        (bench.home.playbook_dir / "plex-remote-access.yaml").write_text(GONE, "utf-8")
        gone = bench("apply", "--yes")
        assert gone.status == 0, gone
        assert box(bench).table.rows == list(OTHERS)
        back = bench("rollback", "last", "--yes")
        assert back.status == 0, back
        assert bench.state() == before


def test_ours_that_drifted_is_put_right_by_one_addition_and_given_back(
    forking: Forker, tmp_path: Path
) -> None:
    drifted = {**OURS, "NewEnabled": "0", "NewInternalPort": "80"}
    with household(forking, tmp_path) as bench:
        box(bench).table.rows.append(dict(drifted))
        before = bench.state()
        made = bench("apply", "--yes")
        assert made.status == 0, made
        assert sent(bench) == [("AddPortMapping", OURS)]
        assert bench("rollback", "last", "--yes").status == 0
        assert box(bench).table.rows == [*OTHERS, drifted]
        assert bench.state() == before


def test_ours_on_another_port_outside_is_not_changed_and_the_cure_works(
    forking: Forker, tmp_path: Path
) -> None:
    with household(forking, tmp_path) as bench:
        box(bench).table.rows.append({**OURS, "NewExternalPort": "32600"})
        ended = bench("apply", "--yes")
        assert ended.status not in (0, 5, 6), ended
        assert "Take the forward away first (`state: absent`)" in " ".join((ended.out + ended.err).split()), (
            ended
        )
        assert sent(bench) == []
        playbook = bench.home.playbook_dir / "plex-remote-access.yaml"
        wanted = playbook.read_text("utf-8")
        playbook.write_text(GONE, "utf-8")
        assert bench("apply", "--yes").status == 0
        assert box(bench).table.rows == list(OTHERS)
        playbook.write_text(wanted, "utf-8")
        assert bench("apply", "--yes").status == 0
        assert box(bench).table.rows == [*OTHERS, OURS]


@pytest.mark.parametrize(
    ("refusal", "says"),
    [
        (401, "allow them in its settings"),
        (402, "its names know fewer letters"),
        (501, "could not, and does not say why"),
        (606, "run plexops on that computer"),
        (714, "it has no such entry"),
        (718, "another entry has that port"),
        (725, "it takes only entries without an end"),
        (PAGE, "its answer is none to AddPortMapping"),
    ],
)
def test_what_it_refuses_is_said_and_nothing_is_changed(
    refusal: int | str, says: str, forking: Forker, tmp_path: Path
) -> None:
    with household(forking, tmp_path) as bench:
        before = bench.state()
        box(bench).refuses = refusal
        ended = bench("apply", "--yes")
        assert ended.status not in (0, 1), ended
        assert says in " ".join(ended.out.split()), ended
        assert bench.state() == before
        box(bench).refuses = 0
        assert bench("apply", "--yes").status == 0


def test_one_that_says_yes_and_keeps_the_entry_is_believed_by_its_table(
    forking: Forker, tmp_path: Path
) -> None:
    """As FRITZ!OS 7.25 and later do by what owners report: it is said, and the entry is as it was."""
    with household(forking, tmp_path) as bench:
        box(bench).keeps = True
        assert bench("apply", "--yes").status == 0
        back = bench("rollback", "last", "--yes")
        assert back.status == 5, back
        assert "it was sent, and the device does not show it" in back.out
        assert box(bench).table.rows == [*OTHERS, OURS]


def test_where_it_keeps_the_entry_a_forward_that_was_no_use_is_closed(
    forking: Forker, tmp_path: Path
) -> None:
    state = replace(SCENARIOS["in-order"], forwards=(), reservations=(), blocked_ports=frozenset({32500}))
    with household(forking, tmp_path, state) as bench:
        box(bench).keeps = True
        ended = bench("apply", "--yes")
        assert ended.status == 6, ended
        assert box(bench).table.rows == [*OTHERS, {**OURS, "NewEnabled": "0"}]
        assert not bench.is_forwarded(32500)
        assert "switched off" in bench("audit").out


def test_another_mapping_on_the_port_stays(forking: Forker, tmp_path: Path) -> None:
    """One to the same host would be written over without a word."""
    theirs = {**OURS, "NewPortMappingDescription": "Plex", "NewEnabled": "0", "NewInternalPort": "80"}
    with household(forking, tmp_path) as bench:
        box(bench).table.rows.append(theirs)
        ended = bench("apply", "--yes")
        assert ended.status == 1, ended
        assert sent(bench) == []
        assert box(bench).table.rows == [*OTHERS, theirs]


@pytest.mark.timeout(300)
def test_killed_at_any_record_recover_settles_it(forking: Forker, tmp_path: Path) -> None:
    for point in range(2, 40):
        with household(forking, tmp_path / str(point)) as bench:
            before = bench.state()
            ended = bench("apply", "--yes", die_at=point)
            if ended.status != KILLED:
                assert ended.status == 0, ended
                break
            settled = bench("recover", "--format", "json")
            assert settled.status in (0, 2), settled
            rows = box(bench).table.rows
            assert rows in ([*OTHERS], [*OTHERS, OURS])
            if rows == [*OTHERS]:
                assert bench.state()["router"] == before["router"]
            assert bench("apply", "--yes").status == 0
            assert box(bench).table.rows == [*OTHERS, OURS]
    else:
        pytest.fail("it never came to an end")

"""The arithmetic of the fleet's rows and what they are judged by, on figures of a person's reading."""

from __future__ import annotations

import os

import pytest

from tests.bench.document import many
from tests.bench.fleet import Row, site_at, table, ticks_of, typical

FIFTY = Row(50, 16, 4.0, 1.5, 5.0, 70.0)
TWO_HUNDRED = Row(200, 16, 12.0, 4.5, 20.0, 80.0)


def test_a_further_home_is_what_more_homes_cost_beyond_fewer() -> None:
    assert TWO_HUNDRED.further(FIFTY) == pytest.approx(0.020)  # 3 s for 150 homes


def test_the_wall_time_is_held_against_all_cpu_on_all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})
    assert TWO_HUNDRED.against_cores == pytest.approx(12.0 / 12.25)  # 24.5 s of CPU on two cores


def test_a_row_has_no_further_home_where_none_has_fewer() -> None:
    first, second, same = table([FIFTY, TWO_HUNDRED, Row(200, 32, 12.0, 4.5, 20.0, 95.0)])[2:]
    assert first.startswith("| 50 | 16 | 4.0 | 30.0 |  | 100.0 |")
    assert second.startswith("| 200 | 16 | 12.0 | 22.5 | 20.0 | 100.0 |")
    assert same.startswith("| 200 | 32 | 12.0 | 22.5 |  | 100.0 |")


def test_the_largest_fleet_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})
    further, memory, wall = many([FIFTY, TWO_HUNDRED])
    assert further == "| client CPU of each further home, up to 200 homes | ≤ 25 ms | 20.0 ms | held |"
    assert memory == "| memory of an audit of 200 homes | ≤ 100 MB | 80 MB | held |"
    assert wall == "| wall of an audit of 200 homes against all CPU / cores | ≤ 1.15 × | 0.98 × | held |"
    large = Row(1000, 16, 80.0, 30.0, 100.0, 101.0)
    assert all(row.endswith("| **not held** |") for row in many([TWO_HUNDRED, large]))
    assert many([FIFTY]) == []


def test_the_medians_of_several_runs() -> None:
    runs = [
        Row(50, 16, 4.0, 1.0, 5.0, 70.0),
        Row(50, 16, 9.0, 2.0, 6.0, 72.0),
        Row(50, 16, 5.0, 3.0, 7.0, 71.0),
    ]
    assert typical(runs) == Row(50, 16, 5.0, 2.0, 6.0, 71.0)


def test_ticks_are_those_of_a_process_and_of_what_it_waited_for() -> None:
    # A line of /proc/PID/stat; the second field may hold spaces and brackets.
    line = "812 (sshd) x) S 1 812 812 0 -1 4194560 10 20 0 0 3 5 700 400 20 0 1 0 99 1000 100 18446744073709551615"
    assert ticks_of(line) == 3 + 5 + 700 + 400


def test_every_home_of_the_fleet_has_an_address_and_a_port_of_its_own() -> None:
    site = "  home:\n    router:\n      address: 192.168.1.1\n    server:\n      address: 192.168.1.50\n"
    assert site_at(site, 503) == (
        "  home-0503:\n    router:\n      address: 10.77.2.4\n    server:\n"
        "      address: 192.168.1.50\n      port: 20503\n"
    )

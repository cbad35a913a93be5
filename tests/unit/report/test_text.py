"""The terminal's report, read by a person and written down here; then what must hold at every width."""

from __future__ import annotations

import re

import pytest

from plexops.model.errors import Place, Problem
from plexops.report.problem import render_problem
from plexops.report.terminal import width_of
from plexops.report.text import render
from plexops.report.view import View
from plexops.structs import replace
from tests.unit.report.report_samples import (
    APPLIED,
    CGNAT,
    DIAGNOSED,
    DRIFT,
    DRY_RUN,
    IN_ORDER,
    SAMPLES,
    UNDONE,
    UNREACHABLE,
)


def test_drift_wide() -> None:
    assert render(DRIFT, View(width=100)) == (
        """\
plexops audit                                                               home · read-only · 0.4 s
Internet ── ISP ok ── router DRIFT ── server ok ── Plex DRIFT                         meant: forward

drift  router  want 32500 → 192.168.1.50:32400                 playbooks/plex-remote-access.yaml:6:7
               have 32500 → 192.168.1.83:32400  "Plex", made by hand: can be adopted
               why  the forward reaches a host that is not there any more
               adopt it: plexops apply --adopt router/port_forward/3
drift  plex    want manual port 32500                          playbooks/plex-remote-access.yaml:7:7
               have automatic, last 18444
note   router  UPnP on, used by xbox and ps5: left alone
not asked  outside: no vantage in the inventory

2 ok · 2 drift · 1 note       next: plexops apply --dry-run                                   exit 1
"""
    )


def test_drift_narrow_and_ascii() -> None:
    assert render(DRIFT, View(width=60, unicode=False)).splitlines()[:10] == [
        "plexops audit                       home . read-only . 0.4 s",
        "Internet -- ISP ok -- router DRIFT -- server ok",
        "-- Plex DRIFT                                 meant: forward",
        "",
        "drift  router  want 32500 -> 192.168.1.50:32400",
        '               have 32500 -> 192.168.1.83:32400  "Plex", made',
        "                    by hand: can be adopted",
        "               why  the forward reaches a host that is not",
        "                    there any more",
        "               playbooks/plex-remote-access.yaml:6:7",
    ]


def test_in_order_is_short_and_verbose_lists_all() -> None:
    assert len(render(IN_ORDER, View(width=100)).splitlines()) == 6
    verbose = render(IN_ORDER, View(width=100, verbose=True))
    assert "ok    router  The host keeps its address" in verbose
    assert "playbooks/plex-remote-access.yaml:4:7" in verbose


def test_dry_run_shows_every_request_its_undo_and_the_window() -> None:
    text = render(DRY_RUN, View(width=100))
    for change in DRY_RUN.sites[0].changes:
        for request in (*change.commands, *change.undo):
            for line in request.split("\n"):
                assert line in text
        assert change.window in text
        if change.exposure is not None:
            assert change.exposure in text
    assert "  1  router  + port forward plex" in text
    assert "     manual       no → yes" in text
    assert "     exposure  opens TCP 32500 to the Internet, towards Plex only" in text
    assert "guards: 4 hold · 1 not applicable" in text
    assert "next: plexops apply plan.json --approve 7c41e09b52aa" in text
    assert "drift  router" not in text, "a drift that a planned change cures is told by that change"
    assert "nothing was sent" in text


def test_refusing_guard_is_never_folded() -> None:
    site = DRY_RUN.sites[0]
    guards = (replace(site.guards[1], verdict="refuses", reason="the WAN is 100.72.13.9"), *site.guards[2:])
    text = render(replace(DRY_RUN, sites=(replace(site, guards=guards),)), View(width=100))
    assert "1 refuse" in text
    assert "refuses  G4  No forward behind carrier NAT: the WAN is 100.72.13.9" in text


def test_apply_says_what_became_of_each_change_and_who_proves_it() -> None:
    text = render(APPLIED, View(width=100, evidence="~/state/run"))
    assert "done     router  + port forward plex" in text
    assert "proven   Plex: mapped and published as 203.0.113.7:32500, 6 s after the forward" in text
    assert "unknown  outside: no vantage in the inventory" in text
    assert "evidence: ~/state/run" in text
    undone = render(UNDONE, View(width=100))
    assert "undone   plex    ~ remote access" in undone
    assert "refuted  Plex: not reachable: the probe of 203.0.113.7:32500 timed out" in undone
    assert undone.endswith("exit 5\n")


def test_safe_stop_says_why_and_what_a_person_can_do() -> None:
    text = render(CGNAT, View(width=100))
    assert "ISP CARRIER NAT" in text
    assert "Safe stop. plexops will not change any forward while this holds, with any flag." in text
    assert "1  ask the ISP for a public IPv4 address (sometimes free)" in text
    assert "3  Tailscale or WireGuard into the home network" in text
    assert text.endswith("exit 3\n")


def test_diagnosis_gives_layer_cause_reasons_and_what_would_overturn_it() -> None:
    lines = render(DIAGNOSED, View(width=100)).splitlines()
    assert "Verdict  router: no forward for port 32500, and the UPnP table is empty" in lines
    assert "because  - the WAN address is the public one; one NAT only" in lines
    assert "unless   - a UPnP mapping for 32400 appears on the router" in lines
    at = lines.index("see      E2  router: uci show firewall")
    assert lines[at + 1] == "         E3  router: upnpc -l"


def test_with_more_wanted_an_exhibit_shows_what_the_verdict_names() -> None:
    lines = render(DIAGNOSED, View(width=100, verbose=True)).splitlines()
    at = lines.index("see      E2  router: uci show firewall")
    # 32500 and 32400 are named; the other lines of the answer are not shown, and said to be there.
    assert [line.strip() for line in lines[at + 1 : at + 4]] == [
        "firewall.cfg0e3837.src_dport='32500'",
        "firewall.cfg0e3837.dest_port='32400'",
        "… 5 more lines: --format html:FILE shows them",
    ]
    # Nothing of what is named stands in the other answer: it is shown from its beginning.
    assert lines[at + 4 : at + 6] == [
        "         E3  router: upnpc -l",
        "             i protocol exPort->inAddr:inPort description",
    ]


@pytest.mark.parametrize("width", [40, 60, 100])
def test_a_long_line_of_an_exhibit_is_cut_around_what_is_named(width: int) -> None:
    long = f'[{{"padding": "{"x" * 300}", "local": "192.168.1.83", "padding": "{"y" * 300}"}}]'
    site = DIAGNOSED.sites[0]
    assert site.verdict is not None
    verdict = replace(site.verdict, because=("“Plex” leads to 192.168.1.83",), exhibits=("E1",))
    exhibit = replace(site.exhibits[0], text=f"{long}\nsomething else \x1b[2J\n")
    report = replace(DIAGNOSED, sites=(replace(site, verdict=verdict, exhibits=(exhibit,)),))
    lines = render(report, View(width=width, verbose=True)).splitlines()
    (shown,) = [line for line in lines if "192.168.1.83" in line and "because" not in line]
    assert len(shown) <= width
    assert shown.strip().startswith("…")
    assert shown.endswith("…")
    assert "\x1b" not in "\n".join(lines)


def test_what_is_not_known_says_so() -> None:
    text = render(UNREACHABLE, View(width=100))
    assert "have unknown" in text
    assert 'error[PLX-D203]: router "router" refused the login as root' in text
    assert "cure: check the key, or use -k" in text


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("width", [40, 57, 80, 96, 100, 200])
def test_lines_fit_and_colour_and_alphabet_change_nothing_else(name: str, width: int) -> None:
    report = SAMPLES[name]
    plain = render(report, View(width=width))
    requests = {
        line
        for site in report.sites
        for c in site.changes
        for r in (*c.commands, *c.undo)
        for line in r.split("\n")
    }
    for line in plain.splitlines():
        to_the_letter = any(request and request in line for request in requests)
        assert width_of(line) <= width or to_the_letter or "playbooks/" in line or "--approve" in line, line
    assert "\x1b" not in plain
    coloured = render(report, View(width=width, colour=True))
    assert set(re.findall(r"\x1b[^m]*m", coloured)) <= {
        f"\x1b[{n}m" for n in ("0", "1", "2", "31", "32", "33", "34", "36")
    }
    assert re.sub(r"\x1b\[\d*m", "", coloured) == plain
    assert render(report, View(width=width, unicode=False)).isascii()
    assert plain.splitlines()[-1].endswith(f"exit {report.exit_status}")


def test_problem_with_its_line() -> None:
    problem = Problem(
        "PLX-C103",
        "this MAC address was read as a number",
        cure='mac: "10:20:30:40:50:50"',
        place=Place("inventory.yaml", 21, 10),
        path="sites.home.server.mac",
    )
    assert render_problem(problem, "    mac: 10:20:30:40:50:50   # the NAS\n") == (
        """\
error[PLX-C103]: this MAC address was read as a number
  --> inventory.yaml:21:10
   |
21 |     mac: 10:20:30:40:50:50   # the NAS
   |          ^^^^^^^^^^^^^^^^^
   = path: sites.home.server.mac
   = cure: mac: "10:20:30:40:50:50"
   = more: plexops explain PLX-C103"""
    )


def test_problem_excerpt_survives_what_is_in_the_file() -> None:
    problem = Problem("PLX-C103", "no", place=Place("a.yaml", 7, 4))
    shown = render_problem(problem, 'k:\t"a\x1b[2J\u202e短" # c')
    assert "\x1b" not in shown
    source, caret = shown.splitlines()[3:5]
    assert source == '7 | k: "a\\x1b[2J\\u202e短" # c'
    assert caret.strip("| ") == "^" * width_of('"a\\x1b[2J\\u202e短"')
    assert caret.index("^") == source.index('"')
    far = Problem("PLX-C103", "no", place=Place("a.yaml", 7, 400))
    assert "^" in render_problem(far, "short")

"""JUnit, GitHub, Markdown and JSON, and hostile texts through every format."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import xml.parsers.expat
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plexops.model.errors import Place
from plexops.model.finding import FindingStatus
from plexops.report import FORMATS, github, junit, markdown, render
from plexops.report.view import View
from plexops.structs import replace
from tests.unit.report.report_samples import (
    CGNAT,
    DRIFT,
    DRY_RUN,
    FORWARD,
    SAMPLES,
    UNREACHABLE,
    everywhere,
    run_of,
    site_of,
)
from tests.unit.report.test_html import assert_harmless

PAYLOADS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "</style><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</details></body></html><iframe src=//evil>",
    "javascript:alert(1)",
    "&lt;script&gt;",
    "<!--",
    "]]>",
    "]]><evil/>",
    "<![CDATA[x",
    "&xxe;",
    "<?xml version='1.0'?>",
    "\x00\x01\x02\x08\x0b\x0c\x0e\x1f\x7f",
    "\x1b[2J\x1b]0;title\x07\x1b]52;c;AAAA\x07",
    "\x9b31m\x9dtitle\x9c",
    "\u202egpj.exe\u202c\u2066\u200b\ufeff",
    "\ud800x\udfff",
    "\ufffe\uffff",
    "\r\n::error::owned",
    "::error file=x::owned",
    "\n::set-output name=a::b",
    "::stop-commands::x",
    "##[error]owned",
    "##vso[task.setvariable variable=a]b",
    "##teamcity[buildProblem description='x']",
    "\nsection_start:0:x\r\x1b[0K",
    "```\n# owned\n```",
    "````\n<script>\n`````",
    "|cell|cell|\n|---|---|",
    "[click](javascript:alert(1))",
    "![x](http://evil/x.png)",
    "<http://evil>",
    "http://evil.example/",
    "www.evil.example",
    "@everyone @torvalds #1 GH-1",
    "</summary></details><script>",
    "x" * 3000,
    "a\nb\n\nc",
    "%0A::error::owned",
    "",
    " ",
)


def check_text(payload: str) -> None:
    text = render("text", everywhere(payload), View())
    assert not re.search(
        r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b\ufeff]", text.replace("\t", "")
    )
    text.encode()


def check_html(payload: str) -> None:
    text = render("html", everywhere(payload), View())
    text.encode()
    page = assert_harmless(text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "".join(page.texts))


def check_junit(payload: str) -> None:
    text = render("junit", everywhere(payload), View())
    names: list[str] = []
    parser = xml.parsers.expat.ParserCreate()
    parser.StartElementHandler = lambda name, _: names.append(name)
    parser.Parse(text.encode(), True)
    assert set(names) <= {
        *[
            "testsuites",
            "testsuite",
            "properties",
            "property",
            "testcase",
            "failure",
            "error",
            "skipped",
            "system-out",
        ]
    }


def check_github(payload: str) -> None:
    text = render("github", everywhere(payload), View())
    text.encode()
    lines = re.split(r"[\n\r\x0b\x0c\x85\u2028\u2029]", text)
    mark = re.fullmatch(r"::stop-commands::([0-9a-f]{32})", lines[0])
    assert mark is not None
    resume = lines.index(f"::{mark[1]}::")
    assert not [
        line for line in lines[1:resume] if line.lstrip().startswith("::") or "##[" in line or "##vso" in line
    ]
    assert not [line for line in lines if line.startswith(("section_start:", "section_end:"))]
    commands = [line for line in lines[resume + 1 :] if line]
    assert all(re.match(r"::(error|warning|notice) [^\n]*?::", line) for line in commands)


def check_markdown(payload: str) -> None:
    text = render("markdown", everywhere(payload), View())
    text.encode()
    outside, fence = [], ""
    for line in text.split("\n"):
        run = re.match(r"`{3,}", line)
        if fence:
            fence = "" if line.strip() == fence else fence
        elif run:
            fence = run[0]
        else:
            outside.append(line)
    assert fence == "", "a fence was closed by what is in it"
    assert not [line for line in outside if line.startswith("# ")], "device text came out of its fence"
    prose = "\n".join(outside)
    assert set(re.findall(r"(?<!\\)<(?!!?\\)/?([a-z!?]+)", prose)) <= {"details", "summary"}
    assert not re.search(r"(?<!\\)!?\[[^\]]*\]\(", prose)
    assert not re.search(r"@\w|#\d|https?:/|www\.", prose)


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: ascii(payload)[:30])
def test_hostile_texts_stay_texts(payload: str) -> None:
    check_text(payload)
    check_html(payload)
    check_junit(payload)
    check_github(payload)
    check_markdown(payload)
    assert json.loads(render("json", everywhere(payload), View()))["sites"][0]["name"] == payload


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(PAYLOADS) | st.text(max_size=30), min_size=1, max_size=4).map("".join))
def test_hostile_mixtures_stay_texts(payload: str) -> None:
    check_text(payload)
    check_html(payload)
    check_junit(payload)
    check_github(payload)
    check_markdown(payload)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("sample", SAMPLES)
def test_every_format_is_deterministic_and_ends_its_last_line(name: str, sample: str) -> None:
    text = render(name, SAMPLES[sample], View())
    assert text == render(name, SAMPLES[sample], View())
    assert text.endswith("\n")
    assert str(SAMPLES[sample].exit_status) in text


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - it is our own document


def test_junit_counts_and_kinds() -> None:
    suite = parsed(junit.render(DRIFT, View())).find("testsuite")
    assert suite is not None
    assert suite.attrib["name"] == "home"
    assert {k: suite.attrib[k] for k in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "2",
        "errors": "0",
        "skipped": "0",
    }
    case = suite.find("testcase[@name='router.port_forward.plex']")
    assert case is not None
    failure = case.find("failure")
    assert failure is not None
    assert failure.attrib["type"] == "drift"
    assert "want: 32500 → 192.168.1.50:32400" in (failure.text or "")
    stopped = parsed(junit.render(CGNAT, View()))
    assert [f.attrib["type"] for f in stopped.iter("failure")] == ["safe-stop"]
    assert len(list(stopped.iter("skipped"))) == 1
    unreachable = parsed(junit.render(UNREACHABLE, View()))
    assert [e.attrib["type"] for e in unreachable.iter("error")] == ["unknown", "PLX-D203"]


def test_github_annotates_the_lines_that_people_wrote() -> None:
    lines = github.render(DRIFT, View(width=100)).splitlines()
    assert (
        "::error file=playbooks/plex-remote-access.yaml,line=6,col=7,title=home%3A The router forwards our port"
        '::want 32500 → 192.168.1.50:32400%0Ahave 32500 → 192.168.1.83:32400  "Plex", made by hand: can be adopted'
        "%0Athe forward reaches a host that is not there any more"
    ) in lines
    assert any(line.startswith("::warning file=") for line in github.render(UNREACHABLE, View()).splitlines())


def test_github_says_how_many_annotations_it_could_not_show() -> None:
    many = tuple(replace(FORWARD, key=f"k{n}", place=Place("a.yaml", n, 1)) for n in range(1, 14))
    unknown = tuple(replace(finding, status=FindingStatus.UNKNOWN) for finding in many[:12])
    lines = github.render(run_of(site_of(findings=(*many, *unknown))), View()).splitlines()
    assert sum(line.startswith("::error ") for line in lines) == 10
    assert sum(line.startswith("::warning ") for line in lines) == 10
    assert "::notice title=plexops::5 more are in the log; GitHub shows 10 of a kind" in lines


def test_summary_is_cut_before_github_drops_it() -> None:
    exhibit = replace(DRIFT.sites[0].exhibits[0], text="ä" * 4096)
    report = run_of(site_of(exhibits=(exhibit,) * 200))
    text = render("markdown", report, View())
    assert len(text.encode()) <= 901_000
    assert "The rest was cut" in text


def test_markdown_shows_path_findings_requests_and_next_step() -> None:
    text = markdown.render(DRY_RUN, View())
    assert "Internet → ISP **ok** → router **DRIFT** → server **ok** → Plex **DRIFT**" in text
    assert "| drift | router | The router forwards our port: " in text
    assert "uci commit firewall && /etc/init.d/firewall reload" in text
    assert "- plexops apply plan.json --approve 7c41e09b52aa" in text


def test_json_is_the_document_and_ascii() -> None:
    text = render("json", DRIFT, View())
    assert text.isascii()
    assert text.startswith('{\n  "schema": "plexops.run/1"')


def test_formats_are_imported_only_when_used() -> None:
    code = "import sys, plexops.report; print([m for m in sys.modules if m.startswith('plexops.report.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(re.findall(r"'([^']+)'", done.stdout)) == set()


def test_a_report_that_is_cut_inside_a_code_block_closes_it() -> None:
    """What says that it was cut would else be part of the block."""
    closed = 0
    for length in range(4_450, 4_800, 50):
        payload = "x\n" * length
        check_markdown(payload)
        lines = render("markdown", everywhere(payload), View()).splitlines()
        closed += lines[-1].startswith("The rest was cut") and lines[-3].startswith("```")
    assert closed, "some of them are cut inside of one"


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_says_on_which_device_legacy_ssh_is_agreed_to(name: str) -> None:
    told = "home/router: legacy_ssh is set"
    shown = " ".join(render(name, run_of(site_of(weak_ssh=(told,))), View()).split())
    assert told in shown.replace("\\_", "_")  # as Markdown has it
    assert told not in render(name, run_of(site_of()), View())

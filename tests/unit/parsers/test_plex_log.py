"""Plex's log, excerpt by excerpt: every `.yaml` beside a `.log` is a person's reading of it."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from plexops.languages.posix_reads import refuse_read
from plexops.model.entries import LogEvent, LogWord
from plexops.parsers.plex_log import (
    GREP_PATTERN,
    PLEX_LOG_DIRS,
    PLEX_LOG_FILES,
    excerpt,
    merge_logs,
    parse_plex_log,
)
from plexops.runbook.log.story import LogStatement, LogStory, tell_story

EXCERPTS = Path(__file__).parent / "plex_log_excerpts"
NAMES = sorted(path.stem for path in EXCERPTS.glob("*.yaml"))
NUMBERS = {"port", "number", "milliseconds"}


@cache
def expected(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((EXCERPTS / f"{name}.yaml").read_text()))


def texts(name: str) -> list[str]:
    files = expected(name).get("files", [f"{name}.log"])
    return [(EXCERPTS / file).read_bytes().decode("utf-8", "surrogateescape") for file in files]


def event(line: str, day: str) -> LogEvent:
    """Read a person's line: time, word, values."""
    time, word, *values = shlex.split(line)
    given_values = dict(value.split("=", 1) for value in values)
    return LogEvent(
        word=LogWord[word.upper()],
        time=time if "T" in time else f"{day}T{time}",
        **{key: int(value) if key in NUMBERS else value for key, value in given_values.items()},  # type: ignore[arg-type]
    )


def told(statement: LogStatement, day: str) -> str:
    return f"{statement.event.time.removeprefix(f'{day}T')} {'fresh' if statement.fresh else 'stale'}"


def story_of(name: str) -> LogStory:
    now = expected(name)["now"]
    return tell_story(merge_logs(texts(name)), now if now is None else now.isoformat())


def test_there_are_excerpts_of_every_kind() -> None:
    assert len(NAMES) >= 40
    words = {item.word for name in NAMES for item in merge_logs(texts(name))}
    assert words == set(LogWord)


@pytest.mark.parametrize("name", NAMES)
def test_the_events_are_what_a_person_reads(name: str) -> None:
    wanted = expected(name)
    day = str(wanted.get("day", "2025-03-14"))
    assert merge_logs(texts(name)) == tuple(event(line, day) for line in wanted["events"])


@pytest.mark.parametrize("name", NAMES)
def test_the_story_is_what_a_person_makes_of_it(name: str) -> None:
    wanted = expected(name)
    day = str(wanted.get("day", "2025-03-14"))
    story = story_of(name)
    said = {
        name: told(value, day)
        for name in story.__struct_fields__
        if isinstance(value := getattr(story, name), LogStatement)
    }
    assert said == wanted["story"]
    assert [told(item, day) for item in story.settings_changed] == wanted.get("settings_changed", [])
    assert story.reachable is wanted["reachable"]
    assert story.waited == wanted.get("waited")
    assert story.clock == wanted.get("clock", "agrees")


def test_the_age_is_in_seconds_and_unknown_where_the_clock_is() -> None:
    verdict = story_of("timeout-1.41").verdict
    assert verdict is not None
    assert verdict.age == pytest.approx(27 * 60 + 43.3)
    for name in ("without-time-1.43", "container-in-another-zone-1.43"):
        verdict = story_of(name).verdict
        assert verdict is not None
        assert verdict.age is None


@pytest.mark.parametrize("now", ["", "yesterday", "2025-03-14T99:00:00", "\0"])
def test_a_time_that_is_none_is_unknown(now: str) -> None:
    story = tell_story(merge_logs(texts("healthy-manual-1.43")), now)
    assert story.clock == "unknown"
    assert story.reachable is None


def test_a_verdict_is_fresh_for_a_day_and_an_hour() -> None:
    events = merge_logs(texts("timeout-1.41"))
    assert tell_story(events, "2025-03-15T20:02:16").reachable is False
    assert tell_story(events, "2025-03-15T20:02:17").reachable is None


def test_an_outage_is_as_fresh_as_its_last_sign() -> None:
    events = merge_logs(texts("offline-1.30"))
    for now, fresh in (("2025-03-14T05:59:00", True), ("2025-03-14T06:01:00", False)):
        outage = tell_story(events, now).offline
        assert outage is not None
        assert outage.event.time == "2025-03-14T03:00:00.000"
        assert outage.fresh is fresh


def test_a_clock_of_an_earlier_run_that_was_ahead_does_not_count() -> None:
    ahead = "Mar 20, 2025 10:00:00.000 [1] DEBUG - MyPlex: Published Mapping State response was 201\n"
    later = "".join(texts("healthy-manual-1.43"))
    story = tell_story(parse_plex_log(ahead + later), "2025-03-14T09:00:00")
    assert story.clock == "agrees"
    assert story.reachable is True


def test_a_report_that_plex_ignores_takes_back_a_failure_only() -> None:
    text = "".join(texts("punch-pending-1.22")).replace(": 0 for", ": 1 for")
    assert tell_story(parse_plex_log(text), "2025-03-14T12:01:00").reachable is True


def test_no_events_tell_no_story() -> None:
    assert tell_story((), None) == LogStory()


# --- what is asked on the device ---------------------------------------------------------------------------


def deciding_lines(name: str) -> list[str]:
    """The lines of an excerpt that yield an event by themselves."""
    lines = [f"{line}\n" for text in texts(name) for line in text.split("\n")[:-1]]
    return [line for line in lines if parse_plex_log(line)]


@pytest.mark.parametrize("name", NAMES)
def test_every_line_that_decides_matches_the_pattern(name: str) -> None:
    lines = deciding_lines(name)
    assert bool(lines) == bool(expected(name)["events"])
    assert all(re.search(GREP_PATTERN, line) for line in lines)


@pytest.mark.skipif(shutil.which("grep") is None, reason="no grep on this machine")
@pytest.mark.parametrize("name", NAMES)
def test_a_real_grep_selects_what_the_parser_needs(name: str) -> None:
    """The device's expression language is not Python's: the same events must come out of what grep lets through."""
    for text in texts(name):
        data = text.encode("utf-8", "surrogateescape")
        done = subprocess.run(
            ["grep", "-aE", "-e", GREP_PATTERN],
            input=data,
            capture_output=True,
            check=False,
            env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
        )
        assert done.stderr == b""
        selected = done.stdout.decode("utf-8", "surrogateescape")
        if not text.endswith("\n"):  # grep ends a line that the file did not end
            selected = selected.removesuffix("\n")
        assert parse_plex_log(selected) == parse_plex_log(text)


def test_the_pattern_may_stand_in_single_quotes_and_is_a_read() -> None:
    assert re.fullmatch(r"[ -&(-~]+", GREP_PATTERN)
    assert not set(GREP_PATTERN) & set("'\"`$!;&<>")
    assert "(?" not in GREP_PATTERN
    assert refuse_read(f"grep -hE -e '{GREP_PATTERN}' '{PLEX_LOG_DIRS[0]}/{PLEX_LOG_FILES[-1]}'") is None


def test_the_pattern_leaves_the_home_s_own_requests_on_the_device() -> None:
    lines = "".join(texts("wan-request-1.41")).splitlines()
    assert [bool(re.search(GREP_PATTERN, line)) for line in lines] == [False, True, True, False, False, True]


def test_the_folders_are_constant_paths_without_doubles() -> None:
    assert len(PLEX_LOG_DIRS) == len(set(PLEX_LOG_DIRS))
    for path in PLEX_LOG_DIRS:
        assert re.fullmatch(r"/[A-Za-z0-9_./ -]+[a-zA-Z]", path)
        assert ".." not in path
    assert "/var/lib/plexmediaserver/Library/Application Support/Plex Media Server/Logs" in PLEX_LOG_DIRS
    assert PLEX_LOG_FILES[0] == "Plex Media Server.5.log"
    assert PLEX_LOG_FILES[-2:] == ("Plex Media Server.1.log", "Plex Media Server.log")


# --- excerpt -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_an_excerpt_is_verbatim_and_says_the_same(name: str) -> None:
    text = "".join(texts(name))
    found = excerpt(text, 1000)
    assert parse_plex_log(found) == parse_plex_log(text)
    assert all(line in text for line in found.split("\n"))


def test_an_excerpt_keeps_the_verdict_under_many_later_lines() -> None:
    request = "Mar 14, 2025 0{0}:{1:02}:00.000 [1] DEBUG - MyPlex: Last published value didn't change, we're done.\n"
    text = "".join(texts("timeout-1.41")) + "".join(request.format(9, minute) for minute in range(60))
    lines = excerpt(text, 6).splitlines()
    assert len(lines) == 6
    assert any("Got notified of reachability" in line for line in lines)
    assert lines[-1].startswith("Mar 14, 2025 09:59")
    assert lines == sorted(lines, key=text.index)
    assert excerpt(text, 0) == ""
    assert excerpt(text, -1) == ""


# --- whatever comes in -------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        *(
            "Mar 14, 2025 08:15:22.900 [1] DEBUG - ",
            "Feb 30, 2025 08:15:22.900 [0xff] WARN - ",
            "[Req#1] ",
            "[",
            "] ",
        ),
        *(
            "Got notified of reachability",
            " for async identifier ab: 1 for ",
            "203.0.113.20",
            ":",
            ":32500",
            " (responded",
        ),
        *(
            "Request: [",
            " (WAN)]",
            "NAT: UPnP, ",
            "NAT: PMP",
            "error mapping port 1, error: ",
            "Sending Server Info to",
        ),
        *(
            " myPlex (",
            "ip=",
            ", port=",
            ")",
            "Published Mapping State response was ",
            "-6",
            "9" * 5000,
            "GMT -05:00",
        ),
        *(
            "Plex Media Server v1",
            "Got public IP from x: ",
            "incorrect async identifier",
            " - ",
        ),
        *("\n", "\r\n", "\0", "\ufeff", "\u2028", "\x0c", "\udc80", "\U0001f600", "'", " "),
    ]
)
WILD = st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=200)


@settings(max_examples=400, deadline=None)
@given(WILD, st.integers(-2, 50), st.none() | st.text(max_size=30))
def test_anything_is_parsed_and_told(text: str, limit: int, now: str | None) -> None:
    events = parse_plex_log(text)
    assert all(isinstance(item, LogEvent) and item.text.isprintable() for item in events)
    assert len(excerpt(text, limit).splitlines()) <= max(limit, 0) or "\u2028" in text or "\x0c" in text
    assert tell_story(events, now).clock in {"agrees", "unknown", "ahead"}


NOISE = st.sampled_from(
    [
        "",
        "Mar 14, 2025 08:15:22.905 [140213498] DEBUG - Request: [192.168.1.9:1 (Subnet)] GET /?q=(WAN)\n",
        "Mar 14, 2025 08:15:22.905 [140213498] DEBUG - Jobs: running.\n",
        "Mars 14, 2025 08:15:22.905 [1] DEBUG - MyPlex: Published Mapping State response was 500\n",
        "mapping state set to 'Mapped'.\n",
        "\n",
        "\0\0\0\n",
        "(WAN)" * 4000 + "\n",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(NAMES), st.data())
def test_noise_between_the_lines_changes_nothing(name: str, data: st.DataObject) -> None:
    lines = "".join(texts(name)).splitlines(keepends=True)
    noise = data.draw(st.lists(NOISE, min_size=len(lines), max_size=len(lines)))
    mixed = "".join(extra + line for extra, line in zip(noise, lines, strict=True))
    assert parse_plex_log(mixed) == parse_plex_log("".join(lines))


def test_twenty_megabytes_are_read_to_the_last_line() -> None:
    """A busy server's log: requests of the home, and the deciding lines far apart. Correctness only, no clock."""
    home = "Mar 14, 2025 07:{0:02}:{1:02}.000 [1402] DEBUG - Request: [192.168.1.9:{2} (Subnet)] GET /library/{2} (2 live)\n"
    block = "".join(home.format(i // 60 % 60, i % 60, i) for i in range(40_000))
    body = "".join(texts("healthy-manual-1.43"))
    size = 20_000_000 // len(block) + 1
    big = body.replace("\n", "\n" + block, 1) + block * size
    last = "Mar 14, 2025 09:00:00.000 [1402] DEBUG - MyPlex: Published Mapping State response was 422\n"
    assert len(big) > 20_000_000
    wanted = (
        *parse_plex_log(body),
        LogEvent(LogWord.PUBLISH_ANSWER, "2025-03-14T09:00:00.000", number=422),
    )
    assert parse_plex_log(big + last) == wanted


#: Endless lines, and lines that nearly match: quadratic time would be hours.
AWKWARD = [
    "(WAN)", "NAT: UPnP", "Error 401", "users/features", "Got notified of reachability",
    "Sending Server Info to myPlex (ip=",
    "Mar 14, 2025 08:15:22.900 [1] DEBUG - NAT: UPnP, found device ", "Mar 14, 2025 08:15:22.900 [1] DEBUG - (WAN)\n",
    "Mar 14, 2025 08:15:22.900 [1] DEBUG - " + "[a] " * 1500 + "(WAN)\n",
    "Mar 14, 2025 08:15:22.900 [1] DEBUG - Sending Server Info to myPlex (" + "ip=1, port=" * 700 + "\n",
    "Mar 14, 2025 08:15:22.900 [1] DEBUG - NAT: UPnP" + ", found device" * 500 + "\n",
    "Mar 14, 2025 08:15:22.900 [1] DEBUG - Plex Media Server v1 - " + "GMT -05:0 - " * 600 + "\n",
]  # fmt: skip


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", AWKWARD, ids=[piece[-12:].strip() for piece in AWKWARD])
def test_two_megabytes_of_anything_take_linear_time(piece: str) -> None:
    assert len(parse_plex_log(piece * (2_000_000 // len(piece)))) <= 1

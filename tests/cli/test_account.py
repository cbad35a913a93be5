"""plex.tv's list of the account's servers: when it is asked, with what, and that nothing else of it is ever kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plexops.lab.home import HomeOptions
from plexops.lab.plex_seed import PlexSeed
from plexops.lab.plex_tv import SOMEBODY_ELSES
from tests.cli.process import Ended, House, house

ASKED = "GET /api/v2/resources?includeHttps=1&includeRelay=1&includeIPv6=1"
SEED = PlexSeed()
UNREAD = "plex.tv's list of the account's servers could not be read"


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("healthy"), "in-order") as home:
        yield home


def site(ended: Ended) -> Any:
    return json.loads(ended.out)["sites"][0]


def asked(home: House) -> int:
    log = home.home.log("plex_tv")
    assert set(log) <= {ASKED}
    return len(log)


def inventory(home: House, name: str, *, drop: str = "", put: str = "") -> None:
    """Write another inventory beside the home's own: without the line of one key, and with another line."""
    lines = home.home.inventory.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not (drop and line.startswith(f"    {drop}:"))]
    assert len(kept) == len(lines) - bool(drop)
    (home.directory / name).write_text("\n".join([*kept, *([put] if put else [])]) + "\n", encoding="utf-8")


def test_a_diagnosis_asks_once_and_shows_its_own_row_alone(healthy: House) -> None:
    before = asked(healthy)
    ended = healthy("diagnose", "--format", "json", "--record", "first")
    assert (ended.status, asked(healthy) - before) == (0, 1)
    (exhibit,) = [one for one in site(ended)["exhibits"] if "/api/v2/resources" in one["source"]]
    assert exhibit["device"] == "outside"
    (row,) = json.loads(exhibit["text"])
    assert (row["presence"], row["owned"]) == (True, True)
    assert {"accessToken", "name", "uri", "lastSeenAt"}.isdisjoint({*row, *row["connections"][0]})
    assert [one["port"] for one in row["connections"]] == [32400, 32500, 8443]

    (line,) = (healthy.directory / "first" / "home%2Faccount.jsonl").read_text().splitlines()
    assert (
        json.loads(json.loads(line)["replies"][0]["body"])[0]["clientIdentifier"] == SEED.machine_identifier
    )
    replayed = healthy("diagnose", "--replay", "first", "--format", "json")
    assert (replayed.status, asked(healthy) - before) == (0, 1)
    again = [one for one in site(replayed)["exhibits"] if "/api/v2/resources" in one["source"]]
    assert [one["sha256_raw"] for one in again] == [exhibit["sha256_raw"]]


def test_nothing_of_others_and_no_token_is_kept_or_shown(healthy: House) -> None:
    ended = healthy("diagnose", "--format", "html:report.html", "-v", "--record", "second")
    assert ended.status == 0
    kept = [path for path in healthy.directory.rglob("*") if path.is_file() and "/log/" not in str(path)]
    assert len(kept) > 20
    for secret in (*SOMEBODY_ELSES, SEED.token, SEED.account_token):
        assert secret not in ended.said
        assert [path.name for path in kept if secret.encode() in path.read_bytes()] == []


def test_whom_it_concerns_nothing_it_is_not_asked(healthy: House) -> None:
    """An apply, a diagnosis without the internet, and one without a token. An audit judges what apps are told."""
    before = asked(healthy)
    assert healthy("audit").status == 0
    assert asked(healthy) == before + 1
    before = asked(healthy)
    assert healthy("apply", "--dry-run").status == 0
    assert UNREAD not in healthy("diagnose", "--offline", "--format", "json").out
    inventory(healthy, "alone.yaml", drop="echoes", put="    echoes: []")
    assert UNREAD not in healthy("diagnose", "-i", "alone.yaml").said
    plex = '    plex: {url: "http://192.168.1.50:32400"}'
    inventory(healthy, "tokenless.yaml", drop="plex", put=plex)
    assert UNREAD not in healthy("diagnose", "-i", "tokenless.yaml").said
    assert asked(healthy) == before


def test_a_list_that_cannot_be_read_is_not_seen_and_never_in_order(healthy: House) -> None:
    # Nobody listens at the first port.
    inventory(healthy, "silent.yaml", drop="plex_tv", put='    plex_tv: "http://127.0.0.1:1"')
    ended = healthy("diagnose", "-i", "silent.yaml", "--format", "json")
    assert (ended.status, site(ended)["verdict"]["id"]) == (4, "reachable")
    assert any(text.startswith(UNREAD) for text in site(ended)["verdict"]["missing"])
    assert site(ended)["errors"] == []


def test_a_token_that_plex_tv_refuses(tmp_path: Path) -> None:
    with house(tmp_path, "sign-in-broken", options=HomeOptions()) as home:
        ended = home("diagnose", "--format", "json")
        assert site(ended)["verdict"]["id"] == "sign-in-broken"
        refused = (
            "plex.tv's list of the account's servers: plex.tv does not show it for this token (status 401)"
        )
        assert refused in site(ended)["not_asked"]
        assert site(ended)["verdict"]["missing"] == []


@pytest.mark.parametrize(
    "url",
    ["https://plex.tv.example.net", "http://192.168.1.9:8080", "http://plex.tv", "http://127.0.0.1:1/x"],
)
def test_the_token_goes_nowhere_else(healthy: House, url: str) -> None:
    inventory(healthy, "elsewhere.yaml", drop="plex_tv", put=f'    plex_tv: "{url}"')
    ended = healthy("diagnose", "-i", "elsewhere.yaml")
    assert ended.status == 2
    assert "the owner's token goes to plex.tv alone" in ended.said

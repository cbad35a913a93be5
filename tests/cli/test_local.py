"""`connection: local` from the command line, on whatever computer the tests run."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.process import House, house, plexops

pytestmark = pytest.mark.skipif(shutil.which("ip") is None, reason="this computer has no iproute2")
SERVER = "    server: {address: 192.168.1.50, mac: 52:54:00:12:34:56, connection: local}\n"


@pytest.fixture(scope="module")
def at_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A simulated home whose server is said to be this computer."""
    with house(tmp_path_factory.mktemp("local")) as home:
        lines = (home.directory / "inventory.yaml").read_text(encoding="utf-8").splitlines(keepends=True)
        (at,) = [n for n, line in enumerate(lines) if line.lstrip().startswith("server:")]
        (home.directory / "inventory.yaml").write_text(
            "".join([*lines[:at], SERVER, *lines[at + 1 :]]), encoding="utf-8"
        )
        yield home


def test_this_computer_is_read_and_the_servers_ssh_is_not_touched(at_home: House) -> None:
    done = at_home("diagnose", "--offline", "--format", "json", "-v", "--record", "recorded")
    report = json.loads(done.out)
    (site,) = report["sites"]
    assert not [error for error in site["errors"] if "server" in error["where"]]
    assert not [line for line in at_home.home.log("server") if line.startswith("# exec")]
    recorded = (at_home.directory / "recorded" / "home%2Fserver.jsonl").read_text().splitlines()
    first = json.loads(recorded[0])
    assert first["identity"].startswith("local:")
    replies = {read["command"]: reply for read, reply in zip(first["reads"], first["replies"], strict=True)}
    (loopback,) = [link for link in json.loads(replies["ip -j addr show"]["body"]) if link["ifname"] == "lo"]
    assert loopback["addr_info"][0]["local"] == "127.0.0.1"
    again = at_home("diagnose", "--offline", "--format", "json", "-v", "--replay", "recorded")
    assert again.status == done.status
    assert json.loads(again.out)["sites"][0]["verdict"]["id"] == site["verdict"]["id"]


def test_neither_the_report_nor_the_run_tells_the_machines_number(at_home: House) -> None:
    number = Path("/etc/machine-id")
    done = at_home("diagnose", "--offline", "--format", "json", "-v")
    kept = [path.read_text(errors="replace") for path in at_home.state.rglob("*") if path.is_file()]
    if number.exists() and number.read_text().strip():
        assert number.read_text().strip() not in "".join([done.out, done.err, *kept])


def test_there_is_no_key_to_pin(at_home: House) -> None:
    done = at_home("trust", "home/server", "--fingerprint", "SHA256:" + "A" * 43)
    assert done.status == 2
    assert "home/server is this computer itself: it has no key to pin" in done.said


def test_check_names_what_a_login_alone_needs(bare: Path) -> None:
    text = (bare / "inventory.yaml").read_text()
    (bare / "inventory.yaml").write_text(
        text.replace("      username: media", "      username: media\n      connection: local")
    )
    done = plexops("check", directory=bare)
    assert done.status == 2
    assert "PLX-C211" in done.err
    assert "inventory.yaml:11:7" in done.err


@pytest.mark.skipif(os.name != "posix", reason="there is no loopback to ask in the same way")
def test_without_an_inventory_and_without_plex_here_the_inventory_is_missing(tmp_path: Path) -> None:
    done = plexops("diagnose", "--offline", directory=tmp_path)
    assert (done.status, done.out) == (2, "")
    assert "PLX-C001" in done.err
    assert "Plex runs on this computer" not in done.err

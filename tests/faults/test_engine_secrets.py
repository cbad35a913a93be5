"""No secret of a home ends up in a file, on a stream, in a URL or in a process's arguments."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from plexops.lab.home import HomeOptions
from plexops.lab.routers import RouterName
from tests.faults.engine_bench import Bench, Homes, secrets_of, trust_ssh

ROUTERS: tuple[RouterName, ...] = ("openwrt", "routeros", "opnsense", "linux")
SUDO = "correct horse+battery/staple"


def spellings(secret: str) -> set[bytes]:
    """Give a secret as it could have been written: plain, in a URL, in base64."""
    plain = secret.encode()
    return {plain, quote(secret, safe="").encode(), base64.b64encode(plain)}


def leaks(bench: Bench, texts: Iterator[tuple[str, bytes]]) -> list[str]:
    """Name every secret that is found, and where."""
    secrets = {name: spellings(secret) for name, secret in secrets_of(bench).items() if name != "API key"}
    return [
        f"{name} in {where}"
        for where, text in texts
        for name, written in secrets.items()
        if any(spelling in text for spelling in written)
    ]


def everything_written(bench: Bench) -> Iterator[tuple[str, bytes]]:
    """Give all files beside the home's own, and all that went to stdout and stderr."""
    own = {bench.directory / "keys", bench.directory / "log"}
    for folder, _, names in os.walk(bench.directory):
        if any(Path(folder).is_relative_to(path) for path in own):
            continue
        for name in names:
            path = Path(folder) / name
            yield str(path.relative_to(bench.directory)), path.read_bytes()


def ask_for_sudo(bench: Bench) -> None:
    """Give sudo's password through the environment, to a host that was trusted by hand."""
    bench.inventory_with(become="{method: sudo, password: {env: PLEXOPS_SUDO}}")
    bench.environment["PLEXOPS_SUDO"] = SUDO
    trust_ssh(bench, "server")


def every_format(bench: Bench) -> list[str]:
    """Ask for all formats at once, one of them on standard output."""
    names = ("json", "junit", "github", "html", "markdown")
    files = [f"--format={name}:{bench.directory / f'report.{name}'}" for name in names]
    return ["-v", "--format=text", *files]


@pytest.mark.parametrize("router", ROUTERS)
def test_no_secret_leaves(homes: Homes, router: RouterName) -> None:
    with homes(router, "drifted", HomeOptions(sudo_password=SUDO)) as bench:
        ask_for_sudo(bench)
        formats = every_format(bench)
        assert bench("audit", *formats, "--record", str(bench.directory / "recording")).status == 1
        plan = bench.directory / "plan.json"
        assert bench("apply", "--dry-run", "--out", str(plan), *formats).status == 0
        assert bench("apply", "--yes", *formats).status == 0
        assert bench("rollback", "last", "--yes", *formats).status == 0
        assert bench("apply", "--yes", die_at=20).status < 0
        assert bench("recover", *formats).status == 0
        texts = list(everything_written(bench))
        assert len(texts) > 60
        assert any("journal.jsonl" in name for name, _ in texts)
        assert leaks(bench, iter(texts)) == []
        assert bench.home.plex.faults == []
        logs = ((role, "\n".join(bench.home.log(role)).encode()) for role in ("router", "plex", "outside"))
        assert leaks(bench, logs) == []


def test_no_secret_in_arguments(homes: Homes) -> None:
    """Other users of the machine see the arguments of processes, also of those that a child starts."""
    with homes("openwrt", "drifted", HomeOptions(sudo_password=SUDO)) as bench:
        ask_for_sudo(bench)
        process = bench.start("apply", "--yes")
        seen: list[tuple[str, bytes]] = []
        while Path(f"/proc/{process}/cmdline").exists() and not is_over(process):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.append((str(path), path.read_bytes()))
                except OSError:
                    continue
            time.sleep(0.02)
        assert bench.wait().status == 0
        assert len(seen) > 20
        assert leaks(bench, iter(seen)) == []


def is_over(process: int) -> bool:
    """Tell whether a process has ended and only waits to be asked for."""
    try:
        return ") Z" in Path(f"/proc/{process}/stat").read_text("utf-8")
    except OSError:
        return True


@pytest.mark.parametrize("router", ["openwrt", "opnsense"])
def test_a_wrong_token_is_said_without_the_token(homes: Homes, router: RouterName) -> None:
    """Errors are where secrets slip out."""
    with homes(router, "in-order") as bench:
        wrong = "WrongTokenWrongToken"
        text = bench.home.inventory.read_text("utf-8").replace(
            'token: {from: "server"}', "token: {env: PLEX_TOKEN}"
        )
        bench.home.inventory.write_text(text, "utf-8")
        bench.environment["PLEX_TOKEN"] = wrong
        ended = bench("audit", *every_format(bench))
        assert ended.status == 4, ended
        assert "token" in ended.out + ended.err
        found = [name for name, content in everything_written(bench) if wrong.encode() in content]
        assert found == []


def test_state_is_for_its_owner_alone(homes: Homes) -> None:
    with homes("openwrt", "drifted") as bench:
        assert bench("apply", "--yes").status == 0
        modes = {oct(path.stat().st_mode & 0o777) for path in bench.folder.rglob("*") if path.is_file()}
        assert modes == {"0o600"}
        assert {oct(p.stat().st_mode & 0o777) for p in bench.folder.rglob("*") if p.is_dir()} == {"0o700"}

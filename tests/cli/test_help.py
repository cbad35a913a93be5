"""Help, versions and what they cost: the first things that anybody sees."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from plexops import __version__
from plexops.cli.main import COMMANDS
from plexops.config.hints import Where, hints
from tests.cli.process import environment, plexops

GOLDEN = Path(__file__).parent / "golden"
#: Every page of help. The goldens were read by a person; python -m tests.cli.test_help writes them anew.
PAGES: tuple[tuple[str, ...], ...] = (
    (),
    *((name,) for name in COMMANDS),
    *(("evidence", name) for name in ("list", "verify", "export", "prune")),
    *(("profiles", name) for name in ("list", "show", "test", "new", "record", "prove", "matrix")),
    *(("lab", name) for name in ("run", "serve", "scenarios")),
)
#: Each costs more than all of `--help` may take.
HEAVY = {
    "yaml",
    "jinja2",
    "jsonschema",
    "referencing",
    "paramiko",
    "requests",
    "plexapi",
    "netmiko",
    "rich",
    "distributed",
}
#: What could open a connection.
NETWORKED = {"paramiko", "requests", "plexapi", "netmiko", "urllib3"}


def golden(page: tuple[str, ...]) -> Path:
    """Give the file of one page."""
    return GOLDEN / f"help{''.join(f'-{word}' for word in page)}.txt"


@pytest.mark.parametrize("page", PAGES, ids="-".join)
def test_help_is_as_it_was_read(page: tuple[str, ...], tmp_path: Path) -> None:
    ended = plexops(*page, "--help", directory=tmp_path)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == golden(page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids="-".join)
def test_help_fits_a_terminal_of_100_columns(page: tuple[str, ...]) -> None:
    assert max(map(len, golden(page).read_text(encoding="utf-8").splitlines())) <= 100


def test_the_options_that_cures_name_are_there() -> None:
    pages = " ".join(golden(page).read_text(encoding="utf-8") for page in PAGES)
    wheres: tuple[Where, ...] = ("playbook", "inventory", "firewall", "refused")
    cures = [cure for where in wheres for _, cure in hints(where).values()]
    options = {option for cure in cures for option in re.findall(r"--[a-z][a-z-]+", cure)}
    assert {"--dry-run", "--forks", "--retry-for"} >= options
    assert all(option in pages for option in options)


def test_plexops_alone_shows_its_help(tmp_path: Path) -> None:
    alone = plexops(directory=tmp_path)
    assert (alone.status, alone.out) == (0, plexops("-h", directory=tmp_path).out)


def test_version(tmp_path: Path) -> None:
    ended = plexops("--version", directory=tmp_path)
    assert (ended.status, ended.out) == (0, f"plexops {__version__}\n")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("aplly",), "There is no command 'aplly'. Did you mean apply?"),
        (("quux",), "There is no command 'quux'."),
        (("audit", "--limt", "home"), "No such option '--limt'"),
        (("audit", "--forks", "0"), "0 is not in the range x>=1"),
        (("audit", "--retry-for", "5x"), "'5x' is no time: write 90s, 10m or 1h"),
        (("audit", "--retry-for", "9s", "--record", "x"), "it does not go with --record or --replay"),
        (("audit", "--format", "jsn"), "Did you mean json?"),
        (("audit", "--format", "json", "--format", "text"), "Give one of them a file"),
        (("audit", "--format", "html:/nowhere/x.html"), "/nowhere/x.html cannot be written"),
        (("apply", "--dry-run", "--out", "/nowhere/p.json"), "/nowhere/p.json cannot be written"),
        (("apply",), "there is no terminal to ask at: review with --dry-run, then give --approve DIGEST"),
        (("apply", "--yes", "--exit-code"), "--out and --exit-code belong to --dry-run"),
        (("apply", "--dry-run", "--yes"), "--dry-run sends nothing"),
        (("apply", "--approve", "12ab"), "--approve takes at least 12 hexadecimal digits"),
        (("apply", "plan.json", "--yes"), "a plan file needs --approve DIGEST"),
        (("apply", "plan.json", "other.json", "--approve", "0" * 12), "give one plan file"),
        (("apply", "plan.json", "--approve", "0" * 12), "the plan plan.json cannot be read"),
        (("audit",), "inventory.yaml"),
        (("schema", "inventry"), "'inventry' is not one of"),
        (("explain", "PLX-C999"), "Did you mean PLX-C099"),
        (("trust",), "name a device, such as home/router"),
        (("trust", "home/router"), "there is no terminal at which to compare the key"),
        (("report", "nothing"), "no site has a run 'nothing'"),
        (("evidence", "prune"), "Missing option '--keep'"),
        (("evidence", "list", "--site", "cabin"), "there are no runs of a site 'cabin'"),
        (("profiles", "show", "openwrtt"), "Did you mean openwrt?"),
        (("profiles", "test", "nowhere.yaml"), "nowhere.yaml"),
        (("lab", "run", "--scenario", "dirfted", "--", "true"), "there is no scenario 'dirfted'"),
        (("lab", "run", "--playbook", "nowhere.yaml", "--", "true"), "there is no playbook nowhere.yaml"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_meant_ends_with_2_and_a_hint(
    words: tuple[str, ...], hint: str, tmp_path: Path
) -> None:
    ended = plexops(*words, directory=tmp_path, variables={"XDG_STATE_HOME": str(tmp_path / "state")})
    assert ended.status == 2
    assert hint in ended.said
    assert ended.out == ""


def imported(*words: str, directory: Path) -> set[str]:
    """Give the top-level packages that a command imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "plexops", *words],
        cwd=directory,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.parametrize("words", [("--version",), ("--help",), ("explain", "PLX-C101"), ("audit", "--help")])
def test_quick_commands_import_nothing_heavy(words: tuple[str, ...], tmp_path: Path) -> None:
    found = imported(*words, directory=tmp_path)
    assert "click" in found
    assert not found & HEAVY


def test_check_imports_nothing_that_could_connect(tmp_path: Path) -> None:
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "inventory.yaml").write_text(
        "sites: {home: {router: {profile: openwrt, address: 192.168.1.1, username: root}}}\n"
    )
    (tmp_path / "playbooks" / "a.yaml").write_text("- {sites: all, tasks: [{upnp: {enabled: false}}]}\n")
    for judged in (True, False):  # the second time, both files are remembered
        found = imported("check", directory=tmp_path)
        assert ("jsonschema" in found) is judged
        assert not found & NETWORKED
    assert plexops("check", directory=tmp_path).status == 0


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for written in PAGES:
        text = plexops(*written, "--help", directory=GOLDEN, variables={"COLUMNS": "100"}).out
        golden(written).write_text(text, encoding="utf-8")

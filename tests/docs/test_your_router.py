"""The page “Your router in an afternoon”: each of its files is written and each command run, in their order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from plexops.cli.homes import LabHome, pin_keys
from plexops.lab.home import RunningHome, start_home
from tests.cli.process import PLEXOPS, at_a_terminal

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "your-router.md").read_text(encoding="utf-8")
#: What each command ends with, in the page's order. The same one may stand twice.
EXITS = [
    ("plexops profiles new ubox --speaks shell", 0),
    ("plexops profiles test ubox.yaml", 0),
    ("plexops profiles record ubox.yaml home/router --state household", 0),
    ("plexops profiles prove ubox.yaml", 0),
    ("plexops check", 0),
    ("plexops audit", 4),
    ("plexops profiles test ubox.yaml", 0),
    ("plexops profiles show ubox.yaml", 0),
    ("plexops check", 0),
    ("plexops apply --dry-run", 0),
    ("plexops apply", 3),
    ("plexops apply --allow-profile DIGEST", 0),
    ("plexops audit", 0),
    ("plexops rollback last --allow-profile DIGEST", 0),
]


def _blocks() -> Iterator[tuple[str, str]]:
    """Give each fenced block, with its language."""
    for found in re.finditer(r"^```(sh|yaml)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        yield found[1], found[2]


def _commands(block: str) -> list[str]:
    return [line for line in block.splitlines() if line]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[RunningHome]:
    """A home in which nothing is set up; its router's profile is the reader's own."""
    with start_home("openwrt", "drifted", directory=tmp_path) as running:
        pin_keys(LabHome(running, tmp_path))
        inventory = tmp_path / "inventory.yaml"
        text = inventory.read_text(encoding="utf-8")
        assert 'profile: "openwrt"' in text
        inventory.write_text(text.replace('profile: "openwrt"', "profile: ./ubox.yaml"), encoding="utf-8")
        yield running


def test_each_command_of_the_page_is_known_here() -> None:
    named = [line for language, block in _blocks() if language == "sh" for line in _commands(block)]
    assert named == [command for command, _ in EXITS]


def _write(block: str, profile: Path) -> None:
    """Put a block where its first line says: the file, its kinds, or what stands at its end."""
    head, body = block.split("\n", 1)
    kept = profile.read_text(encoding="utf-8")
    if head == "# ubox.yaml":
        kept = body
    elif head == "# ubox.yaml: kinds":
        before, after = kept.split("  dhcp_reservation:\n", 1)
        kept = f"{before}{body}  upnp:{after.split('  upnp:', 1)[1]}"
    else:
        assert head == "# ubox.yaml: at its end"
        kept += body
    profile.write_text(kept, encoding="utf-8")


def test_the_page_does_what_it_says(home: RunningHome) -> None:
    """From nothing to a change that holds, judged by the router's own state."""
    own = {"HOME": str(home.directory), "XDG_STATE_HOME": str(home.directory / "state")}
    expected, digest, exports = iter(EXITS), "", [home.export("router")]
    for language, block in _blocks():
        if language == "yaml":
            _write(block, home.directory / "ubox.yaml")
            continue
        for command in _commands(block):
            words = command.replace("DIGEST", digest).split()[1:]
            status, said = at_a_terminal([*PLEXOPS, *words], home.directory, own, "[y/N]", ["y"])
            assert status == next(expected)[1], f"{command} ended with {status}:\n{said}"
            named = re.search(r"--allow-profile ([0-9a-f]{64})", " ".join(said.split()))
            digest = named[1] if named else digest
            exports.append(home.export("router"))
    before, after = exports[0], exports[-2]
    assert ("plexops_plex" in after, "plexops_plex" in before) == (True, False)
    assert exports[-1] == before
    assert [export for export in exports[:-3] if export != before] == [], "only what was allowed writes"

"""32400 as an external port, in every spelling that a playbook can hold, through the real command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from plexops.cli.main import run
from plexops.lab.home import RunningHome, start_home

PLAYBOOK = """\
- name: A port that must never be open
  sites: all
  tasks:
    - name: The forward
      port_forward:
        external_port: {port}
"""
#: Where the port stands in it.
PLACE = "playbook.yaml:6:24"

#: What is a port in YAML 1.2's core schema, and the one that must be refused by a guard.
UNDERSTOOD = ("32400", '"{{ 32400 }}"', '"{{ exposed }}"')
#: What is another thing to some YAML reader or number parser: refused as text, where it stands.
REJECTED = (
    '"32400"',
    "'32400 '",
    "0x7e90",
    '"0x7e90"',
    "0o77220",
    "077220",
    "032400",
    "32_400",
    "9:00:00",
    "540:00",
    "+32400",
    "-32400",
    "3.24e+4",
    "32400.0",
    "32400,",
    "32000-33000",
    '"32000-33000"',
    "32400-32400",
    "1-65535",
    '"32400 "',
    '"３２４００"',
    "[32400]",
    "{from: 32400}",
    "!!int 32400",
    "true",
    "98336",
    "65536",
    "\"{{ '32000-33000' }}\"",
)


class Ended(NamedTuple):
    """How a command ended, and all that it said."""

    status: int
    text: str


Command = Callable[..., Ended]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHome]:
    directory = tmp_path_factory.mktemp("home")
    with start_home("openwrt", "drifted", directory=directory) as running:
        yield running


@pytest.fixture
def plexops(
    home: RunningHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))

    def command(verb: str, port: str) -> Ended:
        (tmp_path / "playbook.yaml").write_text(PLAYBOOK.format(port=port), encoding="utf-8")
        inventory = str(home.directory / "inventory.yaml")
        status = run([*verb.split(), "-i", inventory, "-e", "exposed=32400", "playbook.yaml"])
        said = capfd.readouterr()
        return Ended(status, said.out + said.err)

    return command


@pytest.mark.parametrize("port", REJECTED)
def test_what_is_no_plain_number_is_rejected_where_it_stands(
    plexops: Command, home: RunningHome, port: str
) -> None:
    before = len(home.commands("router"))
    for verb in ("check", "apply --dry-run", "apply --yes", "audit"):
        ended = plexops(verb, port)
        assert ended.status == 2, ended.text
        assert PLACE in ended.text
    assert len(home.commands("router")) == before, "no device was contacted"


@pytest.mark.parametrize("port", UNDERSTOOD)
def test_the_number_itself_is_refused_by_the_guard(plexops: Command, home: RunningHome, port: str) -> None:
    checked = plexops("check", port)
    assert checked.status == 2
    assert PLACE in checked.text
    assert "32400" in checked.text
    before = home.export("router")
    for verb in ("apply --dry-run", "apply --yes"):
        ended = plexops(verb, port)
        assert ended.status == 3, ended.text
        assert "would open 32400 itself to the internet" in " ".join(ended.text.split())
    assert home.export("router") == before


@pytest.mark.parametrize("port", ["1023", "22", "8291", "443"])
def test_ports_of_other_services_are_refused_by_the_guard(plexops: Command, port: str) -> None:
    assert plexops("check", port).status == 2
    assert plexops("apply --dry-run", port).status == 3


@pytest.mark.parametrize("port", ["32500", "32401", "1024", "65535"])
def test_ports_that_we_may_choose_pass_the_check(plexops: Command, port: str) -> None:
    assert plexops("check", port).status == 0

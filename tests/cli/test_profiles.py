"""`plexops profiles new` and `record`: a profile of one's own is begun, asked of a simulated router, and proven."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import get_args

import pytest

from plexops.config.files import shipped
from plexops.config.profiles import load_profile
from plexops.config.samples import Said, State, load_samples, write_state
from plexops.drivers.router.compile import compile_profile
from plexops.lab.routers import RouterName
from plexops.model.errors import PlexopsError
from plexops.model.profile import Speaks
from tests.cli.process import House, house, plexops


@pytest.mark.parametrize("speaks", list(Speaks))
def test_a_new_profile_loads_and_the_proof_says_what_is_next(speaks: Speaks, tmp_path: Path) -> None:
    ended = plexops("profiles", "new", "mine", "--speaks", str(speaks), directory=tmp_path)
    assert (ended.status, "mine.yaml" in ended.out) == (0, True)
    assert plexops("profiles", "test", "mine.yaml", directory=tmp_path).status == 0
    compile_profile(load_profile("./mine.yaml", tmp_path))
    if speaks is not Speaks.NOTHING:
        proof = plexops("profiles", "prove", "./mine.yaml", directory=tmp_path)
        assert proof.status == 1
        assert "plexops profiles record FILE SITE/router --state household" in proof.said
    before = (tmp_path / "mine.yaml").read_text(encoding="utf-8")
    assert re.search(r"\bNAME\b", before) is None
    assert (speaks is Speaks.SHELL) == ("release.PRETTY_NAME" in before), "a name of the device's is not ours"
    again = plexops("profiles", "new", "mine", "--speaks", str(speaks), directory=tmp_path)
    assert (again.status, "is there already" in again.said) == (2, True)
    assert (tmp_path / "mine.yaml").read_text(encoding="utf-8") == before


@pytest.mark.parametrize("name", ["../mine", "Mine", "", "a" * 41])
def test_a_name_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    ended = plexops("profiles", "new", name, "--speaks", "shell", directory=tmp_path)
    assert (ended.status, "is no name" in ended.said) == (2, True)
    assert list(tmp_path.iterdir()) == []


def record(home: House, mine: Path, *more: str) -> tuple[int, str]:
    ended = home("profiles", "record", str(mine), "home/router", "--state", "household", *more)
    return ended.status, ended.said


@pytest.mark.parametrize("router", get_args(RouterName))
def test_a_recorded_state_of_the_simulated_home_is_proven(router: RouterName, tmp_path: Path) -> None:
    mine = tmp_path / "mine" / f"{router}.yaml"
    mine.parent.mkdir()
    shutil.copy(shipped("router_profiles") / f"{router}.yaml", mine)
    with house(tmp_path / "home", "in-order", router) as home:
        before = home.exports()
        assert record(home, mine)[0] == 0
        assert home.exports() == before
        status, said = record(home, mine)
        assert (status, "PLX-C606" in said) == (2, True)
        assert record(home, mine, "--replace")[0] == 0
        known = {"62.155.240", "John", "kueche-cam", "gaming-pc", "98:5f:d3", "b8:27:eb", "WireGuard"}
        written = mine.with_name(f"{router}.samples.yaml").read_text(encoding="utf-8").lower()
        assert {canary for canary in known if canary.lower() in written} == set()
    samples = load_samples(str(mine), tmp_path)
    assert samples is not None
    assert "recorded and masked on" in samples.states["household"].source
    assert len(samples.states["household"].kinds["port_forward"]) >= 8  # type: ignore[index]
    proof = plexops("profiles", "prove", str(mine), directory=tmp_path)
    assert "understand 1 look 0 problems" in proof.said
    assert "bad answers:" not in proof.out


def test_from_a_recording_nothing_is_asked(tmp_path: Path) -> None:
    mine = tmp_path / "openwrt.yaml"
    shutil.copy(shipped("router_profiles") / "openwrt.yaml", mine)
    with house(tmp_path / "home", "in-order") as home:
        assert home("audit", "--record", str(tmp_path / "kept")).status == 0
    assert record(home, mine, "--replay", str(tmp_path / "kept"))[0] == 0


def test_params_that_are_not_the_profiles_own_are_not_recorded(tmp_path: Path) -> None:
    mine = tmp_path / "openwrt.yaml"
    shutil.copy(shipped("router_profiles") / "openwrt.yaml", mine)
    with house(tmp_path / "home", "in-order") as home:
        home.edit("inventory.yaml", 'profile: "openwrt"', 'profile: "openwrt", params: {wan: wan6}')
        status, said = record(home, mine)
    assert (status, "Write its words as defaults" in said) == (2, True)


STATE = State("made", answers={"a": "x\n  y\n", "b": Said("", 1), "c": "07: 'q'"})


def test_a_state_is_added_and_the_other_lines_stay(tmp_path: Path) -> None:
    path = tmp_path / "mine.samples.yaml"
    path.write_text(
        "# mine\nprofile: mine\nstates:\n  # first\n  one:\n    source: made  # by me\n  two: {source: made}\n"
    )
    write_state(f"{tmp_path}/mine.yaml", tmp_path, "three", STATE)
    assert path.read_text().startswith(
        "# mine\nprofile: mine\nstates:\n  # first\n  one:\n    source: made  # by me\n"
    )
    write_state(f"{tmp_path}/mine.yaml", tmp_path, "one", STATE)  # it held no answers
    with pytest.raises(PlexopsError):
        write_state(f"{tmp_path}/mine.yaml", tmp_path, "one", STATE)
    samples = load_samples(f"{tmp_path}/mine.yaml", tmp_path)
    assert samples is not None
    assert samples.states == {"one": STATE, "two": State("made"), "three": STATE}
    path.write_text("states: {one: {source: made}}\nprofile: mine\n")
    with pytest.raises(PlexopsError) as refused:
        write_state(f"{tmp_path}/mine.yaml", tmp_path, "two", STATE)
    assert "line by line" in refused.value.problems[0].reason

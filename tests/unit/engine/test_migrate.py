"""Profiles of format 1, as plexops had them, in format 2: they load, and what they know they know as before."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from plexops.cli.commands.profiles import command
from plexops.config.files import shipped
from plexops.config.profiles import load_profile
from plexops.config.samples import Samples, load_samples
from plexops.config.yaml import parse_yaml
from plexops.drivers.router.compile import CompiledProfile, compile_profile
from plexops.drivers.router.profiled import ProfiledDriver
from plexops.engine.migrate import migrated
from plexops.engine.proving import as_text, observed
from plexops.model.errors import PlexopsError
from plexops.model.snapshot import Kind

OLD = Path(__file__).with_name("format_1")
#: What of each is left for a person.
LEFT = {
    "linux": {
        "kinds.dhcp_reservation.write": "a `file` is a store now",
        "kinds.port_forward.write": "a `file` is a store now",
        "kinds.passage.write": "a `file` is a store now",
    },
    "openwrt": {
        "kinds.dhcp_reservation.adopt": "a store does that",
        "kinds.dhcp_reservation.adopt_unset": "a store does that",
        "kinds.port_forward.adopt": "a store does that",
        "kinds.port_forward.adopt_unset": "a store does that",
        "kinds.port_forward.write": "place is no word of a request",
    },
    "opnsense": {
        "kinds.dhcp_reservation.backends.dnsmasq.adopt": "a store does that",
        "kinds.dhcp_reservation.backends.kea.adopt": "a store does that",
        "kinds.dhcp_reservation.backends.kea.write": "fact_x_kea_subnet is no word of a request",
        "kinds.port_forward.adopt": "a store does that",
        "kinds.port_forward.again": "a store does that",
    },
    "routeros": {
        "kinds.dhcp_reservation.adopt": "a store does that",
        "kinds.dhcp_reservation.adopt_unset": "a store does that",
        "kinds.port_forward.adopt": "a store does that",
        "kinds.port_forward.adopt_unset": "a store does that",
        "kinds.port_forward.again": "a store does that",
    },
}


def turned(name: str, folder: Path) -> tuple[CompiledProfile, str, int]:
    """Give a file of plexops' own in format 2, loaded and compiled as a user's own is."""
    text, left = migrated(parse_yaml((OLD / f"{name}.yaml").read_text(encoding="utf-8"), name))
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return compile_profile(load_profile(str(path), folder)), text, left


@pytest.mark.parametrize("name", LEFT)
def test_a_file_of_format_1_loads_in_format_2_and_says_what_is_left(name: str, tmp_path: Path) -> None:
    _profile, text, left = turned(name, tmp_path)
    told = [
        line.removeprefix("# ").split(": ", 1) for line in text.splitlines() if line.startswith("# kinds.")
    ]
    assert {path: why[: len(LEFT[name][path])] for path, why in told} == LEFT[name]
    assert left == len(LEFT[name])


@pytest.mark.parametrize("name", LEFT)
def test_it_knows_the_same_facts_of_every_sample_and_sees_as_many_entries(name: str, tmp_path: Path) -> None:
    driver = ProfiledDriver(turned(name, tmp_path)[0])
    samples = load_samples(name, Path())
    assert isinstance(samples, Samples)
    for state in samples.states.keys() - {"isc", "kea"}:  # servers that format 1 knew nothing of
        seen = observed(driver, samples.answers(state))
        facts = {fact: as_text(told.value) for fact, told in seen.facts.items()}
        promised = {f: word for f, word in samples.states[state].facts.items() if not f.startswith("x.")}
        assert {fact: facts.get(fact) for fact in promised} == promised, state
        for kind, entries in samples.states[state].kinds.items():
            if isinstance(entries, tuple) and kind in driver.profile.resources:
                assert len(seen.of(kind)) == len(entries), (state, kind)
    assert driver.profile.resources


def test_a_param_is_a_literal_of_its_own_and_a_column_by_its_value(tmp_path: Path) -> None:
    profile = turned("opnsense", tmp_path)[0].profile
    serves = profile.facts["x.dnsmasq_serves"].take
    assert "no_interface.item(@, 'lan').selected" in serves
    assert "join('', ['dnsmasq gives no addresses on ', 'lan'])" in serves
    assert profile.facts["wan.address"].take == "interfaces | rows[?identifier=='wan'] | [0].addr4"
    assert profile.contract == "opnsense"


def test_an_export_with_its_ids_is_a_menu_and_a_step_has_its_fields(tmp_path: Path) -> None:
    profile = turned("routeros", tmp_path)[0].profile
    assert profile.reads["nat"].menu == "/ip firewall nat"
    assert "nat_ids" not in profile.reads
    assert "{{ external_port }}" in profile.steps[Kind.PORT_FORWARD][0]


def test_the_loader_names_the_command_and_that_works(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    text = (OLD / "linux.yaml").read_text(encoding="utf-8")
    for written in (text, text.replace("profile: linux\n", "profile: linux\nformat: 1\n")):
        path.write_text(written, encoding="utf-8")
        with pytest.raises(PlexopsError) as refused:
            load_profile(str(path), tmp_path)
        (problem,) = refused.value.problems
        assert (problem.code, problem.cure) == ("PLX-C104", f"Rewrite it: plexops profiles migrate {path}")
    arguments = problem.cure.removeprefix("Rewrite it: plexops profiles ").split()
    done = CliRunner().invoke(
        command, [*arguments, "--output", f"{tmp_path}/new.yaml"], standalone_mode=False
    )
    assert done.return_value == 4
    assert path.read_text(encoding="utf-8") == written
    compile_profile(load_profile(f"{tmp_path}/new.yaml", tmp_path))


def test_no_file_is_written_over(tmp_path: Path) -> None:
    there = tmp_path / "there.yaml"
    there.write_text("mine", encoding="utf-8")
    with pytest.raises(PlexopsError, match="File exists"):
        CliRunner().invoke(
            command, ["migrate", str(OLD / "linux.yaml"), "--output", str(there)], catch_exceptions=False
        )
    assert there.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    "text",
    [
        "profile: x\nformat: 2\nspeaks: shell\n",
        "profile: x\nspeaks: posix\nreads: [a]\n",
        "profile: x\nspeaks: posix\nreads: {a: uci show}\n",
        "profile: x\nspeaks: posix\nresources: {nothing: {from: a, put: [{run: x}]}}\n",
        "profile: x\nspeaks: posix\nresources: {upnp: {from: a, owner: x}}\n",
        "- a\n",
        "x\n",
    ],
)
def test_what_is_no_profile_of_format_1_is_refused(text: str) -> None:
    with pytest.raises(PlexopsError) as refused:
        migrated(parse_yaml(text, "x"))
    assert refused.value.problems[0].code == "PLX-C103"


def test_what_ships_is_of_no_old_format() -> None:
    for path in shipped("router_profiles").glob("*.yaml"):
        with pytest.raises(PlexopsError):
            migrated(parse_yaml(path.read_text(encoding="utf-8"), str(path)))

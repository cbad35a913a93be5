"""`plexops profiles prove`: every family with samples passes, and a proof that is wrong anywhere fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from plexops.cli.stored import store_for
from plexops.config.files import shipped
from plexops.config.profile import check_profile
from plexops.config.profiles import load_profile, profile_names
from plexops.config.samples import load_samples
from plexops.config.yaml import parse_yaml
from plexops.drivers.router.compile import compile_profile
from plexops.engine.proving import Level, prove
from plexops.model.errors import PlexopsError

SAMPLED = sorted(path.stem for path in (shipped("router_profiles") / "samples").glob("*.yaml"))
#: Written by a store that is simulated.
WRITTEN = {"asuswrt-merlin", "ddwrt", "freebox", "routeros-rest", "unifi"}
#: Of it nothing is asked.
BY_HAND = {"manual"}


def proved(
    folder: Path, name: str, old: str = "", new: str = "", *, samples: tuple[str, str] = ("", "")
) -> tuple[Level, ...]:
    """Prove a copy in which one text is another."""
    root = shipped("router_profiles")
    profile = (root / f"{name}.yaml").read_text(encoding="utf-8")
    said = (root / "samples" / f"{name}.yaml").read_text(encoding="utf-8")
    assert old in profile
    assert samples[0] in said
    (folder / "mine.yaml").write_text(profile.replace(old, new, 1) if old else profile, encoding="utf-8")
    (folder / "mine.samples.yaml").write_text(
        said.replace(*samples, 1) if samples[0] else said, encoding="utf-8"
    )
    path = f"{folder}/mine.yaml"
    return tuple(prove(compile_profile(load_profile(path, folder)), load_samples(path, folder)))


def test_every_family_that_is_asked_has_samples() -> None:
    assert set(SAMPLED) == set(profile_names()) - BY_HAND


@pytest.mark.parametrize("name", profile_names())
def test_a_family_is_one_short_file(name: str) -> None:
    """What grows longer wants a store, a piece, or a word of the format."""
    lines = (shipped("router_profiles") / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 110


@pytest.mark.parametrize("name", profile_names())
def test_a_shipped_family_has_the_shape_that_a_users_own_must_have(name: str) -> None:
    path = shipped("router_profiles") / f"{name}.yaml"
    check_profile(parse_yaml(path.read_text(encoding="utf-8"), str(path)))


@pytest.mark.parametrize("name", SAMPLED)
def test_a_shipped_family_passes_every_level(name: str) -> None:
    levels = tuple(prove(compile_profile(load_profile(name, Path())), load_samples(name, Path()), store_for))
    assert [problem for level in levels for problem in level.problems] == []
    assert all(level.looked for level in levels if level.name != "life" or name in WRITTEN)


@pytest.mark.parametrize(
    ("old", "new", "level"),
    [
        ("external_port: external,", "external_port: extrenal,", "understand"),
        ("address: address, port: {is: port", "address: addres, port: {is: port", "understand"),
        ("{is: .on, words: one_zero}", "{is: .on, words: zero_one}", "understand"),
        ("with: {.on: nvram.vts_enable_x}", "with: {.on: nvram.vts_enable}", "understand"),
        ("*name>*external>*address>*port", "*name>*address>*external>*port", "understand"),
        ("lan.address: nvram.lan_ipaddr", "lan.address: nvram.lan_ipadr", "understand"),
        ("pool.last: nvram.dhcp_end", "pool.last: nvram.dhcp_start", "understand"),
        ('true: ["2"]', 'true: ["1"]', "understand"),
        ("x.serves: >-", "x.more: nvram.nothing\n  x.serves: >-", "names"),
        ("source: source,", "source: sources,", "names"),
        ("{{ wan }}_gateway", "{{ wan }}_gatewya", "understand"),
        ("profile: asuswrt-merlin", "profile: asuswrt", "understand"),
        ("    must: network(lan_ipaddr, lan_netmask) != `null`\n", "", "understand"),
    ],
)
def test_a_slip_in_a_profile_is_found(old: str, new: str, level: str, tmp_path: Path) -> None:
    found = {one.name: one.problems for one in proved(tmp_path, "asuswrt-merlin", old, new)}
    assert found[level], found


@pytest.mark.parametrize(
    ("name", "old", "new", "level"),
    [
        ("unifi", "ok: meta.rc=='ok'", "ok: meta!=`null`", "understand"),
        ("unifi", "{is: enabled, default: unknown, as: flag}", "enabled", "understand"),
        ("unifi", "{pfwd_interface: [wan, both, all]}", "pfwd_interface", "understand"),
        ("freebox", "rows: static || `[]`", "rows: static", "understand"),
        ("freebox", "data: result", "data: results", "understand"),
        ("freebox", "src_ip: (src_ip!='0.0.0.0' && src_ip) || 'any'}),", "src_ip: 'any'}),", "understand"),
        ("pfsense", 'nordr: ["true"]', 'nordr: ["yes"]', "understand"),
        (
            "omada",
            " && length(not_null(result.data, `[]`)) >= not_null(result.totalRows, `0`)",
            "",
            "understand",
        ),
        ("routeros-rest", ', dynamic: ["true"]}\n    harmless', "}\n    harmless", "understand"),
        ("bbox", "serves: {fact: x.nat}", "serves: {fact: x.serves}", "understand"),
        ("openwrt-ubus", "status: result[0]", "status: result[1]", "understand"),
        ("openwrt-ubus", "data: result[1]", "data: result[0]", "understand"),
        ("keenetic", "[?ip!='0.0.0.0']", "", "understand"),
        ("keenetic", "words: false_true", "words: one_zero", "understand"),
        ("keenetic", "'to-host', hotspot", "'to', hotspot", "understand"),
        ("linksys", "[dmz][?isDMZEnabled]", "[dmz]", "understand"),
        ("linksys", "values: {tcp: [TCP]", "values: {tcp: [tcp]", "understand"),
    ],
)
def test_a_slip_in_a_profile_over_http_is_found(
    name: str, old: str, new: str, level: str, tmp_path: Path
) -> None:
    found = {one.name: one.problems for one in proved(tmp_path, name, old, new)}
    assert found[level], found


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("wan.address: 203.0.113.31", "wan.address: 203.0.113.32", "wan.address is '203.0.113.31'"),
        (
            "      wan.address: 203.0.113.31\n",
            "",
            "wan.address is '203.0.113.31', which the state does not promise",
        ),
        ('upnp: [{enabled: "true"}]', 'upnp: [{enabled: "false"}]', "upnp is present"),
        ('upnp: [{enabled: "true"}]', "upnp: absent", "upnp is present, not absent"),
        ('\n        - {macs: "02:00:00:00:00:09", address: 192.168.1.9}', "", "of 2"),
    ],
)
def test_what_a_sample_promises_is_held(old: str, new: str, says: str, tmp_path: Path) -> None:
    levels = proved(tmp_path, "asuswrt-merlin", samples=(old, new))
    assert says in " ".join(problem for level in levels for problem in level.problems)


def test_why_a_kind_is_unknown_stands_beside_it(tmp_path: Path) -> None:
    levels = proved(tmp_path, "freebox", "rows: static || `[]`", "rows: static")
    assert "is unknown (the answer to static holds no list)" in " ".join(
        problem for level in levels for problem in level.problems
    )


def test_without_samples_nothing_is_called_proven(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text((shipped("router_profiles") / "ddwrt.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    levels = prove(compile_profile(load_profile(str(path), tmp_path)), load_samples(str(path), tmp_path))
    assert [level.problems for level in levels] == [(), ("there are no samples",)]


def test_a_recorded_sample_holds_the_handle_and_what_is_known_of_packets(tmp_path: Path) -> None:
    for old, new in (
        ("    label: name\n    owner", "    handle: .type\n    label: name\n    owner"),
        (
            "plumbing: netfilter, internet_side: wan.interface",
            "plumbing: netfilter, internet_side: lo",
        ),
    ):
        found = {one.name: one.problems for one in proved(tmp_path, "openwrt", old, new)}
        assert found["understand"], (old, found)


def test_a_word_that_no_state_has_is_hinted_at(tmp_path: Path) -> None:
    before = {hint for level in proved(tmp_path, "openwrt") for hint in level.hints}
    levels = proved(tmp_path, "openwrt", "weekdays", "weekdyas")
    (new,) = {hint for level in levels for hint in level.hints} - before
    assert "port_forward: weekdyas" in new


def test_a_name_in_a_branch_that_no_state_takes_is_found(tmp_path: Path) -> None:
    found = {
        one.name: one.problems
        for one in proved(tmp_path, "openwrt", "dhcpv4=='disabled'", "dhpcv4=='disabled'")
    }
    assert found["names"] == ("no state has dhpcv4, which the fact x.serves looks for",)


def test_states_that_nothing_shows_yet_are_hinted_at_and_no_problem() -> None:
    levels = prove(compile_profile(load_profile("ddwrt", Path())), load_samples("ddwrt", Path()))
    (samples,) = (level for level in levels if level.name == "samples")
    assert samples.problems == ()
    silent, *states = samples.hints
    assert silent.startswith("no state answers addresses, routes")
    assert [hint.split("(")[0].strip() for hint in states] == [
        f"there is no state {name}" for name in ("absent", "odd", "limits", "full")
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("profile: x\nstates: {a: {answers: {}}}\n", "source"),
        ("profile: x\nstates: {a: {source: made, anwsers: {}}}\n", "anwsers"),
        ("profile: x\nstates: {a: {source: made, like: b}}\n", "there is no state 'b'"),
        ("profile: x\nstates: {a: {source: made, kinds: {upnpp: absent}}}\n", "upnpp"),
    ],
)
def test_samples_that_are_not_understood_are_refused(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "mine.samples.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(PlexopsError) as refused:
        load_samples(f"{tmp_path}/mine.yaml", tmp_path)
    (problem,) = refused.value.problems
    assert problem.code == "PLX-C605"
    assert says in problem.reason

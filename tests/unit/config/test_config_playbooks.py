"""What playbooks and an inventory become together: shipped playbooks, precedence, selection, merging, defaults."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from plexops.config.inventory import load_inventory, read_inventory
from plexops.config.playbook import load_playbooks
from plexops.config.resolve import resolve
from plexops.config.variables import extra_variables
from plexops.config.yaml import parse_yaml
from plexops.model.errors import Place, PlexopsError
from plexops.model.resources.dhcp_reservation import Reservation
from plexops.model.resources.port_forward import PortForward
from plexops.model.site import ResolvedTask, SiteTasks, State
from plexops.model.snapshot import Kind
from plexops.model.values import Ports, Protocol
from tests.unit.config.playbook_text import playbook_of

ROOT = Path(__file__).resolve().parents[3]
HOMES = """
defaults: {vars: {external_port: 32500, level: defaults}}
groups: {family: {vars: {level: group}}}
sites:
  home:
    groups: [family]
    vars: {level: site}
    router: {profile: openwrt, address: 192.168.1.1}
    server: {address: 192.168.1.50, mac: 52:54:00:12:34:56}
    plex: {url: "http://192.168.1.50:32400"}
  aunt:
    groups: [family, far]
    server: {address: 192.168.2.50, mac: 52:54:00:12:34:57}
    plex: {url: "http://192.168.2.50:32400"}
  flat:
    access: relay
    server: {address: 192.168.3.50, address_by: static}
    plex: {url: "http://192.168.3.50:32400"}
"""
FORWARD = "- {sites: all, tasks: [{port_forward: {external_port: 32500}}]}"


def carried_out(
    playbook: str,
    *,
    limit: Sequence[str] = (),
    tags: Sequence[str] = (),
    skip: Sequence[str] = (),
    extra: Sequence[str] = (),
) -> tuple[SiteTasks, ...]:
    inventory = read_inventory(parse_yaml(HOMES, "inventory.yaml"), Path("inventory.yaml"))
    book = playbook_of(playbook)
    return resolve(inventory, [book], limit=limit, tags=tags, skip_tags=skip, extra=extra_variables(extra))


def sites(playbook: str, limit: Sequence[str] = ()) -> list[str]:
    return [site.site.name for site in carried_out(playbook, limit=limit)]


def home(playbook: str, *extra: str) -> tuple[ResolvedTask, ...]:
    return carried_out(playbook, limit=["home"], extra=extra)[0].tasks


def test_the_shipped_playbook_at_the_example_home() -> None:
    inventory = load_inventory(ROOT / "inventory.example.yaml")
    books = load_playbooks([ROOT / "playbooks" / "plex-remote-access.yaml"])
    tasks = {task.kind: task for task in resolve(inventory, books, limit=["home"])[0].tasks}
    assert tasks[Kind.DHCP_RESERVATION].want == Reservation(
        ("52:54:00:12:34:56",), IPv4Address("192.168.1.50"), name="plex"
    )
    assert tasks[Kind.PORT_FORWARD].want == PortForward(
        Ports.of(32500),
        IPv4Address("192.168.1.50"),
        Ports.of(32400),
        Protocol.TCP,
        name="plexops: Plex remote access",
    )
    assert tasks[Kind.PLEX_REMOTE_ACCESS].values == {"manual_port": 32500, "enabled": True}
    assert tasks[Kind.FIREWALL_RULE].values == {"port": 32400}
    assert {Kind.WAN, Kind.DMZ, Kind.HOST_FIREWALL, Kind.REACHABILITY} < set(tasks)
    assert {
        task.key for task in tasks.values() if task.kind in {Kind.PORT_FORWARD, Kind.DHCP_RESERVATION}
    } == {"plex"}
    forward = tasks[Kind.PORT_FORWARD]
    assert (forward.places.get("external_port") or forward.place).line == forward.place.line
    assert forward.places.get("external_port")


def test_every_shipped_playbook_is_in_order() -> None:
    books = load_playbooks(sorted((ROOT / "playbooks").rglob("*.yaml")))
    assert {Path(book.file).name for book in books} >= {"plex-remote-access.yaml", "hardening.yaml"}
    assert len(resolve(load_inventory(ROOT / "inventory.example.yaml"), books)) == 4


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ("all", ["home", "aunt", "flat"]),
        ("home", ["home"]),
        ("family", ["home", "aunt"]),
        ('[family, "!far"]', ["home"]),
        ('"!home"', ["aunt", "flat"]),
        ('"*a*"', ["home", "aunt", "flat"]),
        ('"?aunt,fl*"', None),
        ('"fl*"', ["flat"]),
        ('"f[la]*"', ["home", "aunt", "flat"]),
        ('["!far", all]', ["home", "flat"]),
        ('"flat,home"', ["home", "flat"]),
    ],
)
def test_which_sites_a_play_is_about(patterns: str, expected: list[str] | None) -> None:
    playbook = f"- {{sites: {patterns}, tasks: [{{dmz: {{}}}}]}}"
    if expected is None:
        with pytest.raises(PlexopsError):
            sites(playbook)
    else:
        assert sites(playbook) == expected


def test_limit_takes_the_same_patterns() -> None:
    playbook = "- {sites: all, tasks: [{dmz: {}}]}"
    assert sites(playbook, ["family,!aunt"]) == ["home"]
    with pytest.raises(PlexopsError) as caught:
        sites(playbook, ["hoem"])
    (problem,) = caught.value.problems
    assert (problem.code, problem.place) == ("PLX-C503", None)
    assert "home" in problem.cure
    with pytest.raises(PlexopsError) as caught:
        sites("- {sites: home, tasks: [{dmz: {}}]}", ["aunt"])
    assert "--limit" in caught.value.problems[0].reason


@pytest.mark.parametrize(
    ("play_vars", "extra", "expected"),
    [("{}", [], "site"), ("{level: play}", [], "play"), ("{level: play}", ["level=extra"], "extra")],
)
def test_which_variable_wins_at_a_site_that_has_all(play_vars: str, extra: list[str], expected: str) -> None:
    task = "{port_forward: {external_port: 32500, name: '{{ level }}'}}"
    playbook = f"- {{sites: all, vars: {play_vars}, tasks: [{task}]}}"
    assert home(playbook, *extra)[0].values["name"] == expected


def test_which_variable_wins_at_sites_that_have_fewer() -> None:
    playbook = "- {sites: all, tasks: [{dhcp_reservation: {name: '{{ level }}', mac: 52:54:00:12:34:56}}]}"
    names = {site.site.name: site.tasks[0].values.get("name") for site in carried_out(playbook)}
    assert names == {"home": "site", "aunt": "group", "flat": None}


def test_a_site_that_is_not_reached_by_a_forward() -> None:
    (flat,) = carried_out((ROOT / "playbooks/plex-remote-access.yaml").read_text(), limit=["flat"])
    reasons = {task.kind: task.not_applicable for task in flat.tasks}
    assert "relay" in reasons[Kind.PORT_FORWARD]
    assert "relay" in reasons[Kind.PLEX_REMOTE_ACCESS]
    assert "static" in reasons[Kind.DHCP_RESERVATION]
    assert reasons[Kind.FIREWALL_RULE] == ""
    assert all(task.want is None for task in flat.tasks if task.not_applicable)


def test_what_shall_be_gone_applies_everywhere() -> None:
    playbook = "- {sites: flat, tasks: [{port_forward: {external_port: 32500, state: absent}}]}"
    (task,) = carried_out(playbook)[0].tasks
    assert task.state is State.ABSENT
    assert task.not_applicable == ""
    assert isinstance(task.want, PortForward)
    assert task.want.external_port == Ports.of(32500)


def test_the_same_wanted_twice_is_wanted_once() -> None:
    task = "{port_forward: {external_port: 32500}, tags: [%s]}"
    (only,) = home(
        f"- {{sites: all, tasks: [{task % 'a'}]}}\n- {{sites: home, tags: [c], tasks: [{task % 'b'}]}}"
    )
    assert only.tags == {"a", "b", "c"}
    assert only.place == Place("playbook.yaml", 1, 25)


def test_two_entries_of_one_kind_have_keys_of_their_own() -> None:
    tasks = home(
        "- {sites: all, tasks: [{port_forward: {external_port: 32500}},"
        " {port_forward: {external_port: 32501, port: 32401, key: second}, adopt: true}]}"
    )
    assert [(task.key, task.adopt) for task in tasks] == [("plex", False), ("second", True)]


def test_tags_choose_tasks() -> None:
    playbook = "- {sites: all, tags: [net], tasks: [{dmz: {}, tags: [a]}, {wan: {}, tags: [b]}, {host_firewall: {}}]}"

    def kinds(**chosen: Sequence[str]) -> list[str]:
        return [str(task.kind) for task in carried_out(playbook, limit=["home"], **chosen)[0].tasks]

    assert kinds() == ["dmz", "wan", "host_firewall"]
    assert kinds(tags=["a"]) == ["dmz"]
    assert kinds(tags=["a,b"]) == ["dmz", "wan"]
    assert kinds(tags=["net"], skip=["a"]) == ["wan", "host_firewall"]
    for wrong in ({"tags": ["c"]}, {"skip": ["c"]}, {"skip": ["net"]}, {"tags": ["a"], "skip": ["a"]}):
        with pytest.raises(PlexopsError) as caught:
            kinds(**wrong)
        assert caught.value.problems[0].code == "PLX-C509"


def test_one_problem_of_many_sites_is_one_problem_that_names_them() -> None:
    with pytest.raises(PlexopsError) as caught:
        carried_out("- {sites: all, tasks: [{firewall_rule: {port: '{{ nothing }}'}}]}")
    (problem,) = caught.value.problems
    assert problem.detail == ("at site home", "at site aunt", "at site flat")


def test_a_wrong_value_of_a_variable_is_told_where_the_variable_stands() -> None:
    with pytest.raises(PlexopsError) as caught:
        home("- {sites: all, tasks: [{port_forward: {external_port: '{{ level }}'}}]}")
    (problem,) = caught.value.problems
    assert problem.place == Place("inventory.yaml", 7, 19)
    assert "used at playbook.yaml:1:55" in problem.detail


def test_files_are_found_in_the_folder_and_not_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PlexopsError) as caught:
        load_playbooks()
    assert caught.value.problems[0].code == "PLX-C510"
    below = tmp_path / "playbooks" / "optional"
    below.mkdir(parents=True)
    (below / "x.yaml").write_text(FORWARD)
    (tmp_path / "playbooks" / "y.yml").write_text(FORWARD)
    with pytest.raises(PlexopsError) as caught:
        load_playbooks()
    assert ".yml" in caught.value.problems[0].cure
    (tmp_path / "playbooks" / "b.yaml").write_text(FORWARD)
    (tmp_path / "playbooks" / "a.yaml").write_text(FORWARD)
    assert [book.file for book in load_playbooks()] == ["playbooks/a.yaml", "playbooks/b.yaml"]
    assert len(load_playbooks([below, Path("playbooks/a.yaml")])) == 2


def test_problems_of_all_files_come_together(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("- sites: all\n")
    (tmp_path / "b.yaml").write_text("a: [\n")
    (tmp_path / "c.yaml").write_text(FORWARD)
    with pytest.raises(PlexopsError) as caught:
        load_playbooks([tmp_path, tmp_path / "nothing.yaml"])
    found = [
        (problem.code, Path(problem.place.file).name if problem.place else "")
        for problem in caught.value.problems
    ]
    assert found == [("PLX-C102", "a.yaml"), ("PLX-C004", "b.yaml"), ("PLX-C001", "nothing.yaml")]


def test_a_playbook_that_says_nothing_is_refused() -> None:
    inventory = read_inventory(parse_yaml(HOMES, "inventory.yaml"), Path("inventory.yaml"))
    with pytest.raises(PlexopsError) as caught:
        resolve(inventory, [])
    assert caught.value.problems[0].code == "PLX-C501"

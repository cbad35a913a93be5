"""A box that a person sets: its own steps, and a port that never arrives at a home with a share of an address."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.process import House, house


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path, "second-nat-by-log") as found:
        yield found


def audited(home: House, router: str) -> tuple[int, dict[str, Any]]:
    path = home.home.inventory
    old = path.read_text(encoding="utf-8")
    path.write_text(
        old.replace('router: {profile: "manual"}', f"router: {{profile: manual, {router}}}"), encoding="utf-8"
    )
    assert path.read_text(encoding="utf-8") != old
    ended = home("audit", "--format", "json")
    findings = json.loads(ended.out)["sites"][0]["findings"]
    return ended.status, {finding["kind"]: finding for finding in findings}


def test_the_steps_of_the_box_have_the_homes_own_values(home: House) -> None:
    _, findings = audited(home, "like: netgear")
    assert any(
        "external 32500;" in step and "192.168.1.50" in step for step in findings["port_forward"]["steps"]
    )
    assert not any("{" in step for finding in findings.values() for step in finding["steps"])


@pytest.mark.parametrize(
    ("box", "says"),
    [
        ("archer", "Virtual servers (newer: Port forwarding): external 32500, internal IP 192.168.1.50"),
        ("deco", "Port forwarding: pick the server, internal port 32400, external port 32500, TCP"),
    ],
)
def test_boxes_whose_pages_encrypt_what_they_say_have_their_steps(home: House, box: str, says: str) -> None:
    _, findings = audited(home, f"like: {box}")
    assert any(says in step for step in findings["port_forward"]["steps"])


def test_a_kind_that_the_box_has_no_own_steps_for_has_the_general_ones(home: House) -> None:
    _, findings = audited(home, "like: telstra")
    reservation = findings["dhcp_reservation"]["steps"]
    assert not reservation or reservation[0].startswith("Open the router's page")
    assert not reservation or reservation[-1].endswith(
        "the static address 192.168.1.50, outside its DHCP range."
    )
    assert any("Port sharing" in step for step in findings["port_forward"]["steps"])


def test_a_port_that_never_arrives_is_not_to_be_forwarded(home: House) -> None:
    status, findings = audited(home, "like: freebox, port_share: 0-16383")
    assert status == 3
    for kind in ("port_forward", "plex_remote_access"):
        assert (findings[kind]["status"], "32500 never arrives" in findings[kind]["why"]) == ("stopped", True)
    refused = home("check")
    assert refused.status == 2
    assert "PLX-C511" in refused.err + refused.out
    assert "0-16383" in refused.err + refused.out


DONE = 'like: netgear, done: {by: Ann, on: "2026-11-20"}'


def test_what_a_person_did_is_green_as_long_as_its_effect_is_seen(tmp_path: Path) -> None:
    with house(tmp_path, "in-order") as home:
        path = home.home.inventory
        text = path.read_text(encoding="utf-8")
        start, end = text.index("    router:"), text.index("    server:")
        for extra, status in (("", "unsupported"), (f", {DONE}", "ok")):
            path.write_text(
                text[:start] + f"    router: {{profile: manual{extra}}}\n" + text[end:], encoding="utf-8"
            )
            ended = home("audit", "--format", "json")
            findings = json.loads(ended.out)["sites"][0]["findings"]
            found = {one["kind"]: one for one in findings if one["role"] == "router"}
            assert found["port_forward"]["status"] == "ok", "its effect is seen either way"
            assert found["dhcp_reservation"]["status"] == status, found["dhcp_reservation"]
            if extra:
                assert "set by Ann on 2026-11-20" in found["dhcp_reservation"]["have"]
                assert ended.status == 0, ended.said


def test_what_a_person_did_and_is_not_seen_is_drift(home: House) -> None:
    status, findings = audited(home, DONE)
    assert status != 0
    assert findings["port_forward"]["status"] == "drift", findings["port_forward"]
    assert "set by Ann on 2026-11-20" in findings["port_forward"]["have"]


def test_done_is_said_of_boxes_that_a_person_sets_alone(tmp_path: Path) -> None:
    with house(tmp_path, "in-order", "openwrt") as home:
        path = home.home.inventory
        old = path.read_text(encoding="utf-8")
        new = old.replace('profile: "openwrt"', 'profile: "openwrt", done: {by: Ann, on: "2026-11-20"}', 1)
        path.write_text(new, encoding="utf-8")
        ended = home("check")
        assert (ended.status, "PLX-C211" in ended.err + ended.out) == (2, True)


WORDS = ("windows", "macos", "synology", "unraid", "truenas", "qnap", "home-assistant", "proxmox")


@pytest.mark.parametrize(
    ("effect", "statuses"), [("in-order", {"ok"}), ("host-firewall", {"unknown", "unsupported"})]
)
def test_a_host_that_is_set_in_its_own_pages(tmp_path: Path, effect: str, statuses: set[str]) -> None:
    with house(tmp_path, effect) as home:
        path = home.home.inventory
        text = path.read_text(encoding="utf-8")
        (line,) = [line for line in text.splitlines() if "firewall:" in line]
        for word in WORDS:
            path.write_text(
                text.replace(line, re.sub(r"firewall: *\"?auto\"?", f"firewall: {word}", line)),
                encoding="utf-8",
            )
            assert word in path.read_text(encoding="utf-8")
            ended = home("audit", "--format", "json")
            (found,) = [
                f for f in json.loads(ended.out)["sites"][0]["findings"] if f["kind"] == "firewall_rule"
            ]
            assert found["status"] in statuses, found
            assert bool(found["steps"]) == (found["status"] != "ok")
            assert all("{" not in step for step in found["steps"])


def test_a_port_that_is_none_reaches_no_step(home: House) -> None:
    (playbook,) = home.home.playbook_dir.glob("*.yaml")
    old = playbook.read_text(encoding="utf-8")
    playbook.write_text(
        old.replace('firewall_rule: {port: "{{ plex.port }}"}', 'firewall_rule: {port: "32400; calc"}'),
        encoding="utf-8",
    )
    assert playbook.read_text(encoding="utf-8") != old
    assert home("check").status == 2

"""Boxes without an API: what their steps may say, how the inventory names one, and ports that never arrive."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from plexops.config.boxes import SURE, BoxByHand, boxes_by_hand
from plexops.config.inventory import read_inventory
from plexops.config.yaml import parse_yaml
from plexops.model.errors import PlexopsError
from plexops.model.site import RouterDevice
from plexops.model.snapshot import Kind
from plexops.model.values import Ports

ROOT = Path(__file__).resolve().parents[3]
BOXES = tuple(boxes_by_hand().values())
FORWARD = Kind.PORT_FORWARD
#: What an evening of despair leads people to.
FORBIDDEN = re.compile(r"\b(?:buy|disable the firewall|forward 32400 to)\b", re.IGNORECASE)


def router(text: str) -> RouterDevice:
    site = f"sites: {{home: {{router: {{{text}}}}}}}"
    found = (
        read_inventory(parse_yaml(site, "inventory.yaml"), Path("/homes/inventory.yaml")).sites["home"].router
    )
    assert found is not None
    return found


def refused(text: str) -> tuple[str, str]:
    with pytest.raises(PlexopsError) as caught:
        router(text)
    (problem,) = caught.value.problems
    return problem.code, f"{problem.reason} {problem.cure}"


@pytest.mark.parametrize("box", BOXES, ids=[box.name for box in BOXES])
def test_the_steps_of_a_box(box: BoxByHand) -> None:
    assert set(box.steps) <= {Kind.DHCP_RESERVATION, FORWARD, Kind.UPNP}
    lines = box.lines(FORWARD, same_port=False, share_known=False)
    last = "Forward TCP alone" if box.forwards else ""
    assert lines[-1].startswith(last), "that 32400 stays closed is said last"
    for line in (*lines, *box.lines(Kind.DHCP_RESERVATION, same_port=False, share_known=False)):
        assert any(line.endswith(f" [{sure}]") for sure in SURE.values()), line
        assert set(re.findall(r"\{\{ (\w+) \}\}", line)) <= {"address", "mac", "external_port", "port"}
        assert not FORBIDDEN.search(line)
    assert not any("http" in source or "/" in source for source in box.sources), "titles of documents"


@pytest.mark.parametrize("name", ["starlink", "tmobile-5g"])
def test_where_nothing_can_be_forwarded_no_step_speaks_of_a_forward(name: str) -> None:
    lines = boxes_by_hand()[name].lines(FORWARD, same_port=False, share_known=False)
    assert lines[0].startswith("There is nothing to set")
    assert not any("Forward TCP" in line for line in lines)


@pytest.mark.parametrize("day", ["2999-01-01", "2026-02-30", "2026-99-99"])
def test_a_day_on_which_nothing_can_have_been_done(day: str) -> None:
    assert refused(f'profile: manual, done: {{by: Ann, on: "{day}"}}')[0] == "PLX-C104"


@pytest.mark.parametrize("name", ["eero", "xfinity"])
def test_one_number_for_outside_and_inside(name: str) -> None:
    box = boxes_by_hand()[name]
    own = box.steps[FORWARD]
    assert not any("{{ port }}" in line for line in own), "32500 to 32400 cannot be entered there"
    lines = box.lines(FORWARD, same_port=False, share_known=False)
    ways = [line for line in lines if re.match(r"[123]\. ", line)]
    assert ["bridge mode" in ways[0], "itself answer" in ways[1], "relay or a VPN" in ways[2]] == [True] * 3
    assert lines.index(ways[2]) < lines.index(own[0])
    assert box.lines(FORWARD, same_port=True, share_known=False) == (*own, *box.always)


def test_a_shared_address_asks_for_its_ports_first() -> None:
    box = boxes_by_hand()["freebox"]
    unknown, known = (box.lines(FORWARD, same_port=False, share_known=known) for known in (False, True))
    assert "port_share" in unknown[0]
    assert unknown[1:] == known
    assert {box.name for box in BOXES if box.shared} == {"livebox", "freebox", "iliad", "bbox", "sfr"}


def test_the_page_lists_them_all() -> None:
    page = (ROOT / "docs" / "boxes.md").read_text(encoding="utf-8")
    for box in BOXES:
        what = "one number" if box.one_port else "perhaps a share of the ports" if box.shared else ""
        assert f"| `{box.name}` | {box.title} | {what}" in page
    assert all(f"| {sure} |" in page for sure in SURE.values())


def test_the_inventory_names_one() -> None:
    assert router("profile: manual, like: fritzbox").like == "fritzbox"
    assert router("profile: manual").like == ""
    code, words = refused("profile: manual, like: fritz-box")
    assert (code, all(box.name in words for box in BOXES), "Did you mean fritzbox?" in words) == (
        "PLX-C104",
        True,
        True,
    )
    assert refused("profile: openwrt, address: 192.168.1.1, like: fritzbox")[0] == "PLX-C211"


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("16384-32767", Ports.of((16384, 32767))),
        ("0-16383", Ports.of((0, 16383))),
        ("'4096-4111, 8192-8207'", Ports.of((4096, 4111), (8192, 8207))),
    ],
)
def test_the_ports_that_arrive(text: str, ports: Ports) -> None:
    assert router(f"profile: manual, port_share: {text}").port_share == ports


@pytest.mark.parametrize("text", ["32767-16384", "0-65536", "half of them", "0x10-0x20"])
def test_what_is_no_range_of_ports(text: str) -> None:
    assert refused(f"profile: manual, port_share: {text}")[0] == "PLX-C205"

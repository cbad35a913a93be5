"""The signs by which a box is recognised: each costs little with any text, and says what it was written for."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from plexops.config.boxes import boxes_by_hand
from plexops.config.profiles import load_profile, profile_names
from plexops.drivers.router.compile import compile_profile
from plexops.engine.bootstrap.detection import Family, Known, known_boxes, recognise
from plexops.engine.bootstrap.discovery import Reach
from plexops.model.errors import PlexopsError
from plexops.model.quick import SeenGateway
from plexops.model.signs import Detect
from plexops.pattern import why_slow

#: Nothing listens at such an address of this computer.
ROUTER = IPv4Address("127.0.0.77")
KNOWN = known_boxes()


def recognised(folder: Path, box: SeenGateway | None, mac: str = "", known: Known = KNOWN) -> Family:
    table = "IP address HW type Flags HW address Mask Device\n"
    (folder / "arp").write_text(table + (f"{ROUTER} 0x1 0x2 {mac} * eth0\n" if mac else ""), encoding="ascii")
    return recognise(ROUTER, box, Reach(proc=folder, answer_seconds=0.2), known)


@pytest.mark.parametrize(("family", "detect"), KNOWN, ids=[one.like or one.profile for one, _ in KNOWN])
def test_what_comes_with_plexops_can_be_used(family: Family, detect: Detect) -> None:
    assert list(detect.unfit()) == []
    assert detect != Detect()
    assert family.like == "" or family.profile == "manual"


def test_every_family_that_is_asked_says_how_it_is_recognised_and_where_its_login_is_made() -> None:
    # RouterOS over REST, OpenWrt without SSH and UPnP alone are choices: the box is the same, and is found as what it is.
    asked = [
        load_profile(name, Path())
        for name in profile_names()
        if name not in {"manual", "routeros-rest", "openwrt-ubus", "igd"}
    ]
    assert [profile.name for profile in asked if profile.detect is None or profile.account is None] == []


def test_a_box_of_which_there_is_a_profile_is_none_to_set_by_hand() -> None:
    assert {one.like for one, _ in KNOWN} & set(profile_names()) == set()
    assert {one.like for one, _ in KNOWN} - {""} <= set(boxes_by_hand())


@pytest.mark.parametrize(
    ("said", "family"),
    [
        # miniupnpd of OpenWrt, of Debian, of ASUS; RouterOS; the descriptions of a Livebox 4 and a FRITZ!Box 7590.
        (SeenGateway(ROUTER, software="OpenWRT/OpenWrt UPnP/1.1 MiniUPnPd/2.0"), "openwrt"),
        (SeenGateway(ROUTER, "Debian router", "Debian", "Debian router"), "linux"),
        (SeenGateway(ROUTER, "MikroTik Router", "MikroTik", "Router OS"), "routeros"),
        (SeenGateway(ROUTER, "Keenetic Giga", "Keenetic Ltd.", "Keenetic Giga"), "keenetic"),
        (SeenGateway(ROUTER, "Velop", "Linksys", "WHW03"), "linksys"),
        # Their pages encrypt all they say: by hand.
        (SeenGateway(ROUTER, "Archer AX55", "TP-Link", "Archer AX55"), "manual archer"),
        (SeenGateway(ROUTER, "Deco M5", "TP-Link", "Deco M5"), "manual deco"),
        (SeenGateway(ROUTER, "Orange Livebox", "Sagemcom", "Residential Livebox"), "manual livebox"),
        (SeenGateway(ROUTER, "FRITZ!Box 7590", "AVM Berlin", "FRITZ!Box 7590"), "fritzbox"),
        (SeenGateway(ROUTER, "OnHub", "Google", "OnHub"), "manual google-wifi"),
        (SeenGateway(ROUTER, "Archer AX50", "TP-Link", "Archer AX50"), "archer"),
        (SeenGateway(ROUTER, "R7500v2 (Gateway)", "NETGEAR, Inc.", "Nighthawk"), "manual netgear"),
    ],
)
def test_what_boxes_say_by_upnp(tmp_path: Path, said: SeenGateway, family: str) -> None:
    # Of some there may come to be a profile of the same name.
    found = recognised(tmp_path, said)
    assert family in (f"{found.profile} {found.like}".strip(), found.profile, found.like)
    assert found.why.startswith("it says by UPnP “")


def test_what_every_freebsd_says_names_no_family(tmp_path: Path) -> None:
    found = recognised(tmp_path, SeenGateway(ROUTER, "FreeBSD router", "FreeBSD", "FreeBSD router"))
    assert found.profile == "manual"
    assert found.why.startswith(
        "to do: not recognised (UPnP: FreeBSD router; its page: nothing; SSH: nothing;"
    )


def test_a_later_sign_decides_between_those_that_an_earlier_left(tmp_path: Path) -> None:
    one, two = (Family("one"), Detect(ssdp="box", mac=("02:00:00",))), (Family("two"), Detect(ssdp="box"))
    box = SeenGateway(ROUTER, "A box")
    assert recognised(tmp_path, box, "", (one, two)).profile == "manual"
    assert "it may be one and two (it says by UPnP “A box”)" in recognised(tmp_path, box, "", (one, two)).why
    assert recognised(tmp_path, box, "02:00:00:00:00:09", (one, two)).profile == "one"
    # What fits later does not bring back what an earlier sign has ruled out.
    third = (Family("third"), Detect(mac=("02:00:00",)))
    assert recognised(tmp_path, box, "02:00:00:00:00:09", (two, third)).profile == "two"


def test_nothing_is_asked_where_there_is_no_router() -> None:
    assert recognise(None, None, Reach(), KNOWN) == Family("manual", "")


def test_what_a_device_says_stays_inside_its_comment(tmp_path: Path) -> None:
    evil = "OpenWrt\n    server: {address: 203.0.113.9}\u2028x\x85y\x1b[31m" + "z" * 500
    for box in (
        SeenGateway(ROUTER, software=evil),
        SeenGateway(ROUTER, software=evil.replace("OpenWrt", "Own")),
    ):
        why = recognised(tmp_path, box).why
        assert why.isprintable()
        assert len(why) < 300


@pytest.mark.parametrize(
    "source",
    [
        *(
            "openwrt|router ?os",
            r"^(?:a|b)\b",
            r"-openssh.*(?:debian|ubuntu)",
            r"[]a-z\]]{1,9}x",
            r"fritz!?box",
            r"\(a\)+",
        ),
        *("a.+?b", r"https?://\[.*\]"),
    ],
)
def test_an_expression_that_takes_little(source: str) -> None:
    assert why_slow(source) == ""


@pytest.mark.parametrize(
    ("source", "because"),
    [
        ("(a+)+$", "repeats a group"),
        ("(?:a|a)*b", "repeats a group"),
        (r"(?:\w|x){2,}", "repeats a group"),
        (".*a.*b", "repeats more than once"),
        ("a{1,400}a{1,400}", "repeats more than once"),
        ("a?" * 30 + "a" * 30, "repeats more than once"),
        (r"(a)\1", "looks around, or back"),
        ("(?=a)", "looks around, or back"),
        ("(?P<x>a)(?P=x)", "looks around, or back"),
        ("(?i)a", "looks around, or back"),
        ("(", "is no regular expression"),
        ("a" * 201, "more than 200 characters"),
    ],
)
def test_an_expression_that_may_take_long_is_refused(tmp_path: Path, source: str, because: str) -> None:
    assert because in why_slow(source)
    head = "profile: mine\nformat: 2\ntitle: Mine\nspeaks: shell\nverified: []\n"
    (tmp_path / "mine.yaml").write_text(f"{head}detect: {{page: '{source}'}}\n", encoding="utf-8")
    with pytest.raises(PlexopsError) as caught:
        compile_profile(load_profile(f"{tmp_path}/mine.yaml", tmp_path))
    (problem,) = caught.value.problems
    assert (problem.code, problem.path) == ("PLX-D402", "detect.page")
    assert because in problem.reason
    assert problem.place is not None


@pytest.mark.parametrize("prefix", ["4c:5e", "4C:5E:0C", "4c:5e:0c:", "4c-5e-0c", "4c:5e:0g"])
def test_what_is_no_beginning_of_a_mac_address_is_refused(prefix: str) -> None:
    assert [key for key, _ in Detect(mac=(prefix,)).unfit()] == ["mac"]

"""Why a port forward of OpenWrt's configuration is not in force, held against what the real firewall4 put there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plexops.config.profiles import load_profile
from plexops.drivers.router.compile import compile_profile
from plexops.drivers.rulesets.nft import read_nft
from plexops.drivers.rulesets.uci import NOT_LOADED, configured, not_in_force
from plexops.model.errors import PlexopsError
from plexops.model.intervals import EMPTY
from plexops.model.packets import Box, TranslateDestination
from plexops.model.profile import Configured
from plexops.packets.reach import who_reaches
from plexops.packets.why import Why, why_not
from plexops.parsers.base import Row
from plexops.parsers.uci import parse_uci
from plexops.structs import replace
from tests.packets import openwrt_home
from tests.packets.handmade import n
from tests.packets.uci_home import (
    DATA,
    DUMP,
    PLEX,
    WAN,
    Options,
    asking,
    box,
    cases,
    configuration,
    redirect,
    rulesets,
    section,
    shown,
    table,
)

SWITCHED_OFF = ("0", "off", "false", "no")


def loaded(name: str) -> set[str]:
    """The names of the rules that translate destinations in the ruleset of a case."""
    chains = box(name).chains.values()
    return {rule.name for chain in chains if chain.id.startswith("inet fw4 dstnat") for rule in chain.rules}


def says(*rows: Row, names: tuple[str, ...] = (), dump: object = DUMP) -> str:
    """What is said of the last of these sections."""
    whole = shown(configuration(rows))
    return not_in_force(whole, names, dump).get(str(whole[-1][".name"]), "")  # type: ignore[arg-type]


@pytest.mark.parametrize(("options", "word"), [one[1:] for one in table("skipped")], ids=str)
def test_the_option_that_is_not_valid_is_named(options: Options, word: str) -> None:
    said = says(redirect(**options))
    assert (word in said and said.startswith("firewall4 skips this section: ")) or said == NOT_LOADED


def test_what_is_in_force_is_never_said_to_be_skipped_and_nearly_all_that_is_skipped_is_named() -> None:
    skipped, missed = 0, set()
    for name in rulesets():
        rows = [row for row in cases()[name] if row[".type"] == "redirect"]
        alone = not_in_force(shown(cases()[name]), (), DUMP)
        beside = not_in_force(shown(cases()[name]), loaded(name), DUMP)
        called = [str(row.get("name", row[".name"])).replace('"', "'") for row in rows]
        for row, its_name in zip(rows, called, strict=True):
            handle = str(row[".name"])
            if row.get("enabled") in SWITCHED_OFF:
                assert handle not in alone, name
            elif called.count(its_name) == 1 and its_name in loaded(name):
                assert alone[handle] == NOT_LOADED, name
                assert handle not in beside, name
            elif called.count(its_name) == 1:
                assert handle in beside, name
                skipped += 1
                missed |= {name} if alone[handle] == NOT_LOADED else set()
    assert skipped > 50
    # `uci show` does not tell a list of one from a single value; a set of any family is a rarity.
    assert missed == {"redirects: destiplist", "skipped: dest_ip=[192.168.1.50]", "ipset: family=any"}


def test_of_two_sections_with_one_name_the_one_that_is_skipped_is_named() -> None:
    name = "found: enabled-disabled-makes-all-unknown"
    assert loaded(name) >= {"Plex"}
    found = not_in_force(shown(cases()[name]), loaded(name), DUMP)
    assert found == {"@redirect[1]": "firewall4 skips this section: enabled 'disabled' is no yes or no"}


def test_what_the_configuration_does_not_tell_is_not_claimed() -> None:
    assert (
        says(redirect(dest_ip="plexbox"))
        == "firewall4 skips this section: dest_ip 'plexbox' is no address and no network"
    )
    assert says(redirect(dest_ip="plexbox"), dump=None) == NOT_LOADED
    for options, _ in [one[1:] for one in table("refused")]:
        assert says(redirect(**options)) == NOT_LOADED
    assert says(redirect(), names=("plexops_plex",)) == says(redirect(name='a "b"'), names=("a 'b'",)) == ""
    assert says(section("redirect", src="wan", dest_ip=PLEX), names=("@redirect[1]",)) == ""
    assert says(redirect(enabled="off", src="nosuch")) == ""
    assert says(redirect(target="SNAT", src_dip=WAN, dest="nosuch")) == ""


def test_zones_and_sets_that_are_not_in_force_are_none() -> None:
    friends = section("ipset", name="friends", match="src_ip", family="ipv6")
    assert "the rule is for IPv6" in says(friends, redirect(ipset="friends"))
    assert "no set 'friends'" in says(friends | {"enabled": "0"}, redirect(ipset="!friends dst"))
    vpn = section("zone", name="vpn", family="ipv6")
    assert "src 'vpn' is IPv6" in says(vpn, redirect(src="vpn", family="ipv4"))
    assert "src 'vpn' is no zone" in says(vpn | {"enabled": "x"}, redirect(src="vpn"))
    assert says(vpn, redirect(src="vpn", dest_ip="", proto="icmpv6 tcp"), names=("plexops_plex",)) == ""


def test_a_router_that_runs_says_nothing_of_what_it_has_loaded() -> None:
    rows = parse_uci((DATA / "pair.uci.txt").read_text("utf-8"))
    part = read_nft(json.loads((DATA / "pair.nft.json").read_text("utf-8")), {}, "")
    chains = {chain.id: chain for chain in part.chains}
    assert configured(rows, DUMP, chains, "router.firewall") is None
    del chains["inet fw4 dstnat_wan"]
    off = configured(rows, DUMP, chains, "router.firewall")
    assert off is not None
    assert [(rule.handle, rule.off) for rule in off.rules] == [("plexops_plex", NOT_LOADED)]
    assert (
        configured(rows, DUMP, {}, "") is None
    )  # no firewall4 there: another firewall, or one that was not read


def reason(router: Box) -> tuple[Why, str, str, str, str]:
    asked, target = asking(32500)
    first = why_not([router], asked, target, who_reaches([router], asked, target))[0]
    assert first.rule is not None
    return first.why, first.rule.name, first.rule.handle, first.rule.exhibit, first.words


def test_a_section_that_is_not_in_force_is_a_rule_that_is_off() -> None:
    router = box("skipped: enabled=disabled")
    (rule,) = router.chains["configured"].rules
    assert rule.effects == (TranslateDestination(n(PLEX), ((32400, 32400),)),)
    assert rule.words.startswith("config redirect: src='wan' dest='lan' proto='tcp' src_dport='32500'")
    words = "firewall4 skips this section: enabled 'disabled' is no yes or no"
    assert reason(router) == (Why.OFF, "Plex", "plexops_plex", "router.firewall", words)
    nowhere = box("skipped: dest_ip=plexbox").chains["configured"].rules[0].effects
    assert nowhere == (TranslateDestination(EMPTY, ((32400, 32400),)),)
    assert reason(box("skipped: dest_ip=plexbox"))[0] is Why.OFF
    assert "configured" not in box("redirects: plain").chains


def test_what_was_loaded_before_stays_where_nft_refuses_the_configuration() -> None:
    assert reason(box("redirects: plain", loaded="default"))[0::4] == (Why.OFF, NOT_LOADED)


def test_a_profile_names_a_read_that_is_there() -> None:
    profile = load_profile("openwrt", Path())
    assert profile.packets is not None
    wrong = replace(profile.packets, configured=Configured("fire", "uci"))
    with pytest.raises(PlexopsError, match="there is no read 'fire'"):
        compile_profile(replace(profile, packets=wrong))


def test_a_snapshot_says_it_of_the_entry() -> None:
    snapshot = openwrt_home.look(openwrt_home.redirect(enabled="disabled", src_dport="32500"))
    assert snapshot.box is not None
    (entry,) = [one for one in snapshot.entries if one.label == "Plex by hand"]
    words = "firewall4 skips this section: enabled 'disabled' is no yes or no"
    assert reason(snapshot.box) == (Why.OFF, "Plex by hand", entry.handle, "router.firewall", words)

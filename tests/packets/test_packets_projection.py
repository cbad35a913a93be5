"""A box as it will be: with a rule of ours put in, and with one taken out."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from plexops.model.packets import Box, Chain, TranslateSource
from plexops.packets.projection import with_accept, with_forward, with_host_accept, without
from plexops.packets.reach import AnswerKind, who_reaches
from plexops.structs import replace
from tests.packets.handmade import (
    ACCEPT,
    DNAT,
    DROP,
    ESTABLISHED,
    EVERYBODY,
    NOBODY,
    PLEX,
    REJECT,
    TCP,
    TRANSLATED,
    UNKNOWN,
    WAN,
    arrives,
    asked,
    base,
    destination,
    dnat,
    dport,
    jump,
    number,
    other,
    plex,
    ports,
    router,
    rule,
    server,
    source,
    sub,
)

STRICT = base("forward", ESTABLISHED, policy=DROP, name="forward")


def inserting(*chains: Chain, **inserts: str) -> Box:
    """Make a router that says where rules of ours stand."""
    made = {what: tuple(names.split()) for what, names in inserts.items()}
    return replace(router(*chains), inserts=MappingProxyType(made))


def forwarding(box: Box, **more: Any) -> Box:
    fields = {"external": ports(32500), "address": number(PLEX), "port": ports(32400), "name": "plex", **more}
    return with_forward(box, **fields)


def kind(box: Box, port: int = 32500) -> AnswerKind:
    return who_reaches([box], asked(port), plex()).kind


# --- a forward ------------------------------------------------------------------------------------------------------


def test_a_forward_of_ours_forwards_its_port_only() -> None:
    box = forwarding(router())
    assert (kind(router()), kind(box), kind(box, 32501)) == (NOBODY, EVERYBODY, NOBODY)
    assert kind(forwarding(router(), port=ports(80))) is NOBODY
    assert kind(forwarding(router(internet_side="ppp0"))) is EVERYBODY
    assert kind(replace(box, internet_side="lan0")) is NOBODY


def test_without_a_chain_for_it_it_gets_one_that_is_asked_first() -> None:
    elsewhere = base("prerouting", rule(dport(32500), dnat("192.168.1.60")), nat=True, order=9)
    assert kind(forwarding(router(elsewhere))) is EVERYBODY


def test_in_the_chain_that_the_box_names_it_stands_last() -> None:
    accepts = base("prerouting", rule(dport(1, 40000), ACCEPT), nat=True, name="dstnat")
    assert kind(forwarding(inserting(accepts, port_forward="dstnat"))) is NOBODY
    others = base("prerouting", rule(dport(80), ACCEPT), nat=True, name="dstnat")
    box = forwarding(inserting(others, port_forward="missing dstnat"))
    assert kind(box) is EVERYBODY
    assert [r.name for r in box.chains["dstnat"].rules] == ["", "plex"]


def test_a_forward_passes_only_what_lets_it_pass() -> None:
    assert kind(forwarding(router(STRICT))) is NOBODY
    assert (
        kind(forwarding(router(base("forward", ESTABLISHED, rule(TRANSLATED, ACCEPT), policy=DROP))))
        is EVERYBODY
    )


def test_a_box_that_lets_what_it_forwards_pass_gets_that_accept_too() -> None:
    box = forwarding(inserting(STRICT, passes="forward"))
    assert kind(box) is EVERYBODY
    assert kind(box, 32400) is NOBODY
    # It is put in once.
    again = forwarding(box, external=ports(32501))
    assert again.chains["forward"] == box.chains["forward"]
    assert kind(again, 32501) is EVERYBODY


def test_that_accept_stands_before_what_takes_whatever_is_left() -> None:
    for last in (rule(jump("reject")), rule(DROP), rule(REJECT)):
        zone = base("forward", ESTABLISHED, last, name="forward")
        chains = zone, sub("reject", rule(REJECT))
        assert kind(forwarding(inserting(*chains, passes="forward"))) is EVERYBODY
    some = base("forward", ESTABLISHED, rule(arrives("lan0"), ACCEPT), policy=DROP, name="forward")
    assert kind(forwarding(inserting(some, passes="forward"))) is EVERYBODY


def test_on_pf_a_forward_of_ours_passes_the_filter() -> None:
    closed = base("filter", rule(DROP, quick=True), last_match=True)
    box = forwarding(router(closed, plumbing="pf"))
    assert kind(box) is EVERYBODY
    routeros = forwarding(router(plumbing="routeros"))
    assert kind(routeros) is EVERYBODY


# --- taken out ------------------------------------------------------------------------------------------------------


def test_a_rule_that_is_taken_out_is_gone_and_no_other() -> None:
    box = router(DNAT, STRICT)
    left = without(box, lambda rule: rule.words == "Plex")
    assert left.chains["dstnat"].rules == ()
    assert left.chains["forward"] == STRICT
    assert box.chains["dstnat"] == DNAT
    assert kind(without(router(DNAT), lambda rule: rule.words == "another")) is EVERYBODY


# --- an accept ------------------------------------------------------------------------------------------------------

CLOSED = base(
    "forward",
    ESTABLISHED,
    rule(source("10.0.0.0/8"), DROP, handle="3"),
    rule(other(), DROP, handle="4"),
    rule(DROP, handle="5"),
    name="forward",
)


def accepting(box: Box, before: str, **more: Any) -> Box:
    fields = {"chain": "forward", "before": before, "address": number(PLEX), "port": 32400, "name": "plex"}
    return with_accept(box, **{**fields, **more})


def test_an_accept_stands_before_the_rule_that_is_named_else_first() -> None:
    box = router(DNAT, CLOSED)
    assert kind(box) is NOBODY
    assert kind(accepting(box, "4")) is EVERYBODY
    assert kind(accepting(box, "5")) is UNKNOWN
    for before in ("", "unheard of"):
        made = accepting(box, before)
        assert made.chains["forward"].rules[0].name == "plex"
        assert kind(made) is EVERYBODY
    assert accepting(box, "4", chain="missing") == box


def test_an_accept_is_for_what_was_translated_to_that_address_and_port() -> None:
    def opens(chain: Chain) -> bool:
        return kind(accepting(router(chain, CLOSED), "")) is EVERYBODY

    assert opens(DNAT)
    box = accepting(router(DNAT, CLOSED), "", address=number("192.168.1.60"))
    assert kind(box) is NOBODY
    assert kind(accepting(router(DNAT, CLOSED), "", port=80)) is NOBODY
    direct = who_reaches([accepting(router(CLOSED), "")], asked(32400, at=PLEX), plex())
    assert direct.kind is NOBODY


def test_an_accept_in_the_place_of_another_rule() -> None:
    made = accepting(router(DNAT, CLOSED), "", instead_of=lambda rule: rule.handle == "4")
    assert [r.handle for r in made.chains["forward"].rules] == ["", "3", "", "5"]
    assert kind(made) is EVERYBODY


def test_the_hosts_accept_is_put_wherever_its_firewall_puts_it() -> None:
    chains = (
        base("input", ESTABLISHED, rule(jump("user")), policy=DROP, name="input"),
        sub("user", rule(TCP, dport(22), ACCEPT)),
    )
    host = replace(
        server(*chains),
        inserts=MappingProxyType({"firewall_rule": ("user",), "firewall_rule over IPv6": ("user6",)}),
    )

    def reached(box: Box) -> AnswerKind:
        return who_reaches([box], asked(32400, at=PLEX), plex()).kind

    assert reached(host) is NOBODY
    assert reached(with_host_accept(host, 32400, "plex")) is EVERYBODY
    assert reached(with_host_accept(host, 32401, "plex")) is NOBODY
    assert with_host_accept(server(*chains), 32400, "plex") == server(*chains)


def test_a_forward_and_its_accept_do_what_is_wanted_end_to_end() -> None:
    home = with_accept(forwarding(router(CLOSED)), "forward", "4", number(PLEX), 32400, "plex")
    masquerade = base("postrouting", rule(TranslateSource()), nat=True)
    lan_only = base("input", ESTABLISHED, rule(source("192.168.1.0/24"), ACCEPT), policy=DROP)
    host = server(lan_only)
    assert who_reaches([home, host], asked(), plex()).kind is NOBODY
    behind = replace(home, chains=MappingProxyType({**home.chains, "masquerade": masquerade}))
    assert who_reaches([behind, host], asked(), plex()).kind is EVERYBODY
    assert who_reaches([router(), host], asked(at=WAN), plex()).kind is NOBODY
    assert not any(destination(PLEX) in r.matches for r in CLOSED.rules)

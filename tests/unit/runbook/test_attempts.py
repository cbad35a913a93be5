"""Which attempts count about the way that viewers take: over IPv4, over IPv6, by a proxy's name."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from plexops.model.entries import Probe, ProbeAnswer
from plexops.model.snapshot import FOREIGN, Entry, Kind
from plexops.runbook.attempts import Came, attempts
from plexops.runbook.situation import Situation
from plexops.runbook.verdict import judge
from plexops.runbook.view import SiteView
from plexops.structs import replace
from tests.runbook.homes import PLEX_6, healthy, unprobed
from tests.unit.runbook.sound_case import (
    IDENTIFIER,
    OUTSIDE,
    PLEX_ROLE,
    SERVER,
    echo,
    with_entries,
    with_facts,
    without,
)

NAME = "plex.example.net"
HOME, ELSEWHERE = "203.0.113.20", "198.51.100.200"


def attempt(
    answer: ProbeAnswer, *, name: str = "", address: str = HOME, port: int = 443, status: int = 0
) -> Entry:
    identifier = IDENTIFIER if answer in (ProbeAnswer.OPEN, ProbeAnswer.UNTRUSTED) else ""
    at = None if answer is ProbeAnswer.NO_NAME else ip_address(address)
    values = Probe("vps", at, port, answer, identifier, name=name, status=status)
    return Entry(Kind.PROBE, values, {}, FOREIGN, "vps", "outside.probe.vps")


def proxied(*tried: Entry) -> SiteView:
    view = with_facts(unprobed(healthy(), *tried), PLEX_ROLE, plex__custom_connections=f"https://{NAME}")
    view = without(view, Kind.ECHO, OUTSIDE)
    view = with_entries(view, echo(HOME), echo(HOME, "other.example"), role=OUTSIDE)
    return replace(with_facts(view, PLEX_ROLE, plex__public_address=""), access="proxy")


def over_ipv6(*tried: Entry, told: str = f"[{PLEX_6}]:32400") -> SiteView:
    return with_facts(unprobed(healthy(), *tried), OUTSIDE, account__ipv6=(told,))


def test_what_was_tried_by_the_name_counts_and_what_was_tried_at_home_does_not() -> None:
    by_name = attempt(ProbeAnswer.OPEN, name=NAME, address=ELSEWHERE)
    at_home = attempt(ProbeAnswer.REFUSED)
    found = attempts(proxied(by_name, at_home), 443)
    assert [one.came for one in found.attempts] == [Came.MET]
    assert found.attempts[0].elsewhere
    assert found.discarded == (f"vps tried {HOME}:443, and viewers come by {NAME}:443",)


def test_where_the_name_was_not_asked_an_attempt_at_home_counts() -> None:
    found = attempts(proxied(attempt(ProbeAnswer.OPEN)), 443)
    assert [one.came for one in found.attempts] == [Came.MET]


def test_another_name_is_not_the_way() -> None:
    found = attempts(proxied(attempt(ProbeAnswer.OPEN, name="other.example.net")), 443)
    assert found.attempts == ()


@pytest.mark.parametrize("answer", [ProbeAnswer.OPEN, ProbeAnswer.UNTRUSTED])
def test_a_home_of_forwards_may_be_asked_by_any_name(answer: ProbeAnswer) -> None:
    """A name of dynamic DNS: apps do not come by it, and its certificate is Plex's own."""
    view = unprobed(healthy(), attempt(answer, name="home.example.net", port=32500))
    assert [one.came for one in attempts(view, 32500).attempts] == [Came.MET]


def test_a_name_that_leads_nowhere_says_nothing_of_a_home_of_forwards() -> None:
    view = unprobed(healthy(), attempt(ProbeAnswer.NO_NAME, name="home.example.net", port=32500))
    assert attempts(view, 32500).attempts == ()


def test_over_ipv6_counts_what_apps_are_told() -> None:
    told = attempt(ProbeAnswer.OPEN, address=PLEX_6, port=32400)
    view = over_ipv6(told, attempt(ProbeAnswer.OPEN, address="2001:db8:a::51", port=32400))
    found = attempts(view, 32500)
    assert (found.attempts, [one.probe.address for one in found.over_ipv6]) == ((), [IPv6Address(PLEX_6)])
    assert found.discarded == ("vps tried [2001:db8:a::51]:32400, which plex.tv tells no app",)


def test_a_vantage_without_ipv6_makes_nothing_less_certain() -> None:
    found = attempts(over_ipv6(attempt(ProbeAnswer.UNKNOWN, address=PLEX_6, port=32400)), 32500)
    assert (found.attempts, found.over_ipv6, found.unanswered) == ((), (), ())
    assert found.discarded == ("vps has no way over IPv6",)


def test_getting_in_over_ipv6_proves_nothing_about_the_forward() -> None:
    """Both ways exist: what stands in the way over IPv4 stays the verdict while IPv4 is what viewers have."""
    met = attempt(ProbeAnswer.OPEN, address=PLEX_6, port=32400)
    view = over_ipv6(met)
    refused = Entry(
        Kind.PROBE, Probe("vps", IPv4Address(HOME), 32500, ProbeAnswer.REFUSED), {}, FOREIGN, "vps", "x"
    )
    assert judge(Situation(view, 32500)).id != "in-order"
    assert judge(Situation(with_entries(view, refused, role=OUTSIDE), 32500)).id == "in-order-over-ipv6"


# --- what stands at the name, and what the home has to do with it ------------------------------------


@pytest.mark.parametrize(
    ("tried", "verdict", "confidence", "words"),
    [
        (attempt(ProbeAnswer.OPEN, name=NAME, address=ELSEWHERE), "proxy-in-order", "certain", NAME),
        (attempt(ProbeAnswer.NO_NAME, name=NAME), "proxy-no-name", "likely", "leads to no address"),
        (attempt(ProbeAnswer.UNTRUSTED, name=NAME), "proxy-certificate", "certain", "does not hold for that name"),
        (
            attempt(ProbeAnswer.WRONG_SERVER, name=NAME, address=ELSEWHERE, status=502),
            "proxy-broken", "likely", f"leads to {ELSEWHERE}, not this home: status 502",
        ),
        (attempt(ProbeAnswer.REFUSED, name=NAME), "proxy-broken", "likely", f"leads to {HOME}, this home: refused"),
        (attempt(ProbeAnswer.TIMED_OUT, name=NAME), "unexplained", "none", "vps: no answer"),
    ],
)  # fmt: skip
def test_what_an_attempt_by_the_name_comes_to(
    tried: Entry, verdict: str, confidence: str, words: str
) -> None:
    found = judge(Situation(proxied(tried)))
    assert (found.id, str(found.confidence)) == (verdict, confidence)
    assert words in found.says


def test_a_silent_name_is_named_first_and_not_decided() -> None:
    """Silence may be the vantage's own carrier."""
    found = judge(Situation(proxied(attempt(ProbeAnswer.TIMED_OUT, name=NAME, address=ELSEWHERE))))
    assert (found.decided, str(found.candidates[0].stop.place)) == (False, "proxy")


def test_a_broken_home_behind_a_proxy_elsewhere_is_what_the_proxy_meets() -> None:
    """A status of 502 says that the proxy runs: what it does not reach is at home, where Plex does not answer."""
    view = proxied(attempt(ProbeAnswer.WRONG_SERVER, name=NAME, address=ELSEWHERE, status=502))
    view = with_entries(without(view, Kind.LISTENER, SERVER), role=SERVER)
    view = replace(with_facts(view, PLEX_ROLE, plex__identifier=None), plex_answered_at=None)
    assert judge(Situation(view)).id in ("nothing-listens", "proxy-broken")


def test_a_proxy_elsewhere_that_refuses_is_not_the_homes_fault() -> None:
    view = proxied(attempt(ProbeAnswer.REFUSED, name=NAME, address=ELSEWHERE))
    found = judge(Situation(view))
    assert (found.id, [one.stop.place for one in found.candidates]) == ("proxy-broken", [])

"""The host's real ufw: somebody's rule of exactly our target is theirs, and a wider deny is passed by one rule."""

from __future__ import annotations

import pytest

from .owner import PORT, mark, plexops, requests_since, run_id, state_of, without_vantage, writes_since
from .realhome import UFW_RULES, RealHome, real_home, why_not

pytestmark = [pytest.mark.namespaces, pytest.mark.skipif(bool(why_not()), reason=why_not() or "can run here")]


def test_somebodys_deny_of_exactly_this_port_is_named_and_stays() -> None:
    """ufw would turn the deny into an allow in place: it belongs to a person, and the port stays closed."""
    with real_home(ufw_rules=(*UFW_RULES, "deny 32400/tcp comment 'not from outside'")) as home:
        before, marked = state_of(home), mark(home)
        applied = plexops(home, "apply --yes")
        assert applied.returncode in (3, 5), applied.stdout + applied.stderr
        assert "a rule of yours, “not from outside”, has exactly this target" in applied.stdout
        assert "server" not in writes_since(home, marked)
        assert state_of(home).differs(before) == []
        assert home.connect_from_outside(PORT) == "timed out"


def test_a_wider_deny_is_passed_by_one_rule_before_it() -> None:
    with real_home(ufw_rules=(*UFW_RULES, "deny 32000:33000/tcp", "deny from any")) as home:
        before = state_of(without_vantage(home))
        applied = plexops(home, "apply --yes")
        assert applied.returncode == 0, applied.stdout + applied.stderr
        assert home.connect_from_outside(PORT) == "open"
        assert home.machine_identifier in (home.identity_from_outside(PORT) or "")
        back = plexops(home, f"rollback {run_id(applied)} --yes")
        assert back.returncode == 0, back.stdout + back.stderr
        assert state_of(home).differs(before) == []


#: What a program beside the router's own rules puts there: it lets the home out, and nobody in.
SECOND = """
table inet second {
  chain f {
    type filter hook forward priority 10; policy drop;
    ct state established,related accept
    iifname "br-lan" accept
  }
}
"""


def forward_and_second(home: RealHome) -> None:
    """Set all up, and then let a second filter drop what comes in."""
    applied = plexops(home, "apply --yes")
    assert applied.returncode == 0, applied.stdout + applied.stderr
    assert home.connect_from_outside(PORT) == "open"
    home.nodes["router"].exec(["nft", "-f", "-"], SECOND, check=True)
    assert home.connect_from_outside(PORT) == "timed out"


def test_of_two_filters_that_drop_both_are_named_and_neither_is_touched() -> None:
    with real_home() as home:
        forward_and_second(home)
        before, marked = state_of(home), mark(home)
        applied = plexops(home, "apply --yes")
        assert applied.returncode != 0
        said = " ".join(applied.stdout.split())
        assert "“inet filter forward”" in said, applied.stdout
        assert "“inet second f”" in said, applied.stdout
        assert writes_since(home, marked) == {}
        assert state_of(home).differs(before) == []
        # What the finding asks for is a cure, in the kernel too.
        by_hand = "insert rule inet second f ct status dnat accept"
        home.nodes["router"].exec(["nft", by_hand], check=True)
        assert home.connect_from_outside(PORT) == "open"
        assert plexops(home, "audit").returncode == 0


WITHOUT_RULE = """
- name: Nobody lets Plex in any more
  sites: all
  tasks:
    - {name: The host's firewall, firewall_rule: {state: absent}}
"""


def test_a_rule_that_was_taken_away_comes_back_to_its_place_among_the_others() -> None:
    with real_home() as home:
        without_vantage(home)
        applied = plexops(home, "apply --yes")
        assert applied.returncode == 0, applied.stdout + applied.stderr
        for words in ("prepend deny from 203.0.113.9", "prepend allow 9000/tcp"):
            home.nodes["server"].exec(["ufw", *words.split()], check=True)
        before, marked = state_of(home), mark(home)
        (home.directory / "playbooks" / "plex-remote-access.yaml").write_text(WITHOUT_RULE)
        taken = plexops(home, "apply --yes")
        assert any("ufw --force delete" in text for text in writes_since(home, marked)["server"]), (
            taken.stdout
        )
        if taken.returncode in (0, 4):
            assert state_of(home).ufw_files != before.ufw_files
            back = plexops(home, f"rollback {run_id(taken)} --yes")
            assert back.returncode in (0, 4), back.stdout + back.stderr
        else:  # Plex was not reached any more, and that was undone by itself
            assert taken.returncode == 5, taken.stdout + taken.stderr
        assert any("ufw insert 3 allow" in text for text in requests_since(home, marked)["server"])
        path = next(name for name in before.ufw_files if name.endswith("/user.rules"))
        assert state_of(home).ufw_files[path] == before.ufw_files[path]
        assert state_of(home).server_filter == before.server_filter

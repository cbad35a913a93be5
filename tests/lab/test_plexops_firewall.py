"""The host's real ufw: somebody's rule of exactly our target is theirs, and a wider deny is passed by one rule."""

from __future__ import annotations

import pytest

from .owner import PORT, mark, plexops, run_id, state_of, without_vantage, writes_since
from .realhome import UFW_RULES, real_home, why_not

pytestmark = [pytest.mark.namespaces, pytest.mark.skipif(bool(why_not()), reason=why_not() or "can run here")]


def test_somebodys_deny_of_exactly_this_port_is_named_and_stays() -> None:
    """ufw would turn the deny into an allow in place: it belongs to a person, and the port stays closed."""
    with real_home(ufw_rules=(*UFW_RULES, "deny 32400/tcp comment 'not from outside'")) as home:
        before, marked = state_of(home), mark(home)
        applied = plexops(home, "apply --yes")
        assert applied.returncode in (3, 5), applied.stdout + applied.stderr
        assert "somebody's rule “not from outside” has exactly this target" in applied.stdout
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

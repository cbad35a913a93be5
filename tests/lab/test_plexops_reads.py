"""What only looks or only plans changes nothing, and a plan is sent only onto the home that it was made for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .owner import mark, plexops, state_of, unpack, writes_since
from .realhome import RealHome, real_home, why_not

pytestmark = [pytest.mark.namespaces, pytest.mark.skipif(bool(why_not()), reason=why_not() or "can run here")]

HOUSEHOLD = "/etc/dnsmasq.d/household.conf"
GUEST = "dhcp-host=66:55:44:33:22:11,192.168.1.77,guest\n"


@pytest.fixture
def home() -> Iterator[RealHome]:
    with real_home() as made:
        yield made


def add_guest(home: RealHome) -> None:
    home.nodes["router"].exec(["tee", "-a", HOUSEHOLD], GUEST, check=True)


def add_rule(home: RealHome) -> None:
    rule = 'add rule inet filter forward iifname "br-lan" counter comment "by hand"'
    home.nodes["router"].exec(["nft", rule], check=True)


def add_ufw_rule(home: RealHome) -> None:
    home.nodes["server"].exec(["ufw", "allow", "8096/tcp"], check=True)


def planned(home: RealHome) -> tuple[Path, str]:
    """Save a plan; give its file and the digest that a person reviews."""
    plan = home.directory / "plan.json"
    done = plexops(home, "apply --dry-run --out", str(plan)) if False else _dry_run(home, plan)
    assert done.returncode == 0, done.stdout + done.stderr
    shown = re.search(r"--approve ([0-9a-f]{12})", done.stdout)
    assert shown, done.stdout
    return plan, shown[1]


def test_sorting_of_requests_knows_a_write() -> None:
    framed = "sh -c 'exec </dev/null; export PATH LC_ALL; n=1a; ( eval '\"'\"'nft -f /x'\"'\"' ) </dev/null; s=$?; echo'"
    assert unpack(framed)[0] == "nft -f /x"
    assert unpack("sh -c 'export PATH LC_ALL; service dnsmasq restart'") == ["service dnsmasq restart"]


def test_looking_and_planning_send_no_write(home: RealHome) -> None:
    before, marked = state_of(home), mark(home)
    assert plexops(home, "audit").returncode == 1
    assert plexops(home, "apply --dry-run").returncode == 0
    assert writes_since(home, marked) == {}
    assert state_of(home).differs(before) == []

"""The measuring itself works: one round on a real home. No time is asserted; what was sent and said is."""

from __future__ import annotations

import pytest

from tests.bench.document import AGAIN, AUDIT, BUDGETS, NETWORK, PASS, document
from tests.bench.fleet import make_fleet, measure_fleet
from tests.bench.measuring import INSIDE, execs_of, home_in_order, measure, own_commands
from tests.bench.openwrt import OPENWRT, with_openwrt
from tests.lab.realhome import why_not

pytestmark = [
    pytest.mark.bench,
    pytest.mark.namespaces,
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "can run here"),
]


def test_one_round_on_a_home_that_is_in_order() -> None:
    with home_in_order() as home:
        rules, files = home.nft("router"), (home.dnsmasq_files(), home.nftables_files(), home.ufw_files())
        commands = [*own_commands(home), with_openwrt(home)[0]]
        found = measure(home, commands, 1)
        assert [one.name for one in found] == [command.name for command in commands]
        assert all(one.seconds[0] > 0 for one in found)
        # A second apply among them: nothing on any device has moved.
        assert home.nft("router") == rules
        assert (home.dnsmasq_files(), home.nftables_files(), home.ufw_files()) == files
        execs = execs_of(home, ["plexops", "audit", *INSIDE])
        make_fleet(home)
        fleet = measure_fleet(home, (1, 4), 1)
    assert execs == (1, 1), "one connection and one exec per shell device"
    assert [row.homes for row in fleet] == [1, 4]
    assert all(row.client > 0 and row.server > 0 for row in fleet)
    page = document(found, (), execs, 1, fleet)
    assert "memory of an audit of 4 homes" in page
    for budget in BUDGETS:
        assert budget.what in page
    measured = {one.name for one in found}
    assert {AGAIN, AUDIT, NETWORK, OPENWRT, PASS} <= measured
    assert page.count("not measured") == 3, "only ansible, pyinfra and routerless were left out"

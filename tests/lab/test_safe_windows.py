"""No write leaves a home worse, in real homes: a full disk, a dnsmasq that dies of the change."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .owner import State, plexops, state_of, without_vantage
from .realhome import RealHome, real_home, why_not

pytestmark = [pytest.mark.namespaces, pytest.mark.skipif(bool(why_not()), reason=why_not() or "can run here")]

OURS = "/etc/dnsmasq.d/plexops_plex.conf"
#: Ends dnsmasq a moment after it was started where our file is there: as a start that only looked well.
DIES = f'[ ! -e {OURS} ] || ( sleep 0.3; kill "$(cat $pidfile)" ) >/dev/null 2>&1 &'
#: Folders of so little room, with what was in them.
SMALL = """
for d in /etc/dnsmasq.d /etc/nftables.d; do
    cp -a $d /tmp/kept && mount -t tmpfs -o size=128k none $d && cp -a /tmp/kept/. $d && rm -r /tmp/kept
    head -c 90000 /dev/zero > $d/.full
done
"""


@pytest.fixture
def home() -> Iterator[RealHome]:
    with real_home() as made:
        yield without_vantage(made)


def lives(home: RealHome) -> bool:
    """Tell whether dnsmasq runs, and answers."""
    return home.exec("router", ["service", "dnsmasq", "status"]).returncode == 0


def before(home: RealHome) -> State:
    plexops(home, "audit")
    return state_of(home)


def test_on_a_full_disk_nothing_is_written(home: RealHome) -> None:
    home.nodes["router"].sh(SMALL)
    was = before(home)
    done = plexops(home, "apply --yes")
    assert done.returncode == 5, done.stdout + done.stderr
    assert "KiB are free at /etc/dnsmasq.d, and 64 are needed: nothing was written" in " ".join(
        done.stdout.split()
    )
    assert state_of(home).differs(was) == []
    assert lives(home)


def test_a_dnsmasq_that_dies_of_the_change_runs_again_without_it(home: RealHome) -> None:
    path = "/etc/init.d/dnsmasq"
    text = home.read("router", path).replace("dnsmasq.log\n", f"dnsmasq.log\n\t{DIES}\n")
    assert DIES in text
    home.nodes["router"].write({path: text}, mode=0o755)
    was = before(home)
    done = plexops(home, "apply --yes")
    assert done.returncode == 5, done.stdout + done.stderr
    assert "dnsmasq does not stay up" in " ".join(done.stdout.split())
    assert state_of(home).differs(was) == []
    assert lives(home)

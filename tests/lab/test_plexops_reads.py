"""What only looks or only plans changes nothing, and a plan is sent only onto the home that it was made for."""

from __future__ import annotations

import json
import re
import shlex
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from plexops.languages import CONSOLES
from plexops.model.exchange import Command, Read

from .owner import (
    PORT,
    mark,
    plexops,
    requests_since,
    state_of,
    unpack,
    wait_until,
    without_vantage,
    writes_since,
)
from .realhome import RealHome, real_home, why_not

pytestmark = [pytest.mark.namespaces, pytest.mark.skipif(bool(why_not()), reason=why_not() or "can run here")]

HOUSEHOLD = "/etc/dnsmasq.d/household.conf"
Edit = Callable[[RealHome], None]
GUEST = "dhcp-host=66:55:44:33:22:11,192.168.1.77,guest\n"


@pytest.fixture
def home() -> Iterator[RealHome]:
    with real_home() as made:
        yield without_vantage(made)


def add_guest(home: RealHome) -> None:
    home.nodes["router"].exec(["tee", "-a", HOUSEHOLD], GUEST, check=True)


def add_rule(home: RealHome) -> None:
    rule = 'add rule inet filter forward iifname "br-lan" counter drop comment "by hand"'
    home.nodes["router"].exec(["nft", rule], check=True)


def add_host_rule(home: RealHome) -> None:
    home.nodes["server"].exec(["ufw", "allow", "8096/tcp"], check=True)


def planned(home: RealHome) -> tuple[Path, str]:
    """Save a plan; give its file and the digest that a person has reviewed."""
    plan = home.directory / "plan.json"
    done = plexops(home, "apply --dry-run --out", str(plan))
    assert done.returncode == 0, done.stdout + done.stderr
    shown = re.search(r"--approve ([0-9a-f]{12})", done.stdout)
    assert shown, done.stdout
    return plan, shown[1]


def test_sorting_of_requests_knows_a_write_inside_a_frame() -> None:
    plain = CONSOLES["posix"].frame([Read("x", Command("nft -f /x"))], "1a2b3c4d5e")
    framed = f"sh -c {shlex.quote(plain.replace('z 0 $? closed', 'z 0 $? closed; rm /etc/passwd'))}"
    assert unpack(f"sh -c {shlex.quote(plain)}") == ["nft -f /x"]
    assert unpack(framed)[0] == "nft -f /x"
    assert "rm /etc/passwd" in unpack(framed)[1]
    assert unpack("sh -c 'export PATH LC_ALL; service dnsmasq restart'") == ["service dnsmasq restart"]
    assert unpack("reboot") == ["reboot"]


def test_looking_and_planning_send_no_write(home: RealHome) -> None:
    before, marked = state_of(home), mark(home)
    assert plexops(home, "audit").returncode == 4, "with no vantage it is unknown whether it can be reached"
    planned(home)
    sent = requests_since(home, marked)
    assert "nft -j list ruleset" in sent["router"]
    assert "cat /etc/ufw/user.rules" in sent["server"]
    assert writes_since(home, marked) == {}
    assert state_of(home).differs(before) == []


def test_a_plan_is_sent_onto_the_home_it_was_made_for(home: RealHome) -> None:
    plan, digest = planned(home)
    done = plexops(home, f"apply --approve {digest}", str(plan))
    assert done.returncode == 0, done.stdout + done.stderr
    assert home.connect_from_outside(PORT) == "open"


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (add_guest, "router configuration"),
        (add_rule, "router configuration"),
        (add_host_rule, "server configuration"),
    ],
)
def test_a_plan_whose_home_has_moved_is_refused_by_name(home: RealHome, edit: Edit, named: str) -> None:
    plan, digest = planned(home)
    edit(home)
    before, marked = state_of(home), mark(home)
    done = plexops(home, f"apply --approve {digest}", str(plan))
    assert done.returncode == 3, done.stdout + done.stderr
    assert named in done.stdout
    assert writes_since(home, marked) == {}
    assert state_of(home).differs(before) == []


def test_an_edited_plan_and_a_wrong_digest_send_nothing(home: RealHome) -> None:
    plan, digest = planned(home)
    before, requests = state_of(home), mark(home)
    wrong = ("0" if digest[0] != "0" else "1") + digest[1:]
    assert plexops(home, f"apply --approve {wrong}", str(plan)).returncode == 2
    document = json.loads(plan.read_text())
    document["steps"][0]["requests"] = ["true"]
    plan.write_text(json.dumps(document))
    edited = plexops(home, f"apply --approve {digest}", str(plan))
    assert edited.returncode == 8, edited.stdout + edited.stderr
    assert "edited" in edited.stderr
    assert mark(home) == requests, "no device was asked at all"
    unlike = plexops(home, f"apply --approve {wrong}")
    assert unlike.returncode == 3, unlike.stdout + unlike.stderr
    assert state_of(home).differs(before) == []


def test_somebodys_edit_during_the_run_ends_it_and_survives() -> None:
    with ThreadPoolExecutor(2) as beside:
        for outcome in [beside.submit(edited_during_the_run, edit) for edit in (add_guest, add_rule)]:
            outcome.result()


def edited_during_the_run(edit: Edit) -> None:
    """The edit falls between our reservation and our forward: the server needs seconds to move in between."""
    with real_home(lease="moved") as home:
        before, marked = state_of(without_vantage(home)), mark(home)
        ours = "/etc/dnsmasq.d/plexops_plex.conf"

        def meanwhile() -> None:
            if wait_until(lambda: ours in home.dnsmasq_files(), 60):
                edit(home)

        somebody = threading.Thread(target=meanwhile)
        somebody.start()
        done = plexops(home, "apply --yes")
        somebody.join()
        # dnsmasq lets the host keep the address that it moved to: then a person is told.
        assert done.returncode == 6, done.stdout + done.stderr
        failed = [line for line in done.stdout.splitlines() if line.startswith("undo failed")]
        assert len(failed) == 1, done.stdout
        assert "the host asks for" in failed[0], done.stdout
        assert "the router was changed while this run" in done.stdout
        sent = writes_since(home, marked)["router"]
        assert not [text for text in sent if text.startswith("nft -f")], "no forward was written"
        after = state_of(home)
        assert after.nftables_files == before.nftables_files
        assert ours not in after.dnsmasq_files
        if edit is add_guest:
            assert after.dnsmasq_files[HOUSEHOLD] == before.dnsmasq_files[HOUSEHOLD] + GUEST
            assert after.nft == before.nft
        else:
            assert after.nft != before.nft
            rest = iter(after.nft.splitlines())
            assert all(line in rest for line in before.nft.splitlines())

"""The first look and `init` in a real home: multicast, a real miniupnpd, a real ARP table, a real firewall."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from plexops.structs import replace

from . import links
from .links import Wan
from .node import NODE_PATH
from .owner import State, mark, requests_since, state_of
from .realhome import REPOSITORY, RealHome, real_home, why_not

pytestmark = [pytest.mark.namespaces, pytest.mark.skipif(bool(why_not()), reason=why_not() or "can run here")]

#: The services on the internet that are usually asked are not in this one; all else is what anybody gets.
LOOK = f"""
from plexops.engine.bootstrap.quick import QuickSettings, look_quick
from plexops.report.quick_text import quick_json
echoes = ({", ".join(f'"http://{address}/ip"' for address in links.ECHOES)})
print(quick_json(look_quick(QuickSettings(echoes=echoes, stun=()))))
"""


def announce(home: RealHome) -> None:
    """Let Plex answer searches of the LAN; the household has let them in."""
    home.exec("server", ["ufw", "allow", "32414/udp"])
    program = [sys.executable, "-I", str(Path(__file__).with_name("gdmd.py")), home.machine_identifier]
    process = subprocess.Popen(home.nodes["server"].enter_network(program), stdout=subprocess.PIPE)
    home.programs.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"


def quiet(state: State) -> State:
    """Without the counters of what ufw's policy dropped: it drops our searches, as it does everybody's."""
    return replace(state, server_filter=re.sub(r"\[[0-9]+:[0-9]+\]", "", state.server_filter))


def at_the_server(home: RealHome, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program where Plex runs, behind ufw."""
    return subprocess.run(
        home.nodes["server"].enter_network([sys.executable, *words]),
        env={"PATH": NODE_PATH, "PYTHONPATH": str(REPOSITORY), "HOME": str(home.directory)},
        cwd=home.directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def looked(home: RealHome) -> Any:
    """Look from the owner's PC."""
    done = home.run([sys.executable, "-c", LOOK])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_home_is_seen_from_a_pc_in_it_and_nothing_is_changed() -> None:
    with real_home() as home:
        announce(home)
        before, marked = quiet(state_of(home)), mark(home)
        seen = looked(home)
        assert seen["network"]["gateway"] == links.LAN_ROUTER
        assert seen["network"]["network"] == "192.168.1.0/24"
        (box,) = seen["gateways"]
        assert (box["address"], box["wan_address"], box["mappings"]) == (links.LAN_ROUTER, "11.22.33.10", [])
        assert {echo["address"] for echo in seen["public_addresses"]} == {"11.22.33.10"}
        (plex,) = seen["plex"]
        assert (plex["address"], plex["machine_identifier"]) == ("192.168.1.50", home.machine_identifier)
        assert (seen["verdict"]["id"], seen["exit_status"]) == ("no-mapping", 4)
        assert quiet(state_of(home)).differs(before) == []
        assert not any(requests_since(home, marked).values()), "it logs in nowhere"


@pytest.mark.parametrize("wan", ["cgnat", "double"])
def test_a_gateway_that_keeps_a_private_address_to_itself_proves_nothing(wan: Wan) -> None:
    with real_home(wan) as home:
        seen = looked(home)
        assert seen["gateways"][0]["wan_address"] is None
        assert seen["gateways"][0]["says_no_wan_address"]
        assert (seen["verdict"]["id"], seen["verdict"]["decided"]) == ("nat-likely", False)


def test_a_firewall_here_does_not_hide_the_gateway() -> None:
    """Answers to a multicast are no answers for ufw: the gateway is asked by itself as well."""
    with real_home() as home:
        done = at_the_server(home, "-c", LOOK)
        seen = json.loads(done.stdout)
        assert seen["gateways"][0]["wan_address"] == "11.22.33.10"
        (plex,) = seen["plex"]
        assert (plex["address"], plex["on_this_computer"]) == ("192.168.1.50", True)


def test_init_describes_the_home_so_that_the_check_passes() -> None:
    with real_home() as home:
        announce(home)
        done = home.run(["plexops", "init", "mine", "--yes"])
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"mac: {links.SERVER_MAC}" in done.stdout
        assert "profile: linux" in done.stdout
        assert f"address: {links.LAN_ROUTER}" in done.stdout
        host_key = home.inventory.read_text().split('host_key: "')[1].split('"')[0]
        shown = subprocess.run(
            ["ssh-keygen", "-lf", "-"], input=host_key, capture_output=True, text=True, check=True
        ).stdout.split()[1]
        assert f"home/router at {links.LAN_ROUTER} shows ssh-ed25519 {shown}" in done.stderr
        checked = home.run(["plexops", "check", "-i", "mine/inventory.yaml", "mine/playbooks"])
        assert checked.returncode == 0, checked.stderr


def test_init_on_the_plex_host_itself_finds_its_own_card() -> None:
    with real_home() as home:
        done = at_the_server(home, "-m", "plexops", "init", "local", "--yes")
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"mac: {links.SERVER_MAC}" in done.stdout
        assert "url: http://192.168.1.50:32400" in done.stdout


def test_a_probe_from_outside_times_out_and_from_inside_proves_nothing() -> None:
    with real_home() as home:
        outside = subprocess.run(
            home.nodes["outside"].enter_network(
                [
                    sys.executable,
                    "-m",
                    "plexops",
                    "probe",
                    f"{home.public_address}:32500",
                    "--as",
                    "cafe",
                    "--out",
                    "p",
                ]
            ),
            env={"PATH": NODE_PATH, "PYTHONPATH": str(REPOSITORY), "HOME": str(home.directory)},
            cwd=home.directory,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (outside.returncode, "timed out" in outside.stdout) == (1, True)
        assert json.loads((home.directory / "p").read_text())["answer"] == "timed out"
        inside = home.run(["plexops", "probe", "192.168.1.50:32400", "--expect", home.machine_identifier])
        assert inside.returncode == 0, inside.stderr
        assert "it says nothing about the way in" in inside.stdout

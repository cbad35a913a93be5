"""The real home is what it says: these proofs look at packets, files and processes, and at nothing of plexops."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .daemons import PREFERENCES, RENEW
from .links import SERVER_MAC
from .realhome import RealHome, real_home, why_not

pytestmark = [pytest.mark.namespaces, pytest.mark.skipif(bool(why_not()), reason=why_not() or "can run here")]

FORWARD = """table inet mine {
	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		iifname "wan" tcp dport 32500 counter dnat ip to 192.168.1.50:32400 comment "by hand"
	}
}
"""
PASSAGE = 'insert rule inet filter forward ct status dnat accept comment "by hand"'
ALLOW = ["ufw", "prepend", "allow", "in", "proto", "tcp", "from", "any", "to", "any", "port", "32400"]


@pytest.fixture
def home() -> Iterator[RealHome]:
    with real_home() as made:
        yield made


def forward_by_hand(home: RealHome, *, passage: bool = True, firewall: bool = True) -> None:
    home.nodes["router"].exec(["nft", "-f", "-"], FORWARD, check=True)
    if passage:
        home.nodes["router"].exec(["nft", PASSAGE], check=True)
    if firewall:
        home.nodes["server"].exec(ALLOW, check=True)


def ssh(home: RealHome, target: str, command: str, stdin: str = "") -> tuple[int, str, str]:
    known = home.directory / "known_hosts"
    options = [
        "BatchMode=yes",
        "StrictHostKeyChecking=accept-new",
        f"UserKnownHostsFile={known}",
        "ConnectTimeout=2",
    ]
    argv = ["ssh", "-q", "-i", str(home.directory / "owner_key"), *(w for o in options for w in ("-o", o))]
    done = home.run([*argv, target, command], stdin=stdin, timeout=20)
    return done.returncode, done.stdout, done.stderr


def test_every_layer_must_let_the_packet_through(home: RealHome) -> None:
    assert home.address_of_server() == "192.168.1.50"
    assert home.connect_from_outside(32500) == "timed out"
    forward_by_hand(home, passage=False, firewall=False)
    assert home.connect_from_outside(32500) == "timed out", "the router's filter drops what no line lets pass"
    home.nodes["router"].exec(["nft", PASSAGE], check=True)
    assert home.connect_from_outside(32500) == "timed out", "the server admits Plex from its LAN only"
    home.nodes["server"].exec(ALLOW, check=True)
    assert home.connect_from_outside(32500) == "open"
    identity = home.identity_from_outside(32500)
    assert identity is not None
    assert f'machineIdentifier="{home.machine_identifier}"' in identity
    home.nodes["server"].exec(["ufw", "deny", "32400/tcp"], check=True)
    assert home.connect_from_outside(32500) == "timed out"


def test_own_table_does_not_undo_the_filters_drop(home: RealHome) -> None:
    forward_by_hand(home, passage=False)
    home.nodes["router"].exec(
        ["nft", "-f", "-"],
        "table inet mine { chain forward { type filter hook forward priority -10; policy accept;\n"
        "ct status dnat accept\n}\n}\n",
        check=True,
    )
    assert home.connect_from_outside(32500) == "timed out"


@pytest.mark.parametrize("wan", ["cgnat", "double"])
def test_a_forward_behind_another_nat_stays_closed(wan: str) -> None:
    with real_home("cgnat" if wan == "cgnat" else "double") as home:
        forward_by_hand(home)
        assert home.connect_from_outside(32500) != "open"
        echoed = home.run(["curl", "-s", "-m", "5", "http://11.22.44.5/ip"]).stdout.strip()
        assert echoed == home.public_address == "11.22.33.77"
        shown = home.exec("router", ["ip", "-4", "-o", "addr", "show", "dev", "wan"]).stdout
        assert {"cgnat": "100.64.7.20/10", "double": "192.168.100.2/24"}[wan] in shown


def test_the_world_sees_the_plain_homes_own_address(home: RealHome) -> None:
    for address in ("11.22.44.5", "11.22.44.6"):
        assert home.run(["curl", "-s", "-m", "5", f"http://{address}/ip"]).stdout == "11.22.33.10\n"


def test_isp_that_swallows_the_port() -> None:
    with real_home(isp_drops_port=32500) as home:
        forward_by_hand(home)
        assert home.connect_from_outside(32500) == "timed out"
        home.nodes["router"].exec(["nft", "-f", "-"], FORWARD.replace("32500", "32501"), check=True)
        assert home.connect_from_outside(32501) == "open"


def test_vantage_answers_and_can_be_cut_off(home: RealHome) -> None:
    assert ssh(home, "probe@198.51.100.77", "id -un") == (0, "probe\n", "")
    with real_home(outside_cut=True) as cut:
        assert ssh(cut, "probe@198.51.100.77", "true")[0] == 255
        assert cut.run(["curl", "-s", "-m", "5", "http://11.22.44.5/ip"]).stdout == "11.22.33.10\n"


def test_reservation_and_renewal_over_ssh_move_the_server() -> None:
    with real_home(lease="moved") as home:
        assert home.address_of_server() == "192.168.1.104"
        reservation = f"dhcp-host={SERVER_MAC},192.168.1.50\n"
        home.nodes["router"].write({"/etc/dnsmasq.d/by-hand.conf": reservation})
        before = home.read("router", "/run/dnsmasq/dnsmasq.pid")
        assert ssh(home, "root@192.168.1.1", "service dnsmasq restart") == (0, "", "")
        assert home.read("router", "/run/dnsmasq/dnsmasq.pid") != before
        started = time.monotonic()
        status, _, _ = ssh(home, "media@192.168.1.104", f"sudo -n sh -c {quoted(RENEW)}")
        assert status == 0
        assert time.monotonic() - started < 5, "the request must return before the address changes"
        assert home.wait_for_address("192.168.1.50")
        assert home.leases()[SERVER_MAC] == "192.168.1.50"
        assert ssh(home, "media@192.168.1.50", "sudo -n id -u") == (0, "0\n", "")


def quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def test_dnsmasq_refuses_a_bad_file_and_keeps_running(home: RealHome) -> None:
    home.nodes["router"].write({"/etc/dnsmasq.d/bad.conf": "dhcp-host=zz:zz,192.168.1.400\n"})
    status, _, _ = ssh(home, "root@192.168.1.1", "dnsmasq --test")
    assert status == 1
    home.exec("router", ["rm", "/etc/dnsmasq.d/bad.conf"])
    assert ssh(home, "root@192.168.1.1", "dnsmasq --test")[0] == 0


def test_packet_filter_is_the_same_bytes_after_add_and_delete(home: RealHome) -> None:
    before, files = home.nft("router"), home.nftables_files()
    assert "John's NAS (ftp)" in before
    assert "old camera" not in before, "what is switched off is in the file only"
    forward_by_hand(home, firewall=False)
    assert home.nft("router") != before
    handles = home.exec("router", ["nft", "-a", "list", "chain", "inet", "filter", "forward"]).stdout
    handle = next(line.rsplit(" ", 1)[1] for line in handles.splitlines() if "by hand" in line)
    home.nodes["router"].exec(
        ["nft", "delete", "rule", "inet", "filter", "forward", "handle", handle], check=True
    )
    home.nodes["router"].exec(["nft", "delete", "table", "inet", "mine"], check=True)
    assert home.nft("router") == before
    assert home.nftables_files() == files


def test_household_reservations_are_in_a_file_of_their_own(home: RealHome) -> None:
    hosts = [
        line
        for line in home.dnsmasq_files()["/etc/dnsmasq.d/household.conf"].splitlines()
        if "dhcp-host=" in line
    ]
    assert len(hosts) >= 6
    assert not any(SERVER_MAC in line for line in hosts)


def test_upnp_works_and_opens_the_port(home: RealHome) -> None:
    home.nodes["server"].exec(ALLOW, check=True)
    igd = "http://192.168.1.1:5000/rootDesc.xml"
    answer = home.exec("server", ["upnpc", "-u", igd, "-a", "192.168.1.50", "32400", "18444", "TCP"]).stdout
    assert "is redirected to internal 192.168.1.50:32400" in answer
    assert home.connect_from_outside(18444) == "open"


def test_every_command_over_ssh_is_on_record(home: RealHome) -> None:
    ssh(home, "root@192.168.1.1", "true # one\nprintf two")
    assert ssh(home, "media@192.168.1.50", "sudo -n sh -s", stdin="exit 7\n")[0] == 7
    assert home.commands("router") == ["true # one\nprintf two"]
    assert home.commands("server") == ["sudo -n sh -s\nexit 7\n"]


def test_token_of_plex_is_for_root_alone(home: RealHome) -> None:
    status, _, complaint = ssh(home, "media@192.168.1.50", f"cat '{PREFERENCES}'")
    assert status == 1
    assert "Permission denied" in complaint
    assert (
        f'PlexOnlineToken="{home.token}"'
        in ssh(home, "media@192.168.1.50", f"sudo -n cat '{PREFERENCES}'")[1]
    )


def test_plex_judges_by_real_packets() -> None:
    settings = {
        "PublishServerOnPlexOnlineKey": True,
        "ManualPortMappingMode": True,
        "ManualPortMappingPort": 32500,
    }
    with real_home(plex_settings=settings) as home:
        assert wait_for_mapping(home, 'mappingError="unreachable"')
        forward_by_hand(home)
        assert call_plex(home, "PUT", "/myplex/refreshReachability") == ""
        assert wait_for_mapping(home, 'publicPort="32500"')


def call_plex(home: RealHome, method: str, path: str) -> str:
    url = f"http://192.168.1.50:32400{path}"
    return home.run(["curl", "-s", "-m", "10", "-X", method, "-H", f"X-Plex-Token: {home.token}", url]).stdout


def wait_for_mapping(home: RealHome, text: str) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if text in call_plex(home, "GET", "/myplex/account"):
            return True
        time.sleep(0.1)
    return False


def test_nothing_is_left_behind() -> None:
    links_before = set(Path("/sys/class/net").iterdir())
    with real_home() as home:
        spaces = {Path(f"/proc/{node.pid}/ns/pid").stat().st_ino for node in home.nodes.values()}
        directory = home.directory
        assert len(processes_in(spaces)) > len(home.nodes)
        assert set(Path("/sys/class/net").iterdir()) == links_before
    assert processes_in(spaces) == []
    assert set(Path("/sys/class/net").iterdir()) == links_before
    assert not directory.exists()
    assert "real-home" not in Path("/proc/self/mountinfo").read_text()


def processes_in(spaces: set[int]) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "ns/pid").stat().st_ino in spaces:
                found.append(process.name)
        except OSError:
            continue  # it ended while we looked
    return found

"""The simulated Linux router: its packet filter, its DHCP server, and what tools ask it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest

from plexops.lab.base import (
    DeviceLog,
    ForwardSeed,
    Lease,
    MappingSeed,
    Packet,
    ReservationSeed,
    RouterHooks,
    Seed,
)
from plexops.lab.clock import ScaledClock
from plexops.lab.routers.linux import LinuxRouter

PLEX = IPv4Address("192.168.1.50")
NAS = IPv4Address("192.168.1.20")
WAN = IPv4Address("62.155.240.55")
OUTSIDE = IPv4Address("198.51.100.77")
MAC = "02:50:4c:45:58:01"
HOUSEHOLD = Seed(
    forwards=(
        ForwardSeed("nas https", "8443", NAS, port="443"),
        ForwardSeed('John\'s "NAS" (ftp)', "5000-5010", NAS),
        ForwardSeed("xbox", "3074", IPv4Address("192.168.1.31"), protocol="both"),
        ForwardSeed("office only", "2222", NAS, port="22", source="198.51.100.0/24"),
        ForwardSeed("old camera", "8081", IPv4Address("192.168.1.23"), port="80", enabled=False),
    ),
    reservations=(
        ReservationSeed("nas", ("3C:EC:EF:AA:BB:01",), NAS),
        ReservationSeed("printer", ("f8:25:51:09:38:38",), IPv4Address("192.168.1.21")),
        ReservationSeed(
            "John's laptop", ("a4:83:e7:10:20:30", "a4:83:e7:10:20:31"), IPv4Address("192.168.1.22")
        ),
    ),
    mappings=(MappingSeed(3075, IPv4Address("192.168.1.31"), 3075, "udp", "Xbox"),),
)
FORWARD = """table inet plexops_plex
delete table inet plexops_plex
table inet plexops_plex {
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    iifname "wan0" tcp dport 32500 counter dnat ip to 192.168.1.50:32400 comment "Plex"
  }
}
"""
PASSAGE = (
    "insert rule inet filter forward ct status dnat ip daddr 192.168.1.50 tcp dport 32400 "
    'counter accept comment "plexops:plex"'
)


@pytest.fixture
def router() -> Iterator[LinuxRouter]:
    made = LinuxRouter(HOUSEHOLD, RouterHooks(DeviceLog(), ScaledClock(100.0)))
    yield made
    made.stop()


def run(router: LinuxRouter, command: str, stdin: str = "", user: str = "root") -> str:
    done = router.execute(command, stdin.encode(), user)
    assert (done.status, done.stderr) == (0, b""), (command, done)
    return done.stdout.decode()


def arrives(router: LinuxRouter, port: int, protocol: str = "tcp", source: IPv4Address = OUTSIDE) -> str:
    left = router.inbound(Packet(source, WAN, port, "udp" if protocol == "udp" else "tcp"))
    return left if isinstance(left, str) else f"{left.destination}:{left.port}"


def test_forward_needs_a_passage_through_the_filter(router: LinuxRouter) -> None:
    assert arrives(router, 32500) == "dropped"
    run(router, "nft -f /dev/stdin", FORWARD)
    assert arrives(router, 32500) == "dropped", "the filter's own table drops what no line of it lets pass"
    accept_elsewhere = "table inet other {\nchain f {\ntype filter hook forward priority -10\naccept\n}\n}\n"
    run(router, "nft -f -", accept_elsewhere)
    assert arrives(router, 32500) == "dropped", "an accept in one table does not undo a drop in another"
    run(router, f"nft '{PASSAGE}'")
    assert arrives(router, 32500) == "192.168.1.50:32400"
    assert "counter packets 1 bytes 60 accept" in run(router, "nft list chain inet filter forward")


def test_household_forwards_work(router: LinuxRouter) -> None:
    assert arrives(router, 8443) == "192.168.1.20:443"
    assert arrives(router, 5005) == "192.168.1.20:5005"
    assert arrives(router, 3074, "udp") == "192.168.1.31:3074"
    assert arrives(router, 2222) == "192.168.1.20:22"
    assert arrives(router, 2222, source=IPv4Address("203.0.113.9")) == "dropped"
    assert arrives(router, 8081) == "dropped", "it is switched off"
    assert arrives(router, 51820, "udp") == "192.168.1.1:51820", "the router's own service"
    assert arrives(router, 22) == "dropped"


def test_mapping_of_miniupnpd_works_until_the_ruleset_is_flushed(router: LinuxRouter) -> None:
    assert arrives(router, 3075, "udp") == "192.168.1.31:3075"
    chain = run(router, "nft list chain inet filter prerouting_miniupnpd")
    assert '\t\tiif "wan0" @nh,72,8 0x11 th dport 3075 dnat ip to 192.168.1.31:3075\n' in chain
    run(router, "nft -f /etc/nftables.conf")
    assert arrives(router, 3075, "udp") == "dropped"
    assert "UDP:3075:192.168.1.31:3075" in run(router, "cat /var/lib/misc/upnp.leases"), "it still lists it"


def test_add_and_delete_leave_the_same_export(router: LinuxRouter) -> None:
    before = router.export()
    run(router, "cat > /etc/nftables.d/plexops_plex.nft && nft -f /etc/nftables.d/plexops_plex.nft", FORWARD)
    assert router.export() != before
    run(router, "rm -f /etc/nftables.d/plexops_plex.nft; nft delete table inet plexops_plex")
    assert router.export() == before


def test_what_is_in_the_drop_in_directory_comes_back_with_the_service(router: LinuxRouter) -> None:
    run(router, "cat > /etc/nftables.d/plexops_plex.nft", FORWARD)
    assert "plexops_plex" not in run(router, "nft list tables")
    run(router, "systemctl restart nftables")
    assert "table inet plexops_plex\n" in run(router, "nft list tables")


def test_table_of_ours_is_there_from_the_start() -> None:
    seed = Seed(
        forwards=(ForwardSeed("plex", "32500", PLEX, port="32400", ours=True),),
        reservations=(ReservationSeed("plex", (MAC,), PLEX, ours=True),),
    )
    router = LinuxRouter(seed, RouterHooks(DeviceLog(), ScaledClock()))
    rules = json.loads(run(router, "nft -j list table inet plexops_plex"))["nftables"]
    assert [rule["rule"]["comment"] for rule in rules if "rule" in rule] == ["plexops:plex"]
    assert router.reservations() == {MAC: PLEX}
    router.stop()


def test_batch_is_all_or_nothing(router: LinuxRouter) -> None:
    before = run(router, "nft -s list ruleset")
    done = router.execute("nft -f -", b"add table inet one\ndelete table inet nosuch\n", "root")
    assert done.status == 1
    assert done.stderr.decode() == (
        "/dev/stdin:2:19-24: Error: Could not process rule: No such file or directory\n"
        "delete table inet nosuch\n                  ^^^^^^\n"
    )
    run(router, "nft -c -f -", "add table inet one\n")
    assert run(router, "nft -s list ruleset") == before


def test_nft_is_for_root_alone(router: LinuxRouter) -> None:
    done = router.execute("/usr/sbin/nft -j list ruleset", b"", "guest")
    assert done.status == 1
    assert done.stderr.startswith(b"Operation not permitted (you must be root)")


def test_reservation_counts_from_the_restart(router: LinuxRouter) -> None:
    run(router, f"echo 'dhcp-host={MAC},192.168.1.50' > /etc/dnsmasq.d/plexops_plex.conf")
    assert MAC not in router.reservations()
    run(router, "service dnsmasq restart")
    assert router.reservations()[MAC] == PLEX
    assert router.reservations()["a4:83:e7:10:20:31"] == IPv4Address("192.168.1.22")
    run(router, "rm /etc/dnsmasq.d/plexops_plex.conf; systemctl restart dnsmasq")
    assert MAC not in router.reservations()


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("dhcp-host=zz:zz,192.168.1.40", "bad hex constant at line 1 of /etc/dnsmasq.d//bad.conf"),
        (f"dhcp-host={MAC},192.168.1.20", "duplicate dhcp-host IP address 192.168.1.20 at line"),
        (f"dhcp-host={MAC},192.168.1.50,pl ex", "bad DHCP host name at line 1 of"),
        ("foo=1", "bad option at line 1 of"),
    ],
)
def test_dnsmasq_dies_of_a_bad_file(router: LinuxRouter, line: str, complaint: str) -> None:
    run(router, "cat > /etc/dnsmasq.d/bad.conf", f"{line}\n")
    tested = router.execute("dnsmasq --test", b"", "root")
    assert tested.status == 1
    assert complaint in tested.stderr.decode()
    assert router.reservations(), "the running one does not look"
    restarted = router.execute("service dnsmasq restart", b"", "root")
    assert restarted.status == 1
    assert b"Job for dnsmasq.service failed" in restarted.stderr
    assert router.reservations() == {}
    assert router.execute("pidof dnsmasq", b"", "root").status == 1


def test_what_the_system_says_of_itself(router: LinuxRouter) -> None:
    addresses = json.loads(run(router, "ip -j -4 addr show"))
    assert [(a["ifname"], a["addr_info"][0]["local"]) for a in addresses] == [
        ("lo", "127.0.0.1"),
        ("wan0", "62.155.240.55"),
        ("lan0", "192.168.1.1"),
    ]
    assert json.loads(run(router, "ip -j -4 route show default"))[0]["gateway"] == "62.155.240.1"
    assert 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"' in run(router, "cat /etc/os-release")
    assert run(router, "pidof miniupnpd").strip().isdigit()
    run(router, "systemctl disable --now miniupnpd")
    assert router.execute("pidof miniupnpd", b"", "root").status == 1
    router.set_leases((Lease(MAC, PLEX, "mediabox"),))
    assert run(router, "cat /var/lib/misc/dnsmasq.leases").split()[1:4] == [MAC, "192.168.1.50", "mediabox"]
    assert router.pool() == (IPv4Address("192.168.1.100"), IPv4Address("192.168.1.249"))

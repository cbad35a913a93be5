"""The simulated OpenWrt, judged by what the real `uci` and `ubus` printed."""

from __future__ import annotations

import re
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
from plexops.lab.routers.openwrt import OpenWrtRouter
from tests.captures.capture_files import DATA

WAN = IPv4Address("62.155.240.55")
FOREIGN = IPv4Address("93.184.216.34")

#: The batch whose effect the captures show.
BATCH = """
uci set dhcp.plexops_plex=host
uci set dhcp.plexops_plex.name='plex'
uci set dhcp.plexops_plex.mac='3c:ec:ef:12:34:56'
uci set dhcp.plexops_plex.ip='192.168.1.50'
uci set dhcp.plexops_plex.dns='1'
uci set firewall.plexops_plex=redirect
uci set firewall.plexops_plex.name='plexops: Plex remote access'
uci set firewall.plexops_plex.target='DNAT'
uci set firewall.plexops_plex.src='wan'
uci set firewall.plexops_plex.dest='lan'
uci set firewall.plexops_plex.proto='tcp'
uci set firewall.plexops_plex.family='ipv4'
uci set firewall.plexops_plex.src_dport='32500'
uci set firewall.plexops_plex.dest_ip='192.168.1.50'
uci set firewall.plexops_plex.dest_port='32400'
uci set upnpd.config.enabled=0
"""


def capture(name: str) -> str:
    return (DATA / "openwrt" / name).read_text()


def make_router(seed: Seed | None = None) -> OpenWrtRouter:
    return OpenWrtRouter(seed or Seed(), RouterHooks(DeviceLog(), ScaledClock()))


def before(text: str) -> str:
    """Give a captured file as it was before the batch."""
    return re.sub(r"config \w+ 'plexops_plex'\n(\t.*\n)+\n", "", text)


@pytest.fixture
def router() -> Iterator[OpenWrtRouter]:
    made = make_router()
    made.files.install(
        {
            "/etc/config/dhcp": "# a comment\n" + before(capture("etc_config_dhcp_after.txt")),
            "/etc/config/firewall": "# a comment\n" + before(capture("etc_config_firewall_after.txt")),
        }
    )
    ok(made, "reload_config")
    yield made
    made.stop()


def ok(router: OpenWrtRouter, command: str) -> str:
    result = router.execute(command, b"", "root")
    assert (result.status, result.stderr) == (0, b""), result
    return result.stdout.decode()


def test_show_before(router: OpenWrtRouter) -> None:
    assert ok(router, "uci show dhcp") == capture("uci_show_dhcp_before.txt")
    assert ok(router, "uci show firewall") == capture("uci_show_firewall_before.txt")


def test_batch_changes_and_after(router: OpenWrtRouter) -> None:
    assert ok(router, BATCH) == ""
    assert ok(router, "uci changes") == capture("uci_changes.txt")
    assert ok(router, "uci commit dhcp; uci commit firewall; uci commit upnpd; uci changes") == ""
    assert ok(router, "uci show dhcp") == capture("uci_show_dhcp_after.txt")
    assert ok(router, "uci -X show dhcp") == capture("uci_X_show_dhcp_after.txt")
    assert ok(router, "uci show firewall") == capture("uci_show_firewall_after.txt")
    assert ok(router, "uci export firewall") == capture("uci_export_firewall_after.txt")
    assert ok(router, "uci show upnpd") == capture("uci_show_upnpd_disabled.txt")
    assert ok(router, "cat /etc/config/dhcp") == capture("etc_config_dhcp_after.txt")
    assert ok(router, "cat /etc/config/firewall") == capture("etc_config_firewall_after.txt")


def test_the_same_batch_again_stages_nothing(router: OpenWrtRouter) -> None:
    ok(router, BATCH + "uci commit")
    assert ok(router, BATCH + "uci changes") == ""


def test_errors(router: OpenWrtRouter) -> None:
    ok(router, BATCH + "uci commit")
    blocks = re.findall(r"\$ (.*)\n((?:(?!\$ ).*\n)*?)rc=(\d+)\n", capture("uci_errors.txt"))
    assert len(blocks) == 9
    for command, text, status in blocks:
        result = router.execute(command, b"", "root")
        assert ((result.stdout + result.stderr).decode(), result.status) == (text, int(status)), command


def test_batch_goes_on_after_a_bad_line_and_answers_0(router: OpenWrtRouter) -> None:
    lines = b"set dhcp.x=host\nbogus line\nset dhcp.x.ip=1.2.3.4\nset nosuch.a.b=1\n"
    result = router.execute("uci batch", lines, "root")
    expected = capture("uci_batch_bad.txt").splitlines()
    assert result.stderr.decode().splitlines() == expected[1:3]
    assert result.status == 0
    assert ok(router, "uci changes").splitlines() == expected[4:]


def test_ubus_is_laid_out_as_libubox_does(router: OpenWrtRouter) -> None:
    for name, command in (
        ("live_ubus_network_interface_dump.txt", "ubus call network.interface dump"),
        ("live_ubus_network_interface_wan_status.txt", "ubus call network.interface.wan status"),
    ):
        real = "\n".join(capture(name).splitlines()[1:-1]) + "\n"
        mine = ok(router, command).replace('"hostname": "router"', '"hostname": "OpenWrt"')
        assert mine.replace("864213", "107") == real
    missing = router.execute("ubus call network.interface.wan7 status", b"", "root")
    assert (missing.status, missing.stderr) == (4, b"Command failed: Not found\n")


def test_shipped_network_is_the_real_one() -> None:
    real = "\n".join(capture("live_uci_show_network.txt").splitlines()[1:-1]) + "\n"
    assert ok(make_router(), "uci show network") == real


def test_anonymous_sections_renumber_and_names_do_not(router: OpenWrtRouter) -> None:
    ok(router, "uci delete dhcp.@host[0]")
    assert ok(router, "uci get dhcp.@host[0].name") == "laptop\n"
    assert ok(router, "uci get dhcp.@host[-1].name") == "laptop\n"
    assert ok(router, "uci get dhcp.@host[0].mac") == "aa:21:e7:a7:28:e4 11:22:33:44:55:66\n"
    assert ok(router, "uci changes") == "-dhcp.cfg04fe63\n"
    ok(router, "uci revert dhcp")
    assert ok(router, "uci show dhcp") == capture("uci_show_dhcp_before.txt")


def test_add_list_rename_reorder_and_private_staging(router: OpenWrtRouter) -> None:
    name = ok(router, "uci add firewall redirect").strip()
    assert re.fullmatch(r"cfg0f3837", name)
    ok(router, f"uci add_list firewall.{name}.proto=tcp; uci add_list firewall.{name}.proto=udp")
    ok(
        router,
        f"uci del_list firewall.{name}.proto=udp; uci rename firewall.{name}=mine; uci reorder firewall.mine=0",
    )
    assert ok(router, "uci changes firewall").splitlines() == [
        f"firewall.{name}='redirect'",
        f"firewall.{name}.proto+='tcp'",
        f"firewall.{name}.proto+='udp'",
        f"firewall.{name}.proto-='udp'",
        f"firewall.{name}='mine'",
        "firewall.mine='0'",
    ]
    ok(router, "uci commit firewall")
    assert ok(router, "uci show firewall").startswith("firewall.mine=redirect\nfirewall.mine.proto='tcp'\n")
    ok(router, "uci -t /tmp/.own set dhcp.lan.limit=10")
    assert (
        ok(router, "uci changes; uci get dhcp.lan.limit; uci -t /tmp/.own get dhcp.lan.limit") == "150\n10\n"
    )
    assert ok(router, "uci -P /tmp/.own commit dhcp; uci get dhcp.lan.limit") == "150\n"
    assert ok(router, "uci -t /tmp/.own commit dhcp; uci get dhcp.lan.limit") == "10\n"


@pytest.mark.parametrize(
    "text", ["it's", 'say "hi"', "a\nb", "ümlaut", "$(reboot)", "a  b", "#no", "\\", "x=y"]
)
def test_any_text_comes_back(router: OpenWrtRouter, text: str) -> None:
    word = "'" + text.replace("'", "'\\''") + "'"
    ok(router, f"uci set firewall.@redirect[0].name={word}; uci commit firewall")
    assert ok(router, "uci get firewall.@redirect[0].name") == text + "\n"
    assert ok(router, "uci show firewall.@redirect[0].name").endswith(f".name={word}\n")
    assert ok(router, "uci get firewall.@redirect[0].dest_ip") == "192.168.1.20\n"


SEED = Seed(
    forwards=(
        ForwardSeed("range", "6000-6010", IPv4Address("192.168.1.20"), "", "both"),
        ForwardSeed("listed", "7000", IPv4Address("192.168.1.21"), "70", "both"),
        ForwardSeed("default", "7001", IPv4Address("192.168.1.21"), "71", "both"),
        ForwardSeed("udp", "7002", IPv4Address("192.168.1.21"), "", "udp"),
        ForwardSeed("off", "7003", IPv4Address("192.168.1.21"), "", "tcp", enabled=False),
        ForwardSeed("only", "7004", IPv4Address("192.168.1.21"), "80", "tcp", source="93.184.216.0/24"),
        ForwardSeed("first", "7005", IPv4Address("192.168.1.21"), "", "tcp"),
        ForwardSeed("second", "7005", IPv4Address("192.168.1.22"), "", "tcp"),
        ForwardSeed("plex", "32500", IPv4Address("192.168.1.50"), "32400", "tcp", ours=True),
    ),
    reservations=(
        ReservationSeed("two", ("AA:BB:CC:00:00:01", "aa:bb:cc:00:00:02"), IPv4Address("192.168.1.30")),
    ),
    mappings=(MappingSeed(3074, IPv4Address("192.168.1.160"), 3074, "udp", "Xbox"),),
)


@pytest.mark.parametrize(
    ("port", "target"),
    [
        (6000, "192.168.1.20:6000"),
        (6010, "192.168.1.20:6010"),
        (6011, "refused"),
        (7000, "192.168.1.21:70"),
        (7001, "192.168.1.21:71"),
        (7002, "refused"),
        (7003, "refused"),
        (7004, "192.168.1.21:80"),
        (7005, "192.168.1.21:7005"),
        (32500, "192.168.1.50:32400"),
        (22, "refused"),
    ],
)
def test_inbound(port: int, target: str) -> None:
    carried = make_router(SEED).inbound(Packet(FOREIGN, WAN, port))
    assert (carried if isinstance(carried, str) else f"{carried.destination}:{carried.port}") == target


def test_inbound_minds_source_upnp_and_policy() -> None:
    router = make_router(SEED)
    stranger = IPv4Address("8.8.4.4")
    assert router.inbound(Packet(stranger, WAN, 7004)) == "refused"
    console = router.inbound(Packet(stranger, WAN, 3074, "udp"))
    assert isinstance(console, Packet)
    assert str(console.destination) == "192.168.1.160"
    ok(router, "uci set upnpd.config.enabled=0; uci commit upnpd; /etc/init.d/miniupnpd stop")
    assert router.inbound(Packet(stranger, WAN, 3074, "udp")) == "refused"
    ok(router, "uci set firewall.@zone[1].input=DROP; uci commit firewall; fw4 reload")
    assert router.inbound(Packet(stranger, WAN, 9999)) == "dropped"


def test_a_rule_that_rejects_comes_before_the_forward() -> None:
    router = make_router(SEED)
    ok(
        router,
        "uci set firewall.block=rule; uci set firewall.block.src=wan; uci set firewall.block.dest=lan; "
        "uci set firewall.block.proto=tcp; uci set firewall.block.dest_port=32400; "
        "uci set firewall.block.target=REJECT; uci commit firewall; /etc/init.d/firewall reload",
    )
    assert router.inbound(Packet(FOREIGN, WAN, 32500)) == "refused"


def test_a_redirect_without_ports_is_a_dmz() -> None:
    router = make_router()
    ok(
        router,
        "uci set firewall.dmz=redirect; uci set firewall.dmz.src=wan; uci set firewall.dmz.dest_ip=192.168.1.50; "
        "uci commit firewall; reload_config",
    )
    carried = router.inbound(Packet(FOREIGN, WAN, 1234))
    assert isinstance(carried, Packet)
    assert (str(carried.destination), carried.port) == ("192.168.1.50", 1234)


def test_what_is_committed_acts_only_after_the_reload() -> None:
    router = make_router(SEED)
    ok(router, "uci delete firewall.plexops_plex; uci commit firewall")
    assert isinstance(router.inbound(Packet(FOREIGN, WAN, 32500)), Packet)
    ok(router, "/etc/init.d/firewall reload")
    assert router.inbound(Packet(FOREIGN, WAN, 32500)) == "refused"
    two = IPv4Address("192.168.1.30")
    assert router.reservations() == {"aa:bb:cc:00:00:01": two, "aa:bb:cc:00:00:02": two}
    ok(router, "uci set dhcp.@host[0].enable=0; uci commit dhcp")
    assert len(router.reservations()) == 2
    ok(router, "/etc/init.d/dnsmasq reload")
    assert router.reservations() == {}


def test_pool_leases_and_export() -> None:
    router = make_router(SEED)
    assert [str(a) for a in router.pool()] == ["192.168.1.100", "192.168.1.249"]
    first = router.export()
    router.set_leases((Lease("52:54:00:12:34:56", IPv4Address("192.168.1.83"), "media"),))
    assert re.fullmatch(
        r"\d{10} 52:54:00:12:34:56 192\.168\.1\.83 media 01:52:54:00:12:34:56\n",
        ok(router, "cat /tmp/dhcp.leases"),
    )
    assert router.export() == first
    ok(router, BATCH + "uci commit; reload_config")
    assert router.export() != first

"""What the simulated OpenWrt's kernel holds, judged by what the real firewall4, nft and miniupnpd left there."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import yaml

from plexops.lab.base import DeviceLog, ForwardSeed, MappingSeed, Packet, RouterHooks, Seed
from plexops.lab.clock import ScaledClock
from plexops.lab.routers import openwrt_config
from plexops.lab.routers.openwrt import OpenWrtRouter

TESTS = Path(__file__).resolve().parents[1]
LIVE = TESTS / "captures" / "data" / "openwrt"
REDIRECTS: list[dict[str, Any]] = yaml.safe_load((TESTS / "packets/data/uci/redirects.yaml").read_text())
WAN, PLEX = IPv4Address("62.155.240.55"), IPv4Address("192.168.1.50")
VIEWERS = {"viewer_1": IPv4Address("93.184.216.34"), "viewer_2": IPv4Address("198.51.100.77")}
#: What the simulation has not: time and days, a limit that is used up, programs that a script starts.
NOT_SIMULATED = frozenset({"time", "weekdays_all", "limit", "include_script"})


def make_router(seed: Seed | None = None) -> OpenWrtRouter:
    return OpenWrtRouter(seed or Seed(), RouterHooks(DeviceLog(), ScaledClock()))


def ok(router: OpenWrtRouter, command: str) -> str:
    result = router.execute(command, b"", "root")
    assert (result.status, result.stderr) == (0, b""), result
    return result.stdout.decode()


def ruleset(router: OpenWrtRouter, options: str = "-j") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ok(router, f"nft {options} list ruleset"))["nftables"]
    return found


def chain(router: OpenWrtRouter, name: str) -> list[str]:
    lines = [line.strip() for line in ok(router, f"nft -s list chain inet fw4 {name}").splitlines()]
    return [line for line in lines if not line.startswith(("table ", "chain ", "type ", "}"))]


def comparable(thing: dict[str, Any]) -> str:
    """Write an object without its handle and its counts."""
    copy = json.loads(json.dumps(thing))
    for inner in copy.values():
        inner.pop("handle", None)
        for part in inner.get("expr", ()):
            if "counter" in part:
                part["counter"] = {}
    return json.dumps(copy)


def test_the_live_router_holds_the_same() -> None:
    """Every table, helper, chain and rule of a running OpenWrt, in its order."""
    router = make_router()
    shown = (LIVE / "live_uci_show_firewall.txt").read_text().splitlines()
    ours = [line for line in shown if line.startswith("firewall.plexops_plex")]
    assert len(ours) == 10
    ok(router, "".join(f"uci set {line}\n" for line in ours) + "uci commit firewall\nfw4 reload")
    text = (LIVE / "live_nft_j_list_ruleset.txt").read_text()
    real = json.loads(next(line for line in text.splitlines() if line.startswith("{")))["nftables"]
    assert [comparable(thing) for thing in ruleset(router)] == [comparable(thing) for thing in real]
    assert ruleset(router, "-jt") == ruleset(router), "there are no sets that -t could leave out"


def test_the_live_router_prints_the_same() -> None:
    router = make_router()
    shown = (LIVE / "live_uci_show_firewall.txt").read_text().splitlines()
    ours = [line for line in shown if line.startswith("firewall.plexops_plex")]
    ok(router, "".join(f"uci set {line}\n" for line in ours) + "uci commit firewall\nfw4 reload")
    text = (LIVE / "live_nft_list_ruleset.txt").read_text()
    real = [line for line in text.splitlines() if not line.startswith(("$", "#"))]

    def uncounted(lines: list[str]) -> list[str]:
        return [
            line.split("counter packets")[0] + line.rpartition("bytes ")[2].partition(" ")[2]
            for line in lines
        ]

    assert uncounted(ok(router, "nft list ruleset").splitlines()) == uncounted(real)


@pytest.mark.parametrize("case", REDIRECTS, ids=lambda case: case["id"])
def test_packets_end_where_the_real_firewall4_let_them(case: dict[str, Any]) -> None:
    if case["id"] in NOT_SIMULATED:
        pytest.skip("not simulated")
    text = case["firewall"].replace("OTHER-PUBLIC", "203.0.113.99").replace("'WAN'", f"'{WAN}'")
    router = make_router()
    router.files.install(
        {
            "/etc/config/firewall": f"{openwrt_config.FIREWALL}\n{text}",
            "/etc/h2.nft": "tcp dport 32400 drop\n",
        }
    )
    ok(router, "fw4 reload")
    for viewer, source in VIEWERS.items():
        for port, wanted in case[viewer].items():
            left = router.inbound(Packet(source, WAN, port))
            reached = isinstance(left, Packet) and (left.destination, left.port) == (PLEX, 32400)
            assert reached is wanted, (viewer, port, left)


FORWARD = ForwardSeed("Plex", "32500", PLEX, "32400", "tcp")
MAPPINGS = (
    MappingSeed(18444, PLEX, 32400, "tcp", "Plex Media Server"),
    MappingSeed(3074, IPv4Address("192.168.1.160"), 3074, "udp", "Xbox"),
)
#: As miniupnpd 2.3.1 adds them, in nft's words.
TRANSLATES = [
    'iif "eth1" @nh,72,8 0x6 th dport 18444 dnat ip to 192.168.1.50:32400',
    'iif "eth1" @nh,72,8 0x11 th dport 3074 dnat ip to 192.168.1.160:3074',
]
ACCEPTS = [
    'iif "eth1" th dport 32400 @nh,128,32 0xc0a80132 @nh,72,8 0x6 accept',
    'iif "eth1" th dport 3074 @nh,128,32 0xc0a801a0 @nh,72,8 0x11 accept',
]


def test_mappings_are_rules_and_outlive_a_reload() -> None:
    router = make_router(Seed(mappings=MAPPINGS))
    for _ in range(2):
        assert chain(router, "upnp_prerouting") == TRANSLATES
        assert chain(router, "upnp_forward") == ACCEPTS
        assert isinstance(router.inbound(Packet(VIEWERS["viewer_1"], WAN, 18444)), Packet)
        ok(router, "/etc/init.d/firewall reload")
    ok(router, "/etc/init.d/miniupnpd stop")
    assert chain(router, "upnp_prerouting") == chain(router, "upnp_forward") == []
    assert router.inbound(Packet(VIEWERS["viewer_1"], WAN, 18444)) == "refused"


def test_mappings_that_were_flushed_are_in_the_list_alone() -> None:
    router = make_router(Seed(mappings=MAPPINGS, mappings_flushed=True))
    assert "TCP:18444:192.168.1.50:32400:" in ok(router, "cat /var/run/miniupnpd.leases")
    assert chain(router, "upnp_prerouting") == []
    assert router.inbound(Packet(VIEWERS["viewer_1"], WAN, 18444)) == "refused"


def test_without_miniupnpd_there_is_nothing_of_it() -> None:
    router = make_router(Seed(upnp=False, upnp_installed=False))
    assert "upnp" not in ok(router, "nft list ruleset")


def test_what_is_committed_is_shown_only_after_a_reload() -> None:
    router = make_router(Seed(forwards=(FORWARD,)))
    rule = 'meta nfproto ipv4 tcp dport 32500 counter dnat ip to 192.168.1.50:32400 comment "!fw4: Plex"'
    wan = [line.replace("ip daddr", "") for line in chain(router, "dstnat_wan")]
    assert wan == [rule]
    ok(router, "uci set firewall.@redirect[-1].enabled=0; uci commit firewall")
    assert chain(router, "dstnat_wan") == [rule]
    ok(router, "fw4 reload")
    # What a reload no longer needs stays as an empty chain: only its rules were flushed.
    assert chain(router, "dstnat_wan") == []
    assert not any("dstnat_wan" in line for line in chain(router, "dstnat"))
    ok(router, "/etc/init.d/firewall restart")
    assert router.execute("nft list chain inet fw4 dstnat_wan", b"", "root").status == 1


def test_a_ruleset_that_nft_refuses_leaves_the_old_one() -> None:
    router = make_router(Seed(forwards=(FORWARD,)))
    ok(router, "uci set firewall.@redirect[-1].proto=nosuch; uci commit firewall")
    assert router.execute("fw4 reload", b"", "root").status == 1
    assert isinstance(router.inbound(Packet(VIEWERS["viewer_1"], WAN, 32500)), Packet)


def test_a_stopped_firewall_holds_nothing() -> None:
    router = make_router(Seed(forwards=(FORWARD,)))
    ok(router, "/etc/init.d/firewall stop")
    assert ok(router, "nft list ruleset") == ""
    left = router.inbound(Packet(VIEWERS["viewer_1"], WAN, 32500))
    assert isinstance(left, Packet)
    assert left.destination == IPv4Address("192.168.1.1")


def test_an_owners_chain_is_asked_behind_connection_tracking() -> None:
    """Before it no packet has a status that could be compared, negated or not."""
    rule = "ct status != dnat tcp dport 32500 drop"
    router = make_router(Seed(forwards=(FORWARD,), early_filter=(rule,)))
    assert chain(router, "own_prerouting") == [rule]
    assert router.inbound(Packet(VIEWERS["viewer_1"], WAN, 32500)) == "dropped"
    early = router.files.read("/etc/nftables.d/20-own-chains.nft").decode().replace("mangle", "raw")
    router.files.install({"/etc/nftables.d/20-own-chains.nft": early})
    ok(router, "/etc/init.d/firewall restart")
    assert isinstance(router.inbound(Packet(VIEWERS["viewer_1"], WAN, 32500)), Packet)


def test_a_set_of_friends() -> None:
    router = make_router(Seed(forwards=(FORWARD,)))
    ok(
        router,
        "uci set firewall.friends=ipset; uci set firewall.friends.name=friends; "
        "uci set firewall.friends.match=src_net; uci add_list firewall.friends.entry=198.51.100.0/24; "
        "uci set firewall.@redirect[-1].ipset=friends; uci commit firewall; fw4 reload",
    )
    named = [thing["set"] for thing in ruleset(router) if "set" in thing]
    assert [(one["name"], one["elem"]) for one in named] == [
        ("friends", [{"prefix": {"addr": "198.51.100.0", "len": 24}}])
    ]
    assert [one["set"].get("elem") for one in ruleset(router, "-jt") if "set" in one] == [None]
    assert "ip saddr @friends" in chain(router, "dstnat_wan")[0]
    assert router.inbound(Packet(VIEWERS["viewer_1"], WAN, 32500)) == "refused"
    assert isinstance(router.inbound(Packet(VIEWERS["viewer_2"], WAN, 32500)), Packet)


def test_neighbours_are_the_gateway_and_the_leases() -> None:
    from plexops.lab.base import GATEWAY_MAC, Lease

    router = make_router()
    router.set_leases((Lease("52:54:00:12:34:56", PLEX, "media"),))
    rows = [line.split() for line in ok(router, "cat /proc/net/arp").splitlines()[1:]]
    assert [(row[0], row[2], row[3], row[5]) for row in rows] == [
        ("62.155.240.1", "0x2", GATEWAY_MAC, "eth1"),
        ("192.168.1.50", "0x2", "52:54:00:12:34:56", "br-lan"),
    ]

"""What each scenario is about, by the devices' own words."""

from __future__ import annotations

import io
import json
import re
import time
import zipfile
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address
from typing import Any

from plexops.lab.base import HttpRequest
from plexops.lab.home import RunningHome
from plexops.lab.network import OUTSIDE_ADDRESS
from plexops.lab.plex_seed import PlexSeed
from plexops.lab.scenarios import RESERVED
from tests.lab_sim.looking import LOG, OURS, log, plex_says, router, section, server, ss, tried

# --- what the single scenario is about ------------------------------------------------------------------


def wan_down(home: RunningHome) -> None:
    dump = json.loads(router(home, "ubus call network.interface dump")[0])["interface"]
    wan = next(row for row in dump if row["interface"] == "wan")
    assert wan["up"] is False
    assert "ipv4-address" not in wan
    assert "default" not in router(home, "ip route")[0]
    assert "httpCode=-6" in log(home, "Unable to get public IP")
    assert "response was -6" in log(home, "Published Mapping State")


def double_nat(home: RunningHome) -> None:
    assert "WARN - PublicAddressManager: WAN IP is a private IP address" in log(home, "WAN IP")
    assert "<title>FRITZ!Box 7590</title>" in server(home, "curl -s http://192.168.178.1/")[0]


def wan_address(address: str) -> Callable[[RunningHome], None]:
    def check(home: RunningHome) -> None:
        assert f'"address": "{address}"' in router(home, "ubus call network.interface.wan status")[0]

    return check


def second_nat_by_log(home: RunningHome) -> None:
    double_nat(home)
    assert section(home)["router"] == {"profile": "manual"}


def two_ways_out(home: RunningHome) -> None:
    shown = router(home, "ip -4 route show default")[0]
    assert shown.splitlines() == ["default via 62.155.240.1 dev wan0 ", "default via 84.133.10.1 dev wan1 "]
    assert "inet 84.133.10.9/24" in router(home, "ip -4 addr show dev wan1")[0]
    # The forward is right: who knocks at the WAN side's own address gets in.
    url = "http://62.155.240.55:32500/identity"
    assert OURS in home.vantages["outside"][1].shell.run(f"curl -s {url}", b"", "probe").stdout.decode()


def forward_disabled(home: RunningHome) -> None:
    assert router(home, "uci get firewall.@redirect[-1].enabled") == ("0\n", 0)


def forward_udp_only(home: RunningHome) -> None:
    assert router(home, "uci get firewall.@redirect[-1].proto") == ("udp\n", 0)


def forward_wrong_port(home: RunningHome) -> None:
    assert router(home, "uci get firewall.@redirect[-1].dest_port") == ("8096\n", 0)


def forward_shadowed(home: RunningHome) -> None:
    assert router(home, "uci get firewall.@redirect[0].src_dport") == ("32000-33000\n", 0)
    assert router(home, "uci get firewall.@redirect[-1].dest_ip") == (f"{RESERVED}\n", 0)


def forward_behind_dmz(home: RunningHome) -> None:
    assert router(home, "uci get firewall.@redirect[0].src_dport")[1] == 1
    assert router(home, "uci get firewall.@redirect[0].proto") == ("all\n", 0)


def router_other_filter(home: RunningHome) -> None:
    assert "tcp dport 32500 drop" in router(home, "nft list ruleset")[0]


def other_filter(home: RunningHome) -> None:
    said, status = server(home, "sudo nft -jt list ruleset")
    assert (status, "guard" in said) == (0, True)
    assert "-A INPUT -j ufw-before-input" in server(home, "sudo iptables-save")[0]
    assert server(home, "PATH=/usr/sbin nft -jt list ruleset")[1] == 1, "nobody but root may ask"


def firewall_not_as_said(home: RunningHome) -> None:
    assert "ENABLED=yes" in server(home, "cat /etc/ufw/ufw.conf")[0]
    assert "ufw" not in server(home, "sudo iptables-save")[0]


def unreachable(home: RunningHome) -> None:
    url = f"http://{home.network.public_address}:32500/identity"
    done = home.vantages["outside"][1].shell.run(f"curl -s -v --max-time 8 {url}", b"", "probe")
    assert (done.status, "failed: No route to host" in done.stderr.decode()) == (7, True)


def router_filter(home: RunningHome) -> None:
    rules = router(home, "nft list ruleset")[0]
    assert f"tcp dport 32500 dnat to {RESERVED}:32400" in rules
    assert f"ip daddr {RESERVED} tcp dport 32400 accept" not in rules
    router(home, f"nft insert rule inet filter forward ip daddr {RESERVED} tcp dport 32400 accept")
    assert tried(home) == "open"


def four_addresses(home: RunningHome) -> None:
    assert home.router.reservations()["52:54:00:12:34:56"] == IPv4Address("192.168.1.60")
    assert "192.168.1.83" in server(home, "ip -j -4 addr show")[0]
    assert home.network.renew("media") == IPv4Address("192.168.1.60")


def address_conflict(home: RunningHome) -> None:
    shown = router(home, "ip -4 neigh show")[0]
    assert "192.168.1.50 dev br-lan lladdr 3c:2a:f4:0d:0e:0f " in shown
    assert "52:54:00:12:34:56" not in shown
    leases = router(home, "cat /tmp/dhcp.leases")[0]
    assert "3c:2a:f4:0d:0e:0f 192.168.1.50 printer" in leases
    assert "52:54:00:12:34:56 192.168.1.83" in leases
    assert '"dynamic"' not in server(home, "ip -j -4 addr show dev eth0")[0], "set by hand"
    assert "192.168.1.50" in server(home, "ip -j -4 addr show dev eth0")[0]


def address_conflict_by_hand(home: RunningHome) -> None:
    assert "lladdr 3c:2a:f4:0d:0e:0f " in router(home, "ip -4 neigh show")[0]
    leases = router(home, "cat /tmp/dhcp.leases")[0]
    assert "52:54:00:12:34:56 192.168.1.50" in leases
    assert "3c:2a:f4:0d:0e:0f" not in leases


def two_reservations(home: RunningHome) -> None:
    shown = router(home, "uci show dhcp")[0]
    assert shown.count("52:54:00:12:34:56") == 2
    assert "192.168.1.60" in shown


def not_persistent(home: RunningHome) -> None:
    assert "plexops_plex" in router(home, "nft list ruleset")[0]
    assert router(home, "ls /etc/nftables.d")[0] == "plexops_plex.nft\n"
    router(home, "systemctl reload nftables")
    assert "plexops_plex" not in router(home, "nft list ruleset")[0], "gone when the file is loaded again"


def plex_interface(home: RunningHome) -> None:
    row = prefs(home).split('id="PreferredNetworkInterface"')[1].split("/>")[0]
    assert 'value="enp3s0"' in row
    assert 'enumValues=":Any|eth0:eth0 (192.168.1.50)"' in row


def announces_other_address(home: RunningHome) -> None:
    assert 'privateAddress="192.168.1.83"' in plex_says(home, "/myplex/account")
    assert "192.168.1.50" in server(home, "ip -j -4 addr show")[0]


def no_login_needed(home: RunningHome) -> None:
    assert 'value="192.168.1.0/24,0.0.0.0/0"' in prefs(home)


def prefs(home: RunningHome) -> str:
    return plex_says(home, "/:/prefs")


def no_reservation(home: RunningHome) -> None:
    assert "52:54:00:12:34:56" not in home.router.reservations()
    info = json.loads(server(home, "ip -j -4 addr show")[0])[1]["addr_info"][0]
    assert info["dynamic"] is True
    assert home.network.renew("media") != RESERVED


def exposed(home: RunningHome) -> None:
    assert tried(home, port=32400) == "open"


def pinhole(home: RunningHome) -> None:
    shown = router(home, "uci show firewall")[0]
    for part in ("family='ipv6'", "dest_port='32400'", "name='Plex over IPv6'"):
        assert part in shown
    assert tried(home, port=32400) != "open"


def upnp_off(home: RunningHome) -> None:
    assert router(home, "uci get upnpd.config.enabled") == ("0\n", 0)
    assert router(home, "cat /var/run/miniupnpd.leases") == ("", 0)
    assert "find usable IGD" in log(home, "NAT: UPnP")
    assert "PMP, timed out" in log(home, "NAT: PMP")
    assert "ip=, port=0)" in log(home, "Sending Server Info")
    assert "response was 422" in log(home, "Published Mapping State")


def no_igd(home: RunningHome) -> None:
    assert router(home, "uci show upnpd")[1] == 1
    assert router(home, "cat /var/run/miniupnpd.leases")[1] == 1
    assert router(home, "/etc/init.d/miniupnpd enabled")[1] == 127


def upnp_stale(home: RunningHome) -> None:
    assert router(home, "cat /var/run/miniupnpd.leases") == ("", 0)
    assert "UPnP, mapped port 18444 to 192.168.1.50:32400." in log(home, "mapped port")
    assert home.plex.setting("LastAutomaticMappedPort") == 18444


def upnp_flushed(home: RunningHome) -> None:
    assert "TCP:18444:192.168.1.50:32400:" in router(home, "cat /var/lib/misc/upnp.leases")[0]
    assert "18444" not in router(home, "nft list ruleset")[0]
    assert tried(home, port=18444) == "dropped"


def upnp_old_address(home: RunningHome) -> None:
    assert "TCP:18444:192.168.1.83:32400:" in router(home, "cat /var/run/miniupnpd.leases")[0]
    assert tried(home, port=18444) == "dropped"


def upnp_conflict(home: RunningHome) -> None:
    assert "TCP:18444:192.168.1.20:8080:" in router(home, "cat /var/run/miniupnpd.leases")[0]
    assert "error mapping port 18444, error: The port mapping entry specified conflicts" in log(
        home, "NAT: UPnP"
    )


def log_over_http(home: RunningHome) -> None:
    assert "username" not in str(section(home)["server"])
    assert home.plex.handle(HttpRequest("GET", "/diagnostics/logs", "", {}, b"")).status == 401
    asked = HttpRequest("GET", "/diagnostics/logs", "", {"x-plex-token": home.options.plex.token}, b"")
    with zipfile.ZipFile(io.BytesIO(home.plex.handle(asked).body)) as archive:
        assert "error mapping port 18444" in archive.read("Plex Media Server.log").decode()
        assert len(archive.namelist()) > 1, "other programs of the server have logs too"


def log_in_container(home: RunningHome) -> None:
    assert server(home, f"grep -c . {LOG}")[1] == 2, "nothing lies in the usual place"
    mounts = json.loads(server(home, "docker inspect --format '{{json .Mounts}}' plex")[0])
    (folder,) = [mount["Source"] for mount in mounts if mount["Destination"] == "/config"]
    path = f"{folder}/Library/Application Support/Plex Media Server/Logs/Plex Media Server.log"
    assert server(home, f"grep -c 'error mapping port' '{path}'") == ("1\n", 0)


def nothing_listens(home: RunningHome) -> None:
    assert ss(home) == ""
    assert server(home, "curl -s http://127.0.0.1:32400/identity")[1] == 7
    assert server(home, "systemctl is-active plexmediaserver") == ("inactive\n", 3)
    assert "reachability" not in log(home, ".")


def loopback_only(home: RunningHome) -> None:
    assert ss(home) == "127.0.0.1:32400"
    assert OURS in server(home, "curl -s http://127.0.0.1:32400/identity")[0]
    assert server(home, f"curl -s http://{RESERVED}:32400/identity")[1] == 7
    assert home.network.open(str(RESERVED), 32400) is None


def firewall_order(home: RunningHome) -> None:
    shown = home.server.export()
    assert shown.index("### tuple ### deny tcp 32000:33000") < shown.index("### tuple ### allow tcp 32400")


def firewall_v6(home: RunningHome) -> None:
    six = server(home, "sudo -n cat /etc/ufw/user6.rules")[0]
    four = server(home, "sudo -n cat /etc/ufw/user.rules")[0]
    assert "deny tcp 32400 ::/0 any ::/0 in" in six
    assert "deny" not in "".join(re.findall("### tuple.*", four))
    assert "allow tcp 32400 0.0.0.0/0" in four


def firewall_off(home: RunningHome) -> None:
    assert "ENABLED=no" in server(home, "cat /etc/ufw/ufw.conf")[0]
    assert server(home, "sudo -n ufw status")[0] == "Status: inactive\n"


INSPECT = "docker inspect --format '{{json .HostConfig.NetworkMode}} {{json .NetworkSettings.Ports}}' plex"
LISTED = "docker ps --format '{{.Names}} {{.Image}} {{.Ports}}'"


def docker_unpublished(home: RunningHome) -> None:
    assert ss(home) == ""
    mode, _, ports = server(home, INSPECT)[0].partition(" ")
    assert (mode, json.loads(ports)["32400/tcp"]) == ('"bridge"', None)
    assert server(home, LISTED)[0].startswith("plex plexinc/pms-docker:latest 1900/udp, ")
    assert "->" not in server(home, LISTED)[0]
    assert server(home, "docker network ls --format '{{.Name}}|{{.Driver}}'")[0].startswith("bridge|bridge\n")
    assert OURS in server(home, "curl -s http://172.17.0.2:32400/identity")[0]
    assert home.network.open(str(RESERVED), 32400) is None


def docker_loopback(home: RunningHome) -> None:
    assert ss(home) == "127.0.0.1:32400"
    ports = json.loads(server(home, INSPECT)[0].partition(" ")[2])
    assert ports["32400/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": "32400"}]
    assert "127.0.0.1:32400->32400/tcp" in server(home, LISTED)[0]
    assert OURS in server(home, "curl -s http://127.0.0.1:32400/identity")[0]


def server_offline(home: RunningHome) -> None:
    route = json.loads(server(home, "ip -j -4 route get 1.1.1.1")[0])[0]
    assert (route["gateway"], route["dev"]) == ("192.168.1.254", "eth0")
    info = json.loads(server(home, "ip -j -4 addr show")[0])[1]["addr_info"][0]
    assert "dynamic" not in info
    assert section(home)["server"]["address_by"] == "static"  # type: ignore[index]
    # Within the home everything works.
    assert home.network.open(str(RESERVED), 32400) is not None


def port_taken(home: RunningHome) -> None:
    assert ss(home) == "*:32400"
    assert "It works" in server(home, f"curl -s http://{RESERVED}:32400/identity")[0]
    assert server(home, "pidof 'Plex Media Server'")[1] == 1
    assert "ERROR - HttpServer: Error binding acceptor: Address in use" in log(home, "acceptor")
    assert log(home, "Listening on port") == ""


def container_in_vpn(home: RunningHome) -> None:
    rows = server(home, "docker ps --format '{{.Names}}|{{.Networks}}|{{.Ports}}'")[0].splitlines()
    assert rows[0] == "plex||"
    assert rows[1].startswith("vpn|bridge|")
    assert "0.0.0.0:32400->32400/tcp" in rows[1]
    assert json.loads(server(home, INSPECT)[0].split(" ")[0]).startswith("container:")
    assert json.loads(server(home, "ip -j -4 route get 1.1.1.1")[0])[0]["dev"] == "eth0", (
        "the host goes direct"
    )
    assert "Got public IP from v4.plex.tv: 185.65.134.70" in log(home, "Got public IP")
    # At home it answers, and outsiders' connections come to it: only the answers go elsewhere.
    assert OURS in server(home, f"curl -s http://{RESERVED}:32400/identity")[0]
    assert home.host.firewall(IPv4Address("198.51.100.77"), 32400) == "accepted"


def announces_other_way(home: RunningHome) -> None:
    assert "Got public IP from v4.plex.tv: 198.51.100.140" in log(home, "Got public IP")
    assert "ip=198.51.100.140, port=32500)" in log(home, "Sending Server Info")


def port_outside_share(home: RunningHome) -> None:
    assert not home.network.isp.leads_home(IPv4Address("62.155.240.55"), 49151)
    assert home.network.isp.leads_home(IPv4Address("62.155.240.55"), 49152)
    assert "62.155.240.55" in router(home, "ubus call network.interface.wan status")[0]
    assert section(home)["router"]["port_share"] == "49152-65535"  # type: ignore[index]


def passed_on(home: RunningHome) -> None:
    assert "192.168.178.20" in router(home, "ubus call network.interface.wan status")[0]
    assert tried(home, port=32555) != "open", "what the own router does not forward stays closed"


def passed_on_no_forward(home: RunningHome) -> None:
    assert section(home)["upstream"] == {"profile": "manual", "passes_on": True}
    assert "32500" not in router(home, "uci show firewall")[0]


def server_by_vpn(home: RunningHome) -> None:
    assert "100:\tfrom 192.168.1.50 lookup 100\n" in router(home, "ip rule show")[0]
    assert router(home, "ip -4 route show default")[0] == "default via 62.155.240.1 dev wan0 \n"
    url = "http://62.155.240.55:32500/identity"
    done = home.vantages["outside"][1].shell.run(f"curl -s --max-time 8 {url}", b"", "probe")
    assert done.status == 28, "the answer leaves by the tunnel"


def automatic_unmapped(home: RunningHome) -> None:
    assert "Mapping failed" in log(home, "Mapping failed")
    assert home.plex.setting("ManualPortMappingMode") is False
    assert tried(home) == "open", "the forward by hand is right"


def plex_tv_blocked(home: RunningHome) -> None:
    assert "nameserver 192.168.1.21" in server(home, "cat /etc/resolv.conf")[0]
    assert server(home, "getent ahostsv4 plex.tv")[0].startswith("0.0.0.0         STREAM plex.tv\n")
    assert server(home, "curl -s https://plex.tv/")[1] == 7
    assert server(home, "getent ahostsv4 v4.echo.test")[1] == 0


def plex_tv_not_found(home: RunningHome) -> None:
    assert server(home, "getent ahostsv4 plex.tv") == ("", 2)
    assert server(home, "curl -s https://plex.tv/")[1] == 6


def vpn(home: RunningHome) -> None:
    assert json.loads(server(home, "ip -j -4 route get 1.1.1.1")[0])[0]["dev"] == "tun0"
    default = json.loads(server(home, "ip -j -4 route show default")[0])
    assert [row["dev"] for row in default] == ["eth0"]
    assert '"local":"10.8.0.2"' in server(home, "ip -j -4 addr show")[0]
    assert "Got public IP from v4.plex.tv: 185.65.134.70" in log(home, "Got public IP")


def vpn_provider(home: RunningHome) -> None:
    vpn(home)
    url = "http://185.65.134.70:32500/identity"
    assert OURS in home.vantages["outside"][1].shell.run(f"curl -s {url}", b"", "probe").stdout.decode()


def not_claimed(home: RunningHome) -> None:
    assert 'claimed="0"' in server(home, "curl -s http://127.0.0.1:32400/identity")[0]
    folder = LOG.partition("/Logs")[0] + "/Preferences.xml'"
    assert "PlexOnlineToken" not in server(home, f"sudo -n cat {folder}")[0]
    assert 'signInState="none"' in plex_says(home, "/myplex/account")


def sign_in_broken(home: RunningHome) -> None:
    assert 'signInState="invalid"' in plex_says(home, "/myplex/account")
    assert "Token was invalid, resetting security." in log(home, "Token was invalid")


def no_verdict_yet(home: RunningHome) -> None:
    assert "response was 429" in log(home, "Published Mapping State")
    assert str(OUTSIDE_ADDRESS) not in home.network.internet


def port_mismatch(home: RunningHome) -> None:
    assert tried(home, port=32555) == "open"
    assert "port=32500)" in log(home, "Sending Server Info")


def refused(home: RunningHome) -> None:
    assert ss(home) == "*:32400"
    assert home.network.open(str(RESERVED), 32400) is not None
    assert "(responded in 61 ms)" in log(home, "Got notified of reachability")


def stale_log(home: RunningHome) -> None:
    shown = log(home, "Got notified of reachability")
    assert ": 0 for 62.155.240.55:32500 (responded in 5032 ms)" in shown
    assert len(shown.splitlines()) == 1
    written = time.mktime(time.strptime(shown[:21], "%b %d, %Y %H:%M:%S"))
    now = time.mktime(time.strptime(server(home, "date +%Y-%m-%dT%H:%M:%S")[0].strip(), "%Y-%m-%dT%H:%M:%S"))
    assert 5 * 86400 < now - written < 7 * 86400
    assert "reachability" in server(home, f"cat {LOG.replace('Server.log', 'Server.1.log')}")[0]


def established_lie(home: RunningHome) -> None:
    assert "UPnP, mapped port 18444" in log(home, "mapped port")
    assert "(responded in 186 ms)" in log(home, "Got notified of reachability")


def client_network(home: RunningHome) -> None:
    assert tried(home, "outside2") == "dropped"
    assert len(section(home)["vantages"]) == 2  # type: ignore[arg-type]


def hairpin_only(home: RunningHome) -> None:
    assert tried(home, "inside") == "open"
    (vantage,) = section(home)["vantages"]  # type: ignore[misc]
    assert vantage["ssh"] == "probe@192.168.1.21"  # type: ignore[has-type]
    assert router(home, "uci get firewall.@redirect[-1].src") == ("lan\n", 0)
    # Asked from there, an echo tells the home's own address: that gives it away.
    inside = home.vantages["inside"][1].shell.run("curl -s http://v4.echo.test/ip", b"", "probe")
    outside = home.vantages["outside"][1].shell.run("curl -s http://v4.echo.test/ip", b"", "probe")
    assert (inside.stdout, outside.stdout) == (b"62.155.240.55\n", b"198.51.100.77\n")


def relayed(home: RunningHome) -> None:
    shown = plex_says(home, "/status/sessions")
    assert re.search(r'<Player [^>]*local="0" relayed="1"', shown)
    assert 'location="wan"' in shown


def relay_only(home: RunningHome) -> None:
    relayed(home)
    assert section(home)["vantages"] == []
    assert "reachability" not in log(home, ".")


def listed(home: RunningHome) -> dict[str, Any] | None:
    """Ask plex.tv, as apps do, for the row of this server."""
    headers = {"x-plex-token": PlexSeed().token, "x-plex-client-identifier": "an-app"}
    asked = HttpRequest("GET", "/api/v2/resources", "includeHttps=1&includeRelay=1", headers, b"")
    answer = home.plex_tv.handle(asked)
    assert answer.status == 200
    return next((row for row in json.loads(answer.body) if row["clientIdentifier"] == OURS), None)


def offered(home: RunningHome) -> list[tuple[str, int, bool, bool]]:
    """Give address, port, whether it is local, whether it is the relay."""
    row = listed(home)
    assert row is not None
    return [(one["address"], one["port"], one["local"], one["relay"]) for one in row["connections"]]


_HOME = ("192.168.1.50", 32400, True, False)
_RELAY = ("139.162.213.157", 8443, False, True)


def not_online(home: RunningHome) -> None:
    row = listed(home)
    assert row is not None
    assert row["presence"] is False


def not_listed(home: RunningHome) -> None:
    assert listed(home) is None


def stale_announcement(home: RunningHome) -> None:
    assert offered(home) == [_HOME, ("62.155.240.55", 18444, False, False), _RELAY]


def no_direct_way(home: RunningHome) -> None:
    assert offered(home) == [_HOME, _RELAY]
    assert section(home)["vantages"] == []


def dns_rebinding(home: RunningHome) -> None:
    row = listed(home)
    assert row is not None
    assert (row["dnsRebindingProtection"], row["presence"]) == (True, True)
    assert offered(home) == [_HOME, ("62.155.240.55", 32500, False, False), _RELAY]


def relay_in_order(home: RunningHome) -> None:
    relayed(home)
    assert section(home)["access"] == "relay"
    assert "Relay: starting relay." in log(home, "Relay")


def relay_off(home: RunningHome) -> None:
    assert section(home)["access"] == "relay"
    assert home.plex.setting("RelayEnabled") is False


def vpn_in_order(home: RunningHome) -> None:
    assert section(home)["access"] == "vpn"


def proxy_in_order(home: RunningHome) -> None:
    assert section(home)["access"] == "proxy"
    assert home.plex.setting("customConnections") == "https://plex.example.net:443"
    assert tried(home, port=443, scheme="https") == "open"
    done = home.vantages["outside"][1].shell.run(
        "curl -sk https://plex.example.net:443/identity", b"", "probe"
    )
    assert OURS in done.stdout.decode()


def proxy_broken(home: RunningHome) -> None:
    assert tried(home, port=443, scheme="https") == "other"
    done = home.vantages["outside"][1].shell.run(
        "curl -sk -w '%{http_code}' -o /dev/null https://plex.example.net/", b"", "probe"
    )
    assert done.stdout == b"502"


def by_the_name(status: str, words: str = "") -> Callable[[RunningHome], None]:
    """Look at what a vantage gets by the proxy's name, certificate and all: curl's exit status, and words of `-v`."""

    def check(home: RunningHome) -> None:
        done = home.vantages["outside"][1].shell.run(
            "curl -sv https://plex.example.net/identity", b"", "probe"
        )
        assert (str(done.status), words in done.stderr.decode()) == (status, True)

    return check


def cgnat_over_ipv6(home: RunningHome) -> None:
    row = listed(home)
    assert row is not None
    (own,) = (one for one in row["connections"] if one["IPv6"])
    assert own["address"] in server(home, "ip -j -6 addr show")[0]
    assert (own["port"], own["relay"]) == (32400, False)


def entitlement(home: RunningHome) -> None:
    assert 'subscriptionActive="0"' in plex_says(home, "/myplex/account")


CHECKS: Mapping[str, Callable[[RunningHome], None]] = {
    "wan-down": wan_down,
    "cgnat": wan_address("100.72.13.5"),
    "ds-lite": wan_address("192.0.0.2"),
    "wan-differs": wan_address("25.30.40.50"),
    "documentation-address": wan_address("203.0.113.20"),
    "double-nat": double_nat,
    "second-nat-by-log": second_nat_by_log,
    "two-ways-out": two_ways_out,
    "forward-disabled": forward_disabled,
    "forward-udp-only": forward_udp_only,
    "forward-wrong-port": forward_wrong_port,
    "forward-shadowed": forward_shadowed,
    "forward-behind-dmz": forward_behind_dmz,
    "router-filter": router_filter,
    "router-other-filter": router_other_filter,
    "router-other-filter-unclear": router_other_filter,
    "four-addresses": four_addresses,
    "address-conflict": address_conflict,
    "address-conflict-by-hand": address_conflict_by_hand,
    "two-reservations": two_reservations,
    "no-reservation": no_reservation,
    "not-persistent": not_persistent,
    "plex-interface": plex_interface,
    "announces-other-address": announces_other_address,
    "no-login-needed": no_login_needed,
    "exposed-32400": exposed,
    "plex-dmz": exposed,
    "ipv6-pinhole": pinhole,
    "upnp-off": upnp_off,
    "no-igd": no_igd,
    "upnp-stale": upnp_stale,
    "upnp-flushed": upnp_flushed,
    "upnp-old-address": upnp_old_address,
    "upnp-conflict": upnp_conflict,
    "log-over-http": log_over_http,
    "log-in-container": log_in_container,
    "nothing-listens": nothing_listens,
    "loopback-only": loopback_only,
    "host-firewall-order": firewall_order,
    "host-other-filter": other_filter,
    "host-other-filter-unclear": other_filter,
    "host-filter-of-others": other_filter,
    "host-firewall-not-as-said": firewall_not_as_said,
    "host-firewall-v6": firewall_v6,
    "host-firewall-off": firewall_off,
    "docker-unpublished": docker_unpublished,
    "docker-loopback": docker_loopback,
    "server-offline": server_offline,
    "port-taken": port_taken,
    "container-in-vpn": container_in_vpn,
    "announces-other-way": announces_other_way,
    "port-outside-share": port_outside_share,
    "passed-on": passed_on,
    "passed-on-no-forward": passed_on_no_forward,
    "server-by-vpn": server_by_vpn,
    "automatic-unmapped": automatic_unmapped,
    "plex-tv-blocked": plex_tv_blocked,
    "plex-tv-not-found": plex_tv_not_found,
    "vpn-egress": vpn,
    "vpn-provider": vpn_provider,
    "not-claimed": not_claimed,
    "sign-in-broken": sign_in_broken,
    "no-verdict-yet": no_verdict_yet,
    "port-mismatch": port_mismatch,
    "refused": refused,
    "unreachable": unreachable,
    "stale-log": stale_log,
    "upnp-established-lie": established_lie,
    "client-network": client_network,
    "hairpin-only": hairpin_only,
    "relay-only": relay_only,
    "not-online": not_online,
    "not-listed": not_listed,
    "stale-announcement": stale_announcement,
    "no-direct-way": no_direct_way,
    "dns-rebinding": dns_rebinding,
    "relay-in-order": relay_in_order,
    "relay-off": relay_off,
    "vpn-in-order": vpn_in_order,
    "proxy-in-order": proxy_in_order,
    "proxy-broken": proxy_broken,
    "proxy-elsewhere": by_the_name("0", "(198.51.100.200)"),
    "proxy-elsewhere-broken": by_the_name("0", "< HTTP/1.1 502 Bad Gateway"),
    "proxy-no-name": by_the_name("6"),
    "proxy-certificate": by_the_name("60"),
    "proxy-not-forwarded": by_the_name("7", "62.155.240.55 port 443 failed: Connection refused"),
    "cgnat-over-ipv6": cgnat_over_ipv6,
    "entitlement": entitlement,
}

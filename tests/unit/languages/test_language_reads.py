"""The allow-lists of reads: what the profiles need is on them, what changes anything is not."""

from __future__ import annotations

import pytest

from plexops.languages import LANGUAGES

POSIX_READS = r"""
cat /etc/os-release
cat /etc/ssh/sshd_config
cat /tmp/dhcp.leases 2>/dev/null
cat /var/run/miniupnpd.leases /etc/miniupnpd/miniupnpd.conf
cat /proc/net/nf_conntrack
cat /etc/dnsmasq.d/*.conf
grep -Hrs '' /etc/dnsmasq.conf /etc/dnsmasq.d/
grep -m 5 -e '### tuple' /etc/ufw/user.rules
head -n 4 /config/config.boot
tail -n 4 /config/config.boot
ls -la /etc/nftables.d
stat -c '%a %U' /etc/nftables.conf
test -e /etc/ufw/ufw.conf
[ -d /etc/dnsmasq.d ]
uci show dhcp
uci -X show firewall
uci -q get upnpd.config.enabled
uci get dhcp.@host[0].ip
uci changes
uci export firewall
ubus list
ubus call system board
ubus call network.interface dump
ubus call network.interface.wan status
ubus call luci-rpc getDHCPLeases '{"family": 4}'
ubus call luci.upnp get_status
nft --version
nft -j list ruleset
nft -s list table inet plexops
nft list chain inet fw4 dstnat_wan
ip -j -4 route show default
ip -j addr
ip -4 addr show dev wan0
ip route get 192.0.2.1
ip neigh show
ss -Htln
ss -Htlnp 'sport = :32400'
hostname
hostname -I
uname -a
id -u
pidof miniupnpd
sysctl -n net.ipv4.ip_forward
nvram get wan_ipaddr
nvram show
ufw status verbose
ufw show added
ufw version
iptables -S
iptables -t nat -S PREROUTING
iptables-save -c
ip6tables-save
ip6tables -w 5 -S INPUT
firewall-cmd --state
firewall-cmd --permanent --zone=public --list-all
firewall-cmd --get-zone-of-interface=eth0
firewall-cmd --query-port=32400/tcp
docker ps --format '{{.Names}}'
docker inspect -f '{{.HostConfig.NetworkMode}} {{json .NetworkSettings.Ports}}' plex
systemctl is-active nftables.service
systemctl show -p MainPID --value plexmediaserver
printenv PATH
readlink -f /etc/resolv.conf
command -v ufw
dnsmasq --version
curl -sS -m 3 http://127.0.0.1:32400/identity
curl -s -4 --max-time 4 https://v4.plex.tv/pms/:/ip
curl -s -S -4 --max-time 4 https://v4.plex.tv/pms/:/ip
date +%Y-%m-%dT%H:%M:%S
ip -j -4 route get 1.1.1.1
ping -n -c 1 -W 1 -t 2 1.1.1.1
getent ahostsv4 plex.tv
cat /etc/resolv.conf
grep -aE 'mapping state|\(WAN\)' '/var/lib/plexmediaserver/Library/Application Support/x.log' '/config/y.log'
grep -aE 'x|y' '/config/y.log' | tail -c 1500000
grep -aE x '/config/y.log' 2>/dev/null | tail -c 9
docker inspect --type container --format '{{json .Mounts}}' plex
docker ps --format '{{.Names}}|{{.Image}}|{{.Networks}}|{{.Ports}}'
docker network ls --format '{{.Name}}|{{.Driver}}'
podman ps --format '{{.Names}}|{{.Image}}|{{.Networks}}|{{.Ports}}'
podman inspect --format '{{.HostConfig.NetworkMode}}' plex
true
curl -sk --connect-timeout 2 -o /dev/null -w '%{http_code}' https://192.168.1.50:32400/identity
""".strip().splitlines()

POSIX_HOSTILE = [
    *"""
uci set dhcp.lan.start=1
uci commit
uci -c /tmp show
uci -q delete firewall.x
uci show dhcp extra words
cat x
cat x > y
cat /etc/passwd > /tmp/y
cat /etc/hosts >/etc/hosts
cat /etc/hosts 2>/tmp/x
cat $(rm x)
cat `rm x`
cat "$(rm x)"
cat "`rm x`"
cat $HOME/x
cat "$HOME/x"
cat "a
cat /proc/1/mem
cat /proc/self/environ
cat /proc/*/mem
cat /dev/mem
cat /dev/../dev/sda
cat /d*/sda
cat /etc/shadow
cat /etc/sh*
cat /root/.ssh/id_ed25519
cat /etc/ssh/ssh_host_rsa_key
cat -n /etc/hosts
cat ../x
cat
grep -f /etc/x y /etc/hosts
grep -fx /etc/hosts
grep x
grep -r x /
grep -R x /etc
grep -rs root /etc/
grep -r x /etc/ssh
grep -rs '' /var/lib/
cat /etc/ssh/ssh_host_r*
cat /etc/ssh/*
ip route add default via 10.0.0.1
ip addr flush dev eth0
ip route flush
ip link set eth0 down
ip -batch f
ip -b f
ip netns exec x ls
ip -n x addr
ip rule del
nft flush ruleset
nft -f x
nft list ruleset; nft flush ruleset
nft 'list ruleset; flush ruleset'
nft list 'ruleset;flush' ruleset
nft list ruleset -f x
nft -jf x list ruleset
nft reset counters
ubus call uci set {}
ubus call uci apply {}
ubus call system reboot
ubus call file read '{"path":"/etc/shadow"}'
ubus call file exec {}
ubus call session login {}
ubus call session create {}
ubus call network.interface.wan down
ubus call system board '[1]'
ubus send x
sh -c ls
sudo ls
eval ls
exec ls
env ls
xargs ls
find / -delete
find /
sed -i s/a/b/ /etc/hosts
sed -n p /etc/hosts
awk 1 /etc/hosts
tee /x
rm /x
. /etc/profile
echo x
/bin/cat /etc/hosts
curl -o /etc/x http://a/
curl -O http://a/x
curl file:///etc/passwd
curl -K x http://a/
curl -X POST http://a/
curl -d x http://a/
curl -T x http://a/
curl -F a=b http://a/
curl -H a:b http://a/
curl http://a/ http://b/
curl http://user:pw@a/
curl http://a/?reboot=1
curl http://a/[1-9]
curl ftp://a/
curl -so/etc/x http://a/
curl -w @/etc/passwd http://a/
curl -w '%output{/etc/x}' http://a/
curl --config x http://a/
X=1 cat /etc/hosts
LD_PRELOAD=/x cat /etc/hosts
cat /etc/hosts & rm x
cat /etc/hosts &
cat /etc/hosts | tee x
cat /etc/hosts | tail -c 9 | tee x
cat /etc/hosts | tail -c 9 > x
cat /etc/hosts | tail -c 9 /etc/shadow
cat /etc/hosts | tail -c 9; rm x
cat /etc/hosts | tail -c -9
cat /etc/hosts | tail -f
cat /etc/hosts | tail -n 9
cat /etc/hosts || tail -c 9
cat /etc/shadow | tail -c 9
rm x | tail -c 9
cat '/etc/hosts | tail -c 9
cat /etc/hosts && rm x
cat /etc/hosts || rm x
( cat /etc/hosts )
{ cat /etc/hosts; }
! cat /etc/hosts
cat /etc/hosts # x
cat ~/x
cat /etc/host\\s
cat < /etc/hosts
hostname evil
sysctl -w net.ipv4.ip_forward=1
sysctl -n net.ipv4.ip_forward=1
sysctl net.ipv4.ip_forward
nvram set a=b
nvram commit
nvram get a=b
ufw enable
ufw --force reset
ufw status; ufw disable
iptables -F
iptables -S -Z
iptables -A INPUT -j DROP
iptables -t nat -F
iptables-save -f /etc/x
firewall-cmd --reload
firewall-cmd --add-port=1/tcp
firewall-cmd --panic-on
firewall-cmd --state --reload
docker rm plex
docker network rm bridge
docker network
docker network ls bridge
docker network create x
docker ps plex
podman run plex
podman network prune
podman --remote ps
podman ps --format
date
date 112218002025
date -s 2025-01-01
date --set=2025-01-01
date +%s 112218002025
date -f /etc/shadow +%s
date +%s;reboot
ping 1.1.1.1
ping -c 1
ping -c 1000 1.1.1.1
ping -c 0 1.1.1.1
ping -f -c 1 1.1.1.1
ping -c 1 -s 65507 1.1.1.1
ping -c 1 -i 0 1.1.1.1
ping -c 1 -W 60 1.1.1.1
ping -c 1 -t 300 1.1.1.1
ping -b -c 1 192.168.1.255
ping -c 1 host.example.net
ping -c 1 1.1.1.1 2.2.2.2
ping -n -c 1 -W 1 -t
getent shadow
getent passwd root
getent ahostsv4
getent ahostsv4 -s
getent -s files hosts plex.tv
getent hosts 'plex.tv;id'
grep -af /etc/shadow /etc/hosts
grep -aE x /etc/shadow
grep -aE x
docker -H x ps
docker inspect -f
docker inspect --host=x plex
docker exec plex sh
systemctl stop x
systemctl show
systemctl is-active -H root@x y
ss -K
ss -D /etc/x
ss -tN x
ls x
ls --color=always /x
stat --printf=x /x
printenv A B
which -a sh
command ls
command -V ls
dnsmasq -C /x
dnsmasq
test -e /a -o -e /b
[ -e /a
""".strip().splitlines(),
    "",
    "cat /etc/hosts\nrm x",
    "cat /etc/hosts\rrm x",
    "cat '/etc/hosts\nx'",
    "cat /etc/hosts\x00",
    "cat /etc/h\u00f6sts",
    "uci show dhcp 2>/dev/null 2>/dev/null",
    "2>/dev/null",
    "cat /etc/hosts2>/dev/null",
]


@pytest.mark.parametrize("command", POSIX_READS)
def test_a_read_is_on_the_list(command: str) -> None:
    assert LANGUAGES["posix"].refuse_read(command) is None


@pytest.mark.parametrize("command", POSIX_HOSTILE)
def test_what_may_change_anything_is_refused(command: str) -> None:
    assert LANGUAGES["posix"].refuse_read(command)


ROUTEROS_READS = """
/ip firewall nat print detail without-paging where chain=dstnat
/ip/firewall/nat/print detail
/ip dhcp-server lease print terse where dynamic=no
/ip route print detail where dst-address=0.0.0.0/0 active
/ip firewall nat print where comment="plexops: \\"plex\\" \\$1"
/ip firewall nat print where comment~"^plexops"
/interface list member print terse where list=WAN
/system resource print
/ip firewall nat export terse
/export terse hide-sensitive
/export
/ip upnp print
:put [/system resource get version]
:put [/ip firewall nat find where comment="plexops:plex"]
:put [/ip firewall nat find comment="plexops:plex"]
:put [/ip dhcp-server lease get *1A address]
""".strip().splitlines()

ROUTEROS_HOSTILE = [
    *"""
/ip firewall nat add chain=dstnat
/ip firewall nat remove *1
/ip firewall nat set *1 disabled=yes
/ip firewall nat print; /ip firewall nat remove 0
/ip firewall nat print file=x
/ip firewall nat print interval=1
/ip firewall nat print follow
/ip firewall nat export file=x
/export show-sensitive
/system reset-configuration print
/system reboot
/system script run x
/import x
/tool fetch url=http://x/
/tool fetch print
/ip dhcp-server lease make-static *1
/ip firewall nat reset-counters
/ip firewall nat print where [/ip firewall nat remove 0]
/ip firewall nat print where comment="$[/system reboot]"
/ip firewall nat print where comment="$x"
/ip firewall nat print where (1)
/ip firewall nat print where chain=dstnat do={}
:put [/ip firewall nat remove 0]
:put [/ip firewall nat find where chain=dstnat] [/system reboot]
:put [:put [/system reboot]]
:put ([/system resource get version])
:put $x
:put hello
:foreach i in=[/ip firewall nat find] do={:put $i}
:execute "x"
:global x 1
:do {/system reboot}
{/system reboot}
ip firewall nat print
print
/
:put []
:put [/ip firewall nat get [find] x]
/ip firewall nat print where comment="a
/ip firewall nat print \\
""".strip().splitlines(),
    "",
    "/ip upnp print\n/system reboot",
    "/ip upnp print\x1b",
]


@pytest.mark.parametrize("command", ROUTEROS_READS)
def test_a_routeros_read_is_on_the_list(command: str) -> None:
    assert LANGUAGES["routeros"].refuse_read(command) is None


@pytest.mark.parametrize("command", ROUTEROS_HOSTILE)
def test_a_routeros_command_that_may_change_anything_is_refused(command: str) -> None:
    assert LANGUAGES["routeros"].refuse_read(command)


@pytest.mark.parametrize(
    "request_line",
    [
        "GET /api/core/firmware/info",
        "GET /api/dnsmasq/settings/get",
        "GET /",
        "GET /:/prefs",
        "GET /myplex/account",
        "POST /api/firewall/d_nat/search_rule",
        "POST /api/firewall/d_nat/searchRule",
        "POST /api/kea/dhcpv4/search_reservation",
        "GET /proxy/network/api/s/default/rest/portforward",
    ],
)
def test_an_http_read_is_on_the_list(request_line: str) -> None:
    assert LANGUAGES["json"].refuse_read(request_line) is None


@pytest.mark.parametrize(
    "request_line",
    [
        "POST /api/firewall/d_nat/add_rule",
        "POST /api/firewall/d_nat/addRule",
        "POST /api/firewall/d_nat/apply",
        "GET /api/core/system/reboot",
        "GET /api/firewall/d_nat/del_rule/1",
        "POST /api/get/something/else",
        "PUT /api/firewall/d_nat/search_rule",
        "DELETE /x",
        "POST /ubus",
        "GET /a/../b",
        "GET /a/./b",
        "GET /api/core/system/re%62oot",
        "GET /myplex/refreshReachability",
        "GET //x",
        "GET /a?b=c",
        "GET http://x/",
        "/api/x",
        "",
    ],
)
def test_an_http_request_that_may_act_is_refused(request_line: str) -> None:
    assert LANGUAGES["json"].refuse_read(request_line)


def test_files_have_no_reads() -> None:
    assert LANGUAGES["nft"].refuse_read("list ruleset")
    assert LANGUAGES["dnsmasq"].refuse_read("dhcp-host=x")

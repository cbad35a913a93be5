"""Random iptables-restore texts for all tables of both families, with sets of ipset."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable

from tests.packets.grammar import Grammar, expand, grammar

SETS = """create good hash:net family inet
add good 198.51.100.0/24
add good 10.0.0.0/8
create good6 hash:net family inet6
add good6 2001:db8:99::/64
create open bitmap:port range 0-65535
add open 32400
add open 32500
create pairs hash:ip,port family inet
add pairs 198.51.100.77,tcp:32400
create pairs6 hash:ip,port family inet6
add pairs6 2001:db8:99::77,tcp:32400
create seen hash:ip family inet timeout 300
create seen6 hash:ip family inet6 timeout 300
create all list:set size 8
add all good
"""
COMMON = grammar("""
if = wan0 *6 / lan0 *3 / guest0 / docker0 / wan+ *2 / lo / nope0
in = -i <if> *6 / ! -i <if> *2
out = -o <if> *5 / ! -o <if> *2
port = 32400 *5 / 32500 *5 / 22 / 80 / 8096 / 32300:32600 *2 / 1024: / :1023
list = 22,32400 *2 / 80,32500 / 32300:32600,80 / 22,443
state = NEW *3 / ESTABLISHED,RELATED / RELATED,ESTABLISHED *4 / INVALID *2 / NEW,ESTABLISHED *2 / UNTRACKED / DNAT
    / SNAT
    / INVALID,UNTRACKED / NEW,DNAT
old_state = NEW / RELATED,ESTABLISHED *2 / INVALID / ESTABLISHED
mask = 0x1 *3 / 0x1/0x1 *2 / 0x2 / 0x10/0xf0 / 0x0/0xff
tcp = -p tcp --dport <port> *8 / -p tcp -m tcp --dport <port> *3 / -p tcp ! --dport <port> *2 / -p tcp --sport <port>
    / -p tcp -m multiport --dports <list> *3 / -p tcp -m multiport ! --dports <list>
    / -p tcp -m multiport --ports <list>
    / -p tcp -m multiport --sports 22,53 / -p udp --dport <port> / -p tcp *2 / ! -p udp / -p icmp / ! -p tcp / -p 6
    / -p tcp --syn *2 / -p tcp ! --syn / -p tcp -m tcp --tcp-flags SYN,ACK SYN
    / -p tcp -m tcp --tcp-flags SYN,ACK SYN,ACK
    / -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN / -p tcp --dport 32400 --syn / -p tcp -m tcp --tcp-option 2
track = -m conntrack --ctstate <state> *24 / -m conntrack ! --ctstate <state> *2 / -m state --state <old_state> *6
    / -m state ! --state <old_state> / -m conntrack --ctdir ORIGINAL *3 / -m conntrack --ctdir REPLY *3
    / -m conntrack --ctorigdstport 32500 *5 / -m conntrack --ctproto tcp / -m conntrack --ctstatus CONFIRMED
    / -m conntrack ! --ctorigdstport 32400 / -m conntrack --ctstate NEW --ctorigdstport 32500
    / -m conntrack --ctstatus SEEN_REPLY / -m conntrack --ctstatus ASSURED / -m conntrack ! --ctstatus EXPECTED
mark = -m mark --mark <mask> *3 / -m mark ! --mark <mask> / -m connmark --mark <mask> *2 / -m connmark ! --mark <mask>
other = -m comment --comment "hello world" *2 / -m addrtype --dst-type LOCAL *3 / -m addrtype ! --dst-type LOCAL *2
    / -m addrtype --src-type LOCAL / -m addrtype ! --src-type UNICAST / -m limit --limit 100/sec --limit-burst 50
    / -m addrtype --dst-type LOCAL --limit-iface-in / -m addrtype --dst-type LOCAL,BROADCAST
    / -m pkttype --pkt-type unicast / -m pkttype --pkt-type broadcast / -m pkttype ! --pkt-type unicast
    / -m mac --mac-source 02:00:00:00:01:01 / -m mac --mac-source 00:11:22:33:44:55
    / -m mac ! --mac-source 00:11:22:33:44:55
    / -m policy --dir in --pol none / -m policy --dir in --pol ipsec / -m connlimit --connlimit-above 20
    / -m hashlimit --hashlimit-upto 100/sec --hashlimit-burst 50 --hashlimit-name h1 --hashlimit-mode srcip
    / -m hashlimit --hashlimit-above 500/sec --hashlimit-burst 100 --hashlimit-name h2
    / -m statistic --mode random --probability 1.0 / -m dscp --dscp 0 / -m length --length 0:99
rare = -m time --timestart 00:00 --timestop 23:59 / -m recent --set --name r1
    / -m recent --update --seconds 30 --hitcount 6 --name r1
    / -m owner --uid-owner 0 / -m helper --helper ftp / -m ttl --ttl-gt 1 / -m ecn --ecn-tcp-cwr
    / -m realm --realm 0 / -m cpu --cpu 0
    / -m connbytes --connbytes 0:1000 --connbytes-dir both --connbytes-mode bytes / -m quota --quota 1000000
    / -m tos --tos 0
    / -m tcp --tcp-flags ALL SYN -p tcp / -p tcp -m tcpmss --mss 100:2000 / -m devgroup --src-group 0
    / -m physdev --physdev-in port0
    / -m string --string "who are you" --algo bm / -m u32 --u32 "0=0"
    / -m mark --mark 0x0/0x1 -m connmark --mark 0x0/0x1
    / -p tcp -m multiport --dports 22,32400:32500 / -m limit --limit 10/min / -m limit --limit 1/sec --limit-burst 3
    / -m connlimit --connlimit-upto 50 / -m connlimit --connlimit-above 0
    / -m conntrack --ctstate NEW ! --ctorigdstport 32400
    / -m conntrack --ctorigsrcport 1024:65535 / -m conntrack --ctreplsrcport 32400 / -m conntrack --ctexpire 1:100000
    / -m conntrack --ctstate ESTABLISHED --ctdir REPLY / -m conntrack --ctstate INVALID --ctdir ORIGINAL
    / -m socket / -f
    / -m policy --dir in --pol ipsec --proto esp / -m addrtype --src-type BLACKHOLE
    / -m addrtype ! --dst-type UNICAST,LOCAL
    / -p tcp -m tcp --sport 1024:65535 --dport 32400 / -p all / -p udp -m multiport --dports 53 / -i +
    / -m statistic --mode nth --every 2 --packet 0
    / -m set --match-set <good> src --return-nomatch / -m set ! --match-set <good> dst
    / -m rateest --rateest e1 --rateest-lt 1
match = <in> *30 / <out> *18 / <tcp> *48 / <address> *30 / <track> *24 / <mark> *6 / <set> *10 / <other> *16 / <rare>
matches = <match> *3 / <match> <match> *4 / <match> <match> <match> *2 / ~
addrs = ~
target = ACCEPT *7 / DROP *5 / RETURN *2 / <sub> *3 / REJECT *2 / <marking>
marking = MARK --set-mark <mask> *2 / MARK --set-xmark 0x10/0xf0 / CONNMARK --save-mark *2
    / CONNMARK --restore-mark *2
    / CONNMARK --set-mark 0x1 / MARK --or-mark 0x2 / MARK --and-mark 0xf0
    / CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff / CONNMARK --save-mark --nfmask 0x1 --ctmask 0xff
quiet = LOG --log-prefix "x " *36 / NFLOG --nflog-group 1 *18 / SET --add-set <seen> src *18
    / SET --del-set <good> src / <of_table> *2
    / NFQUEUE --queue-num 1 --queue-bypass / AUDIT --type accept / SET --add-set <seen> src --exist --timeout 60
    / SET --map-set <good> src --map-mark / NFQUEUE --queue-num 1
of_table = NFLOG --nflog-group 1
of_mangle = DSCP --set-dscp 8 / TOS --set-tos 0x10 / CLASSIFY --set-class 1:2 / TEE --gateway <inside>
    / HMARK --hmark-tuple src --hmark-mod 10 --hmark-rnd 1 / IDLETIMER --timeout 10 --label i1 / <hops>
of_raw = TRACE / CT --helper ftp
rule = <matches> -j <target> *12 / <matches> -g <goto> / <matches> -j <quiet> *2 / <matches>
known = -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT *4 / -m state --state RELATED,ESTABLISHED -j ACCEPT
    / -m conntrack --ctstate ESTABLISHED -j ACCEPT / -p tcp ! --syn -j ACCEPT
lead = -p tcp --dport <port> *6 / -i wan0 -p tcp --dport <port> *5 / -p tcp -m tcp --dport 32500 *6
    / ! -i docker0 -p tcp -m tcp --dport <port> / -m addrtype --dst-type LOCAL -p tcp --dport <port> *2
    / -p tcp -m multiport --dports <list> *2 / <match> -p tcp --dport <port> / -p tcp -m addrtype --dst-type LOCAL
nat_rule = <lead> -j DNAT --to-destination <spot> *12 / <lead> -j REDIRECT --to-ports <inner> *2 / <lead> -j ACCEPT *2
    / <lead> -j DOCKER *3 / <matches> -j RETURN / <matches> -j <marking> / <lead> -j REDIRECT
    / <lead> -j DNAT --to-destination <rare_spot> / <lead> -j NETMAP --to <net_to>
    / -m addrtype --dst-type LOCAL -j DOCKER *2
inner = 32400 *3 / 80 / 32400-32402
docker_rule = -i docker0 -j RETURN / ! -i docker0 -p tcp -m tcp --dport <port> -j DNAT --to-destination <spot> *5
    / -p tcp --dport <port> -j DNAT --to-destination <spot> / <match> -j RETURN
snat_rule = -o wan0 -j MASQUERADE *4 / <out> -j MASQUERADE / <matches> -j ACCEPT
    / -o lan0 -j SNAT --to-source <inside>
    / <matches> -o lan0 -j MASQUERADE / -o lan0 -m conntrack --ctstate DNAT -j MASQUERADE
    / -o lan0 -p tcp -j MASQUERADE --to-ports 1024-2000
    / <address> ! -o docker0 -j MASQUERADE / -p tcp -m tcp --dport 32400 <address> -j MASQUERADE
raw_extra = CT --notrack *2 / NOTRACK / CT --zone 0
""")
BY_FAMILY: dict[int, Grammar] = {
    4: grammar("""
net = 198.51.100.0/24 *3 / 192.0.2.9 *2 / 10.0.0.0/8 / 192.168.0.0/16 *2 / 203.0.113.0/24 / 0.0.0.0/1
own = 203.0.113.20 *3 / 192.168.1.50 *3 / 192.168.1.0/24 *2 / 172.17.0.2 / 203.0.113.21 / 192.168.1.50/255.255.255.254
address = -s <net> *4 / ! -s <net> *2 / -d <own> *4 / ! -d <own> / -m iprange --src-range 198.51.100.60-198.51.100.90
    / -m iprange --dst-range 192.168.1.40-192.168.1.60 / -m iprange ! --src-range 192.0.2.0-192.0.2.9
    / -s 192.0.2.9,198.51.100.77
    / -m conntrack --ctorigdst 203.0.113.20 / -m conntrack --ctorigsrc 198.51.100.0/24
    / -m conntrack ! --ctorigdst 203.0.113.20
    / -m conntrack --ctrepldst 198.51.100.0/24 / -m conntrack --ctreplsrc 192.168.1.50
set = -m set --match-set good src *9 / -m set ! --match-set good src *6 / -m set --match-set open dst
    / -m set --match-set pairs src,dst / -m set --match-set seen src / -m set --match-set all src
    / -m set --match-set good dst
seen = seen
good = good
hops = TTL --ttl-set 64
rare_spot = :32400 / 192.168.1.50:32400-32402/32500 / 192.168.1.50:32400 --random / 203.0.113.20:32400
    / 192.168.1.50-192.168.1.52:80
    / 0.0.0.0 / 192.168.1.50:32401-32402 --random / 192.168.1.50:32500-32501/32400
net_to = 192.168.1.50/32 / 192.168.1.0/24
spot = 192.168.1.50:32400 *5 / 192.168.1.50 *2 / 192.168.1.99:80 / 172.17.0.2:32400 *2 / 192.168.1.50:32400-32402
    / 192.168.1.1:80 / 192.168.1.51-192.168.1.52 / 192.168.1.50:8096 --persistent / 203.0.113.21
inside = 192.168.1.1
reject = REJECT / REJECT --reject-with icmp-host-prohibited / REJECT --reject-with icmp-port-unreachable
"""),
    6: grammar("""
net = 2001:db8:99::/64 *3 / 2001:db8:98::9 *2 / fc00::/7 / 2001:db8::/32 / 2001:db8:1::/64
own = 2001:db8:a::20 *3 / 2001:db8:1::50 *3 / 2001:db8:1::/64 *2 / 2001:db8:17::2 / 2001:db8:a::99
address = -s <net> *4 / ! -s <net> *2 / -d <own> *4 / ! -d <own>
    / -m iprange --src-range 2001:db8:99::1-2001:db8:99::ffff
set = -m set --match-set good6 src *9 / -m set ! --match-set good6 src *6 / -m set --match-set open dst
    / -m set --match-set pairs6 src,dst / -m set --match-set seen6 src
seen = seen6
good = good6
hops = HL --hl-set 64
rare_spot = :32400 / [2001:db8:1::50]:32400-32402 / 2001:db8:a::20 / [2001:db8:a::20]:32400
net_to = 2001:db8:1::50/128
spot = [2001:db8:1::50]:32400 *3 / 2001:db8:1::50 / [2001:db8:1::99]:80
inside = 2001:db8:1::1
reject = REJECT / REJECT --reject-with icmp6-adm-prohibited / REJECT --reject-with icmp6-port-unreachable
"""),
}
CHAINS: dict[str, tuple[str, ...]] = {
    "raw": ("PREROUTING", "OUTPUT"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "security": ("INPUT", "FORWARD", "OUTPUT"),
}
_OPTION = re.compile(r" (-[iopsdjg]|--[sd]ports?|--syn|-m \S+)(?= )")
#: How often a table has rules, and how many at most in one chain.
SHARES = {"raw": (0.25, 2), "mangle": (0.3, 2), "nat": (0.9, 4), "filter": (0.95, 5), "security": (0.08, 2)}


def _rules(rng: random.Random, chain: str, symbol: str, most: int, rules: Grammar, least: int = 0) -> str:
    count = rng.randint(least, most)
    return "".join(f"-A {chain} {_once_each(rng, f'<{symbol}>', rules)}\n" for _ in range(count))


def _once_each(rng: random.Random, text: str, rules: Grammar) -> str:
    """Expand until no option is there twice: iptables refuses that."""
    while True:
        found = expand(rng, text, rules)
        options = _OPTION.findall(f" {found} ")
        if len(options) == len(set(options)):
            return found


def _where(chain: str, alternatives: Iterable[str]) -> tuple[str, ...]:
    """Leave out what iptables refuses at a hook: an interface that is not there yet, or no more."""
    refused = {
        "PREROUTING": ("<out>",),
        "INPUT": ("<out>",),
        "OUTPUT": ("<in>",),
        "POSTROUTING": ("<in>",),
    }.get(chain, ())
    return tuple(one for one in alternatives if not any(word in one for word in refused))


def _chain(rng: random.Random, table: str, chain: str, rules: Grammar, policy: str) -> str:
    here = {**rules, "sub": ("sub", "sub2"), "goto": ("sub", "sub2"), "match": _where(chain, rules["match"])}
    if table in ("raw", "mangle") and chain == "PREROUTING":
        here["other"] = (*here["other"], "-m rpfilter", "-m rpfilter --invert")
    if table == "raw":
        here["target"] = tuple(one for one in here["target"] if one != "REJECT") + here["raw_extra"]
        here["track"] = here["track"][:2]
    elif table not in ("filter", "security") or chain == "POSTROUTING":
        here["target"] = tuple(one for one in here["target"] if one != "REJECT")
    else:
        here["target"] = tuple(one.replace("REJECT", "<reject>") for one in here["target"])
    if table == "nat":
        symbol = {"PREROUTING": "nat_rule", "POSTROUTING": "snat_rule"}.get(chain)
        return _rules(rng, chain, symbol, 4, here) if symbol else ""
    first = "known" if rng.random() < (0.85 if policy == "DROP" else 0.25) else ""
    text = _rules(rng, chain, first, 1, here, 1) if first and table == "filter" else ""
    return text + _rules(rng, chain, "rule", SHARES[table][1], here)


def table_text(rng: random.Random, family: int, table: str) -> str:
    """Give one table: policies, rules, and two chains of its own."""
    rules = {**COMMON, **BY_FAMILY[family]}
    rules["of_table"] = rules.get(f"of_{table}", rules["of_table"])
    policies = {
        chain: "DROP"
        if table == "filter" and rng.random() < (0.1 if chain == "OUTPUT" else 0.4)
        else "ACCEPT"
        for chain in CHAINS[table]
    }
    text = f"*{table}\n" + "".join(f":{chain} {policies[chain]} [0:0]\n" for chain in CHAINS[table])
    text += ":sub - [0:0]\n:sub2 - [0:0]\n" + (":DOCKER - [0:0]\n" if table == "nat" else "")
    for chain in CHAINS[table]:
        text += _chain(rng, table, chain, rules, policies[chain])
    absent = ("<sub>", "REJECT", "DROP") if table == "nat" else ("<sub>", "REJECT")
    plain = tuple(one for one in rules["target"] if one not in absent)
    for chain, below in (("sub", ("sub2",)), ("sub2", ())):
        targets = plain + tuple("<sub>" for _ in below)
        match = tuple(one for one in rules["match"] if one not in ("<in>", "<out>") or table == "filter")
        here = {**rules, "target": targets, "sub": below, "goto": ("sub2",), "match": match}
        if not below:
            here["rule"] = tuple(one for one in rules["rule"] if "-g" not in one)
        text += _rules(rng, chain, "rule", 3, here)
    if table == "nat":
        text += _rules(rng, "DOCKER", "docker_rule", 2, rules)
    return f"{text}COMMIT\n"


def ruleset(rng: random.Random, family: int, *, nat: bool = True) -> str:
    """Give all tables of one family that have rules."""
    wanted = [
        table for table, (share, _) in SHARES.items() if rng.random() < share and (nat or table != "nat")
    ]
    if family == 6 and "nat" in wanted and rng.random() < 0.7:
        wanted.remove("nat")
    return "".join(table_text(rng, family, table) for table in wanted)

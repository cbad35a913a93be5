"""Random nft rule sets: tables of every family, odd priorities, maps, jumps, marks, translations."""

from __future__ import annotations

import random
import re

from msgspec import Struct

from tests.packets.grammar import Grammar, expand, grammar

COMMON = grammar("""
if = "wan0" *6 / "lan0" *3 / "guest0" / "docker0" / "wan*" *2 / "lo" / "nope0"
ifs = <if> *6 / { "wan0", "guest0" } / { "lan0", "docker0" } / != <if> *2 / != { "lan0", "lo" }
index = wan0 *3 / lan0 / lo / != lan0 / { wan0, lan0 }
port = 32400 *5 / 32500 *4 / 22 / 80 / 8096 / 32600
ports = <port> *8 / { 32400, 32500 } *2 / { 22, 32300-32600 } / 32300-32600 / != <port> *2 / != { 22, 80 }
    / @ports *2 / != @ports / >= 1024 / != 1-1023 / { 32400-32500, 80 }
net4 = 198.51.100.0/24 *3 / 192.0.2.9 *2 / 10.0.0.0/8 / 192.168.0.0/16 *2 / 203.0.113.0/24
    / 198.51.100.64-198.51.100.80 / 192.168.1.0/24 / 0.0.0.0/1
nets4 = <net4> *6 / != <net4> *2 / { 198.51.100.0/24, 192.0.2.9 } *2 / { 10.0.0.0/8, 192.168.0.0/16 }
    / != { 10.0.0.0/8, 192.168.0.0/16 } / @nets4 *2 / != @nets4
own4 = 203.0.113.20 *3 / 192.168.1.50 *3 / 192.168.1.0/24 *2 / 172.17.0.2 / != 192.168.1.0/24 / != 203.0.113.21
    / { 192.168.1.50, 203.0.113.20 } / 127.0.0.0/8 / 203.0.113.20-203.0.113.21
net6 = 2001:db8:99::/64 *3 / 2001:db8:98::9 *2 / fc00::/7 / 2001:db8::/32 / 2001:db8:1::/64
nets6 = <net6> *6 / != <net6> *2 / { 2001:db8:99::/64, fc00::/7 } / @nets6 / != @nets6
own6 = 2001:db8:a::20 *3 / 2001:db8:1::50 *3 / 2001:db8:1::/64 *2 / != 2001:db8:1::50 / 2001:db8:a::99
state = new *3 / established *2 / related / invalid *2 / untracked
states = established,related *4 / { established, related } *2 / new *3 / new,established *2 / <state> *2
    / != <state> / != { new, invalid } / invalid,untracked
known = ct state established,related accept *4 / ct state { established, related } accept
    / ct state vmap { established : accept, related : accept, invalid : drop } *3
    / ct state != new accept / ct state established accept *2 / ct direction reply accept
mask = 0x1 *4 / 0x2 / 0x10 / 0xff
dependent = meta l4proto tcp *3 / meta l4proto { tcp, udp } / meta l4proto != udp / meta l4proto icmp
    / meta l4proto 17
tcp = tcp dport <ports> *12 / th dport <ports> *2 / meta l4proto { tcp, udp } th dport <ports> *3
    / udp dport <ports> / tcp sport <ports> / tcp sport 1024-65535 / tcp sport 53
    / meta l4proto tcp th dport <ports> / udp dport != 53 / tcp sport != 53 / @th,16,16 <port>
flags = tcp flags syn / tcp flags & (fin|syn|rst|ack) == syn *3 / tcp flags & (fin|syn|rst|ack) != syn
    / tcp flags & (syn|ack) == (syn|ack) / tcp flags { syn, ack } / tcp flags != ack / tcp flags ! ack
track = ct state <states> *24 / ct status dnat *9 / ct status != dnat / ct status snat / ct status dnat,snat
    / ct mark <mask> *3 / ct mark and 0x1 == 0x1 / ct mark != 0x0 / ct direction original *6 / ct direction reply *3
    / meta l4proto tcp ct original proto-dst 32500 *3 / ct original ip daddr 203.0.113.20 / ct status confirmed
    / ct status assured
    / ct status seen-reply / ct protocol tcp / ct original protocol tcp
marked = meta mark <mask> *2 / meta mark and 0x1 == 0x1 / meta mark != 0x0 / meta mark and 0xf0 == 0x0
    / meta mark { 0x1, 0x2 } / meta mark 0x0-0x1
local = fib daddr type local *3 / fib daddr type != local / fib daddr type { local, broadcast }
    / fib saddr type unicast / fib saddr . iif oif exists / fib saddr . iif oif missing
    / fib daddr . iif type local / fib saddr oif "wan0"
odd = meta pkttype host / meta pkttype { broadcast, multicast } / ether saddr 02:00:00:00:01:01
    / ether saddr 00:11:22:33:44:55 / limit rate 100/second burst 20 packets / limit rate 200/second
    / limit rate over 500/second burst 100 packets / ct count over 20 / ct count 10
    / ip protocol tcp / ip6 nexthdr tcp / meta protocol ip / meta protocol ip6 / <nfproto> *4
    / ip dscp 0 / meta length < 100 / meta iiftype ether
pair = iifname . tcp dport { "wan0" . 32400, "lan0" . 22 } *2 / iifname . tcp dport { "wan0" . 32500 }
    / meta l4proto . th dport { tcp . 32400, udp . 53 } *2 / iifname . oifname { "wan0" . "lan0" } *2
    / meta l4proto . th dport @pairs
rare = iif != lo / meta secpath missing / meta iifkind "veth" / iifgroup 0 / meta cpu 0-7 / meta skuid 0
    / meta time >= 1
    / meta day { 0-6 } / meta hour "00:00"-"23:59" / meta l4proto != tcp / th dport >= 32400
    / tcp dport and 0xff00 == 0x7e00
    / ct state and (established|related) != 0 / ct state and invalid == invalid / ct state and new != 0 / ct zone 0
    / ct original l3proto ip / ct reply proto-src 32400 / ct expiration > 1s / ct mark and 0xf == 0x1
    / ct bytes < 1000
    / ct mark { 0x1, 0x2 } / ct status dnat,assured / ct status and (dnat|snat) != 0 / ct status and dnat == dnat
    / ct id 1
    / quota 1 mbytes / quota over 1 mbytes / numgen inc mod 2 0 / tcp option maxseg size > 100 / tcp window > 0
    / tcp doff 5
    / meta mark and 0xff00 != 0x100 / meta priority 0 / meta random < 0.5 / socket transparent 0 / rt classid 0
    / fib daddr . iif type != { local, broadcast, multicast } / fib daddr . mark type local / fib saddr type != local
    / limit rate 10/minute / limit rate over 1/second / limit rate 10 mbytes/second / ct count over 0
    / @th,0,16 1024-65535
    / @th,0,32 0x00357e90 / @nh,96,32 0xc6336400-0xc63364ff / tcp dport 32400 tcp dport != 22 / tcp flags & ack == 0
    / tcp sport != 53 tcp dport != 22 / tcp sequence != 0 / meta l4proto tcp th sport 1024-65535 / meta nftrace 0
    / tcp dport . meta mark { 32400 . 0x0 } / meta l4proto . ct state { tcp . new }
    / ct state . iifname { new . "wan0" }
    / iifname . tcp sport { "wan0" . 1024-65535 } / iifname . meta l4proto . th dport { "wan0" . tcp . 32400-32500 }
match = iifname <ifs> *20 / oifname <ifs> *8 / iif <index> *4 / <tcp> *28 / <addr> *16 / <track> *16 / <marked> *4
    / <local> *4
    / <odd> *8 / <pair> *4 / <dependent> *4 / <flags> *4 / <rare>
matches = <match> *3 / <match> <match> *4 / <match> <match> <match> *2 / ~
note = counter *3 / log prefix "x " / comment "hello world"
seen = ~ *6 / counter *2 / log prefix "x "
setmark = meta mark set <mask> *3 / ct mark set <mask> / ct mark set meta mark *2 / meta mark set ct mark *2
    / meta nftrace set 1 / ct event set new / meta mark set ct mark and 0x1 / ct mark set meta mark or 0x1
    / tcp option maxseg size set 1200 / counter name "c1" / limit name "l1" / meta mark set meta mark lshift 1
    / meta mark set iifname map { "wan0" : 0x1, "lan0" : 0x2 }
    / ct mark set tcp dport map { 32400 : 0x1, 32500 : 0x2 }
    / meta mark set meta mark or 0x10 / meta mark set meta mark and 0xf0 / meta mark set meta mark xor 0x1
    / ct mark set ct mark or 0x1 / meta priority set 1:2 / meta mark set tcp dport map { 32400 : 0x1, 32500 : 0x2 }
    / <remember>
verdict = accept *7 / drop *5 / return *2 / continue / jump <sub> *3 / goto <sub>
rule = <matches> <seen> <verdict> *36 / <matches> <seen> <vmap> *6 / <matches> <setmark> *6 / <matches> <note> *3
    / <matches> <setmark> <verdict> *3 / <tcp> jump { <matches> <verdict>; <matches> <verdict>; }
vmap = tcp dport vmap { <port> : <verdict>, 443 : drop } / tcp dport vmap { 22 : accept, 32400-32500 : <verdict> }
    / iifname vmap { "wan0" : <verdict>, "lan0" : accept } / ct state vmap { new : <verdict>, established : accept }
    / meta l4proto vmap { tcp : <verdict>, udp : accept } / tcp dport vmap @vm *2
    / meta mark vmap { 0x0 : <verdict>, 0x1 : drop }
    / tcp dport vmap { 0-1023 : drop, 1024-65535 : <verdict> } / ct status vmap { dnat : <verdict> }
    / ct state vmap @sm
    / iifname . oifname vmap { "wan0" . "lan0" : <verdict>, "lan0" . "wan0" : accept }
    / th dport vmap { 32400 : <verdict> }
    / iifname . tcp dport vmap { "wan0" . 32300-32600 : <verdict>, "lan0" . 0-65535 : accept }
    / iifname . tcp dport vmap { "wan0" . 32400 : <verdict>, "wan0" . 32500 : accept } / <addrmap>
policy = accept *3 / drop *2
""")
BY_FAMILY: dict[str, Grammar] = {
    "ip": grammar("""
addr = ip saddr <nets4> *9 / ip daddr <own4> *9 / <rare4> *3
rare4 = ip saddr . tcp dport { 198.51.100.77 . 32400, 192.0.2.9 . 32500 } *3 / ip saddr @seen4 *3
    / ip saddr . ip daddr @two
    / ip saddr and 255.255.255.0 == 198.51.100.0
    / ip daddr . tcp dport { 203.0.113.20 . 32400, 192.168.1.50 . 32400 } *2
    / ip saddr . tcp dport { 198.51.100.0/24 . 32400-32500, 192.0.2.0/24 . 1-1023 } / ip protocol != udp / ip ttl > 1
    / ip saddr @full / ct original saddr 198.51.100.0/24 / ct reply saddr 192.168.1.50 / ip version 4
    / iifname . ip saddr { "wan0" . 198.51.100.77 } / ip daddr . iifname { 203.0.113.20 . "wan0" } / ip frag-off 0
nfproto = meta protocol ip
remember = add @seen4 { ip saddr } / update @seen4 { ip saddr timeout 1m }
addrmap = ip saddr vmap { 198.51.100.0/24 : <verdict>, 10.0.0.0/8 : drop }
reject = reject *2 / reject with icmp type host-unreachable / tcp dport <ports> reject with tcp reset
"""),
    "ip6": grammar("""
nfproto = meta protocol ip6
remember = counter
addr = ip6 saddr <nets6> *3 / ip6 daddr <own6> *3
addrmap = ip6 saddr vmap { 2001:db8:99::/64 : <verdict>, fc00::/7 : drop }
reject = reject *2 / reject with icmpv6 type no-route / tcp dport <ports> reject with tcp reset
"""),
    "inet": grammar("""
nfproto = meta nfproto ipv4 *2 / meta nfproto ipv6 *2 / meta nfproto != ipv6
remember = add @seen4 { ip saddr } *2 / update @seen4 { ip saddr timeout 1m }
addr = ip saddr <nets4> *3 / ip daddr <own4> *3 / ip6 saddr <nets6> *2 / ip6 daddr <own6> *2
    / ip saddr . tcp dport { 198.51.100.77 . 32400, 192.0.2.9 . 32500 } / ip saddr @seen4 / <rare4>
rare4 = ip saddr . ip daddr @two / ip saddr and 255.255.255.0 == 198.51.100.0 / ip protocol != udp
    / ip6 nexthdr != tcp
    / ip saddr . tcp dport { 198.51.100.0/24 . 32400-32500, 192.0.2.0/24 . 1-1023 } / ip6 hoplimit > 1 / ip ttl > 1
    / ip6 saddr . tcp dport { 2001:db8:99::/64 . 32300-32600 } / meta protocol { ip, ip6 } / ip saddr @full
    / ct original ip saddr 198.51.100.0/24
    / meta nfproto . tcp dport { ipv4 . 32400, ipv6 . 32500 } / ip daddr . iifname { 203.0.113.20 . "wan0" }
addrmap = ip saddr vmap { 198.51.100.0/24 : <verdict>, 10.0.0.0/8 : drop }
    / ip6 saddr vmap { 2001:db8:99::/64 : <verdict>, fc00::/7 : drop }
reject = reject / reject with icmpx type port-unreachable / tcp dport <ports> reject with tcp reset
    / meta nfproto ipv4 reject *2 / reject with icmp type host-unreachable / meta nfproto ipv6 reject
    / reject with icmpv6 type no-route
"""),
}
NAT = grammar("""
spot = 192.168.1.50:32400 *5 / 192.168.1.50 *2 / 192.168.1.99:8096 / 172.17.0.2:32400 / 192.168.1.1:80
    / 192.168.1.50:32400-32402 / 203.0.113.21:22 / 192.168.1.50:80
spot6 = [2001:db8:1::50]:32400 *3 / 2001:db8:1::50 / [2001:db8:1::99]:80
nat4 = <dn> to <spot> *8 / tcp dport 32500 <dn> to <spot> *8 / redirect to :32400 *2 / redirect / redirect to :80
    / <dn> to tcp dport map { 32500 : 192.168.1.50, 80 : 192.168.1.99 } / dnat ip addr . port to tcp dport map @fw *3
    / <dn> to tcp dport map { <port> : 192.168.1.50 . 32400 } / <dn> to 192.168.1.50-192.168.1.51
    / dnat ip addr . port to tcp dport map { 32500 : 192.168.1.50 . 32400, 32600 : 192.168.1.99 . 80 }
    / <dn> to <spot> persistent / <dn> to <rare_nat> *2
rare_nat = 192.168.1.50:32400 random / :32400 / ip daddr map { 203.0.113.20 : 192.168.1.50 } / 203.0.113.20
    / 192.168.1.50:32400-32402 random
    / tcp dport map { 32300-32600 : 192.168.1.50 } / 192.168.1.50 : tcp dport map { 32500 : 32400, 32400 : 80 }
    / 203.0.113.20:32400
    / iifname . tcp dport map { "wan0" . 32500 : 192.168.1.50 } / numgen inc mod 1 map { 0 : 192.168.1.50 }
nat6 = dnat ip6 to <spot6> *4 / redirect to :32400
lead = iifname <ifs> tcp dport <ports> *6 / tcp dport <ports> *4 / fib daddr type local tcp dport <port> *2
    / ip daddr 203.0.113.20 tcp dport <ports> *3 / meta l4proto { tcp, udp } th dport <ports> *2
    / <match> tcp dport <port>
    / ip saddr <nets4> tcp dport <ports> *2
nat_rule = <lead> <seen> <nat> *10 / <lead> accept / <lead> jump natsub / <match> return / <lead> goto natsub
    / <matches> <note> / iifname vmap { "wan0" : jump natsub } / tcp dport vmap { 32500 : jump natsub, 80 : accept }
    / <lead> <setmark> / <lead> drop
snat_rule = oifname "wan0" masquerade *4 / oifname <ifs> masquerade *2 / ip saddr <nets4> oifname <ifs> masquerade
    / ip daddr 192.168.1.50 snat to 192.168.1.1 / oifname "lan0" ct status dnat masquerade / <match> accept
    / oifname "lan0" masquerade random / oifname "lan0" snat to 192.168.1.1 / <match> masquerade
    / oifname "wan0" meta l4proto tcp masquerade to :1024-65535 fully-random
    / oifname "lan0" meta l4proto tcp snat ip to 192.168.1.1:2000-3000
""")
HOOKS = (
    (
        "prerouting",
        ("raw", "-300", "-250", "-199", "mangle", "-120", "-99", "filter", "-5", "security"),
        0.45,
        0.1,
    ),
    ("ingress device wan0", ("-500", "0", "filter"), 0.008, 0.05),
    ("input", ("filter", "filter + 5", "-10", "10", "mangle", "security", "-200", "-250"), 0.6, 0.45),
    ("forward", ("filter", "-5", "10", "mangle", "security", "0", "-250"), 0.75, 0.45),
    ("output", ("filter", "-10", "mangle", "raw", "-250", "100", "-150"), 0.35, 0.12),
    ("postrouting", ("mangle", "filter", "90", "110", "srcnat", "200", "-250"), 0.3, 0.1),
)


#: What contradicts itself is not written: nft 1.0.6 lists `meta protocol ip reject with icmpv6 …` without the first half.
_ONLY_4 = re.compile(
    r"\b(?:ip (?:saddr|daddr|protocol|dscp)|nfproto ipv4|protocol ip |icmp type|@seen4|@nets4)"
)
_ONLY_6 = re.compile(r"\bip6 |nfproto (?:!= ipv4|ipv6)|protocol ip6|icmpv6|@nets6")
_TCP = re.compile(r"\btcp (?:dport|sport|flags)")
_OTHER = re.compile(r"\budp (?:dport|sport)|\{ tcp, udp \}|l4proto (?:icmp|17)|l4proto != udp")
_EITHER = ((_ONLY_4, _ONLY_6), (_TCP, _OTHER))


class _Table(Struct, frozen=True):
    rng: random.Random
    family: str
    rules: Grammar

    def some(self, symbol: str, most: int, least: int = 1, **extra: tuple[str, ...]) -> str:
        """Give a few rules, one a line."""
        rules = {**self.rules, **extra}
        count = self.rng.randint(least, most)
        found = (expand(self.rng, f"<{symbol}>", rules) for _ in range(count))
        return "".join(
            f"  {one}\n" for one in found if not any(a.search(one) and b.search(one) for a, b in _EITHER)
        )

    def filter_chain(self, name: str, hook: str, priority: str, drop: float) -> str:
        """Give a base chain that filters; one with a closed policy mostly knows its own connections."""
        policy = "drop" if self.rng.random() < drop else "accept"
        first = "<known>" if self.rng.random() < (0.85 if policy == "drop" else 0.4) else ""
        head = f" chain {name} {{ type filter hook {hook} priority {priority}; policy {policy};\n"
        verdicts = self.rules["verdict"]
        if hook in ("input", "forward", "output") or self.rng.random() < 0.02:
            verdicts = (*verdicts, "<reject>", "<reject>", "<reject>")
        if hook in ("prerouting", "output") and priority in ("raw", "-300", "-250"):
            verdicts = (*verdicts, "notrack", "notrack")
        ends = tuple(
            one.replace("<verdict>", "<last>") if "<vmap>" not in one else one for one in self.rules["rule"]
        )
        body = self.some("rule", 5, rule=ends, last=verdicts, sub=("sub", "sub2"))
        return head + (f"  {expand(self.rng, first, self.rules)}\n" if first else "") + body + " }\n"

    def nat_chains(self) -> str:
        """Give chains that translate destinations, and perhaps sources."""
        below = ("<lead> <nat>", "meta l4proto tcp <nat>", "<lead> return")
        text = f" chain natsub {{\n{self.some('nat_rule', 2, nat_rule=below)} }}\n"
        for number in range(1 if self.rng.random() < 0.8 else 2):
            priority = self.rng.choice(("dstnat", "dstnat", "-100", "-90", "-101", "0", "-150"))
            text += f" chain dst{number} {{ type nat hook prerouting priority {priority}; policy accept;\n"
            text += self.some("nat_rule", 4) + " }\n"
        if self.rng.random() < 0.5:
            priority = self.rng.choice(("srcnat", "100", "90", "srcnat - 5"))
            text += f" chain src {{ type nat hook postrouting priority {priority}; policy accept;\n"
            text += self.some("snat_rule", 2) + " }\n"
        return text


def sets(rng: random.Random, family: str) -> str:
    """Give the named sets and maps of a table; a set of one family's addresses only where that family may be."""
    jump = rng.choice(("jump sub", "accept", "drop", "return", "goto sub2"))
    fast = rng.choice(("22, 443, 8096", "22, 32400-32500", "32500", "80, 32400"))
    text = f" set ports {{ type inet_service; flags interval; elements = {{ {fast} }}\n }}\n"
    nets = rng.choice(
        ("198.51.100.0/24, 192.0.2.9", "10.0.0.0/8, 192.168.0.0/16", "192.0.2.0-192.0.2.200", "0.0.0.0/0")
    )
    if family != "ip6":
        text += f" set nets4 {{ type ipv4_addr; flags interval; elements = {{ {nets} }}\n }}\n"
        text += " set seen4 { type ipv4_addr; flags dynamic,timeout; timeout 5m; }\n"
        text += " set full { type ipv4_addr; flags interval; auto-merge; elements = { 0.0.0.0/1, 128.0.0.0/1 }\n }\n"
        text += " set two { type ipv4_addr . ipv4_addr; elements = { 198.51.100.77 . 203.0.113.20 }\n }\n"
    if family != "ip":
        text += " set nets6 { type ipv6_addr; flags interval; elements = { 2001:db8:99::/64 }\n }\n"
    text += " counter c1 { packets 0 bytes 0\n }\n limit l1 { rate 200/second burst 50 packets\n }\n"
    text += f" map sm {{ type ct_state : verdict; elements = {{ established : accept, new : {jump} }}\n }}\n"
    text += " set pairs { type inet_proto . inet_service; elements = { tcp . 32400, tcp . 22 }\n }\n"
    return (
        text + f" map vm {{ type inet_service : verdict; elements = {{ 32400 : {jump}, 80 : accept }}\n }}\n"
    )


def table(rng: random.Random, name: str) -> str:
    """Give a table with sets, chains of its own and base chains at several hooks."""
    family = rng.choice(("inet", "inet", "inet", "ip", "ip", "ip6"))
    here = _Table(rng, family, {**COMMON, **BY_FAMILY[family]})
    dormant = " flags dormant\n" if rng.random() < 0.008 else ""
    text = f"table {family} {name} {{\n{dormant}{sets(rng, family)}"
    plain = tuple(one for one in COMMON["verdict"] if "<sub>" not in one)
    # What is refused at some hooks would take every jump there with it.
    local = tuple(one for one in COMMON["local"] if "iif" not in one and "oif" not in one)
    text += f" chain sub2 {{\n{here.some('rule', 3, 0, verdict=plain, local=local)} }}\n"
    text += f" chain sub {{\n{here.some('rule', 3, 0, sub=('sub2',), local=local)} }}\n"
    for hook, priorities, chance, drop in HOOKS:
        for number in range(2):
            if rng.random() < (chance if number == 0 else min(0.12, chance / 4)):
                if family != "inet" and "device" in hook:
                    continue
                text += here.filter_chain(f"{hook[:4]}{number}", hook, rng.choice(priorities), drop)
    return f"{text}}}\n"


def nat_table(rng: random.Random, name: str, family: str) -> str:
    """Give a table that translates."""
    rules = {**COMMON, **BY_FAMILY[family], **NAT}
    rules["nat"] = (
        rules["nat6"] if family == "ip6" else rules["nat4"] * 2 + (rules["nat6"] if family == "inet" else ())
    )
    rules["dn"] = ("dnat ip",) if family == "inet" else ("dnat",)
    rules["verdict"] = tuple(one for one in COMMON["verdict"] if "<sub>" not in one)
    if family == "ip6":
        for symbol, alternatives in (("lead", NAT["lead"]), ("snat_rule", NAT["snat_rule"])):
            rules[symbol] = tuple(
                one for one in alternatives if "ip saddr" not in one and "ip daddr" not in one
            )
        rules["snat_rule"] = tuple(one for one in rules["snat_rule"] if "192.168" not in one)
    here = _Table(rng, family, rules)
    text = f"table {family} {name} {{\n{sets(rng, family).replace('jump sub', 'accept').replace('goto sub2', 'return')}"
    text += " map fw { type inet_service : ipv4_addr . inet_service; elements = { 32500 : 192.168.1.50 . 32400 }\n }\n"
    return f"{text}{here.nat_chains()}}}\n"


def device_table(rng: random.Random) -> str:
    """Give a table that filters at interfaces, before and behind all else."""
    match = (
        "iifname <ifs>",
        "tcp dport <ports>",
        "ip saddr <nets4>",
        "ip6 saddr <nets6>",
        "meta mark <mask>",
        "<flags>",
    )
    plain = ("accept", "drop", "drop", "continue", "return", "meta mark set <mask>")
    here = _Table(
        rng, "netdev", {**COMMON, "match": match, "verdict": plain, "rule": ("<matches> <seen> <verdict>",)}
    )
    text = f"table netdev n0 {{\n{sets(rng, 'inet').replace('jump sub', 'accept').replace('goto sub2', 'return')}"
    for hook, chance in (("ingress", 0.9), ("egress", 0.3)):
        if rng.random() < chance:
            device = rng.choice(("wan0", "lan0"))
            text += f" chain {hook} {{ type filter hook {hook} device {device} priority {rng.choice(('0', '-500'))};\n"
            text += here.some("rule", 2) + " }\n"
    return f"{text}}}\n"


def ruleset(rng: random.Random) -> str:
    """Give a whole rule set: a table or two that translate, and some that filter, in any order."""
    parts = [table(rng, f"t{number}") for number in range(rng.choice((1, 1, 2, 3)))]
    if rng.random() < 0.85:
        parts.append(nat_table(rng, "nat0", rng.choice(("ip", "ip", "inet"))))
    if rng.random() < 0.2:
        parts.append(nat_table(rng, "nat1", rng.choice(("ip", "inet", "ip6"))))
    if rng.random() < 0.025:
        parts.append(device_table(rng))
    rng.shuffle(parts)
    return "".join(parts)

"""Rule sets in the shapes that Docker and ufw give them, with what people add: DOCKER-USER, ufw-docker, before.rules."""

from __future__ import annotations

import random

from tests.packets import grammar_iptables, grammar_nft
from tests.packets.grammar import Grammar, expand, grammar

Texts = tuple[tuple[tuple[str, ...], str], ...]

DOCKER_NAT = """*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 32400 -j MASQUERADE
"""
OLD_FILTER = """:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
:ufw-docker-logging-deny - [0:0]
:ufw-user-forward - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
"""
#: Docker 28's chains.
NEW_FILTER = """:DOCKER - [0:0]
:DOCKER-BRIDGE - [0:0]
:DOCKER-CT - [0:0]
:DOCKER-FORWARD - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
:ufw-docker-logging-deny - [0:0]
:ufw-user-forward - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER-BRIDGE -o docker0 -j DOCKER
-A DOCKER-CT -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-FORWARD -j DOCKER-CT
-A DOCKER-FORWARD -j DOCKER-ISOLATION-STAGE-1
-A DOCKER-FORWARD -j DOCKER-BRIDGE
-A DOCKER-FORWARD -i docker0 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
"""
UFW_DOCKER = """-A DOCKER-USER -j ufw-user-forward
-A DOCKER-USER -s 10.0.0.0/8 -j RETURN
-A DOCKER-USER -s 172.16.0.0/12 -j RETURN
-A DOCKER-USER -s 192.168.0.0/16 -j RETURN
-A DOCKER-USER -p udp -m udp --sport 53 --dport 1024:65535 -j RETURN
-A DOCKER-USER -d 192.168.0.0/16 -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j ufw-docker-logging-deny
-A DOCKER-USER -d 10.0.0.0/8 -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j ufw-docker-logging-deny
-A DOCKER-USER -d 172.16.0.0/12 -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j ufw-docker-logging-deny
-A DOCKER-USER -d 172.16.0.0/12 -p udp -m udp --dport 0:32767 -j ufw-docker-logging-deny
-A DOCKER-USER -j RETURN
-A ufw-docker-logging-deny -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix "[UFW DOCKER BLOCK] "
-A ufw-docker-logging-deny -j DROP
"""
DOCKER = grammar("""
port = 32400 *4 / 32500 *3 / 8096 / 80
net = 198.51.100.0/24 *3 / 192.0.2.9 / 192.168.0.0/16 / 203.0.113.0/24
publish = -A DOCKER ! -i docker0 -p tcp -m tcp --dport <port> -j DNAT --to-destination 172.17.0.2:32400 *4
    / -A DOCKER -d 203.0.113.20/32 ! -i docker0 -p tcp -m tcp --dport <port> -j DNAT --to-destination 172.17.0.2:32400
    / -A DOCKER -d 127.0.0.1/32 ! -i docker0 -p tcp -m tcp --dport <port> -j DNAT --to-destination 172.17.0.2:32400
    / -A DOCKER -i docker0 -j RETURN
open = -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 32400 -j ACCEPT *4
    / -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
    / -A DOCKER ! -i docker0 -o docker0 -j DROP
user = -A DOCKER-USER -i wan0 ! -s <net> -j DROP *2 / -A DOCKER-USER -i wan0 -s <net> -j ACCEPT
    / -A DOCKER-USER -j RETURN *3
    / -A DOCKER-USER -i wan0 -j DROP / -A DOCKER-USER -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN *2
    / -A DOCKER-USER -i wan0 -p tcp -m conntrack --ctorigdstport <port> --ctdir ORIGINAL -j DROP *2
    / -A DOCKER-USER -i wan0 -p tcp -m conntrack --ctorigdstport <port> --ctdir ORIGINAL -j RETURN
    / -A DOCKER-USER ! -s <net> -p tcp -m tcp --dport <port> -j REJECT --reject-with tcp-reset
    / -A DOCKER-USER -d 172.17.0.2/32 -p tcp -m tcp --dport <port> -j DROP / -A DOCKER-USER -o wan0 -j ACCEPT
    / -A DOCKER-USER -m set --match-set good src -j RETURN
    / -A DOCKER-USER -p tcp -m multiport --dports 32400,80 -j RETURN
allowed = -A ufw-user-forward -d 172.17.0.2/32 -p tcp -m tcp --dport <port> -j ACCEPT *2
    / -A ufw-user-forward -s <net> -d 172.17.0.2/32 -j ACCEPT
    / -A ufw-user-forward -p tcp -m tcp --dport <port> -j DROP
raw = -A PREROUTING -d 172.17.0.2/32 ! -i docker0 -j DROP *2
    / -A PREROUTING -d 127.0.0.1/32 ! -i lo -p tcp -m tcp --dport <port> -j DROP
""")
UFW = grammar("""
port = 32400 *4 / 32500 *3 / 22 / 80 / 8096
ports = <port> *4 / 32400,32500 / 32300:32600
net = 198.51.100.0/24 *3 / 192.0.2.9 *2 / 192.168.0.0/16 / 10.0.0.0/8 / 2001:db8:99::/64 *2 / any *3
inside = 192.168.1.50 *3 / 192.168.1.0/24 / any *2 / 2001:db8:1::50 *2
act = allow *5 / deny *2 / reject
rule = <act> <ports>/tcp *4 / <act> <port> *2 / <act> from <net> *2
    / <act> from <net> to any port <ports> proto tcp *5
    / <act> in on wan0 to any port <ports> proto tcp *3 / <act> in on lan0
    / <act> from <net> to 203.0.113.20 port <port>
    / route <act> in on wan0 out on lan0 to <inside> port <ports> proto tcp *5
    / route <act> proto tcp from <net> to <inside> port <port> *4
    / route <act> in on lan0 out on wan0 / insert 1 <act> from <net> / insert 1 <act> <ports>/tcp
    / <act> out <port>/tcp
    / deny out to <net> / route <act> in on wan0 / delete allow <port>/tcp / <act> proto udp to any port <port>
    / limit 22/tcp
default = default <act> incoming *2 / default allow outgoing / default deny outgoing / default <act> routed *3
    / logging off / logging medium
nat = -A PREROUTING -i wan0 -p tcp --dport 32500 -j DNAT --to-destination 192.168.1.50:32400 *3
    / -A PREROUTING -p tcp --dport <port> -j DNAT --to-destination 192.168.1.50
    / -A PREROUTING -p tcp --dport 32500 -j REDIRECT --to-ports 32400
    / -A POSTROUTING -o wan0 -j MASQUERADE / -A POSTROUTING -o lan0 -j MASQUERADE
before = -A ufw-before-input -p tcp --dport <port> -j ACCEPT
    / -A ufw-before-forward -m conntrack --ctstate DNAT -j ACCEPT
    / -A ufw-before-input -s 198.51.100.0/24 -j DROP
    / -A ufw-before-forward -d 192.168.1.50 -p tcp --dport 32400 -j ACCEPT
""")

_PAIR = grammar("""
port = 32500 *3 / 32400 / 8096
lead = -i wan0 -p tcp --dport <port> *3 / -p tcp --dport <port> / -s 198.51.100.0/24 -p tcp --dport <port>
spot = 192.168.1.50:32400 *4 / 192.168.1.99:80 / 192.168.1.50
snat = -o lan0 -j MASQUERADE *2 / -o lan0 -p tcp -m conntrack --ctstate DNAT -j MASQUERADE / -o wan0 -j MASQUERADE
    / -o lan0 -s 192.0.2.0/24 -j SNAT --to-source 192.168.1.1
""")


def _some(rng: random.Random, symbol: str, most: int, rules: Grammar, least: int = 0) -> str:
    return "".join(f"{expand(rng, f'<{symbol}>', rules)}\n" for _ in range(rng.randint(least, most)))


def docker(rng: random.Random) -> Texts:
    """Give a host with one container that publishes ports, beside rules of the host's own."""
    variant = rng.choice(("nft", "nft", "legacy"))
    nat = DOCKER_NAT + _some(rng, "publish", 3, DOCKER, 1)
    policies = [rng.choice(("ACCEPT", "ACCEPT", "DROP")), rng.choice(("DROP", "DROP", "ACCEPT"))]
    chains = f":INPUT {policies[0]} [0:0]\n:FORWARD {policies[1]} [0:0]\n:OUTPUT ACCEPT [0:0]\n"
    text = f"{nat}COMMIT\n*filter\n{chains}{rng.choice((OLD_FILTER, NEW_FILTER))}"
    text += _some(rng, "open", 2, DOCKER, 1)
    text += (
        UFW_DOCKER + _some(rng, "allowed", 2, DOCKER)
        if rng.random() < 0.4
        else _some(rng, "user", 3, DOCKER, 1)
    )
    rules = {**grammar_iptables.COMMON, **grammar_iptables.BY_FAMILY[4]}
    for chain in ("INPUT", "FORWARD"):
        for _ in range(rng.randint(0, 2)):
            text += f"-A {chain} {expand(rng, rng.choice(('<known>', '<matches> -j ACCEPT', '<in> -j DROP')), rules)}\n"
    text += "COMMIT\n"
    if rng.random() < 0.3:
        text += (
            f"*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n{_some(rng, 'raw', 2, DOCKER, 1)}COMMIT\n"
        )
    v6 = grammar_iptables.table_text(rng, 6, "filter")
    return (
        (("ipset", "-exist", "restore"), grammar_iptables.SETS),
        ((f"iptables-{variant}-restore",), text),
        ((f"ip6tables-{variant}-restore",), v6),
    )


def pair(rng: random.Random) -> Texts:
    """Give a router that translates, and the filter of the server behind it; it may see the router as the sender."""
    nat = "".join(
        f"-A PREROUTING {expand(rng, '<lead>', _PAIR)} -j DNAT --to-destination {expand(rng, '<spot>', _PAIR)}\n"
        for _ in range(2)
    )
    nat += "".join(f"-A POSTROUTING {expand(rng, '<snat>', _PAIR)}\n" for _ in range(rng.randint(0, 2)))
    router = f"*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n{nat}COMMIT\n"
    texts: Texts = ((("iptables-nft-restore",), router),)
    if rng.random() < 0.5:
        return (
            *texts,
            (("lan/nft", "-f", "-"), _at_home(grammar_nft.table(rng, "t0") + grammar_nft.table(rng, "t1"))),
        )
    variant = rng.choice(("nft", "legacy"))
    own = [
        (
            (f"lan/{'ip' if family == 4 else 'ip6'}tables-{variant}-restore",),
            _at_home(grammar_iptables.ruleset(rng, family, nat=False)),
        )
        for family in (4, 6)
    ]
    return (*texts, (("lan/ipset", "-exist", "restore"), grammar_iptables.SETS), *own)


def _at_home(text: str) -> str:
    """Name the interfaces as they are on the server, whose own addresses have no translation."""
    return text.replace("wan0", "eth0").replace("wan", "eth").replace("lan0", "eth1")


def ufw(rng: random.Random) -> Texts:
    """Give what a person types: ufw's own commands, and what is put into its before.rules."""
    nat = _some(rng, "nat", 2, UFW)
    nat = f"*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n{nat}COMMIT\n"
    before = _some(rng, "before", 2, UFW) if rng.random() < 0.3 else ""
    commands = _some(rng, "default", 2, UFW) + _some(rng, "rule", 4, UFW, 1)
    typed = "".join(f"ufw {command} >/dev/null || true\n" for command in commands.splitlines())
    # The private files of this namespace start as the package ships them.
    script = f"""[ -d /etc/ufw.shipped ] || {{ cp -a /etc/ufw /etc/ufw.shipped; cp -a /etc/default/ufw /etc/ufw.default; }}
rm -rf /etc/ufw; cp -a /etc/ufw.shipped /etc/ufw; cp -a /etc/ufw.default /etc/default/ufw
{{ cat <<'END'
{nat}END
sed '/^# allow all on loopback/,$!d' /etc/ufw.shipped/before.rules >/tmp/rest
sed '/^# allow all on loopback/,$d' /etc/ufw.shipped/before.rules
cat <<'END'
{before}END
cat /tmp/rest; }} >/etc/ufw/before.rules
ufw --force disable >/dev/null
{typed}ufw --force enable >/dev/null
"""
    return ((("sh",), script),)

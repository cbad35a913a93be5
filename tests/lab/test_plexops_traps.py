"""No guard is fooled, in real homes: what leads from 32400 to Plex in a form that plexops does not manage stays shut.

Each home keeps it shut by one last thing, which `plexops apply` would change: the host's firewall, the router's filter, or
the host's other address. That this is all that keeps it shut, packets say once that is done by hand.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from msgspec import Struct

from .diagnosed import PASSAGE, Breaks, keep, nft, nothing, put_back
from .links import IPV6, SERVER_6
from .owner import PORT, mark, plexops, state_of, without_vantage, writes_since
from .realhome import RealHome, real_home, why_not
from .troubles import IGD, rules, script

pytestmark = [
    pytest.mark.namespaces,
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "can run here"),
    pytest.mark.timeout(300),
]

PLEX = "192.168.1.50"
CURL_REFUSED, CURL_TIMED_OUT = 7, 28


def by_hand(*texts: str) -> Breaks:
    """Give the break that forwards in a table of somebody's."""
    chain = "add chain inet hand p { type nat hook prerouting priority dstnat - 5; }"
    return rules("add table inet hand", "add chain inet hand to_plex", chain, *texts)


def old(program: str, match: str) -> Breaks:
    """Give the break that forwards by iptables."""
    target = f"-j DNAT --to-destination {PLEX}"
    return script(f"{program} -t nat -A PREROUTING -i wan -p tcp -m multiport {match} {target}")


def upnp(home: RealHome) -> None:
    """Let the host itself ask the router for 32400."""
    asked = home.exec("server", ["upnpc", "-u", IGD, "-a", PLEX, "32400", "32400", "TCP"])
    assert f"is redirected to internal {PLEX}:32400" in asked.stdout, asked.stdout


def over_ipv4(home: RealHome) -> bool:
    """Tell whether a packet from outside gets to Plex by the home's address."""
    return home.connect_from_outside(32400, 0.7) == "open"


def over_ipv6(home: RealHome) -> bool:
    """Tell whether one gets to the host by the host's own address. Plex listens to IPv4 here: then the host refuses."""
    asked = home.exec("inet", ["curl", "-s", "-m", "0.7", f"http://[{SERVER_6}]:32400/identity"])
    assert asked.returncode in (CURL_REFUSED, CURL_TIMED_OUT), asked.stderr
    return asked.returncode == CURL_REFUSED


def has_old_iptables(home: RealHome) -> bool:
    """Tell whether this kernel still has it: newer ones are built without."""
    return home.exec("router", ["iptables-legacy", "-t", "nat", "-S"]).returncode == 0


class Trap(Struct, frozen=True):
    """What leads from 32400 to Plex, and words by which plexops names it. `ends` takes back what no reload does."""

    name: str
    made: Breaks
    named: str
    ends: Breaks = nothing


LEGACY = "old iptables, every port but some"
MAP = Trap(
    "a map",
    by_hand(f'add rule inet hand p iifname "wan" dnat ip to tcp dport map {{ 32400 : {PLEX} }}'),
    "map {",
)
VERDICTS = Trap(
    "a verdict map",
    by_hand(
        f'add rule inet hand to_plex dnat ip to {PLEX} comment "for all"',
        "add rule inet hand p tcp dport vmap { 22 : accept, 32000-32999 : goto to_plex }",
    ),
    "“for all”",
)
BUT_ONE = Trap(
    "every port but one",
    by_hand(f'add rule inet hand p iifname "wan" tcp dport != 22 dnat ip to {PLEX}'),
    "!= 22",
)
DMZ = Trap(
    "DMZ",
    by_hand(f'add rule inet hand p iifname "wan" meta l4proto {{ tcp, udp }} dnat ip to {PLEX}'),
    "l4proto {",
)
IPTABLES = Trap("iptables, several ports", old("iptables", "--dports 32400,32469"), "--dports 32400,32469")
OLD_IPTABLES = Trap(
    LEGACY,
    old("iptables-legacy", "! --dports 22,80"),
    "! --dports 22,80",
    script("iptables-legacy -t nat -F"),
)
PINHOLE = rules(f'add rule inet filter forward ip6 daddr {SERVER_6} tcp dport 32400 accept comment "hole"')
FORWARDS = (MAP, VERDICTS, BUT_ONE, DMZ, IPTABLES, OLD_IPTABLES)


class Tried(Struct, frozen=True):
    """What plexops did before a trap, and what packets from outside met at 32400 after it, and in the end."""

    done: subprocess.CompletedProcess[str]
    wrote: Mapping[str, list[str]]
    changed: list[str]
    after: bool
    opened: bool


class Shut(Struct, frozen=True):
    """A home that one last thing keeps shut. `opens` does by hand what plexops would, `closes` takes that back.

    `passes`: the router's filter lets through what was translated. `playbook`: in the place of the one that is shipped.
    """

    what: str
    refused: str
    traps: tuple[Trap, ...]
    home: Mapping[str, Any]
    opens: Breaks
    closes: Breaks = nothing
    passes: bool = True
    playbook: str = ""

    def tries(self) -> dict[str, Tried]:
        """Make the home, and set every trap in it."""
        with real_home(**self.home) as home:
            without_vantage(home)
            for node, text in IPV6.items():
                home.nodes[node].sh(text)
            if self.playbook:
                (home.directory / "playbooks").mkdir()
                (home.directory / "playbooks" / "one.yaml").write_text(self.playbook)
            if self.passes:
                nft(home, PASSAGE)
            possible = [t for t in self.traps if t.name != LEGACY or has_old_iptables(home)]
            return {trap.name: self._try(home, trap) for trap in possible}

    def _try(self, home: RealHome, trap: Trap) -> Tried:
        kept = keep(home)
        trap.made(home)
        before, marked = state_of(home), mark(home)
        done = plexops(home, "apply --yes")
        wrote, changed, after = writes_since(home, marked), state_of(home).differs(before), over_ipv4(home)
        self.opens(home)
        tried = Tried(done, wrote, changed, after, over_ipv4(home))
        self.closes(home)
        trap.ends(home)
        put_back(home, kept)
        return tried


EVERYWHERE = ("allow 22/tcp", "allow 32400/tcp")
ADMITS = "for t in iptables ip6tables; do $t -w {} INPUT -p tcp --dport 32400 -j ACCEPT; done"
RESERVATION_ALONE = """
- name: The address alone
  sites: all
  tasks:
    - {name: The host keeps its address, dhcp_reservation: {}}
"""
SHUT = (
    Shut(
        "the host's firewall",
        "server/firewall_rule/plex would let in what",
        (*FORWARDS, Trap("UPnP", upnp, "dport 32400 dnat")),
        {"lease": "reserved"},
        script(ADMITS.format("-I"), "server"),
        script(ADMITS.format("-D"), "server"),
    ),
    Shut(
        "the router's filter",
        "would open 32400 itself to the internet",
        # Where something else takes the new forward's port, or may, no passage is planned for it.
        (MAP, IPTABLES, OLD_IPTABLES),
        {"lease": "reserved", "ufw_rules": EVERYWHERE},
        rules(PASSAGE),
        passes=False,
    ),
    Shut(
        "the host's other address",
        f"router/dhcp_reservation/plex would bring the Plex host to {PLEX}, where",
        FORWARDS,
        {"lease": "moved", "ufw_rules": EVERYWHERE},
        script(f"ip addr add {PLEX}/24 dev eth0", "server"),
        script(f"ip addr del {PLEX}/24 dev eth0", "server"),
        playbook=RESERVATION_ALONE,
    ),
)
CASES = [pytest.param(shut, trap, id=f"{shut.what}, {trap.name}") for shut in SHUT for trap in shut.traps]


@pytest.fixture(scope="module")
def homes() -> Iterator[Mapping[str, Future[dict[str, Tried]]]]:
    with ThreadPoolExecutor(len(SHUT)) as beside:
        yield {shut.what: beside.submit(shut.tries) for shut in SHUT}


@pytest.mark.parametrize(("shut", "trap"), CASES)
def test_it_is_refused_and_stays_shut(
    shut: Shut, trap: Trap, homes: Mapping[str, Future[dict[str, Tried]]]
) -> None:
    tried = homes[shut.what].result().get(trap.name)
    if tried is None:
        pytest.skip("this kernel has no old iptables")
    assert tried.done.returncode == 3, tried.done.stdout + tried.done.stderr
    said = " ".join(tried.done.stdout.split()).partition(
        "refuses G1 32400 is never opened to the internet: "
    )[2]
    assert shut.refused in said, tried.done.stdout
    assert trap.named in said, tried.done.stdout
    assert tried.wrote == {}
    assert tried.changed == []
    assert not tried.after, "a packet from outside got to 32400"
    assert tried.opened, "the home is not as the test believes: something else keeps it shut"


def test_a_hole_over_ipv6_stays_shut_behind_a_rule_of_ipv4_alone() -> None:
    """The rest is done: the host's new rule admits nobody over IPv6, whatever the router lets pass there."""
    with real_home(lease="reserved") as home:
        without_vantage(home)
        for node, text in IPV6.items():
            home.nodes[node].sh(text)
        nft(home, PASSAGE)
        PINHOLE(home)
        done = plexops(home, "apply --yes")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "“hole” lets the internet in" in " ".join(done.stdout.split())
        assert home.connect_from_outside(PORT) == "open"
        assert not over_ipv6(home)
        script(ADMITS.format("-I"), "server")(home)
        assert over_ipv6(home), "the home is not as the test believes: something else keeps it shut"

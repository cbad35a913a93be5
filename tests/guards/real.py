"""A home of real packet filters: an owner's nft on the router, ufw or nft on the host, and real connections, v4 and v6.

`python -m tests.guards.real --number 17` shows one home whole, `--numbers 0 200` runs many.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from random import Random

from plexops.config.profiles import load_profile
from plexops.drivers.plex.driver import PlexDriver
from plexops.drivers.router.compile import compile_profile
from plexops.drivers.router.profiled import ProfiledDriver
from plexops.drivers.server.driver import ServerDriver
from plexops.engine.look.site_state import Drivers
from plexops.lab.base import PinholeSeed
from plexops.lab.routers.linux_files import Interfaces, nftables_conf
from plexops.lab.ufw_rule import Rule
from plexops.languages import CONSOLES
from plexops.languages.posix import PATH
from plexops.model.change import Change
from plexops.model.exchange import Command, Read, Reply, Write
from plexops.model.snapshot import Kind, Role, Snapshot
from plexops.runbook.view import SiteView
from plexops.structs import replace
from tests.conformance.conformance_bench import NONCE, PLEX, observed
from tests.guards.homes import Home, home
from tests.guards.judged import Figures, Judged, carry_out
from tests.guards.simulated import Way, new_plex, view_of
from tests.packets.judge_world import VIEWERS_4, VIEWERS_6, World, world

WAN = (IPv4Address("203.0.113.20"), IPv4Address("203.0.113.21"))
HOST_6 = "2001:db8:1::50"
#: What listens on the host.
PORTS = (22, 80, 443, 8096, 32000, 32400, 32401, 32500)
WAIT, WAIT_AGAIN = 0.35, 1.2
NODES = {Role.ROUTER: "router", Role.SERVER: "lan"}
OWN_FILTER = """table inet own {
  chain input {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    iif lo accept
    meta l4proto ipv6-icmp accept
    ip saddr 192.168.1.0/24 accept
    tcp dport { 22, 8096 } accept
  }
}
"""
#: As the package ships it, whatever was there before.
SHIPPED = """[ -d /etc/ufw.shipped ] || { cp -a /etc/ufw /etc/ufw.shipped; cp -a /etc/default/ufw /etc/ufw.default; }
ufw --force disable >/dev/null
rm -rf /etc/ufw; cp -a /etc/ufw.shipped /etc/ufw; cp -a /etc/ufw.default /etc/default/ufw
"""


def real_home(number: int) -> Home:
    """Make one home for the real router: as the simulated ones, without what needs a DHCP server."""
    rng = Random(f"real {number}")  # noqa: S311 - the same again is what it is for
    made = home(number, "linux")
    kinds = (Kind.FIREWALL_RULE, Kind.PORT_FORWARD, Kind.PLEX_REMOTE_ACCESS)
    tasks = tuple(task for task in made.tasks if task.kind in kinds)
    holes = [PinholeSeed("web at home", 443), PinholeSeed("plex over six", 32400, rng.choice(["", HOST_6]))]
    seed = replace(
        made.seed,
        wan_address=WAN[0],
        wan_gateway=IPv4Address("203.0.113.1"),
        reservations=(),
        ipv6=True,
        pinholes=tuple(rng.sample(holes, rng.choice([0, 0, 1, 2]))),
        mappings=tuple(m for m in made.seed.mappings if m.protocol == "tcp"),
    )
    return replace(
        made,
        seed=seed,
        isp="public",
        address=PLEX,
        second=False,
        port=32400,
        told=32400 if made.told == made.port else made.told,
        echoes=(str(WAN[0]),) * 2,
        static=True,
        tasks=tasks,
    )


def router_script(made: Home) -> str:
    """Give what makes the router this home's: its owner's rules, and what miniupnpd wrote."""
    rng = Random(f"router {made.number}")  # noqa: S311
    text = nftables_conf(made.seed, Interfaces())
    if rng.random() < 0.35:
        # Nothing of IPv6 is dropped, as on routers that leave that to the hosts.
        text = text.replace("jump miniupnpd\n\t}", "jump miniupnpd\n\t\tmeta nfproto ipv6 accept\n\t}")
    if rng.random() < 0.15:
        text = text.replace(
            "hook forward priority filter; policy drop", "hook forward priority filter; policy accept"
        )
    if rng.random() < 0.15:
        to = rng.choice(["{ 40001 : 192.168.1.50, 40002 : 192.168.1.99 }", "{ 32000-33000 : 192.168.1.50 }"])
        rule = f'iifname "wan0" dnat to tcp dport map {to}'
        odd = f"table ip odd {{ chain p {{ type nat hook prerouting priority -101; {rule}; }}; }}\n"
        text = text.replace('include "', f'{odd}include "')
    for mapping in made.seed.mappings:
        text += (
            f'add rule inet filter prerouting_miniupnpd iif "wan0" tcp dport {mapping.external} '
            f"dnat ip to {mapping.address}:{mapping.port}\n"
            f'add rule inet filter miniupnpd iif "wan0" ip daddr {mapping.address} tcp dport {mapping.port} accept\n'
        )
    leases = "".join(f"TCP:{m.external}:{m.address}:{m.port}:0:{m.description}\n" for m in made.seed.mappings)
    # Who has no file of leases has mappings all the same: in the rules.
    told = f"printf %s {shlex.quote(leases)} >/var/lib/misc/upnp.leases" if rng.random() < 0.7 else ":"
    return f"""mkdir -p /etc/nftables.d /var/lib/misc
rm -f /etc/nftables.d/* /run/plexops* /var/lib/misc/upnp.leases
{told}
cat >/etc/nftables.conf <<'END'
{text}END
nft -f /etc/nftables.conf
"""


def _command(rule: Rule) -> str:
    port = "" if rule.port == "any" else f" port {rule.port}"
    protocol = "" if rule.protocol == "any" else f" proto {rule.protocol}"
    return f"ufw {rule.action}{protocol} from {rule.source} to {rule.destination}{port} >/dev/null\n"


def host_script(made: Home) -> str:
    """Give what makes the host this home's."""
    if made.ufw == "none":
        return f"{SHIPPED}nft -f - <<'END'\n{OWN_FILTER}END\n" if made.number % 2 else SHIPPED
    rules = "".join(_command(rule) for rule in made.rules)
    return f"{SHIPPED}{rules}{'ufw --force enable >/dev/null' if made.ufw == 'on' else ''}\n"


@dataclass(slots=True)
class Real:
    """One home in the world of namespaces."""

    home: Home
    world: World
    drivers: Drivers
    wait: float
    plex: Snapshot = field(default_factory=new_plex)
    address: IPv4Address = PLEX

    def snapshot(self, role: Role) -> Snapshot:
        """Look at one stop."""
        driver = self.drivers.of(role)
        return (
            self.plex
            if role is Role.PLEX
            else observed(driver.observe(), lambda reads: self._ask(role, reads))
        )

    def view(self) -> SiteView:
        """Look at everything."""
        shots = {role: self.snapshot(role) for role in (Role.ROUTER, Role.SERVER, Role.PLEX)}
        return view_of(self.home, shots, (str(PLEX), self.home.port))

    def send(self, change: Change, write: Write) -> Reply:
        """Send one write as the product does."""
        if change.role is Role.PLEX or not isinstance(write.ask, Command):
            return Reply("write", next(iter(write.expect.statuses), 200), "")
        out, errors, status = self._run(
            change.role, f"PATH={PATH}; LC_ALL=C; export PATH LC_ALL; {write.ask.text}"
        )
        return Reply("write", status, out, errors)

    def reached(self) -> frozenset[Way]:
        """Open real connections, over both families, to every port that says anything."""
        texts = [t for f in self.home.seed.forwards for t in (*f.external.split("-"), f.port) if t.isdigit()]
        named = {int(text) for text in texts} | {m.external for m in self.home.seed.mappings}
        outer = sorted(named | {1, 22, 445, 32400, 32401, 32500, 40001, 40002, 60001, self.home.named or 1})
        wanted = [(viewer, str(wan), port) for viewer in VIEWERS_4[:2] for wan in WAN for port in outer]
        wanted += [(viewer, HOST_6, port) for viewer in VIEWERS_6 for port in PORTS]
        found = self.world.probe(wanted, self.wait)
        gets = [
            (one, said.split(" "))
            for one, said in zip(wanted, found, strict=True)
            if said.startswith("reached lan")
        ]
        return frozenset((viewer, port, int(words[3])) for (viewer, _, port), words in gets)

    def _ask(self, role: Role, reads: Sequence[Read]) -> tuple[Reply, ...]:
        console = CONSOLES["posix"]
        out, errors, _ = self._run(role, console.frame(reads, NONCE))
        return console.split(reads, NONCE, out, errors, whole=True)

    def _run(self, role: Role, text: str) -> tuple[str, str, int]:
        (ran,) = self.world.agents[NODES[role]].run([(("sh", "-c", f"exec </dev/null; {text}"), "")])
        return ran.output, ran.errors, ran.status


def judged(here: World, made: Home, wait: float = WAIT) -> Judged:
    """Make the home, plan, carry out, and look who gets in. What looks new is tried once more, with patience."""
    one = Judged(made)
    _, problem = here.load([(("sh", "-e"), router_script(made)), (("lan/sh", "-e"), host_script(made))])
    if problem:
        one.ended = f"broken: {problem}"
        return one
    drivers = Drivers(
        ProfiledDriver(compile_profile(load_profile("linux", Path()))), ServerDriver(), PlexDriver()
    )
    carry_out(Real(made, here, drivers, wait), one)
    return judged(here, made, WAIT_AGAIN) if one.violations and wait == WAIT else one


def run(numbers: Iterable[int]) -> Figures:
    """Judge many homes."""
    figures = Figures()
    with world("lan") as here:
        for number in numbers:
            figures.add(judged(here, real_home(number)))
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; 1 where anything new reaches a host."""
    import argparse

    reading = argparse.ArgumentParser(prog="python -m tests.guards.real", description=__doc__)
    reading.add_argument("--number", type=int, help="show one home whole")
    reading.add_argument("--numbers", type=int, nargs=2, metavar=("FIRST", "END"), default=(0, 20))
    told = reading.parse_args(arguments)
    if told.number is not None:
        made = real_home(told.number)
        with world("lan") as here:
            one = judged(here, made)
        print(router_script(made), host_script(made), one, sep="\n")  # noqa: T201
        return int(bool(one.violations))
    figures = run(range(*told.numbers))
    print(*figures.violated, figures, sep="\n\n")  # noqa: T201
    return int(bool(figures.violated))


if __name__ == "__main__":
    raise SystemExit(main())

"""Rules that the owner keeps in a file which nftables.service, netfilter-persistent or iptables.service loads.

They are read from the kernel like everybody's. The file is the owner's text, templated, included or saved with what other
programs put there, and a rule in the kernel alone is gone after a restart. So it is written only where nftables.conf
includes a folder (`nft_files`); else, and for iptables, which restores one file whole, the steps are said.
The same holds for systems with pages of their own (a NAS, a hypervisor), whose steps are the engine's to say.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

from msgspec import Struct

from plexops.drivers.base import Unrenderable
from plexops.drivers.server.firewall import FirewallState, Host, Reading, facts_of, wanted_rule
from plexops.drivers.server.nft_files import (
    FOLDER,
    NFT_READS,
    NftFiles,
    is_place,
    place_of,
    rule_for,
    understand_files,
    writes,
)
from plexops.model.change import Change
from plexops.model.exchange import Command, Read, Reply, Write
from plexops.model.packets import Box, Chain, Verdict
from plexops.model.site import HostFirewall
from plexops.model.snapshot import KindState, Snapshot
from plexops.pattern import Pattern

#: What loads such a file when the host starts. Debian's netfilter-persistent is called iptables.service as well.
_SERVICES: Mapping[str, HostFirewall] = {
    "nftables.service": HostFirewall.NFTABLES,
    "netfilter-persistent.service": HostFirewall.IPTABLES,
    "iptables.service": HostFirewall.IPTABLES,
}
_ASK = Read(
    "firewall.services",
    Command(f"systemctl show -p Id -p ActiveState {' '.join(_SERVICES)}"),
    absent=frozenset({1, 127}),
)
_ACTIVE = Pattern(r"ActiveState=(\S+)")
_ID = Pattern(r"Id=(\S+)")
_STOPS = (Verdict.DROP, Verdict.REJECT)
_NAME = Pattern(r"[A-Za-z_][A-Za-z0-9_./-]*")


def ask_services() -> Generator[Sequence[Read], Sequence[Reply], Mapping[HostFirewall, bool] | None]:
    """Ask which of them load a file there; None where that is not told."""
    (reply,) = yield (_ASK,)
    if not reply.whole or reply.status != 0:
        return None
    found: dict[HostFirewall, bool] = {}
    for block in reply.body.split("\n\n"):
        name, active = _ID.search(block), _ACTIVE.search(block)
        word = None if name is None else _SERVICES.get(name[1])
        if word is None or active is None:
            return None
        found[word] = found.get(word, False) or active[1] == "active"
    return found


class OwnRules(Struct, frozen=True):
    """Rules of the owner's own, of nftables or of iptables."""

    word: HostFirewall
    reads: tuple[Read, ...] = ()

    @property
    def look(self) -> str:
        """What a person asks the host to see its rules."""
        return "nft list ruleset" if self.word is HostFirewall.NFTABLES else "iptables-save"

    def observe(self, host: Host) -> Reading:
        """Ask whether its service is on, and for rules of ours; those of the owner are in the box."""
        services = yield from ask_services()
        return (yield from self.told(host, services))

    def is_on(self, services: Mapping[HostFirewall, bool] | None) -> bool:
        """Tell whether its file is loaded at a start, as far as that is known."""
        return services is not None and services.get(self.word, False)

    def told(self, host: Host, services: Mapping[HostFirewall, bool] | None) -> Reading:
        """Give what is known by the services: where a rule would stand, and whether one of ours would be kept there."""
        on = None if services is None else services.get(self.word)
        facts = facts_of("server.firewall.services", kind=str(self.word))
        if on is not None:
            facts |= facts_of("server.firewall.services", active=on)
        places = {
            family: [chain.id for chain in _dropping(self.word, host.box, family)][:1] for family in (4, 6)
        }
        files = NftFiles()
        if on and self.word is HostFirewall.NFTABLES:
            replies = yield NFT_READS
            files = understand_files(replies, host.box)
            if files.has_place and all(map(is_place, places[4])):
                facts |= facts_of("server.nftables.includes", folder=FOLDER)
        why = "" if on is not None else f"whether {self.word} loads a file at a start is not known"
        unclear = files.why or files.unapplied
        return FirewallState(
            KindState.UNKNOWN if unclear else KindState.PRESENT,
            facts,
            files.entries,
            unclear or why,
            {"firewall_rule": tuple(places[4]), "firewall_rule over IPv6": tuple(places[6])},
            bool(files.unapplied),
        )

    def writes(self, change: Change, now: Snapshot) -> tuple[Write, ...]:
        """Write our rule where there is a place for it; else say the steps. Raises Unrenderable."""
        wanted = wanted_rule(change)
        port = wanted.port
        chains = now.box.inserts.get("firewall_rule", ()) if now.box is not None else ()
        chain = chains[0] if chains and all(map(_NAME.fullmatch, chains[0].split(" "))) else ""
        if now.text("firewall.folder") is not None and (place := chain or place_of(change)):
            return writes(change, wanted, place)
        if not chain:
            raise Unrenderable(
                f"your own rules of {self.word} are not changed: let tcp {port} in there by hand"
            )
        said = _nftables(chain, port) if self.word is HostFirewall.NFTABLES else _iptables(port)
        raise Unrenderable(
            f"your own rules of {self.word} are not changed: let the port in there by hand. {said}"
        )


class SystemRules(Struct, frozen=True):
    """What a system that is set in its own pages put into the kernel. It is read there, and nothing is written.

    `shown_by`: one of these is in the names of its chains. Without them what filters may stand before this machine.
    """

    word: HostFirewall
    shown_by: tuple[str, ...] = ()
    reads: tuple[Read, ...] = ()
    look: str = "iptables-save"

    def observe(self, host: Host) -> Reading:
        """Ask nothing more: the rules are in the box."""
        yield from ()
        why = ""
        if all(host.replies[name].status == 127 for name in ("nft", "iptables")):
            why = "neither nft nor iptables-save is there to show what the kernel holds"
        elif self.shown_by and not any(part in name for name in host.box.chains for part in self.shown_by):
            why = "no chain of its firewall is in this machine's kernel: it is off, or it filters before this machine"
        return FirewallState(
            KindState.UNKNOWN if why else KindState.PRESENT,
            facts_of("inventory", kind=str(self.word)),
            reason=why or f"the switch of {self.word}'s firewall is not read",
        )

    def writes(self, change: Change, now: Snapshot) -> tuple[Write, ...]:
        """Write nothing. Raises Unrenderable."""
        raise Unrenderable(f"plexops writes no rule on {self.word}: it is set in its own pages")


def _nftables(chain: str, port: int) -> str:
    rule = rule_for(chain, port)
    return (
        f"At once: sudo nft insert rule {chain} {rule}. For every start: the line “{rule}” in the file that "
        f"nftables.service loads (/etc/nftables.conf, or /etc/sysconfig/nftables.conf), in the chain “{chain}”, before the "
        "first drop or reject; then sudo nft -c -f FILE says whether the file is right"
    )


def _iptables(port: int) -> str:
    rule = f"INPUT -p tcp -m tcp --dport {port} -j ACCEPT"
    return (
        f"At once: sudo iptables -I {rule}. For every start: the line “-A {rule}” in /etc/iptables/rules.v4 (or "
        "/etc/sysconfig/iptables), before the first DROP or REJECT of INPUT; then sudo iptables-restore --test FILE says "
        "whether the file is right"
    )


def _dropping(word: HostFirewall, box: Box, family: int) -> list[Chain]:
    """Give the chain for incoming packets of a family that stops any; none where there are several."""
    found = [
        chain
        for chain in box.chains.values()
        if chain.hook is not None
        and (chain.hook.stage, chain.hook.nat) == ("input", False)
        and family in chain.hook.families
        and chain.id.endswith(" filter INPUT") is (word is HostFirewall.IPTABLES)
        and (
            chain.hook.policy in _STOPS
            or any(effect in _STOPS for rule in chain.rules for effect in rule.effects)
        )
    ]
    return found if len(found) == 1 else []

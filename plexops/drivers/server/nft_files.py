"""A rule of ours in the owner's ruleset of nftables: one file in a folder that /etc/nftables.conf includes.

An accept in a table of our own would undo no drop of the owner's: the rule goes into the owner's chain, on top. The file
declares that chain before it inserts there: should the owner rename theirs, a start still loads all the rest, and a chain
without a hook does nothing. It is tried in the kernel first, and kept only where the whole of nftables.conf still passes
with it. Seen with nftables 1.0.6.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from plexops.drivers.answers import ROOT, failed
from plexops.drivers.server.firewall import TAG, owner_of
from plexops.model.change import Change
from plexops.model.exchange import Command, Read, Reply, Write
from plexops.model.matches import PortIn, Side
from plexops.model.packets import Box, Chain, Rule
from plexops.model.resources.firewall_rule import FirewallRule
from plexops.model.snapshot import Entry, Kind
from plexops.pattern import Pattern

FOLDER = "/etc/nftables.d"
NFT_READS = tuple(
    Read(f"nftables.{name}", Command(ask), absent=frozenset({1, 2, 4}))
    for name, ask in (
        ("includes", "grep -hs '^include' /etc/nftables.conf"),
        ("enabled", "systemctl is-enabled nftables.service"),
        ("folder", f"test -d {FOLDER}"),
        ("kept", f"grep -Hs '' {FOLDER}/plexops-host_*.nft"),
    )
)
_INCLUDE = Pattern(rf'include\s+"{FOLDER}/\*(?:\.nft)?"\s*;?\s*')
_KEPT = Pattern(
    rf"{FOLDER}/plexops-host_([a-z0-9_]+)\.nft:insert rule (\S+ \S+ \S+) .*tcp dport ([0-9]+) accept .*"
)
_NAME = Pattern(r"[A-Za-z_][A-Za-z0-9_./-]*")


class NftFiles(Struct, frozen=True):
    """What was found of our rules: in force, kept, and whether a new one has a place; `why` where that is not known."""

    entries: tuple[Entry, ...] = ()
    has_place: bool = False
    why: str = ""
    unapplied: str = ""


def understand_files(replies: Sequence[Reply], box: Box) -> NftFiles:
    """Compare what is in force with what is kept."""
    includes, enabled, folder, kept = replies
    for reply, read in zip(replies, NFT_READS, strict=True):
        if not reply.whole or (reply.status != 0 and reply.status not in read.absent):
            return NftFiles(why=failed(reply, ROOT))
    entries = tuple(_entries(box))
    in_force = {
        (e.owner.key, e.raw["chain"], str(e.values.port))
        for e in entries
        if isinstance(e.values, FirewallRule)
    }
    files = {match.groups() for match in map(_KEPT.fullmatch, kept.body.split("\n")) if match is not None}
    unapplied = ""
    if in_force != files:
        which = "not kept" if in_force - files else "not in force"
        names = sorted({str(key) for key, *_ in in_force ^ files})
        unapplied = (
            f"our rule {names[0]} is {which}: make both say the same, the kernel and the file in {FOLDER}"
        )
    loaded = any(_INCLUDE.fullmatch(line) for line in includes.body.split("\n"))
    has_place = loaded and enabled.body.strip() == "enabled" and folder.status == 0
    return NftFiles(entries, has_place, unapplied=unapplied)


def _entries(box: Box) -> list[Entry]:
    found: list[Entry] = []
    for chain in box.chains.values():
        if chain.hook is None or (chain.hook.stage, chain.hook.nat) != ("input", False):
            continue
        for rule in chain.rules:
            if owner_of(rule.name).ours and (port := _port(rule)) is not None:
                found.append(_entry(chain, rule, port, len(found)))
    return found


def _entry(chain: Chain, rule: Rule, port: int, position: int) -> Entry:
    raw = {"chain": chain.id, "rule": rule.words}
    return Entry(
        Kind.FIREWALL_RULE,
        FirewallRule(port),
        raw,
        owner_of(rule.name),
        rule.handle,
        rule.exhibit,
        position,
        rule.name,
    )


def _port(rule: Rule) -> int | None:
    for match in rule.matches:
        if isinstance(match.test, PortIn) and match.test.side is Side.DESTINATION and not match.negated:
            numbers = match.test.numbers
            return numbers[0][0] if len(numbers) == 1 and numbers[0][0] == numbers[0][1] else None
    return None


def is_place(chain: str) -> bool:
    """Tell whether a chain may be named in a command: its family, its table, its own name."""
    words = chain.split(" ")
    return len(words) == 3 and words[0] in ("inet", "ip") and all(map(_NAME.fullmatch, words))


def rule_for(chain: str, port: int) -> str:
    """Give the rule that lets TCP to one port in over IPv4."""
    family = "meta nfproto ipv4 " if chain.startswith("inet ") else ""
    return f"{family}tcp dport {port} accept"


def put(key: str, chain: str, port: int) -> Write:
    """Try the rule, keep it, and hold the whole of nftables.conf against it; what fails leaves nothing behind."""
    family, table, name = chain.split(" ")
    lines = (f"table {family} {table} {{", f"chain {name} {{", "}", "}",
        f'insert rule {chain} {rule_for(chain, port)} comment "{TAG}{key}"')  # fmt: skip
    text = " ".join(f"'{line}'" for line in lines)
    return Write(
        Command(
            f"f={_file(key)}; n={FOLDER}/.plexops; umask 022; printf '%s\\n' {text} > $n && nft -c -f $n && nft -f $n && "
            f"mv $n $f && nft -c -f /etc/nftables.conf && sync || {{ rm -f $n $f; {_gone(key, chain)}; false; }}"
        )
    )


def take_out(key: str, chain: str) -> Write:
    """Take the file away, then the rule: the other way round a start in between would bring it back."""
    return Write(Command(f"rm -f {_file(key)} && {_gone(key, chain)}"))


def _file(key: str) -> str:
    return f"{FOLDER}/plexops-host_{key}.nft"


def _gone(key: str, chain: str) -> str:
    return (
        f"nft -a list chain {chain} | grep -F ' comment \"{TAG}{key}\" # handle ' | "
        f'while read -r rule; do nft delete rule {chain} handle "${{rule##* }}" || exit 1; done'
    )


def place_of(change: Change) -> str:
    """Give the chain in which our rule was seen; empty where it was not."""
    before = {} if change.before is None else change.before.raw
    chain = str(before.get("chain") or change.raw.get("chain") or "")
    return chain if is_place(chain) else ""


def writes(change: Change, wanted: FirewallRule, chain: str) -> tuple[Write, ...]:
    """Render a change of our rule; one that stands elsewhere than in `chain` is taken out there."""
    there = place_of(change) or chain
    if change.want is None:
        return (take_out(change.key, there),)
    gone = (take_out(change.key, there),) if change.before is not None else ()
    return (*gone, put(change.key, chain, wanted.port))

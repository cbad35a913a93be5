"""What a device acts by, where that is not what it has saved; what it does not serve at all, as its service is down or not
for the home network; and where a deleted entry is made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from types import MappingProxyType

from plexops.drivers.answers import Answer
from plexops.drivers.router.compile import CompiledResource
from plexops.model.change import Action, Change
from plexops.model.exchange import Json
from plexops.model.packets import Box
from plexops.model.profile import Serving
from plexops.model.resources import KINDS, Passage
from plexops.model.snapshot import Entry, Fact, Kind, KindState, Snapshot
from plexops.pattern import Pattern
from plexops.structs import replace

_ADDRESS = Pattern(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])")


def with_what_acts(
    seen: Snapshot,
    resources: Mapping[Kind, Sequence[CompiledResource]],
    answers: Mapping[str, Answer],
    box: Box | None,
) -> Snapshot:
    """Add what of each kind is not in force. What the device does not tell is unknown, never as saved."""
    for kind, backends in resources.items():
        spec = backends[0].spec
        if spec.in_force is None and any(one.store is not None and one.store.applied() for one in backends):
            seen = replace(seen, saved_only=seen.saved_only | {kind})
        elif spec.in_force is not None and seen.state(kind) is KindState.PRESENT:
            seen = _compared(seen, kind, spec.in_force.read, answers, box)
    return seen


def _compared(
    seen: Snapshot, kind: Kind, read: str, answers: Mapping[str, Answer], box: Box | None
) -> Snapshot:
    answer, exhibit = answers[read], f"{seen.role}.{read}"
    problem = answer.problem or (f"the device has no {read}" if answer.absent else "")
    found: tuple[str, ...] = ()
    if not problem:
        # Of one family: the others do not load it.
        from plexops.drivers.rulesets.pf_loaded import not_in_force

        rows, interfaces = (_rows(answers[name]) for name in ("forwards", "interfaces"))
        try:
            found = not_in_force(rows, interfaces, answer.value, box.internet_side if box else "")
        except ValueError as reason:
            problem = str(reason)
    if problem:
        why = f"what is in force is not known: {problem}"
        return _unknown(seen, kind, why, {**seen.reasons, "pending": why})
    facts = {**seen.facts, "pending": Fact("pending", "\n".join(found), exhibit)}
    seen = replace(seen, facts=MappingProxyType(facts))
    if not found:
        return seen
    return replace(_unknown(seen, kind, found[0], seen.reasons), unapplied=seen.unapplied | {kind})


def _unknown(seen: Snapshot, kind: Kind, why: str, reasons: Mapping[str, str]) -> Snapshot:
    """Leave the kind unknown, and with it what translates destinations there."""
    box = seen.box
    if box is not None:
        chains = {
            name: replace(chain, unread=why) if chain.hook is not None and chain.hook.nat else chain
            for name, chain in box.chains.items()
        }
        box = replace(box, chains=MappingProxyType(chains))
    kinds = MappingProxyType({**seen.kinds, kind: KindState.UNKNOWN})
    return replace(seen, kinds=kinds, reasons=MappingProxyType({**reasons, kind: why}), box=box)


def _rows(answer: Answer) -> Sequence[Mapping[str, Json]]:
    rows = answer.value.get("rows") if isinstance(answer.value, Mapping) else None
    return rows if isinstance(rows, list) else ()


def is_only_applied(
    resource: CompiledResource, change: Change, now: Snapshot, found: Sequence[Entry]
) -> bool:
    """Tell whether it is saved as wanted already, and only has to take effect: a script died before its last request."""
    if (
        change.kind not in now.unapplied | now.saved_only
        or resource.store is None
        or not resource.store.applied()
    ):
        return False
    if change.action is Action.DELETE:
        return not found
    made = len(found) == 1 and found[0].values is not None
    return (
        change.action is Action.CREATE
        and made
        and not KINDS[change.kind].differs(change.want, found[0].values)
    )


def following(change: Change, now: Snapshot) -> Entry | None:
    """Give the entry before which a deleted one stood that is made again; None where it is new, or was the last."""
    if change.action is not Action.CREATE or change.at is None:
        return None
    return next((entry for entry in now.of(change.kind) if entry.position >= change.at), None)


def placed(box: Box, entry: Entry) -> Entry:
    """Say of a passage which rule of its chain follows it, by its handle; empty where it is the last.

    One that is not in its chain there is not understood: its place is not known.
    """
    if not isinstance(entry.values, Passage):
        return entry
    chain = box.chains.get(entry.values.chain)
    handles = [] if chain is None else [rule.handle for rule in chain.rules]
    if entry.handle not in handles:
        return replace(entry, values=None)
    at = handles.index(entry.handle) + 1
    before = handles[at] if at < len(handles) else ""
    return replace(entry, values=replace(entry.values, before=before))


def not_serving(serving: Serving, snapshot: Snapshot) -> str:
    """Say why entries that stand there do not act, or why that is not known; empty where they do."""
    said = snapshot.text(serving.fact)
    if said is None:
        why = snapshot.reasons.get(serving.fact, "the router did not say it")
        return f"whether the router serves the home network is not known: {why}"
    if said != "yes":
        return said
    if not serving.ranges:
        return ""
    ranges, lan = snapshot.text(serving.ranges), snapshot.text("lan.network")
    if ranges is None or lan is None:
        missing = "lan.network" if lan is None else serving.ranges
        return f"for which network it serves is not known: {snapshot.reasons.get(missing, missing)}"
    if any(_within(word, IPv4Network(lan)) for word in _ADDRESS.findall(ranges)):
        return ""
    return f"it gives no address of the home network, {lan}"


def _within(word: str, network: IPv4Network) -> bool:
    try:
        return IPv4Address(word) in network
    except AddressValueError:
        return False

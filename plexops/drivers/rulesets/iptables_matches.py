"""What a line of `iptables-save` asks of a packet. Sources: iptables-extensions(8), the kernel's `net/netfilter/xt_*.c`.

Modelled is what `_MODULES` and the options' tables name. All else is `Other` on that rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from plexops.drivers.rulesets.iptables_lines import Line, Section
from plexops.drivers.rulesets.iptables_options import (
    CONNTRACK,
    HEAD,
    NEVER,
    OPTIONS,
    of_option,
    state,
    unknown,
)
from plexops.model.packets import (
    AddressIs,
    AddressKind,
    AnyOf,
    ConnectionsWithin,
    Family,
    Match,
    Other,
    RateWithin,
    ReversePathHolds,
    SetHas,
    Side,
    State,
    StateIs,
    Test,
    TimeIs,
)

#: Gives what a module asks whose options depend on each other. Raises ValueError or LookupError as options do.
_OfModule = Callable[[Section], Sequence[Match]]
_PER_MINUTE: Mapping[str, float] = MappingProxyType({"s": 60, "m": 1, "h": 1 / 60, "d": 1 / 1440})
_RATE = re.compile(r"([0-9]+)(?:/(s|sec|second|m|min|minute|h|hour|d|day))?")
#: The options of some modules, without their beginning.
_HASH_LIMIT = (
    "burst", "mode", "name", "srcmask", "dstmask",
    "htable-size", "htable-max", "htable-gcinterval", "htable-expire",
)  # fmt: skip
_POLICY = ("dir", "pol", "strict", "reqid", "spi", "proto", "mode", "tunnel-src", "tunnel-dst", "next")
_TIME = (
    "timestart", "timestop", "datestart", "datestop", "weekdays", "monthdays", "kerneltz", "contiguous", "utc",
)  # fmt: skip
_NO_CONNECTION = StateIs(frozenset({State.INVALID, State.UNTRACKED}))


def read_matches(line: Line, family: Family) -> tuple[Match, ...]:
    """Give all that a line asks, the protocol first and what is not modelled last."""
    found: list[Match] = []
    for option in sorted(line.head, key=lambda option: option.name != "-p"):
        found += of_option(HEAD[option.name], option, Section("", (), family, ""))
    for module in line.modules:
        found += _of_module(module)
    if line.odd:
        found.append(unknown(line.odd))
    return tuple(sorted(found, key=lambda match: isinstance(match.test, Other)))


def comment_of(line: Line) -> str:
    """Give what the rule's owner wrote on it."""
    return "; ".join(o.value for m in line.modules if m.name == "comment" for o in m.options if o.values)


def _of_module(module: Section) -> Sequence[Match]:
    if (whole := _MODULES.get(module.name)) is not None:
        try:
            return whole(module)
        except (ValueError, LookupError):
            return [unknown(module.words)]
    known = OPTIONS.get(module.name)
    if known is None:
        return [unknown(module.words)]
    return [match for option in module.options for match in of_option(known.get(option.name), option, module)]


# --- A whole module -----------------------------------------------------------------------------------------------


def _conntrack(module: Section) -> Sequence[Match]:
    """Read conntrack. Source: xt_conntrack.c: without a connection a state that holds is enough, else nothing holds."""
    states = [match for o in module.options if o.name == "--ctstate" for match in of_option(state, o, module)]
    others = [o for o in module.options if o.name != "--ctstate"]
    rest = [match for o in others for match in of_option(CONNTRACK.get(o.name), o, module)]
    if not rest:
        return states
    if not states:
        return [Match(_NO_CONNECTION, negated=True, words=module.words), *rest]
    either = AnyOf(((Match(_NO_CONNECTION, words=module.words),), tuple(rest)))
    return [*states, Match(either, words=module.words)]


def _addrtype(module: Section) -> Sequence[Match]:
    found = module.only(negatable=("--src-type", "--dst-type"))
    return [
        Match(_kinds(side, option.value.split(","), module.family), option.negated, option.words)
        for name, side in (("--src-type", Side.SOURCE), ("--dst-type", Side.DESTINATION))
        if (option := found.get(name)) is not None
    ]


def _kinds(side: Side, names: Sequence[str], family: Family) -> Test:
    """Read kinds of addresses. Source: xt_addrtype.c: in IPv6 a local address is unicast too, and all kinds must hold."""
    known = {kind.name: kind for kind in AddressKind}
    unread = ",".join(name for name in names if name not in known)
    kinds = {known[name] for name in names if name in known}
    if family == 6 and AddressKind.UNICAST in kinds:
        both = {AddressKind.UNICAST, AddressKind.LOCAL}
        kinds = both if len(names) == 1 else both & kinds - {AddressKind.UNICAST}
    elif family == 6 and len(names) > 1:
        kinds = set()
    return AddressIs(side, frozenset(kinds), unread)


def _in_set(module: Section) -> Sequence[Match]:
    """Read a set. Of several directions a set of addresses looks at the first."""
    # That counters are not updated changes nothing here; a limit on them would.
    counters = ("--update-counters", "--update-subcounters")
    option = module.only(negatable=("--match-set", *counters))["--match-set"]
    name, directions = option.values
    side = {"src": Side.SOURCE, "dst": Side.DESTINATION}[directions.split(",")[0]]
    return [Match(SetHas(side, name), option.negated, option.words)]


def _limit(module: Section) -> Sequence[Match]:
    found = module.only("--limit", "--limit-burst")
    burst = found.get("--limit-burst")
    rate = found["--limit"].value if "--limit" in found else "3/hour"
    test = RateWithin(_per_minute(rate), int(burst.value) if burst else 5, over=False, words=module.words)
    return [Match(test, words=module.words)]


def _per_minute(text: str) -> float:
    rate = _RATE.fullmatch(text)
    if rate is None:
        raise ValueError("a rate that counts no packets")
    return int(rate[1]) * _PER_MINUTE[(rate[2] or "s")[0]]


def _hash_limit(module: Section) -> Sequence[Match]:
    rates = ("--hashlimit-upto", "--hashlimit-above", "--hashlimit")
    found = module.only(*(f"--hashlimit-{name}" for name in _HASH_LIMIT), negatable=rates)
    (option,) = (found[name] for name in rates if name in found)
    burst = found.get("--hashlimit-burst")
    over = (option.name == "--hashlimit-above") is not option.negated
    test = RateWithin(_per_minute(option.value), int(burst.value) if burst else 5, over, module.words)
    return [Match(test, words=module.words)]


def _connection_limit(module: Section) -> Sequence[Match]:
    numbers = ("--connlimit-upto", "--connlimit-above")
    found = module.only("--connlimit-mask", "--connlimit-saddr", "--connlimit-daddr", negatable=numbers)
    (option,) = (found[name] for name in numbers if name in found)
    over = (option.name == "--connlimit-above") is not option.negated
    return [Match(ConnectionsWithin(int(option.value), over, module.words), words=module.words)]


def _policy(module: Section) -> Sequence[Match]:
    """Read whether IPsec carried the packet: a viewer's was not."""
    kinds = [option.value for option in module.options if option.name == "--pol"]
    if not {option.name for option in module.options} <= {f"--{name}" for name in _POLICY}:
        raise ValueError("an option that is not known")
    if kinds == ["none"]:
        return []
    if set(kinds) != {"ipsec"}:
        raise ValueError("a policy that is not known")
    return [Match(NEVER, words=module.words)]


def _recent(module: Section) -> Sequence[Match]:
    """Adding the sender to a list always holds; what asks the list is not modelled."""
    option = module.only("--name", "--mask", "--rsource", "--rdest", negatable=("--set",))["--set"]
    return [Match(NEVER, words=module.words)] if option.negated else []


def _reverse_path(module: Section) -> Sequence[Match]:
    """Read rpfilter. `--loose` holds wherever the strict test does; what else it lets in is not known."""
    found = module.only("--loose", "--validmark", "--accept-local", "--invert")
    strict = Match(ReversePathHolds(), words=module.words)
    test = AnyOf(((strict,), (unknown(module.words),))) if "--loose" in found else strict.test
    return [Match(test, negated="--invert" in found, words=module.words)]


def _time(module: Section) -> Sequence[Match]:
    found = module.only(*(f"--{name}" for name in _TIME))
    return [Match(TimeIs(module.words), words=module.words)] if found else []


def _no_header(module: Section) -> Sequence[Match]:
    """A viewer's packet has no such header, and without it these hold neither way (ip6t_rt.c and its likes)."""
    return [Match(NEVER, words=module.words)]


_MODULES: Mapping[str, _OfModule] = MappingProxyType(
    {
        "conntrack": _conntrack,
        "addrtype": _addrtype,
        "set": _in_set,
        "limit": _limit,
        "hashlimit": _hash_limit,
        "connlimit": _connection_limit,
        "policy": _policy,
        "recent": _recent,
        "rpfilter": _reverse_path,
        "time": _time,
        **dict.fromkeys(("rt", "frag", "hbh", "dst", "mh"), _no_header),
    }
)

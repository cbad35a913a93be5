"""Small boxes made by hand, and what is asked of them: a router with a WAN and a LAN, and Plex behind it."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any, get_args

from plexops.model.intervals import ALL_V4, ALL_V6, Numbers, network, subtract
from plexops.model.matches import (
    AddressIn,
    FlagsAre,
    InterfaceIs,
    MarkIs,
    Match,
    Other,
    PortIn,
    ProtocolIs,
    Side,
    State,
    StateIs,
    Test,
    TranslatedIs,
)
from plexops.model.packets import (
    Box,
    Chain,
    Effect,
    Hook,
    Jump,
    LocalAddress,
    Route,
    Rule,
    TranslateDestination,
    Verdict,
)
from plexops.packets.chains import EndKind
from plexops.packets.reach import PUBLIC_V4, Answer, AnswerKind, Asked, Target, that_count, who_reaches
from plexops.structs import replace

SOURCE, DESTINATION = Side.SOURCE, Side.DESTINATION
ACCEPT, DROP, REJECT, RETURN = Verdict.ACCEPT, Verdict.DROP, Verdict.REJECT, Verdict.RETURN
EVERYBODY, NOBODY, SOME, UNKNOWN = (
    AnswerKind.EVERYBODY,
    AnswerKind.NOBODY,
    AnswerKind.SOME,
    AnswerKind.UNKNOWN,
)
WAN, LAN, PLEX, MAC = "203.0.113.20", "192.168.1.1", "192.168.1.50", "02:00:00:00:01:01"
FRIENDS = "198.51.100.0/24"


def n(text: str) -> Numbers:
    """Read addresses."""
    return network(text)[1]


def number(text: str) -> int:
    """Read one address."""
    return int(ip_address(text))


def ports(first: int, last: int | None = None) -> Numbers:
    """Give one port, or a range."""
    return ((first, last if last is not None else first),)


def m(test: Test, words: str = "") -> Match:
    """Make a match."""
    return Match(test, words=words or str(test))


def no(match: Match) -> Match:
    """Negate a match."""
    return replace(match, negated=not match.negated)


TCP = m(ProtocolIs(frozenset({"tcp"})), "tcp")
#: The connection's first packet only; its answers only; what follows the answer only.
SYN, ANSWER, ACK = (m(FlagsAre(18, bits), f"flags {bits}") for bits in (2, 18, 16))
TRANSLATED = m(TranslatedIs(DESTINATION), "ct status dnat")


def dport(first: int, last: int | None = None) -> Match:
    """Match the destination port."""
    return m(PortIn(DESTINATION, ports(first, last)), f"dport {first}")


def sport(first: int, last: int | None = None) -> Match:
    """Match the source port."""
    return m(PortIn(SOURCE, ports(first, last)), f"sport {first}")


def source(text: str) -> Match:
    """Match the source address."""
    return m(AddressIn(SOURCE, 6 if ":" in text else 4, n(text)), f"from {text}")


def destination(text: str) -> Match:
    """Match the destination address."""
    return m(AddressIn(DESTINATION, 6 if ":" in text else 4, n(text)), f"to {text}")


def arrives(*names: str) -> Match:
    """Match the interface of arrival."""
    return m(InterfaceIs(SOURCE, names), f"in {' '.join(names)}")


def leaves(*names: str) -> Match:
    """Match the interface by which a packet leaves."""
    return m(InterfaceIs(DESTINATION, names), f"out {' '.join(names)}")


def state(*names: State) -> Match:
    """Match connection tracking's state."""
    return m(StateIs(frozenset(names)), f"state {' '.join(names)}")


def marked(value: int, connection: bool = False) -> Match:
    """Match the packet's mark, or its connection's."""
    return m(MarkIs(value, connection=connection), f"mark {value}")


def other(words: str = "moon is full") -> Match:
    """Match what is not modelled."""
    return m(Other(words), words)


def dnat(to: str = PLEX, first: int | None = 32400, last: int | None = None) -> TranslateDestination:
    """Translate to an address, and to a port or a range."""
    return TranslateDestination(n(to), None if first is None else ports(first, last))


def rule(*parts: Match | Effect, words: str = "", **more: Any) -> Rule:
    """Make a rule of its matches and effects."""
    matches = tuple(part for part in parts if isinstance(part, Match))
    effects = tuple(part for part in parts if not isinstance(part, Match))
    assert all(isinstance(effect, get_args(Effect)) for effect in effects)
    said = words or " ".join([*(match.words for match in matches), *map(str, effects)])
    return Rule(matches, effects, said, **more)


def base(stage: str, *rules: Rule, priority: int = 0, name: str = "", **hook: Any) -> Chain:
    """Make a base chain; `nat` stands at the place where netfilter has it."""
    if hook.get("nat") and not priority:
        priority = -100 if stage == "prerouting" else 100
    return Chain(name or f"{stage} {priority}", rules, Hook(stage, priority, **hook))


def sub(name: str, *rules: Rule) -> Chain:
    """Make a chain that others jump to."""
    return Chain(name, rules)


def jump(chain: str) -> Jump:
    """Jump."""
    return Jump(chain)


def goto(chain: str) -> Jump:
    """Go to a chain without coming back."""
    return Jump(chain, goto=True)


#: What most filters begin with.
ESTABLISHED = rule(state(State.ESTABLISHED), ACCEPT)
#: The usual forward.
FORWARD = rule(arrives("wan0"), TCP, dport(32500), dnat(), words="Plex")
DNAT = base("prerouting", FORWARD, nat=True, name="dstnat")


def router(*chains: Chain, **more: Any) -> Box:
    """Make a router; `more` are fields of the box."""
    fields: dict[str, Any] = {
        "plumbing": "netfilter",
        "addresses": (
            LocalAddress(4, number(WAN), "wan0"),
            LocalAddress(4, number(LAN), "lan0"),
            LocalAddress(6, number("2001:db8:a::1"), "lan0"),
        ),
        "routes": (
            Route(4, n("192.168.1.0/24"), 24, "lan0"),
            Route(6, n("2001:db8:a::/64"), 64, "lan0"),
            Route(4, ALL_V4, 0, "wan0", "203.0.113.1"),
            Route(6, ALL_V6, 0, "wan0", "fe80::1"),
        ),
        "internet_side": "wan0",
        "gateway_mac": MAC,
        **more,
    }
    ids = [chain.id for chain in chains]
    assert len(set(ids)) == len(ids)
    return Box(chains=MappingProxyType({chain.id: chain for chain in chains}), **fields)


def server(*chains: Chain, **more: Any) -> Box:
    """Make the Plex host."""
    fields: dict[str, Any] = {
        "addresses": (LocalAddress(4, number(PLEX), "eth0"),),
        "routes": (Route(4, n("192.168.1.0/24"), 24, "eth0"), Route(4, ALL_V4, 0, "eth0", LAN)),
        "internet_side": "eth0",
        "gateway_mac": None,
        **more,
    }
    return router(*chains, **fields)


def asked(first: int = 32500, last: int | None = None, *, at: str = WAN, by: str = "") -> Asked:
    """Ask for a connection to the router's address and a port; `by` some senders only."""
    return Asked(6 if ":" in at else 4, n(at), ports(first, last), n(by) if by else None)


def plex(at: str = PLEX, first: int = 32400, last: int | None = None) -> Target:
    """Give where it shall end."""
    return Target.at(n(at), ports(first, last))


def forwarded(
    *chains: Chain, port: int = 32500, by: str = "", to: Target | None = None, **more: Any
) -> Answer:
    """Ask a router who gets through it to Plex."""
    return who_reaches([router(*chains, **more)], asked(port, by=by), to or plex())


def delivered(*chains: Chain, port: int = 32400, by: str = "", **more: Any) -> Answer:
    """Ask a router who gets to a service of its own."""
    return who_reaches([router(*chains, **more)], asked(port, by=by), plex(WAN, port))


def kinds(answer: Answer) -> set[EndKind]:
    """Give how those end who do not get there; a few of a viewer's ports do not count."""
    return {end.kind for end in that_count(answer.missed)}


def stopped_by(answer: Answer) -> set[str]:
    """Give the words of what ends them."""
    return {end.step.words for end in that_count(answer.missed)}


def questions(answer: Answer) -> Sequence[str]:
    """Give the questions in words."""
    return [str(question) for question in answer.questions]


def all_but(text: str) -> Numbers:
    """Give every public sender but some."""
    return subtract(PUBLIC_V4, n(text))

"""What a rule of nftables does beside matching, and how nft 1.0.6 prints it.

Texts and JSON are those of the real nft and of rules that iptables-nft 1.8.9 made: tests run both side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

from plexops.lab.routers.nft_language import Match, Selector, Value


class Counter(Struct):
    """Counts the packets that came this far in a rule."""

    packets: int = 0
    octets: int = 0

    def text(self, *, stateless: bool) -> str:
        """Give it as nft prints it."""
        return "counter" if stateless else f"counter packets {self.packets} bytes {self.octets}"

    def json(self) -> dict[str, Any]:
        """Give it as `nft -j` does."""
        return {"counter": {"packets": self.packets, "bytes": self.octets}}


VerdictName = Literal["accept", "drop", "return", "continue", "jump", "goto"]


class Verdict(Struct, frozen=True):
    """What becomes of a packet that came this far."""

    name: VerdictName
    target: str = ""

    def text(self, *, stateless: bool) -> str:
        """Give it as nft prints it."""
        return f"{self.name} {self.target}".rstrip()

    def json(self) -> dict[str, Any]:
        """Give it as `nft -j` does."""
        return {self.name: {"target": self.target} if self.target else None}


class Reject(Struct, frozen=True):
    """Refuses a packet so that its sender hears of it."""

    words: str
    type: str
    reason: str = ""

    def text(self, *, stateless: bool) -> str:
        """Give it as nft prints it."""
        return f"reject with {self.words}" if self.words else "reject"

    def json(self) -> dict[str, Any]:
        """Give it as `nft -j` does."""
        return {"reject": {"type": self.type, "expr": self.reason} if self.reason else {"type": self.type}}


class Translate(Struct, frozen=True):
    """dnat, snat, masquerade and redirect. `family` is written in inet tables only; an address may be a range."""

    name: Literal["dnat", "snat", "masquerade", "redirect"]
    family: str = ""
    address: str = ""
    ports: tuple[int, int] | None = None

    def text(self, *, stateless: bool) -> str:
        """Give it as nft prints it."""
        ports = "" if self.ports is None else f":{self._ports()}"
        if not self.address:
            return f"{self.name} to {ports}" if ports else self.name
        address = f"[{self.address}]" if ports and ":" in self.address else self.address
        return f"{self.name} {f'{self.family} ' if self.family else ''}to {address}{ports}"

    def _ports(self) -> str:
        assert self.ports is not None  # noqa: S101 (only asked where there are some)
        first, last = self.ports
        return str(first) if first == last else f"{first}-{last}"

    def json(self) -> dict[str, Any]:
        """Give it as `nft -j` does."""
        inner: dict[str, Any] = {}
        if self.family:
            inner["family"] = self.family
        if self.address:
            first, dash, last = self.address.partition("-")
            inner["addr"] = {"range": [first, last]} if dash else self.address
        if self.ports is not None:
            low, high = self.ports
            inner["port"] = low if low == high else {"range": [low, high]}
        return {self.name: inner or None}


class Log(Struct, frozen=True):
    """Writes a line into the kernel's log."""

    prefix: str = ""

    def text(self, *, stateless: bool) -> str:
        """Give it as nft prints it."""
        return f'log prefix "{self.prefix}"' if self.prefix else "log"

    def json(self) -> dict[str, Any]:
        """Give it as `nft -j` does."""
        return {"log": {"prefix": self.prefix} if self.prefix else None}


class Limit(Struct, frozen=True):
    """Matches while packets come at most (`over`: at least) this often."""

    rate: int
    per: str
    burst: int = 5
    over: bool = False

    def text(self, *, stateless: bool) -> str:
        """Give it as nft prints it."""
        burst = "" if self.burst == 5 else f" burst {self.burst} packets"
        return f"limit rate {'over ' if self.over else ''}{self.rate}/{self.per}{burst}"

    def json(self) -> dict[str, Any]:
        """Give it as `nft -j` does."""
        inverted = {"inv": True} if self.over else {}
        return {"limit": {"rate": self.rate, "burst": self.burst, "per": self.per, **inverted}}


class VerdictMap(Struct, frozen=True):
    """`ct state vmap { established : accept }`: a packet whose value is not in it goes on."""

    selector: Selector
    pairs: tuple[tuple[Value, Verdict], ...]

    def text(self, *, stateless: bool) -> str:
        """Give it as nft prints it."""
        pairs = ", ".join(
            f"{value.text} : {verdict.text(stateless=stateless)}" for value, verdict in self.pairs
        )
        return f"{self.selector.text} vmap {{ {pairs} }}"

    def json(self) -> dict[str, Any]:
        """Give it as `nft -j` does."""
        pairs = [[value.json, verdict.json()] for value, verdict in self.pairs]
        return {"vmap": {"key": dict(self.selector.json), "data": {"set": pairs}}}


class Fixed(Struct, frozen=True):
    """A statement that no first packet minds: its words and its JSON."""

    words: str
    content: Mapping[str, Any]

    def text(self, *, stateless: bool) -> str:
        """Give it as nft prints it."""
        return self.words

    def json(self) -> dict[str, Any]:
        """Give it as `nft -j` does."""
        return dict(self.content)


CLAMP_SIZE = Fixed(
    "tcp option maxseg size set rt mtu",
    {"mangle": {"key": {"tcp option": {"name": "maxseg", "field": "size"}}, "value": {"rt": {"key": "mtu"}}}},
)
NO_TRACKING = Fixed("notrack", {"notrack": None})


class Extension(Struct, frozen=True):
    """A match or target of iptables that nft cannot say: JSON has its name alone.

    `words` are what nft prints of it, `xt match NAME` where it knows nothing better; `match` and `final` what it does.
    """

    kind: Literal["match", "target"]
    name: str
    words: str
    match: Match | None = None
    final: Reject | Translate | None = None
    #: Whether it lets a first packet go on, where `match` does not tell.
    holds: bool = True

    def text(self, *, stateless: bool) -> str:
        """Give it as nft prints it."""
        return self.words

    def json(self) -> dict[str, Any]:
        """Give it as `nft -j` does."""
        return {"xt": {"type": self.kind, "name": self.name}}


Part = Match | Counter | Verdict | VerdictMap | Reject | Translate | Log | Limit | Fixed | Extension

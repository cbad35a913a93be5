"""One line of `iptables-save` in its parts. Source: iptables(8), iptables-extensions(8) and what version 1.8.9 writes."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import Struct

from plexops.model.matches import Family
from plexops.pattern import Pattern

#: iptables quotes with `"` only; a backslash in quotes takes the next character as it is.
_WORD = Pattern(r'(?:"((?:[^"\\]|\\.)*)"(?=\s|$)|([^\s"]+))\s*')
_ESCAPE = Pattern(r"\\(.)")
_OPTION = Pattern(r"-[a-zA-Z]|--[a-z][a-z0-9-]*")
#: Options that no module owns: they may stand anywhere on a line. Old spellings are those of people's scripts.
_HEAD = {
    **dict.fromkeys(("-s", "--source", "--src"), "-s"), **dict.fromkeys(("-d", "--destination", "--dst"), "-d"),
    **dict.fromkeys(("-i", "--in-interface"), "-i"), **dict.fromkeys(("-o", "--out-interface"), "-o"),
    **dict.fromkeys(("-p", "--protocol"), "-p"), **dict.fromkeys(("-f", "--fragment"), "-f"),
    **dict.fromkeys(("-c", "--set-counters"), "-c"),
}  # fmt: skip
#: What `-p tcp` lets follow without `-m tcp`.
_PORTS = frozenset({
    "--dport", "--destination-port", "--sport", "--source-port",
    "--tcp-flags", "--syn", "--icmp-type", "--icmpv6-type",
})  # fmt: skip
#: Free text: it is written without quotes even where it begins with `-`, so the next word is the value whatever it is.
_TEXT = frozenset({
    "--comment", "--log-prefix", "--nflog-prefix", "--ulog-prefix", "--string", "--hex-string", "--name",
    "--hashlimit-name", "--nfacct-name",
})  # fmt: skip
_NUMBERS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6", "ipv6-icmp": "icmpv6", "icmp6": "icmpv6"}


class Option(Struct, frozen=True):
    """`! --dport 32400`: an option, its values, and whether it is negated."""

    name: str
    values: tuple[str, ...] = ()
    negated: bool = False

    @property
    def value(self) -> str:
        """The only value. Raises ValueError where there is another number of them."""
        if len(self.values) != 1:
            raise ValueError(f"{self.words!r} should have one value")
        return self.values[0]

    @property
    def words(self) -> str:
        """The option as the device writes it."""
        return " ".join(("!", self.name, *self.values) if self.negated else (self.name, *self.values))


class Section(Struct, frozen=True):
    """`-m NAME` or `-j NAME` with the options behind it, in a rule of one family that asks for one protocol.

    `protocol` is empty where the rule takes every protocol, or every one but one.
    """

    name: str
    options: tuple[Option, ...]
    family: Family
    protocol: str

    @property
    def words(self) -> str:
        """The section as the device writes it."""
        name = ("-m", self.name) if self.name else ()
        return " ".join([*name, *(option.words for option in self.options)])

    def only(self, *names: str, negatable: Collection[str] = ()) -> Mapping[str, Option]:
        """Give the options by name. Raises ValueError where another one, or one twice, or a wrong `!` stands there."""
        found = {option.name: option for option in self.options}
        if len(found) != len(self.options) or not found.keys() <= {*names, *negatable}:
            raise ValueError(f"{self.words!r} has an option that is not known")
        if any(option.negated and option.name not in negatable for option in self.options):
            raise ValueError(f"{self.words!r} cannot be negated")
        return found


class Line(Struct, frozen=True):
    """A rule: what no module owns (the protocol first), its modules, its target (None: only counted).

    `goto`: `-g` instead of `-j`. `odd` are words that belong to nothing.
    """

    head: Section
    modules: tuple[Section, ...]
    target: Section | None
    goto: bool
    odd: str


def protocol_name(text: str) -> str:
    """Give one name for what may be a number or have two names."""
    return _NUMBERS.get(text.lower(), text.lower())


def split_line(text: str, family: Family) -> Line:
    """Read what stands behind `-A CHAIN`. Raises ValueError where quotes are not closed."""
    head: list[Option] = []
    sections: list[tuple[str, str, list[Option]]] = [("m", "", [])]
    options, odd = _options(_words(text))
    for option in options:
        if option.name in ("-m", "--match", "-j", "--jump", "-g", "--goto"):
            sections.append((option.name.lstrip("-")[0], option.value, []))
            odd += "! " if option.negated else ""
        elif option.name in _HEAD and not (option.name == "-f" and option.values):
            head.append(Option(_HEAD[option.name], option.values, option.negated))
        else:
            owner = sections[0] if option.name in _PORTS else sections[-1]
            owner[2].append(option)
    head.sort(key=lambda option: option.name != "-p")
    wanted = {protocol_name(o.values[0]) for o in head if o.name == "-p" and o.values and not o.negated}
    protocol = wanted.pop() if len(wanted) == 1 else ""
    made = [(kind, Section(name, tuple(found), family, protocol)) for kind, name, found in sections]
    modules = tuple(section for kind, section in made if kind == "m" and (section.name or section.options))
    targets = [(kind, section) for kind, section in made if kind != "m"]
    if len(targets) > 1:
        raise ValueError("a rule has one target")
    kind, target = targets[0] if targets else ("", None)
    return Line(Section("", tuple(head), family, protocol), modules, target, kind == "g", odd.strip())


def _words(text: str) -> list[tuple[str, bool]]:
    """Give the words, and of each whether it was quoted. Raises ValueError for a quote that is not closed."""
    found: list[tuple[str, bool]] = []
    text, at = text.lstrip(), 0
    while at < len(text):
        word = _WORD.match(text, at)
        if word is None:
            raise ValueError("a quote is not closed")
        quoted = word[1] is not None
        found.append((_ESCAPE.sub(r"\1", word[1]) if quoted else word[2], quoted))
        at = word.end()
    return found


def _options(words: list[tuple[str, bool]]) -> tuple[list[Option], str]:
    """Part words into options. `!` stands before its option, in old texts behind it (`-s ! 10.0.0.0/8`)."""
    options: list[Option] = []
    odd: list[str] = []
    negated = False
    for (word, quoted), following in zip(words, [*words[1:], ("", True)], strict=False):
        last = options[-1] if options else None
        if last is not None and last.name in _TEXT and not last.values:
            options[-1] = Option(last.name, (word,), last.negated)
        elif word == "!" and not quoted:
            if _is_option(*following) or last is None or last.values:
                negated = True
            else:
                options[-1] = Option(last.name, (), negated=True)
        elif _is_option(word, quoted):
            options.append(Option(word, (), negated))
            negated = False
        elif last is None or negated:
            odd.append(word)
        else:
            options[-1] = Option(last.name, (*last.values, word), last.negated)
    return options, " ".join([*odd, "!"] if negated else odd)


def _is_option(word: str, quoted: bool) -> bool:
    return not quoted and _OPTION.fullmatch(word) is not None

"""How devices write `name = value`, so that a value can be found by its name.

One builder serves secrets (password, token, psk …) and identifiers that only their name gives away (ssid, serial).
Every expression is bounded, so that a hostile text costs time in proportion to its length.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache

from msgspec import Struct

from plexops.pattern import Pattern

#: No letter stands before, behind. A set of letters of which the case is ignored takes longest to compile.
_BEFORE, _BEHIND = r"(?<!(?-i:[A-Za-z]))", r"(?!(?-i:[A-Za-z]))"
#: Names whose values are secret, in the words of UCI, nvram, RouterOS, VyOS, OPNsense, UniFi, TR-064 and Plex.
CONFIDENTIAL_NAMES = (
    rf"(?:pass(?:w(?:or)?d|phrase|code)|passwd|pwd|{_BEFORE}pass{_BEHIND}|secret|psk{_BEHIND}|wpa\d?_?key"
    r"|pre-?shared[-_]?(?:key|secret)|private[-_]?key|(?:api|auth(?:entication)?|enc(?:ryption)?|mgmt|radius|wep|"
    r"session|sae|wl[\d.]*)[-_]?key|token|credential|cookie|authorization|sysauth|ubus_rpc_session|phpsessid|csrf"
    rf"|{_BEFORE}wps[-_]?(?:device[-_]?)?pin|phrase_x|acc_list|pptpd_clientlist|vpn_serverx?_clientlist"
    rf"|ipsec_client_list|{_BEFORE}(?:snmp[-_]?)?community{_BEHIND}|{_BEFORE}challenge{_BEHIND}"
    r"|(?<![a-z-])response(?==))"
)
#: Stands for a name that was found: one character for each spelling, from a range that no device uses.
_FIRST, _LAST = 0xF0000, 0xFFFFD
_FOUND = f"{chr(_FIRST)}-{chr(_LAST)}"
_NAME = f"[{_FOUND}]"
_FOREIGN = Pattern(_NAME)
#: What words are made of, within a set: letters, digits, and further names, each of which is one character.
_WORD = rf"\w{_FOUND}"
_END = rf"[{_WORD}-]{{0,40}}"
_QUOTE = r"(?P<open>\\+[\"']|[\"'`]|&quot;|&#34;|&#x22;)"
#: Up to the same quote, or to the end of the line where the text was cut. UCI writes a quote inside as '\''.
_QUOTED = r"(?P<value>(?:'\\''(?=[^\n]{0,4000}')|(?!(?P=open))(?:\\[^\n]|[^\n\\])|\\$)*)"
_REFERENCE_MAP = r"\{\s{0,9}(?:ask|env|file|from|secret)\s{0,9}:[^{}\n]{0,200}\}"
_REFERENCE_HERE = _REFERENCE_MAP.replace("secret", f"secret|{_NAME}")
_BARE = rf"(?P<value>{_REFERENCE_HERE}|\[[^\]\n]{{0,4000}}\]?|\{{\{{[^}}\n]{{0,200}}\}}\}}|(?!\\+[\"'])[^\s&\"'<>`]+)"
_EITHER = rf"(?:{_QUOTE}{_QUOTED}|(?P<bare>[^\s\"']+))"
#: The rest of a line that begins with the name: an unquoted value there may hold spaces and signs.
_REST = r"(?P<value>[^\s\"'`{\[\\][^\n]*|\{(?!\{)[^\n]*|\\[^\"'\n][^\n]*)$"
#: The sign between name and value; in a URL it may be written as %3D.
_SIGN = r"(?:=>?|:=?|%3d|%3a)"
_CLOSE = r"(?:\[\])?(?:\\*[\"']|&quot;)?"
#: A line's beginning as people and diffs write it.
_MARGIN = r"^(?P<lead>[ \t]{0,200}(?:[-+~<>*#$] )?"
_WORDS = rf"(?:[A-Za-z0-9{_FOUND}]{{1,20}} ){{0,2}}"


_SHAPE = bytes.maketrans(b"0123456789abcdefABCDEF", b"0" * 22)


#: Addresses of every kind are shorter.
_NEAR = 96


class Seen(Struct, frozen=True):
    """What a text holds, looked at once for all expressions. What is masked on the way brings nothing new."""

    folded: str
    #: Each digit, also a hexadecimal one, is written as 0.
    shape: bytes

    @classmethod
    def of(cls, text: str) -> Seen:
        """Look at a text."""
        return cls(text.casefold(), text.encode("utf-8", "surrogatepass").translate(_SHAPE))


class Context(Struct, frozen=True):
    """One way of writing a value beside its name, or of a value that its shape gives away.

    Groups of the expression beside a name: `lead`, `open` (a quote), `value` or `bare`.
    """

    source: str
    #: One of these is in every text in which the expression finds anything: to look for them is quickest.
    signs: tuple[str, ...] = ()
    #: And one of these is in its shape.
    shapes: tuple[bytes, ...] = ()

    def may_find(self, seen: Seen) -> bool:
        """Tell whether a text holds what the expression cannot do without."""
        for sign in self.signs:
            if sign in seen.folded:
                break
        else:
            if self.signs:
                return False
        return not self.shapes or any(shape in seen.shape for shape in self.shapes)

    @property
    def pattern(self) -> re.Pattern[str]:
        """The expression, compiled at its first use."""
        return _compiled(self.source)

    def replaced(self, text: str, seen: Seen, by: str | Callable[[re.Match[str]], str]) -> str:
        """Give the text with everything that the expression finds replaced."""
        return self.pattern.sub(by, text) if self.may_find(seen) else text

    def near(self, text: str, seen: Seen, by: Callable[[re.Match[str]], str]) -> str:
        """As `replaced`, of an expression with shapes whose finds are short: it is tried around those shapes alone."""
        if not self.may_find(seen):
            return text
        shape = text.encode("ascii", "replace").translate(_SHAPE)  # as long as the text
        parts, done = list[str](), 0
        for begin, end in _around(shape, self.shapes):
            for match in self.pattern.finditer(text, begin, end):
                parts += text[done : match.start()], by(match)
                done = match.end()
        return "".join((*parts, text[done:])) if done else text


#: Names of secrets. What to look for first: where a text has a letter with which none of them begins, none is tried.
ANY_CONFIDENTIAL = Context(
    rf"(?=[aceimprstuvw]){CONFIDENTIAL_NAMES}",
    (
        "pass", "pwd", "secret", "psk", "wpa", "shared", "private", "api", "auth", "enc", "mgmt", "radius", "wep",
        "session", "sae", "wl", "token", "credential", "cookie", "phpsessid", "csrf", "wps", "phrase_x", "acc_list",
        "clientlist", "client_list", "community", "challenge", "response",
    ),
)  # fmt: skip
#: Names of a wireless network.
SSID_NAMES = Context(
    r"(?:(?<![a-z])(?<!hide[-_])(?<!hidden[-_])(?<!broadcast_)(?:new|e|wl[\d.]*_)?ssid(?!\w))", ("ssid",)
)
#: Names of a serial number.
SERIAL_NAMES = Context(
    r"(?:serial(?:[-_ ]?(?:number|num|no))?(?![a-z])|software[- ]id(?![a-z]))", ("serial", "software")
)
#: Names of a person's account, or of what a person called the server.
PERSON_NAMES = Context(
    r"(?:ppp(?:oe)?[-_.]?user(?:name)?(?![a-z])|newusername|wan\d?[._]username|plexonlineusername|plexonlinemail"
    r"|myplexusername|friendlyname)",
    ("user", "plexonlinemail", "friendlyname"),
)
#: Names of what tells one server from all others.
IDENTITY_NAMES = Context(
    r"(?:certificateuuid|machineidentifier|clientidentifier|anonymousmachineidentifier)",
    ("certificateuuid", "identifier"),
)


def _around(shape: bytes, shapes: Iterable[bytes]) -> list[tuple[int, int]]:
    """Give the stretches of a text around some shapes, those that meet as one."""
    places: list[int] = []
    for one in shapes:
        at = shape.find(one)
        while at >= 0:
            places.append(at)
            at = shape.find(one, at + 1)
    found: list[tuple[int, int]] = []
    for place in sorted(places):
        begin = max(0, place - _NEAR)
        if found and begin <= found[-1][1]:
            begin = found.pop()[0]
        found.append((begin, place + _NEAR))
    return found


#: The ways of writing a value beside a name. Each of them holds the name, so that none finds anything where there is none.
_BESIDE_A_NAME = (
    Context(
        rf"(?P<lead><(?:\w{{1,20}}:)?[{_WORD}.-]{{0,60}}?{_NAME}[{_WORD}.-]{{0,60}}(?:\s[^<>]{{0,200}})?(?<!/)>)"
        r"(?P<value>[^<]+)",
        ("<",),
    ),
    # {"id": "PlexOnlineToken", "label": …, "value": "…"}
    Context(
        rf"(?P<lead>\b(?:id|name|key)[\"']?\s{{0,9}}[:=]\s{{0,9}}[\"'][{_WORD}-]{{0,40}}?{_NAME}{_END}[\"']"
        rf"[^{{}}<>]{{0,2000}}?[\s,\"']value[\"']?\s{{0,9}}[:=]\s{{0,9}}){_QUOTE}{_QUOTED}",
        ("value",),
    ),
    Context(
        rf"(?P<lead>{_NAME}{_END}{_CLOSE}\s{{0,9}}{_SIGN}\s{{0,40}}){_QUOTE}{_QUOTED}",
        ('"', "'", "`", "&quot;", "&#34;", "&#x22;"),
    ),
    Context(
        rf"{_MARGIN}{_WORDS}[{_WORD}.@\[\]-]{{0,80}}?{_NAME}{_END}[ \t]{{0,40}}[:=][ \t]{{0,40}}){_REST}",
        ("=", ":"),
    ),
    Context(
        rf"(?P<lead>{_NAME}{_END}{_CLOSE}[ \t]{{0,9}}{_SIGN}[ \t]{{0,40}}){_BARE}", ("=", ":", "%3d", "%3a")
    ),
    # set … plaintext-password 'value'; option password 'value'
    Context(
        rf"{_MARGIN}(?:set|delete|add|option|list)[ \t][^\n]{{0,300}}?{_NAME}{_END}[ \t]{{1,40}}){_EITHER}",
        ("set", "delete", "add", "option", "list"),
    ),
    # a line in a block of braces: `    encrypted-password value`
    Context(
        rf"^(?P<lead>[ \t]{{1,200}}[{_WORD}-]{{0,40}}?{_NAME}{_END}[ \t]{{1,40}}){_EITHER}(?=[\"']?[ \t]{{0,40}}$)",
        (" ", "\t"),
    ),
    Context(rf"(?P<lead>(?<!\S)--?[{_WORD}-]{{0,30}}?{_NAME}{_END}[ \t]{{1,40}}){_EITHER}", ("-",)),
    Context(
        rf"(?P<lead>{_NAME}{_END}[ \t]{{1,40}}REG_[A-Z_]{{2,20}}[ \t]{{1,40}})(?P<value>[^\n]+)", ("reg_",)
    ),
)


@cache
def _compiled(source: str, flags: re.RegexFlag = re.IGNORECASE | re.MULTILINE) -> re.Pattern[str]:
    return re.compile(source, flags)


def _small(text: str) -> str:
    """Give a text in small letters, character by character: to search those is quicker than to ignore case."""
    small = text.lower()
    return (
        small if len(small) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
    )


@cache
def nameless_keys() -> tuple[Context, ...]:
    """Give the expressions for secrets with everyday names: UCI's wireless `key`, RouterOS' SNMP community `name`."""
    value = r"(?P<open>['\"]?)(?P<value>[^\n]*?)(?=(?P=open)[ \t\r]*$)"
    leads = (
        (r"(?P<lead>wireless\.[^\s=]{1,80}\.key\d?=)", "wireless."),
        (r"^(?P<lead>[ \t]{0,80}option key\d?[ \t]{1,40})", "option key"),
    )
    community = r"(?P<lead>snmp[ /]community[^\n]{0,200}?\bname=)(?P<open>\"?)(?P<value>[^\s\"]+)"
    return (*(Context(lead + value, (sign,)) for lead, sign in leads), Context(community, ("community",)))


#: What a person reads in plans and inventories is no secret: a reference to one, or nothing at all.
_REFERENCE = Pattern(
    r"\[removed\]|\[?\{?|\{\}|\[\]|\*{3,}|null|none"
    rf"|{_REFERENCE_MAP}[ \t]*(?:#.*)?"
    r"|secret\([\w.:/ -]*\)|\{\{[^{}]*\}\}",
    re.IGNORECASE,
)
_TRAILING = Pattern(r"[,;)}\]]+$")
#: The id of a run of ours, right before a value: three of its letters may spell `pwd` by chance.
_AFTER_RUN_ID = Pattern(r"(?<![0-9a-z])[0-7][0-9a-hjkmnp-tv-z]{25}: ?$")


def replace_beside(text: str, seen: Seen, names: Context, give: Callable[[str], str]) -> str:
    """Put `give(value)` in the place of each value that stands beside one of the names.

    Each name that is found is one character while values are looked for, so that the expressions for them are the same
    for all names.
    """
    if not names.may_find(seen):
        return text
    places = [match.span() for match in _compiled(names.source, re.MULTILINE).finditer(_small(text))]
    if not places:
        return text
    text = _FOREIGN.sub("\ufffd", text)
    spellings: dict[str, str] = {}
    parts: list[str] = []
    done = 0
    for begin, end in places:
        sign = chr(min(_FIRST + len(spellings), _LAST))
        parts += text[done:begin], spellings.setdefault(text[begin:end], sign)
        done = end
    written = {sign: name for name, sign in spellings.items()}

    def restored(held: str) -> str:
        return _FOREIGN.sub(lambda match: written[match[0]], held)

    held = "".join((*parts, text[done:]))
    return restored(replace_values(held, seen, _BESIDE_A_NAME, give, restored))


def _as_is(text: str) -> str:
    return text


def replace_values(
    text: str,
    seen: Seen,
    found_by: Iterable[Context],
    give: Callable[[str], str],
    written: Callable[[str], str] = _as_is,
) -> str:
    """Put `give(value)` in the place of each value that the contexts find, leaving quotes and punctuation.

    `written` gives a value as the device wrote it.
    """
    for context in found_by:
        if context.may_find(seen):
            text = "".join(_replaced(text, context.pattern, give, written))
    return text


def _replaced(
    text: str, pattern: re.Pattern[str], give: Callable[[str], str], written: Callable[[str], str]
) -> Iterator[str]:
    done = search = 0
    while match := pattern.search(text, search):
        group = "value" if match.groupdict().get("value") is not None else "bare"
        begin = match.start(group)
        if _AFTER_RUN_ID.search(written(text[max(0, begin - 40) : begin])):
            search = begin  # what it stands before may hold a name and a value of its own
            continue
        yield text[done : match.start()]
        yield _with_value(match, match[group], give, written)
        done = match.end()
        search = max(done, match.start() + 1)
    yield text[done:]


def _with_value(
    match: re.Match[str], value: str, give: Callable[[str], str], written: Callable[[str], str]
) -> str:
    groups = match.groupdict()
    if _REFERENCE.fullmatch(written(value).strip()):
        return str(match[0])
    quote = groups.get("open") or ""
    tail = "" if quote or value.startswith("[") else "".join(_TRAILING.findall(value))
    return f"{groups['lead']}{quote}{give(written(value[: len(value) - len(tail)]))}{tail}"

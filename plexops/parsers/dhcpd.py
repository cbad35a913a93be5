"""ISC dhcpd's configuration and its lease file, which are of one grammar (dhcpd.conf(5), dhcpd.leases(5))."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from plexops.parsers.base import ParseError, Row, files_of, one_or_many
from plexops.pattern import Pattern

#: White space and comments, a text, what ends a statement or holds a block, a bare word.
_TOKEN = Pattern(
    r'(?:\s|#[^\n]*)+|"(?P<text>(?:[^"\\]|\\.)*)"|(?P<mark>[;{}])|(?P<word>[^\s"#;{}]+)', re.DOTALL
)
_MAIN = "/dhcpd.conf"
#: The statements whose second word is part of their name.
_OF_TWO_WORDS = frozenset({"hardware", "option", "binding", "set"})
#: The blocks of which there is one of a name: in the lease file the last counts.
_NAMED = frozenset({"host", "lease"})


def parse_dhcpd(text: str) -> list[Row]:
    """Read dhcpd.conf as `grep -Hr` prints it with what it includes, or one file alone.

    Rows, one for what stands in no braces, and one for each block: `.block` (`host`, `subnet`, `lease`, …), `.called` (the
    words behind that), `.within` (the block around it), and its statements by their names (`hardware ethernet`,
    `fixed-address`, `option routers`), each with the rest of its words; several of one name are a list. Without a file of
    that name there are no rows.

    Raises ParseError for braces that do not match, and where a file is included that is not among them.
    """
    files = files_of(text)
    main = next((path for path in files if not path or path.endswith(_MAIN)), None)
    rows: dict[str, dict[str, list[str]]] = {}
    opened = [rows.setdefault("", {".block": [""], ".called": [""], ".within": [""]})]
    words: list[str] = []
    for kind, word in () if main is None else _tokens(files, main, ()):
        if kind != "mark":
            words.append(word)
            continue
        if word == "{":
            block, called = "".join(words[:1]).lower(), " ".join(words[1:])
            name = f"{block} {called}" if block in _NAMED else f"#{len(rows)}"
            around = " ".join(filter(None, (opened[-1][".block"][0], opened[-1][".called"][0])))
            opened.append({".block": [block], ".called": [called], ".within": [around]})
            rows[name] = opened[-1]
        elif word == ";" and words:
            many = 2 if words[0].lower() in _OF_TWO_WORDS and len(words) > 2 else 1
            name, said = " ".join(words[:many]).lower(), " ".join(words[many:])
            if name == "hardware ethernet":
                said = ":".join(part.zfill(2) for part in said.split(":"))
            opened[-1].setdefault(name, []).append(said)
        elif word == "}" and (words or len(opened) == 1):
            raise ParseError("a brace closes what is not open, or not ended", " ".join(words))
        elif word == "}":
            opened.pop()
        words = []
    if words or len(opened) > 1:
        raise ParseError("a block or a statement is not closed", " ".join(words))
    return (
        []
        if main is None
        else [{key: one_or_many(said) for key, said in row.items()} for row in rows.values()]
    )


def _tokens(files: Mapping[str, str], path: str, around: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Give what a file is made of, and in place of `include "FILE";` what that one is made of."""
    if path not in files or path in around:
        raise ParseError("it includes a file that was not read", path)
    text, at = files[path], 0
    statement: list[tuple[str, str]] = []
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise ParseError("a quote is not closed", text[at:])
        at = token.end()
        if token.lastgroup is None:
            continue
        statement.append((token.lastgroup, token[token.lastgroup]))
        if token.lastgroup == "mark":
            included = [word for _, word in statement]
            if len(included) == 3 and included[0].lower() == "include" and included[2] == ";":
                yield from _tokens(files, included[1], (*around, path))
            else:
                yield from statement
            statement = []
    yield from statement

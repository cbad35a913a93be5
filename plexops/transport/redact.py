"""Values that nobody needs to see are dropped where they arrive: Plex's account answer carries the owner's token.

plex.tv's list of an account's servers carries a token for each of them, also for other people's: of such an answer only
what was asked for is kept.
"""

from __future__ import annotations

import json
import re
from typing import Any

from plexops.model.exchange import Only, Read, Reply
from plexops.pattern import Pattern
from plexops.structs import replace


def hidden(read: Read, reply: Reply) -> Reply:
    """Give the reply with the values of all attributes that the read hides emptied, as XML and as JSON write them.

    `x_*` hides all whose names begin so.
    A value whose end was cut off is emptied to the end of the text. Where the read says what alone it wants, that is
    all that is left of the body; nothing is left of one that was cut off or is no list.
    """
    if read.only is not None:
        return replace(reply, body=_kept(read.only, reply.body) if reply.whole else "", stderr="")
    if not read.hides:
        return reply
    names = "|".join(re.escape(name).replace(r"\*", r"[\w.-]*") for name in read.hides)
    attribute = re.compile(rf"""(?<![\w:.-])((?:{names})\s*=\s*)(?:"[^"]*(?:"|\Z)|'[^']*(?:'|\Z))""")
    member = re.compile(
        rf"""("(?:{names})"\s*:\s*)(?:"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[^\s",\[\]{{}}]+)""", re.DOTALL
    )

    def emptied(text: str) -> str:
        return member.sub(r'\1""', attribute.sub(r'\1""', text))

    return replace(reply, body=emptied(reply.body), stderr=emptied(reply.stderr))


#: What stands behind such a word of a configuration is a secret, leads to one, or is none that anybody needs to see.
_SECRET = Pattern(
    r"(?i)(?:^|[-_+>])(?:pass(?:word|wd|phrase|code)?|secrets?|keys?|psk|pins?|communit(?:y|ies)|tokens?|credentials?"
    r"|authentication|auth|md5|certificates?|environment|arguments|otp|engineid)(?:$|[-_\d])"
)
#: A secret by its form, wherever it stands: a hash of crypt(3), a key in base64 or in hexadecimal, a login in a URL.
_FORM = Pattern(
    r"\$[0-9A-Za-z]{1,9}\$\S|(?<![A-Za-z0-9+/=])(?=[A-Za-z+/]*[0-9])[A-Za-z0-9+/=]{32,}(?![A-Za-z0-9+/=])|://[^/\s@]*@"
)
_WORD = Pattern(r"'[^']*'?|\"[^\"]*\"?|[^\s'\"]+")
MASK = "'…'"


def masked(text: str) -> str:
    """Give a router's configuration without what its secrets are: of each line, all behind a word that announces one.

    `set system login user ubnt authentication '…'`. The words before it, and the number of lines, stay.
    """
    return "\n".join(map(_masked_line, text.split("\n")))


def _masked_line(line: str) -> str:
    for word in _WORD.finditer(line):
        if word[0][0] not in "'\"" and _SECRET.search(word[0]) and line[word.end() :].strip():
            return f"{line[: word.end()]} {MASK}"
        if _FORM.search(word[0]):
            return f"{line[: word.start()]}{MASK}"
    return line


def _kept(only: Only, body: str) -> str:
    try:
        rows = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    # Of a list with rows that cannot be told from the one that is wanted it is not known what it lacks.
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and isinstance(row.get(only.member), str) for row in rows
    ):
        return ""
    found = [row for row in rows if row[only.member] == only.value]
    return json.dumps([_named(row, only.names) for row in found], indent=1)


def _named(value: Any, names: frozenset[str]) -> Any:
    """Give a value of JSON whose objects have these members alone."""
    if isinstance(value, dict):
        return {name: _named(inner, names) for name, inner in value.items() if name in names}
    if isinstance(value, list):
        return [_named(inner, names) for inner in value]
    return value

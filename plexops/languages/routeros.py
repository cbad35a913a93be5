"""The console language of MikroTik RouterOS 6 and 7.

In strings a backslash escapes `"`, `\\`, `$` and `?` (which asks for help on a terminal), `_` is a space, `n r t a b f v`
are control characters, and two capital hexadecimal digits are one byte (MikroTik's scripting manual, "Constant
Escape Sequences").

A syntax error anywhere in an exec stops all of it before anything runs. So of many reads each is a string, parsed when
its turn comes: `:do {:local r [:parse "…"]; $r; :put "… end"} on-error={:put "… failed"}`. RouterOS has no exit status.
The status of a Reply is therefore ours: 0 when the read ran to its end, 1 when `on-error` was taken (the command does
not parse, the menu does not exist, the user lacks the policy). Errors that RouterOS only prints, with the script going
on, are status 0 with words in the body: a profile's `errors:` patterns are for those.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from plexops.languages.base import check_nonce, check_text, command_text, quoted_unless
from plexops.languages.frames import parts
from plexops.languages.routeros_reads import refuse_read
from plexops.model.exchange import Read, Reply
from plexops.model.fields import FieldType, Typed
from plexops.pattern import Pattern

_HARMLESS = Pattern(r"\*[0-9A-Fa-f]+|[A-Za-z0-9_.-]+")
_ESCAPED = Pattern(r'["\\$?]|[^\x20-\x7e]')
_ENDING = Pattern(r"(end|failed)\n")

_STRING = r'"(?:[^"\\$]|\\.|\$(?![\[(]))*'
#: A script in pieces: escapes, strings, comments, single characters. Of what is still open at its end, the group says what.
_PIECE = Pattern(
    rf"""\\.|(?P<escape>\\\Z)
      |{_STRING}"|(?P<unclear>{_STRING}\$[\[(])|(?P<string>{_STRING}\\?\Z)
      |^[^\S\n]*\#[^\n]*\n|(?P<comment>^[^\S\n]*\#[^\n]*\Z)
      |.""",
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)
_OPEN: Mapping[str, str] = MappingProxyType(
    {
        "escape": "after a backslash",
        "unclear": "after a string with $[…] or $(…), which can't be followed safely",
        "string": "inside double quotes",
        "comment": "in a comment",
    }
)


def quote_text(text: str) -> str:
    """Write a text without control characters as a string; what is not ASCII becomes its UTF-8 bytes in `\\XX`."""

    def escape(match: re.Match[str]) -> str:
        character = match[0]
        if character.isascii():
            return "\\" + character
        return "".join(f"\\{byte:02X}" for byte in character.encode())

    return '"' + _ESCAPED.sub(escape, text) + '"'


class RouterOS:
    """Double-quoted strings with backslash escapes."""

    def quote(self, value: Typed) -> str:
        """Write numbers, addresses and words bare, ids such as `*1A` bare, text as a string."""
        return quoted_unless(_HARMLESS, value, quote_text)

    def refuse_text_at(self, before: str, after: str, kind: FieldType = FieldType.TEXT) -> str | None:
        """Refuse text inside strings, comments and words; a handle may have to be quoted and needs the same room."""
        del kind
        opened = next((piece.lastgroup for piece in _PIECE.finditer(before) if piece.lastgroup), None)
        if opened is not None:
            return _OPEN[opened]
        if before and not (before[-1].isspace() or before[-1] in "=(,"):
            return "inside a word: only white space, '=', '(' or ',' may stand before it"
        if after and not (after[0].isspace() or after[0] in ";])},"):
            return "inside a word: only white space or one of ; ] ) } , may stand after it"
        return None

    def refuse_read(self, text: str) -> str | None:
        """Tell why this is not one command that is known to only read."""
        return refuse_read(text)

    def frame(self, reads: Sequence[Read], nonce: str) -> str:
        """Write one line of script that runs all reads in order."""
        check_nonce(nonce)
        lines = []
        for index, read in enumerate(reads):
            source = quote_text(check_text(command_text(read)))
            lines.append(f':put "{nonce} {index} start"')
            lines.append(
                f':do {{:local r [:parse {source}]; $r; :put "{nonce} {index} end"}}'
                f' on-error={{:put "{nonce} {index} failed"}}'
            )
        return "; ".join([*lines, f':put "{nonce} closed"'])

    def split(
        self, reads: Sequence[Read], nonce: str, stdout: str, stderr: str, whole: bool
    ) -> tuple[Reply, ...]:
        """Give each read its own output; lines end in LF in the bodies, whatever the console wrote.

        RouterOS writes everything to one stream; what stands on the other came from the SSH server and is given to the
        reads that did not end.
        """
        text = stdout.replace("\r\n", "\n").replace("\r", "\n")
        found = parts(text, check_nonce(nonce), len(reads), "", _ENDING, trusted=whole)
        return tuple(
            Reply(read.id, 0 if part.ended == "end" else 1, part.text)
            if part.whole
            else Reply(read.id, None, part.text, stderr, whole=False)
            for read, part in zip(reads, found, strict=True)
        )

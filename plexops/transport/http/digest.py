"""HTTP Digest (RFC 7616): reads a device's challenge, and answers it with a proof of the password."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from urllib.parse import quote

from msgspec import Struct

from plexops.pattern import Pattern

#: The stronger first. Others, and their -sess forms, are not spoken.
_ALGORITHMS = ("SHA-256", "MD5")
_LONGEST = 8192
_SIGNS = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PART = Pattern(
    rf"[ ,\t]*(?:(?P<scheme>{_SIGNS})[ \t]+(?={_SIGNS}[ \t]*=))?"
    rf'(?P<name>{_SIGNS})[ \t]*=[ \t]*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>{_SIGNS}))'
)
_PLAIN = Pattern(r"[\x20-\x7e]{0,512}")


class Challenge(Struct, frozen=True):
    """What a device wants proven. `stale`: only its nonce is too old, the password was right."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    opaque: str | None = None
    stale: bool = False


def challenge_of(headers: Sequence[str]) -> Challenge:
    """Give the strongest challenge of an answer's WWW-Authenticate headers that is spoken here. Raises ValueError."""
    asked = [part for header in headers for part in _parts(header)]
    found: list[Challenge] = []
    for scheme, said in asked:
        algorithm = said.get("algorithm", "MD5").upper()
        qops = {qop.strip().lower() for qop in said.get("qop", "").split(",")}
        if scheme != "digest" or algorithm not in _ALGORITHMS or "auth" not in qops:
            continue
        if "nonce" in said and all(map(_PLAIN.fullmatch, said.values())):
            stale = said.get("stale", "").lower() == "true"
            found.append(
                Challenge(said.get("realm", ""), said["nonce"], algorithm, said.get("opaque"), stale)
            )
    if not found:
        kinds = {" ".join([scheme, said.get("algorithm", ""), said.get("qop", "")]) for scheme, said in asked}
        offered = (
            ", ".join(sorted(" ".join(kind.split())[:60] for kind in kinds)) or "none that is understood"
        )
        raise ValueError(f"spoken here is Digest by MD5 or SHA-256 with qop=auth; offered: {offered}")
    return min(found, key=lambda one: _ALGORITHMS.index(one.algorithm))


def authorization(
    challenge: Challenge, pair: tuple[str, str], request: tuple[str, str], count: int, own: str
) -> str:
    """Give the header that answers: `pair` is user name and password, `request` method and target.

    `count` is how often the nonce was used, this time included; `own` is a nonce of ours.
    """
    (name, password), (method, target) = pair, request

    def proof(*parts: str) -> str:
        sent = ":".join(parts).encode()
        if challenge.algorithm == "MD5":
            return hashlib.md5(sent, usedforsecurity=False).hexdigest()
        return hashlib.sha256(sent).hexdigest()

    used = f"{count:08x}"
    secret, asked = proof(name, challenge.realm, password), proof(method, target)
    answer = proof(secret, challenge.nonce, used, own, "auth", asked)
    user = f"username={_quoted(name)}" if name.isascii() else f"username*=UTF-8''{quote(name, safe='')}"
    parts = [
        *(user, f"realm={_quoted(challenge.realm)}", f"nonce={_quoted(challenge.nonce)}"),
        *(f"uri={_quoted(target)}", f"algorithm={challenge.algorithm}", "qop=auth", f"nc={used}"),
        *(f"cnonce={_quoted(own)}", f'response="{answer}"'),
    ]
    if challenge.opaque is not None:
        parts.append(f"opaque={_quoted(challenge.opaque)}")
    return "Digest " + ", ".join(parts)


def _parts(header: str) -> list[tuple[str, dict[str, str]]]:
    """Take a header apart: one after the other, each scheme with what it says."""
    found: list[tuple[str, dict[str, str]]] = []
    at, header = 0, header[:_LONGEST]
    while part := _PART.match(header, at):
        at = part.end()
        if part["scheme"]:
            found.append((part["scheme"].lower(), {}))
        if not found:
            break
        text = part["bare"] if part["quoted"] is None else _unquoted(part["quoted"])
        found[-1][1].setdefault(part["name"].lower(), text)
    return found


_ESCAPED = Pattern(r"\\(.)")


def _unquoted(text: str) -> str:
    return _ESCAPED.sub(r"\1", text)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

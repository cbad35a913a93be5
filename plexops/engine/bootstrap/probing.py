"""One attempt to reach Plex from this computer, which stands outside the home: no inventory, no login."""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime
from ipaddress import ip_address

from msgspec import Struct

from plexops.model.entries import Probe, ProbeAnswer
from plexops.model.values import Endpoint
from plexops.parsers.plex_identity import PlexIdentity, parse_identity
from plexops.transport.around.fetch import Outcome
from plexops.transport.around.identity import Visit, visit
from plexops.transport.net import is_private

_ANSWERS: dict[Outcome, ProbeAnswer] = {
    "refused": ProbeAnswer.REFUSED,
    "timed out": ProbeAnswer.TIMED_OUT,
    "unreachable": ProbeAnswer.UNKNOWN,
}


class Probed(Struct, frozen=True):
    """An attempt and what a person wants to know of it. `probe` is None where the name leads to no address."""

    probe: Probe | None
    detail: str
    milliseconds: int = 0


def probe_once(
    at: Endpoint, vantage: str, *, expected: str = "", inside: bool = False, seconds: float = 6.0
) -> Probed:
    """Try the port, and ask who answers. `expected`: the machineIdentifier that has to.

    A private address can only be tried from inside, so such an attempt is marked so.
    """
    made = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = visit(at, seconds=seconds)
    if not answer.address:
        return Probed(None, answer.detail)
    who = parse_identity(answer.text)
    word, detail = _judged(answer, who, expected)
    probe = Probe(
        vantage,
        ip_address(answer.address),
        at.port,
        word,
        who.identifier if who else "",
        inside or is_private(answer.address),
        made,
        name="" if at.address else at.host.lower(),
        status=answer.status if word is ProbeAnswer.WRONG_SERVER else 0,
    )
    return Probed(probe, detail, answer.milliseconds)


def _judged(answer: Visit, who: PlexIdentity | None, expected: str) -> tuple[ProbeAnswer, str]:
    if answer.outcome == "unreachable" and answer.detail.endswith(os.strerror(errno.EHOSTUNREACH)):
        return ProbeAnswer.UNREACHABLE, answer.detail
    if answer.outcome is not None:
        return _ANSWERS.get(answer.outcome, ProbeAnswer.UNKNOWN), answer.detail
    if who is None:
        return ProbeAnswer.WRONG_SERVER, f"something listens there that is no Plex server ({answer.detail})"
    shown = f"Plex {who.version}".rstrip()
    if expected and who.identifier != expected:
        return ProbeAnswer.WRONG_SERVER, f"{shown} answers, but it is another one: {who.identifier}"
    if answer.untrusted:
        return (
            ProbeAnswer.UNTRUSTED,
            f"{shown} answers over https, with a certificate that does not hold for the name",
        )
    return ProbeAnswer.OPEN, f"{shown} answers over {'https' if answer.secure else 'http'}: {who.identifier}"

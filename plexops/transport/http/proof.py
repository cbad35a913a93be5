"""How a password answers a challenge, so that it does not travel itself: by HMAC, and AVM's and Keenetic's ways."""

from __future__ import annotations

import hashlib
import hmac

from plexops.model.login import Proof
from plexops.pattern import Pattern

#: AVM's `2$ITERATIONS$SALT$ITERATIONS$SALT`. FRITZ!OS asks for 60000 and 6000; a million takes half a second.
_PBKDF2 = Pattern(r"2\$([0-9]{1,7})\$((?:[0-9A-Fa-f]{2}){1,64})\$([0-9]{1,7})\$((?:[0-9A-Fa-f]{2}){1,64})")
_MOST_ITERATIONS = 1_000_000


def prove(kind: Proof, challenge: str, password: str, whose: str = "") -> str:
    """Give the proof; `whose` is the user and the realm, `admin:Keenetic`, where that is a part of it.

    Raises ValueError for a challenge of another kind, or one that would take too long.

    The weaker MD5 is never taken because a device asks for it where PBKDF2 was said.
    """
    match kind:
        case "hmac-sha1":  # Freebox, https://dev.freebox.fr/sdk/os/login/
            return hmac.new(password.encode(), challenge.encode(), hashlib.sha1).hexdigest()
        case "md5-utf16":  # AVM, “Session-IDs im FRITZ!Box Webinterface”: FRITZ!OS before 7.24
            # What is not in Latin-1 counts as a dot there.
            heard = "".join(char if char <= "\xff" else "." for char in f"{challenge}-{password}")
            digest = hashlib.md5(heard.encode("utf-16-le"), usedforsecurity=False)
            return f"{challenge}-{digest.hexdigest()}"
        case "pbkdf2-avm":  # the same paper, FRITZ!OS 7.24 and later
            return _pbkdf2(challenge, password)
        case "sha256-md5":  # Keenetic, “RCI API”, AUTH.md; its realm is the model's name
            known = hashlib.md5(f"{whose}:{password}".encode(), usedforsecurity=False).hexdigest()
            return hashlib.sha256(f"{challenge}{known}".encode()).hexdigest()


def _pbkdf2(challenge: str, password: str) -> str:
    asked = _PBKDF2.fullmatch(challenge)
    if asked is None:
        raise ValueError("it is none of PBKDF2")
    first, second = int(asked[1]), int(asked[3])
    if not (0 < first <= _MOST_ITERATIONS and 0 < second <= _MOST_ITERATIONS):
        raise ValueError("it asks for far more work than a device does")
    fixed = hashlib.pbkdf2_hmac("sha256", password.encode(), bytes.fromhex(asked[2]), first)
    return f"{asked[4]}${hashlib.pbkdf2_hmac('sha256', fixed, bytes.fromhex(asked[4]), second).hex()}"

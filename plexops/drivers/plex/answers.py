"""What Plex says in one answer, read strictly: a word that does not fit its attribute is unknown, never a default."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from xml.etree import ElementTree as ET

from plexops.model.errors import WhyNot
from plexops.model.exchange import Call, Read, Reply
from plexops.model.snapshot import Fact, FactValue

#: Reads one word; None: it is none of those that the attribute can have.
Reader = Callable[[str], FactValue | None]


def flag(word: str) -> bool | None:
    """Read a flag, in either of Plex's spellings."""
    return {"1": True, "true": True, "0": False, "false": False}.get(word)


def port(word: str) -> int | None:
    """Read a port; 0 is none."""
    return int(word) if re.fullmatch("[0-9]{1,5}", word) and int(word) <= 65535 else None


def _address(word: str) -> str | None:
    """Read an address, which may be empty."""
    try:
        return str(ip_address(word)) if word else ""
    except ValueError:
        return None


def _one_of(pattern: str) -> Reader:
    return lambda word: word if re.fullmatch(pattern, word) else None


#: Facts by the attribute that holds them, of `/identity`.
IDENTITY: Mapping[str, tuple[str, Reader]] = {
    "plex.identifier": ("machineIdentifier", _one_of("[A-Za-z0-9-]{1,64}")),
    "plex.version": ("version", _one_of("[A-Za-z0-9.+_-]{1,60}")),
    "plex.claimed": ("claimed", flag),
}
#: … and of `/myplex/account`.
ACCOUNT: Mapping[str, tuple[str, Reader]] = {
    "plex.mapping_state": ("mappingState", _one_of("unknown|waiting|mapped|failed")),
    "plex.mapping_error": ("mappingError", _one_of("[A-Za-z_-]{0,40}")),
    "plex.sign_in": ("signInState", _one_of("[A-Za-z_-]{1,40}")),
    "plex.public_address": ("publicAddress", _address),
    "plex.public_port": ("publicPort", port),
    "plex.private_address": ("privateAddress", _address),
}
#: What was asked, by the read.
_PATHS: Mapping[str, str] = {
    "identity": "/identity",
    "root": "/",
    "prefs": "/:/prefs",
    "account": "/myplex/account",
    "sessions": "/status/sessions",
}


def refusal(status: int | None, *, token: bool) -> str:
    """Say that Plex answers only its owner; empty for any other status. `token`: one was sent."""
    if status not in (401, 403):
        return ""
    if token:
        return f"Plex refused the token (status {status}): it takes that of the server's owner"
    return f"Plex wants the owner's token, and none was sent (status {status})"


def document(reply: Reply, tag: str, *, token: bool) -> ET.Element | WhyNot:
    """Give an answer's root element, or why there is none. Documents with a DOCTYPE are refused."""
    asked = f"GET {_PATHS.get(reply.id, reply.id)}"
    if not reply.whole:
        return WhyNot(f"the answer to {asked} was cut off")
    if refused := refusal(reply.status, token=token):
        return WhyNot(refused)
    if reply.status != 200:
        return WhyNot(f"Plex answered {asked} with status {reply.status}")
    if "<!DOCTYPE" in reply.body or "<!ENTITY" in reply.body:
        return WhyNot(f"the answer to {asked} is not Plex's")
    try:
        root = ET.fromstring(reply.body)  # noqa: S314 - no DOCTYPE, and at most 2 MB
    except (ET.ParseError, ValueError, LookupError) as reason:
        return WhyNot(f"the answer to {asked} is not understood: {reason}")
    return root if root.tag == tag else WhyNot(f"the answer to {asked} is not Plex's")


def read_words(
    words: Mapping[str, tuple[str, Reader]], root: ET.Element | WhyNot, exhibit: str
) -> tuple[dict[str, Fact], dict[str, str]]:
    """Give the facts of one element's attributes, and why others are unknown. What is not said has no reason."""
    facts: dict[str, Fact] = {}
    if isinstance(root, WhyNot):
        return facts, dict.fromkeys(words, root.text)
    reasons: dict[str, str] = {}
    for name, (attribute, read) in words.items():
        # Plex leaves out the error where there is none.
        word = root.attrib.get(attribute, "" if name == "plex.mapping_error" else None)
        value = None if word is None else read(word)
        if value is not None:
            facts[name] = Fact(name, value, exhibit)
        elif word is not None:
            reasons[name] = f"Plex says {attribute}={word[:40]!r}, which is not understood"
    return facts, reasons


# --- who is being served right now, of which only one number is wanted: how many come through the relay ------------

#: Who watches what is nobody's business. Attributes of a session (1.43) that name people, media, devices and
#: addresses; left are those that tell of the connection: `relayed`, `local`, `secure`, `location`, `bandwidth`.
_PRIVATE = """
username user userID userTitle email authToken accessToken token uuid title titleSort originalTitle parentTitle
grandparentTitle librarySectionTitle summary tagline studio parentStudio tag tagKey role filter slug
chapterTitle parentSlug grandparentSlug editionTitle displayTitle extendedDisplayTitle attribution key parentKey
grandparentKey librarySectionKey primaryExtraKey sessionKey ratingKey parentRatingKey grandparentRatingKey id
guid parentGuid grandparentGuid file url thumb parentThumb grandparentThumb art parentArt grandparentArt
grandparentTheme theme year parentYear index parentIndex originallyAvailableAt contentRating image alt duration
viewOffset viewCount lastViewedAt addedAt updatedAt rating audienceRating device deviceName machineIdentifier
address remotePublicAddress publicAddress size librarySectionID librarySectionUUID playQueueID playQueueItemID
clientIdentifier
"""
SESSIONS_READ = Read("sessions", Call("GET", "/status/sessions", accept="xml"), hides=tuple(_PRIVATE.split()))


def relayed_sessions(root: ET.Element | WhyNot) -> int | WhyNot:
    """Count the players that are served through the relay; or say why that is unknown."""
    if isinstance(root, WhyNot):
        return root
    relayed = [flag(player.attrib.get("relayed", "0")) for player in root.iter("Player")]
    if None in relayed:
        return WhyNot("the answer to sessions is not understood")
    return sum(map(bool, relayed))

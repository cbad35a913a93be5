"""Who is being served right now, of which only one number is wanted: how many come through the relay."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from plexops.drivers.plex.answers import flag
from plexops.model.errors import WhyNot
from plexops.model.exchange import Call, Read

#: Who watches what is nobody's business. Attributes of a session (1.43) that name people, media, devices and
#: addresses; left are those that tell of the connection: `relayed`, `local`, `secure`, `location`, `bandwidth`.
_PRIVATE = (
    *("username", "user", "userID", "userTitle", "email", "authToken", "accessToken", "token", "uuid"),
    *("title", "titleSort", "originalTitle", "parentTitle", "grandparentTitle", "librarySectionTitle"),
    *(
        "summary",
        "tagline",
        "studio",
        "parentStudio",
        "tag",
        "tagKey",
        "role",
        "filter",
        "slug",
        "chapterTitle",
    ),
    *("parentSlug", "grandparentSlug", "editionTitle", "displayTitle", "extendedDisplayTitle", "attribution"),
    *(
        "key",
        "parentKey",
        "grandparentKey",
        "librarySectionKey",
        "primaryExtraKey",
        "sessionKey",
        "ratingKey",
    ),
    *(
        "parentRatingKey",
        "grandparentRatingKey",
        "id",
        "guid",
        "parentGuid",
        "grandparentGuid",
        "file",
        "url",
    ),
    *(
        "thumb",
        "parentThumb",
        "grandparentThumb",
        "art",
        "parentArt",
        "grandparentArt",
        "grandparentTheme",
        "theme",
    ),
    *("year", "parentYear", "index", "parentIndex", "originallyAvailableAt", "contentRating", "image", "alt"),
    *(
        "duration",
        "viewOffset",
        "viewCount",
        "lastViewedAt",
        "addedAt",
        "updatedAt",
        "rating",
        "audienceRating",
    ),
    *("device", "deviceName", "machineIdentifier", "address", "remotePublicAddress", "publicAddress"),
    *("size", "librarySectionID", "librarySectionUUID", "playQueueID", "playQueueItemID", "clientIdentifier"),
)

SESSIONS_READ = Read("sessions", Call("GET", "/status/sessions", accept="xml"), hides=_PRIVATE)


def relayed_sessions(document: ET.Element | WhyNot) -> int | WhyNot:
    """Count the players that are served through the relay; or say why that is unknown."""
    if isinstance(document, WhyNot):
        return document
    relayed = [flag(player.attrib.get("relayed", "0")) for player in document.iter("Player")]
    if None in relayed:
        return WhyNot("the answer to sessions is not understood")
    return sum(map(bool, relayed))

"""Who plays what right now, as a Plex Media Server tells."""

from __future__ import annotations

from plexops.lab.plex_answers import Element, element
from plexops.lab.plex_seed import PlexCondition


def sessions(condition: PlexCondition) -> Element:
    """Give `/status/sessions`: relayed players, which reach the server from its own machine, and local ones."""
    playing = [_session(number, relayed=True) for number in range(1, condition.relayed_sessions + 1)]
    playing += [
        _session(condition.relayed_sessions + number, relayed=False)
        for number in range(1, condition.local_sessions + 1)
    ]
    return element("MediaContainer", {"size": len(playing)}, tuple(playing))


def _session(number: int, *, relayed: bool) -> Element:
    player = element("Player", {
        "address": "127.0.0.1" if relayed else f"192.168.1.{100 + number}",
        "device": "iPhone" if relayed else "Living room TV", "machineIdentifier": f"player-{number}",
        "platform": "iOS" if relayed else "webOS", "product": "Plex", "profile": "Generic",
        "remotePublicAddress": "203.0.114.9" if relayed else "62.155.240.55", "state": "playing",
        "title": f"Player {number}", "local": not relayed, "relayed": relayed, "secure": True,
        "userID": 1,
    })  # fmt: skip
    user = element("User", {"id": "1", "title": "media.owner"})
    session = element("Session", {
        "id": f"session-{number}", "bandwidth": 1000 if relayed else 12000,
        "location": "wan" if relayed else "lan",
    })  # fmt: skip
    return element("Video", {
        "addedAt": 1795339470, "duration": 5400000, "key": f"/library/metadata/{number}",
        "ratingKey": str(number), "sessionKey": str(number), "title": f"Film {number}", "type": "movie",
        "viewOffset": 61000,
    }, (user, player, session))  # fmt: skip

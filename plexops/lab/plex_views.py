"""What a Plex Media Server answers about itself, its account, its settings and who plays."""

from __future__ import annotations

from collections.abc import Mapping

from plexops.lab.plex_answers import Element, element
from plexops.lab.plex_seed import PlexCondition, PlexSeed, Verdict
from plexops.lab.plex_settings import SETTINGS, Value, show

_FEATURES = "pass,sync,webhooks,hardware_transcoding"
_UNREACHABLE = "Your server is signed in to Plex, but is not reachable from outside your network."
_PLACES = ("activities", "butler", "hubs", "identity", "library", "media", "status", "updater")


def identity(seed: PlexSeed) -> Element:
    """Give `/identity`, which needs no token."""
    return element("MediaContainer", {
        "size": 0, "apiVersion": "1.1.1", "claimed": seed.claimed,
        "machineIdentifier": seed.machine_identifier, "version": seed.version,
    })  # fmt: skip


def _sign_in_state(seed: PlexSeed) -> str:
    if not seed.claimed:
        return "none"
    return "ok" if seed.signed_in else "invalid"


def root(seed: PlexSeed, verdict: Verdict, name: str) -> Element:
    """Give `/`."""
    directories = tuple(element("Directory", {"count": 1, "key": key, "title": key}) for key in _PLACES)
    return element("MediaContainer", {
        "size": len(directories), "allowCameraUpload": False, "allowMediaDeletion": True,
        "allowSharing": True, "allowSync": True, "certificate": True,
        "diagnostics": "logs,databases,streaminglogs", "eventStream": True,
        "friendlyName": name, "livetv": 7,
        "machineIdentifier": seed.machine_identifier, "myPlex": True,
        "myPlexMappingError": verdict.error, "myPlexMappingState": verdict.state,
        "myPlexSigninState": _sign_in_state(seed), "myPlexSubscription": seed.subscription,
        "myPlexUsername": seed.username if seed.claimed else "", "platform": "Linux",
        "platformVersion": "24.04 (Noble Numbat)", "pluginHost": True, "transcoderActiveVideoSessions": 0,
        "updatedAt": 1795339470, "version": seed.version,
    }, directories)  # fmt: skip


def settings(values: Mapping[str, Value], address: str) -> Element:
    """Give `/:/prefs`; `address` is that of the server's one interface."""
    rows: list[Element] = []
    for setting in SETTINGS:
        row: dict[str, bool | int | float | str] = {
            "id": setting.id, "label": setting.label, "summary": "", "type": setting.type,
            "default": show(setting.default), "value": show(values[setting.id]),
            "hidden": setting.hidden, "advanced": setting.advanced, "group": setting.group,
        }  # fmt: skip
        if setting.enum_values:
            row["enumValues"] = setting.enum_values.replace("ADDRESS", address)
        rows.append(element("Setting", row))
    return element("MediaContainer", {"size": len(rows)}, tuple(rows))


def account(seed: PlexSeed, verdict: Verdict, address: str) -> Element:
    """Give `/myplex/account`."""
    open_outside = verdict.public_port != 0
    return element("MyPlex", {
        "authToken": seed.account_token if seed.claimed else "",
        "username": seed.username if seed.claimed else "",
        "mappingState": verdict.state, "mappingError": verdict.error,
        "mappingErrorMessage": _UNREACHABLE if verdict.error == "unreachable" else "",
        "signInState": _sign_in_state(seed),
        "publicAddress": verdict.public_address, "publicPort": verdict.public_port,
        "privateAddress": address if open_outside else "",
        "privatePort": seed.port if open_outside else 0,
        "subscriptionFeatures": _FEATURES if seed.subscription else "",
        "subscriptionActive": seed.subscription,
        "subscriptionState": "Active" if seed.subscription else "Inactive",
    })  # fmt: skip


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

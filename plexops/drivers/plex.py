"""Plex Media Server. plexapi parses and writes, over adapters that only hand on what the driver asked for.

plexapi 4.18.3 has defects that are met here and nowhere else: `Settings.save()` does not refresh what it read, and
`/myplex/account` carries the owner's token, so that its raw document is never kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

from plexops.drivers.base import Observation, Unrenderable
from plexops.model.change import Change, inverse
from plexops.model.exchange import Call, Expect, Read, Reply, Script, Write
from plexops.model.resources.plex_remote_access import RemoteAccess
from plexops.model.snapshot import SOMEBODY, Entry, Fact, FactValue, Kind, KindState, Role, Snapshot

#: The hidden trio, and what else of the settings counts (facts: Plex's `/:/prefs`, 155 settings).
_PUBLISH = "PublishServerOnPlexOnlineKey"
_MANUAL = "ManualPortMappingMode"
_PORT = "ManualPortMappingPort"
_LAST_AUTOMATIC = "LastAutomaticMappedPort"
_RELAY = "RelayEnabled"
_SECURE = "secureConnections"
_CUSTOM = "customConnections"
_ALLOWED = "allowedNetworks"
_INTERFACE = "PreferredNetworkInterface"
#: 2 is of old releases.
_SECURE_WORDS: Mapping[str, str] = {"0": "required", "1": "preferred", "2": "disabled"}
#: Facts by the setting that holds them as text.
_TEXTS: Mapping[str, str] = {
    "plex.custom_connections": _CUSTOM,
    "plex.allowed_networks": _ALLOWED,
    "plex.interface": _INTERFACE,
}

#: A PUT that switches publishing can take 25 s to be answered while UPnP times out.
_PUT_SECONDS = 60.0

REFRESH = Write(
    Call("PUT", "/myplex/refreshReachability", accept="any"),
    Expect(statuses=frozenset({200})),
    shows="PUT /myplex/refreshReachability (a nudge: it changes no setting)",
)

_READS: tuple[Read, ...] = (
    Read("identity", Call("GET", "/identity", accept="xml")),
    Read("root", Call("GET", "/", accept="xml")),
    Read("prefs", Call("GET", "/:/prefs", accept="xml")),
    # It carries the owner's token.
    Read("account", Call("GET", "/myplex/account", accept="xml"), hides=("authToken", "username", "email")),
)


@dataclass(frozen=True, slots=True)
class PlexDriver:
    """Plex's own settings and its verdict about the way in.

    `thorough`: who is served through the relay, and what time it is, as well. `logs`: its log, where nobody else gave it.
    """

    thorough: bool = False
    logs: bool = False

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kind that Plex keeps."""
        return frozenset({Kind.PLEX_REMOTE_ACCESS})

    def observe(self) -> Observation:
        """Ask for identity, status, settings and account in one round."""
        replies = yield (*_READS, *self._more())
        by_id = {reply.id: reply for reply in replies}
        snapshot = self._understand(by_id)
        return _with_log(snapshot, by_id) if self.logs else snapshot

    def _more(self) -> tuple[Read, ...]:
        found: tuple[Read, ...] = ()
        if self.thorough:
            from plexops.drivers.plex_sessions import SESSIONS_READ

            found = (SESSIONS_READ,)
        if self.logs:
            from plexops.drivers.plex_log import LOGS_READ

            found = (*found, LOGS_READ)
        return found

    def _understand(self, by_id: Mapping[str, Reply]) -> Snapshot:
        facts: dict[str, Fact] = {}
        reasons: dict[str, str] = {}
        for read, names in ((by_id["identity"], _IDENTITY), (by_id["account"], _ACCOUNT)):
            document = _document(read)
            if isinstance(document, str):
                reasons |= dict.fromkeys(names, document)
                continue
            for name, value in _read_names(names, document).items():
                facts[name] = Fact(name, value, f"plex.{read.id}")
        facts |= _subscription(by_id)
        if self.thorough:
            from plexops.drivers.plex_sessions import relayed_sessions

            relayed = relayed_sessions(_document(by_id["sessions"]))
            if isinstance(relayed, str):
                reasons["plex.relayed_sessions"] = relayed
            else:
                facts["plex.relayed_sessions"] = Fact("plex.relayed_sessions", relayed, "plex.sessions")
            facts |= _time(by_id)
        settings = _settings(by_id)
        if isinstance(settings, str):
            reasons[Kind.PLEX_REMOTE_ACCESS] = settings
            return _snapshot(facts, (), KindState.UNKNOWN, reasons)
        if _RELAY in settings:
            facts["plex.relay"] = Fact("plex.relay", settings[_RELAY] is True, "plex.prefs")
        facts |= _setting_facts(settings)
        facts |= _preferred(by_id["prefs"], str(settings.get(_INTERFACE) or "").strip())
        entry = _entry(settings)
        if entry is None:
            reasons[Kind.PLEX_REMOTE_ACCESS] = "this Plex does not have the settings of remote access"
            return _snapshot(facts, (), KindState.UNKNOWN, reasons)
        return _snapshot(facts, (entry,), KindState.PRESENT, reasons)

    def script(self, change: Change, now: Snapshot) -> Script:
        """Render one PUT with all the keys that differ. Raises Unrenderable."""
        found = now.of(Kind.PLEX_REMOTE_ACCESS)
        if len(found) != 1 or found[0].values is None:
            raise Unrenderable("Plex's settings are unknown")
        back = inverse(change)
        have: RemoteAccess = found[0].values
        undo = () if back is None else _put(_keys(back.want, change.want))
        return Script(writes=_put(_keys(change.want, have)), undo=tuple(write.shows for write in undo))


def _snapshot(
    facts: Mapping[str, Fact], entries: tuple[Entry, ...], state: KindState, reasons: Mapping[str, str]
) -> Snapshot:
    kinds = MappingProxyType({Kind.PLEX_REMOTE_ACCESS: state})
    return Snapshot(Role.PLEX, MappingProxyType(facts), entries, kinds, MappingProxyType(dict(reasons)))


def _with_log(snapshot: Snapshot, replies: Mapping[str, Reply]) -> Snapshot:
    from plexops.drivers.plex_log import LOGS_READ, understand_logs

    log = understand_logs(replies[LOGS_READ.id])
    return replace(
        snapshot,
        entries=(*snapshot.entries, *log.entries),
        kinds=MappingProxyType({**snapshot.kinds, Kind.LOG_EVENT: log.state}),
        reasons=MappingProxyType(
            {**snapshot.reasons, **({Kind.LOG_EVENT: log.reason} if log.reason else {})}
        ),
    )


def _time(replies: Mapping[str, Reply]) -> dict[str, Fact]:
    """Tell the time in UTC as the newest answer that was dated gives it; nothing where none was."""
    from email.utils import parsedate_to_datetime

    for name in ("logs", "identity"):
        try:
            moment = parsedate_to_datetime(replies[name].date) if name in replies else None
        except ValueError:
            continue
        if moment is not None and moment.tzinfo is not None:
            told = moment.astimezone(UTC).replace(tzinfo=None).isoformat()
            return {"plex.time": Fact("plex.time", told, f"plex.{name}")}
    return {}


def _document(reply: Reply) -> ET.Element | str:
    """Give an answer's root element, or why there is none. Documents with a DOCTYPE are refused."""
    if not reply.whole:
        return f"the answer to {reply.id} was cut off"
    if reply.status in (401, 403):
        return "Plex refused the token"
    if reply.status != 200:
        return f"Plex answered {reply.id} with status {reply.status}"
    if "<!DOCTYPE" in reply.body or "<!ENTITY" in reply.body:
        return f"the answer to {reply.id} is not Plex's"
    try:
        return ET.fromstring(reply.body)  # noqa: S314 - no DOCTYPE, and at most 2 MB
    except ET.ParseError as reason:
        return f"the answer to {reply.id} is not understood: {reason}"


#: Facts by the attribute that holds them.
_IDENTITY: Mapping[str, str] = {
    "plex.identifier": "machineIdentifier",
    "plex.version": "version",
    "plex.claimed": "claimed",
}
_ACCOUNT: Mapping[str, str] = {
    "plex.mapping_state": "mappingState",
    "plex.mapping_error": "mappingError",
    "plex.sign_in": "signInState",
    "plex.public_address": "publicAddress",
    "plex.public_port": "publicPort",
    "plex.private_address": "privateAddress",
}


def _read_names(names: Mapping[str, str], document: ET.Element) -> dict[str, FactValue]:
    found: dict[str, FactValue] = {}
    for name, attribute in names.items():
        text = document.attrib.get(attribute)
        if text is None and name != "plex.mapping_error":
            continue
        if name == "plex.claimed":
            found[name] = text in ("1", "true")
        elif name == "plex.public_port":
            found[name] = int(text) if text and text.isdigit() else 0
        else:
            found[name] = text or ""
    return found


def _subscription(replies: Mapping[str, Reply]) -> dict[str, Fact]:
    """Tell whether the owner has Plex Pass: the server's own word, else the account's."""
    for name, attribute in (("root", "myPlexSubscription"), ("account", "subscriptionActive")):
        document = _document(replies[name])
        word = None if isinstance(document, str) else document.attrib.get(attribute)
        if word in ("0", "1", "true", "false"):
            return {
                "plex.subscription": Fact("plex.subscription", word in ("1", "true"), f"plex.{name}"),
            }
    return {}


def _setting_facts(settings: Mapping[str, Any]) -> dict[str, Fact]:
    found: dict[str, FactValue] = {
        name: str(settings[setting] or "").strip() for name, setting in _TEXTS.items() if setting in settings
    }
    secure = _SECURE_WORDS.get(str(settings.get(_SECURE)))
    if secure is not None:
        found["plex.secure"] = secure
    return {name: Fact(name, value, "plex.prefs") for name, value in found.items()}


#: A choice of the list of interfaces, as `eth0:eth0 (192.168.1.50)`; the first is `:Any`.
_CHOICE = re.compile(r"(?P<name>[^:]+):.*\((?P<address>[0-9.]+)\)")


def _preferred(reply: Reply, name: str) -> dict[str, Fact]:
    """Give the address of the interface that Plex prefers, by Plex's own list; nothing where it has no list.

    plexapi reads the list of no setting that is text.
    """
    document = _document(reply)
    rows = [] if isinstance(document, str) else document.findall(f"Setting[@id='{_INTERFACE}']")
    choices = rows[0].attrib.get("enumValues", "").split("|") if rows else []
    if not name or not any(choices):
        return {}
    if not any(choice.partition(":")[0] == name for choice in choices):
        return {"plex.interface_address": Fact("plex.interface_address", "", "plex.prefs")}
    for found in filter(None, map(_CHOICE.fullmatch, choices)):
        if found["name"] == name:
            return {"plex.interface_address": Fact("plex.interface_address", found["address"], "plex.prefs")}
    return {}


def _settings(replies: Mapping[str, Reply]) -> dict[str, Any] | str:
    """Let plexapi read the settings, from the reply that is already here; or say why not."""
    for name in ("root", "prefs"):
        document = _document(replies[name])
        if isinstance(document, str):
            return document
    try:
        settings = _server({"/": replies["root"].body, "/:/prefs": replies["prefs"].body}).settings
    except (ValueError, TypeError, LookupError) as reason:
        # plexapi raises a bare ValueError for an attribute that is no number or flag.
        return f"Plex's settings are not understood: {reason!r}"
    wanted = (_PUBLISH, _MANUAL, _PORT, _LAST_AUTOMATIC, _RELAY, _SECURE, *_TEXTS.values())
    return {setting.id: setting.value for setting in settings.all() if setting.id in wanted}


def _entry(settings: Mapping[str, Any]) -> Entry | None:
    if not {_PUBLISH, _MANUAL, _PORT} <= set(settings):
        return None
    values = RemoteAccess(
        enabled=bool(settings[_PUBLISH]),
        manual=bool(settings[_MANUAL]),
        manual_port=int(settings[_PORT]),
        last_automatic_port=int(settings.get(_LAST_AUTOMATIC, 0)),
    )
    raw = {name: _word(settings[name]) for name in (_PUBLISH, _MANUAL, _PORT)}
    return Entry(
        Kind.PLEX_REMOTE_ACCESS, values, MappingProxyType(raw), SOMEBODY, "prefs", "plex.prefs", label="Plex"
    )


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _keys(want: RemoteAccess, have: RemoteAccess) -> dict[str, bool | int]:
    """Give the settings that differ: writes happen only on change, and all in one request."""
    pairs: tuple[tuple[str, bool | int, bool | int], ...] = (
        (_MANUAL, want.manual, have.manual),
        (_PORT, want.manual_port, have.manual_port),
        (_PUBLISH, want.enabled, have.enabled),
    )
    return {name: wanted for name, wanted, had in pairs if wanted != had}


def _put(keys: Mapping[str, bool | int]) -> tuple[Write, ...]:
    if not keys:
        return ()
    query = tuple((name, str(int(value))) for name, value in keys.items())
    shown = "&".join(f"{name}={value}" for name, value in query)
    call = Call("PUT", "/:/prefs", query=query, accept="any")
    return (
        Write(call, Expect(statuses=frozenset({200})), shows=f"PUT /:/prefs?{shown}", seconds=_PUT_SECONDS),
    )


class _Answered:
    """A session for plexapi that answers from replies and raises on anything else: it cannot reach the network."""

    def __init__(self, bodies: Mapping[str, str]) -> None:
        self._bodies = bodies
        self.headers: dict[str, str] = {}

    def get(self, url: str, **_: object) -> _Response:
        path = urlsplit(url).path or "/"
        if path not in self._bodies:
            raise LookupError(f"plexapi asked for {path}, which was not read")
        return _Response(self._bodies[path])


@dataclass(frozen=True, slots=True)
class _Response:
    """What plexapi looks at of a response."""

    text: str
    status_code: int = 200

    @property
    def content(self) -> bytes:
        return self.text.encode()


def load_plexapi() -> None:
    """Import plexapi, which takes a while: best done while somebody else waits for a device."""
    import plexapi.server  # noqa: F401


def _server(bodies: Mapping[str, str]) -> Any:
    from plexapi.server import PlexServer

    session: Any = _Answered(bodies)
    server: Any = PlexServer
    return server("http://plex.invalid", token="", session=session)

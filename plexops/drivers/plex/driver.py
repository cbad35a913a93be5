"""Plex Media Server. plexapi reads with us where a change will follow, over an adapter that only hands on our answers.

`/myplex/account` carries the owner's token, so that its raw document is never kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any, TypeAlias
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

from msgspec import Struct

from plexops.drivers.base import Observation, Unrenderable
from plexops.drivers.plex import answers
from plexops.model.change import Change, inverse
from plexops.model.errors import WhyNot
from plexops.model.exchange import Call, Expect, Read, Reply, Script, Write
from plexops.model.plan import shown
from plexops.model.resources.plex_remote_access import RemoteAccess
from plexops.model.snapshot import FOREIGN, Entry, Fact, FactValue, Kind, KindState, Role, Snapshot
from plexops.pattern import Pattern
from plexops.structs import replace

#: Settings by name; None: not understood.
_Settings: TypeAlias = dict[str, str | bool | int | None]

#: The hidden trio, and what else of the settings counts (facts: Plex's `/:/prefs`, 155 settings).
_PUBLISH = "PublishServerOnPlexOnlineKey"
_MANUAL = "ManualPortMappingMode"
_PORT = "ManualPortMappingPort"
_LAST_AUTOMATIC = "LastAutomaticMappedPort"
_RELAY = "RelayEnabled"
_SECURE = "secureConnections"
_INTERFACE = "PreferredNetworkInterface"
#: 2 is of old releases.
_SECURE_WORDS: Mapping[str, str] = {"0": "required", "1": "preferred", "2": "disabled"}
#: Facts by the setting that holds them as text.
_TEXTS: Mapping[str, str] = {
    "plex.custom_connections": "customConnections",
    "plex.allowed_networks": "allowedNetworks",
    "plex.interface": _INTERFACE,
}

#: How flags and ports are read.
_READERS: Mapping[str, answers.Reader] = {
    **dict.fromkeys((_PUBLISH, _MANUAL, _RELAY), answers.flag),
    **dict.fromkeys((_PORT, _LAST_AUTOMATIC), answers.port),
}
#: What holds an answer, by the read.
_TAGS: Mapping[str, str] = {
    **dict.fromkeys(("identity", "root", "prefs", "sessions"), "MediaContainer"),
    "account": "MyPlex",
}

#: A PUT that switches publishing can take 25 s to be answered while UPnP times out.
_PUT_SECONDS = 60.0

REFRESH = Write(Call("PUT", "/myplex/refreshReachability", accept="any"), Expect(statuses=frozenset({200})))
REFRESH_WORDS = "PUT /myplex/refreshReachability (a nudge: it changes no setting)"

_READS: tuple[Read, ...] = (
    Read("identity", Call("GET", "/identity", accept="xml")),
    Read("root", Call("GET", "/", accept="xml")),
    Read("prefs", Call("GET", "/:/prefs", accept="xml")),
    # It carries the owner's token.
    Read("account", Call("GET", "/myplex/account", accept="xml"), hides=("authToken", "username", "email")),
)


class PlexDriver(Struct, frozen=True):
    """Plex's own settings and its verdict about the way in.

    `thorough`: who is served through the relay, and what time it is, as well. `logs`: its log, where no other read gave it.
    `token`: the requests bear one. `twice`: plexapi reads the settings too, and both must agree: a change will rest on
    them. Its import takes longer than an audit's whole look at Plex: where `wanted` is what stands, nothing will.
    """

    thorough: bool = False
    logs: bool = False
    token: bool = True
    twice: bool = False
    wanted: RemoteAccess | None = None

    @property
    def kinds(self) -> frozenset[Kind]:
        return frozenset({Kind.PLEX_REMOTE_ACCESS})

    def observe(self) -> Observation:
        """Ask for identity, status, settings and account in one round."""
        replies = yield (*_READS, *self._more())
        by_id = {reply.id: reply for reply in replies}
        snapshot = self._understand(by_id)
        return self._with_log(snapshot, by_id) if self.logs else snapshot

    def _more(self) -> tuple[Read, ...]:
        found = (answers.SESSIONS_READ,) if self.thorough else ()
        if self.logs:
            from plexops.drivers.plex.log import LOGS_READ

            found = (*found, LOGS_READ)
        return found

    def _understand(self, by_id: Mapping[str, Reply]) -> Snapshot:
        said = {
            name: answers.document(by_id[name], tag, token=self.token)
            for name, tag in _TAGS.items()
            if name in by_id
        }
        facts, reasons = answers.read_words(answers.IDENTITY, said["identity"], "plex.identity")
        of_account, why = answers.read_words(answers.ACCOUNT, said["account"], "plex.account")
        facts, reasons = facts | of_account, reasons | why
        facts |= _subscription(said)
        if self.thorough:
            relayed = answers.relayed_sessions(said["sessions"])
            if isinstance(relayed, WhyNot):
                reasons["plex.relayed_sessions"] = relayed.text
            else:
                facts["plex.relayed_sessions"] = Fact("plex.relayed_sessions", relayed, "plex.sessions")
            facts |= _time(by_id)
        settings = _settings(said)
        if self.twice and not isinstance(settings, WhyNot) and not self._stands(settings):
            settings = _as_plexapi_reads(settings, by_id)
        if isinstance(settings, WhyNot):
            reasons[Kind.PLEX_REMOTE_ACCESS] = settings.text
            return _snapshot(facts, (), KindState.UNKNOWN, reasons)
        if (relay := settings.get(_RELAY)) is not None:
            facts["plex.relay"] = Fact("plex.relay", relay, "plex.prefs")
        facts |= _setting_facts(settings)
        facts |= _preferred(said["prefs"], str(settings.get(_INTERFACE) or "").strip())
        entry = _entry(settings)
        if entry is None:
            reasons[Kind.PLEX_REMOTE_ACCESS] = (
                "Plex does not say its settings of remote access, or not as it should"
            )
            return _snapshot(facts, (), KindState.UNKNOWN, reasons)
        return _snapshot(facts, (entry,), KindState.PRESENT, reasons)

    def _stands(self, settings: _Settings) -> bool:
        entry = _entry(settings)
        return self.wanted is not None and entry is not None and not _keys(self.wanted, entry.values)

    def _with_log(self, snapshot: Snapshot, replies: Mapping[str, Reply]) -> Snapshot:
        from plexops.drivers.plex.log import LOGS_READ, understand_logs

        log = understand_logs(replies[LOGS_READ.id], token=self.token)
        reasons: dict[str, str] = {Kind.LOG_EVENT: log.reason} if log.reason else {}
        return replace(
            snapshot,
            entries=(*snapshot.entries, *log.entries),
            kinds={**snapshot.kinds, Kind.LOG_EVENT: log.state},
            reasons={**snapshot.reasons, **reasons},
        )

    def look_by_hand(self, kind: Kind) -> str:
        """Name where a person sees it."""
        del kind
        return "GET /:/prefs, or Plex Web: Settings > Remote Access"

    def script(self, change: Change, now: Snapshot) -> Script:
        """Render one PUT with all the keys that differ. Raises Unrenderable."""
        found, want = now.held(RemoteAccess), change.want
        if len(found) != 1 or not isinstance(want, RemoteAccess):
            raise Unrenderable("Plex's settings are unknown")
        back = inverse(change)
        undo = _put(_keys(back.want, want)) if back and isinstance(back.want, RemoteAccess) else ()
        return Script(writes=_put(_keys(want, found[0].values)), undo=tuple(shown(write) for write in undo))


def _snapshot(
    facts: Mapping[str, Fact], entries: tuple[Entry, ...], state: KindState, reasons: Mapping[str, str]
) -> Snapshot:
    kinds = {Kind.PLEX_REMOTE_ACCESS: state}
    return Snapshot(Role.PLEX, facts, entries, kinds, dict(reasons))


def _time(replies: Mapping[str, Reply]) -> dict[str, Fact]:
    """Tell the time in UTC as the newest answer that was dated gives it; nothing where none was."""
    from email.utils import parsedate_to_datetime

    for name in ("logs", "identity"):
        try:
            moment = parsedate_to_datetime(replies[name].date) if name in replies else None
            moment = moment.astimezone(UTC) if moment is not None and moment.tzinfo is not None else None
        except (ValueError, OverflowError):
            continue
        if moment is not None:
            return {"plex.time": Fact("plex.time", moment.replace(tzinfo=None).isoformat(), f"plex.{name}")}
    return {}


def _subscription(said: Mapping[str, ET.Element | WhyNot]) -> dict[str, Fact]:
    """Tell whether the owner has Plex Pass: the server's own word, else the account's."""
    for name, attribute in (("root", "myPlexSubscription"), ("account", "subscriptionActive")):
        root = said[name]
        word = None if isinstance(root, WhyNot) else answers.flag(root.attrib.get(attribute, ""))
        if word is not None:
            return {"plex.subscription": Fact("plex.subscription", word, f"plex.{name}")}
    return {}


def _setting_facts(settings: Mapping[str, Any]) -> dict[str, Fact]:
    found: dict[str, FactValue] = {
        name: str(settings[setting]).strip()
        for name, setting in _TEXTS.items()
        if settings.get(setting) is not None
    }
    secure = _SECURE_WORDS.get(str(settings.get(_SECURE)))
    if secure is not None:
        found["plex.secure"] = secure
    return {name: Fact(name, value, "plex.prefs") for name, value in found.items()}


#: A choice of the list of interfaces, as `eth0:eth0 (192.168.1.50)`; the first is `:Any`.
_CHOICE = Pattern(r"(?P<name>[^:]+):.*\((?P<address>[0-9]{1,3}(?:\.[0-9]{1,3}){3})\)")
_ANY = ":Any"


def _preferred(prefs: ET.Element | WhyNot, name: str) -> dict[str, Fact]:
    """Give the address of the interface that Plex prefers, by Plex's own list; nothing where it has no list.

    plexapi reads the list of no setting that is text.
    """
    rows = [] if isinstance(prefs, WhyNot) else prefs.findall(f"Setting[@id='{_INTERFACE}']")
    choices = rows[0].attrib.get("enumValues", "").split("|") if rows else []
    if not name or not choices or choices[0] != _ANY:
        return {}
    if not any(choice.partition(":")[0] == name for choice in choices):
        return {"plex.interface_address": Fact("plex.interface_address", "", "plex.prefs")}
    for found in filter(None, map(_CHOICE.fullmatch, choices)):
        if found["name"] == name:
            return {"plex.interface_address": Fact("plex.interface_address", found["address"], "plex.prefs")}
    return {}


def _settings(said: Mapping[str, ET.Element | WhyNot]) -> _Settings | WhyNot:
    """Read the settings that count, or say why not. None: not understood."""
    root, prefs = said["root"], said["prefs"]
    if isinstance(root, WhyNot):
        return root
    if isinstance(prefs, WhyNot):
        return prefs
    rows = {row.attrib.get("id", ""): row.attrib for row in prefs}
    return {
        name: _understood(name, rows[name]) for name in (*_READERS, *_TEXTS.values(), _SECURE) if name in rows
    }


def _understood(name: str, row: Mapping[str, str]) -> str | bool | int | None:
    """Give a setting's value where it is what the setting can have, else None."""
    word = row.get("value", "")
    if name in _READERS:
        read = _READERS[name](word)
        return read if isinstance(read, int) else None
    return word if name == _SECURE or row.get("type") == "text" else None


def _as_plexapi_reads(settings: _Settings, replies: Mapping[str, Reply]) -> _Settings | WhyNot:
    """Keep of the settings what plexapi reads as well, from the replies that are already here; or say why not.

    It takes any word for a flag that is off: that is not understood.
    """
    from plexapi.exceptions import PlexApiException
    from plexapi.server import PlexServer

    session: Any = _Answered({"/": replies["root"].body, "/:/prefs": replies["prefs"].body})
    server: Any = PlexServer
    try:
        read = server("http://plex.invalid", token="", session=session).settings.all()
        again = {s.id: str(s.value) if s.id == _SECURE else s.value for s in read}
    except (ValueError, TypeError, LookupError, AttributeError, PlexApiException) as reason:
        # plexapi raises a bare ValueError for an attribute that is no number or flag.
        return WhyNot(f"Plex's settings are not understood: {reason!r}")
    return {name: value if again.get(name) == value else None for name, value in settings.items()}


def _entry(settings: Mapping[str, Any]) -> Entry[RemoteAccess] | None:
    names = (_PUBLISH, _MANUAL, _PORT, _LAST_AUTOMATIC)
    wanted: list[Any] = [{_LAST_AUTOMATIC: 0, **settings}.get(name) for name in names]
    if None in wanted:
        return None
    enabled, manual, manual_port, last = wanted
    values = RemoteAccess(bool(enabled), bool(manual), int(manual_port), int(last))
    raw = {name: str(settings[name]).lower() for name in (_PUBLISH, _MANUAL, _PORT)}
    return Entry(Kind.PLEX_REMOTE_ACCESS, values, raw, FOREIGN, "prefs", "plex.prefs", label="Plex")


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
    call = Call("PUT", "/:/prefs", query=query, accept="any")
    return (Write(call, Expect(statuses=frozenset({200})), seconds=_PUT_SECONDS),)


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


class _Response(Struct, frozen=True):
    """What plexapi looks at of a response."""

    text: str
    status_code: int = 200

    @property
    def content(self) -> bytes:
        return self.text.encode()

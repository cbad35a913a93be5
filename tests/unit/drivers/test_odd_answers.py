"""Plex and plex.tv may say anything: what does not fit is unknown, nothing ends the run, and no fact becomes wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from plexops.drivers.around.outside import EchoDriver, OwnViewDriver, ProbeDriver
from plexops.drivers.plex.account import AccountDriver
from plexops.drivers.plex.driver import PlexDriver
from plexops.drivers.server.driver import ServerDriver
from plexops.model.entries import Probe, ProbeAnswer
from plexops.model.exchange import Reply
from plexops.model.resources.plex_remote_access import RemoteAccess
from plexops.model.site import HostFirewall
from plexops.model.snapshot import Entry, Kind, KindState, Snapshot
from plexops.model.values import Endpoint
from plexops.structs import replace
from plexops.transport.redact import hidden
from tests.unit.drivers.driver_bench import Said, observe
from tests.unit.drivers.test_driver_account import OURS, ROW
from tests.unit.drivers.test_driver_plex_facts import SESSIONS, prefs

ODD_WORDS = ("", "thirty", "-1", "1.5", "[]", "{&quot;a&quot;: 1}", "null", "99999999999999999999", "²")
#: What plex.tv may say as well: another server's identifier, and the other of a flag's two words.
LEGAL = {
    "clientIdentifier": str,
    **dict.fromkeys(("presence", "dnsRebindingProtection", "local", "relay"), bool),
}
ODD_JSON: tuple[object, ...] = (None, [], {}, "thirty", -1, 1.5, True, float("inf"), [None], {"a": 1})
#: What no answer of Plex's is, whole: status and body.
STRANGE: tuple[Said, ...] = (
    *((status, "<html><body>Sign in</body></html>") for status in (200, 301, 302, 401, 403, 404, 500)),
    *((200, body) for body in ("", "null", "[]", '{"MediaContainer": {"size": 0}}', "<html/>", "<a", "\x00")),
    (200, '<?xml version="1.0" encoding="x"?><Thing/>'),
    (None, ""),
)
#: Plex's own text, which may be anything; the address of an interface hangs on its name.
FREE = frozenset(
    {
        *("plex.custom_connections", "plex.allowed_networks", "plex.interface", "plex.interface_address"),
        *("plex.sign_in", "plex.mapping_error", "plex.version", "plex.identifier"),
    }
)
LOG = Path(__file__).parents[1] / "parsers/plex_log_excerpts/healthy-manual-1.43.log"
ANSWERS: dict[str, Said] = {
    "identity": '<MediaContainer size="0" claimed="1" machineIdentifier="abc" version="1.43.0"/>',
    "root": '<MediaContainer size="0" machineIdentifier="abc" version="1.43.0" myPlexSubscription="1"/>',
    "prefs": prefs(
        LastAutomaticMappedPort=("int", 18444),
        RelayEnabled=("bool", 1),
        secureConnections=("int", 1),
        customConnections=("text", "https://plex.example.org:443"),
        allowedNetworks=("text", "192.168.1.0/24"),
        PreferredNetworkInterface=("text", "eth0"),
    ).replace('id="Preferred', 'enumValues=":Any|eth0:eth0 (192.168.1.50)" id="Preferred'),
    "account": '<MyPlex mappingState="mapped" mappingError="" signInState="ok" publicAddress="203.0.113.20" '
    'publicPort="32500" privateAddress="192.168.1.50" privatePort="32400" subscriptionActive="1"/>',
    "sessions": SESSIONS.replace("{relayed}", "1"),
    "logs": "".join(f"Plex Media Server.log:{line}\n" for line in LOG.read_text().splitlines()),
}


def look(said: dict[str, Said]) -> Snapshot:
    snapshot = observe(PlexDriver(thorough=True, logs=True).observe(), {**ANSWERS, **said}, missing=404)
    # Where plexapi reads too, nothing is read otherwise: at most it is not understood.
    again = PlexDriver(thorough=True, logs=True, twice=True)
    careful = observe(again.observe(), {**ANSWERS, **said}, missing=404)
    assert settings(careful) in ([], settings(snapshot))
    assert careful.facts.items() <= snapshot.facts.items()
    return snapshot


def settings(snapshot: Snapshot) -> list[Entry[RemoteAccess]]:
    return list(snapshot.held(RemoteAccess))


def altered(name: str) -> Iterator[tuple[str, str, str]]:
    """Each value of an answer in the place of which an odd one stands: the attribute, the odd word, the answer."""
    body = str(ANSWERS[name])
    for found in re.finditer(r'([A-Za-z]+)="([^"]*)"', body):
        for word in ODD_WORDS:
            yield found[1], word, body[: found.start(2)] + word + body[found.end(2) :]


@pytest.mark.parametrize("name", ["identity", "root", "prefs", "account", "sessions"])
def test_an_odd_value_of_plex_is_unknown_and_never_a_wrong_fact(name: str) -> None:
    good = look({})
    assert len(good.facts) == 17
    assert len(settings(good)) == 1
    tried = 0
    for attribute, word, body in altered(name):
        said = look({name: body})
        told = word.replace("&quot;", '"')
        for fact in said.facts.values():
            fits = fact.value == good.facts[fact.name].value
            empty = fact.value == "" == word and fact.name.endswith("_address")
            assert fits or empty or (fact.name in FREE and fact.value in (told, "")), (attribute, word, fact)
        for values in (entry.values for entry in settings(said)):
            # A Plex that has no such setting never mapped a port by itself.
            port = values.last_automatic_port if attribute == "id" else 18444
            assert replace(values, last_automatic_port=18444) == settings(good)[0].values, (attribute, word)
            assert port == values.last_automatic_port, (attribute, word)
        if not settings(said):
            assert said.state(Kind.PLEX_REMOTE_ACCESS) is KindState.UNKNOWN
            assert said.reasons[Kind.PLEX_REMOTE_ACCESS]
        tried += 1
    assert tried > 25


@pytest.mark.parametrize("name", list(ANSWERS))
def test_a_strange_answer_of_plex_ends_nothing(name: str) -> None:
    good = look({})
    for said in STRANGE:
        snapshot = look({name: said})
        assert all(fact.value == good.facts[fact.name].value for fact in snapshot.facts.values()), said
        if name in ("root", "prefs"):
            assert snapshot.state(Kind.PLEX_REMOTE_ACCESS) is KindState.UNKNOWN
    for date in ("Fri, 31 Dec 9999 23:00:00 -1400", "Mon, 32 Foo 99999 00:00:00 +9999", "thirty", "\x00"):
        dated = Reply("identity", 200, str(ANSWERS["identity"]), date=date)
        assert "plex.time" not in look({"identity": dated}).facts


def test_a_log_of_odd_words_ends_nothing() -> None:
    lines = str(ANSWERS["logs"])
    for found in list(re.finditer(r"[0-9]+|(?<=: )\w+", lines))[:400]:
        for word in ("", "thirty", "-1", "99999999999999999999", "²", "\x00"):
            snapshot = look({"logs": lines[: found.start()] + word + lines[found.end() :]})
            assert snapshot.state(Kind.LOG_EVENT) in (KindState.PRESENT, KindState.UNKNOWN)


def replaced(value: Any) -> Iterator[tuple[str, object, Any]]:
    """Each value of a document in the place of which an odd one stands; lists and objects as a whole, too."""
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, inner in list(members):
        for odd in ODD_JSON:
            yield str(key), odd, _with(value, key, odd)
        for name, odd, changed in replaced(inner):
            yield name, odd, _with(value, key, changed)


def _with(value: Any, key: Any, new: object) -> Any:
    if isinstance(value, dict):
        return {**value, key: new}
    return [new if index == key else inner for index, inner in enumerate(value)]


def listed(body: str, status: int | None = 200) -> Snapshot:
    observation = AccountDriver(OURS).observe()
    (read,) = next(observation)
    with pytest.raises(StopIteration) as done:
        observation.send((hidden(read, Reply(read.id, status, body)),))
    found: Snapshot = done.value.value
    return found


def test_an_odd_value_of_plex_tv_is_unknown_and_never_a_wrong_fact() -> None:
    good = listed(json.dumps([ROW]))
    tried = 0
    for name, odd, document in replaced([ROW]):
        if isinstance(odd, LEGAL.get(name, ())) or (name, odd) in (
            ("connections", []),
            ("address", "thirty"),
        ):
            continue
        snapshot = listed(json.dumps(document))
        for fact in snapshot.facts.values():
            assert fact.value == good.facts[fact.name].value, (name, odd, fact)
        tried += 1
    assert tried > 300
    for said in STRANGE:
        assert isinstance(said, tuple)
        assert listed(str(said[1]), said[0]).facts.get("account.listed") is None or said[1] == "[]"


ADDRESS = IPv4Address("203.0.113.20")


def test_an_odd_echo_tells_no_address_and_an_odd_probe_proves_nothing() -> None:
    bodies = [
        *ODD_WORDS,
        "<html>203.0.113.20</html>",
        '{"ip": "203.0.113.20"}',
        "203.0.113.20.",
        "0x7f.1",
        "\x00",
    ]
    for body in bodies:
        for status in (0, 6, 7, 22, 28, 35, 60, None):
            echoes = observe(
                EchoDriver(("https://a.example",), "server").observe(), {"echo.0": (status, body)}
            )
            assert (echoes.state(Kind.ECHO), echoes.entries) == (KindState.UNKNOWN, ())
            here = OwnViewDriver(("https://a.example",), ("b.example:3478",)).observe()
            said: dict[str, Said] = {
                f"here.{one}": (status, body) for one in ("https://a.example", "stun:b.example:3478")
            }
            assert observe(here, said).entries == ()
            (probe,) = observe(
                ProbeDriver("vps", Endpoint(str(ADDRESS), 32500), "abc").observe(),
                {"probe.vps": (status, body)},
            ).held(Probe)
            assert probe.values.answer is not ProbeAnswer.OPEN


ADDRESSES = [
    {
        "ifname": "eth0",
        "addr_info": [{"family": "inet", "local": "192.168.1.50", "prefixlen": 24, "dynamic": True}],
    }
]
ROUTES = [{"dst": "default", "gateway": "192.168.1.1", "dev": "eth0", "flags": []}]


def test_odd_json_of_a_server_ends_nothing() -> None:
    driver = ServerDriver(HostFirewall.NONE)
    for name, good in (("addresses", ADDRESSES), ("routes", ROUTES)):
        base: dict[str, Said] = {"addresses": json.dumps(ADDRESSES), "routes": json.dumps(ROUTES)}
        right = observe(driver.observe(), base).facts
        odd = [document for _, _, document in replaced(good)]
        for document in (*odd, *ODD_JSON, "x", 7):
            said = observe(driver.observe(), {**base, name: json.dumps(document)})
            held = said.facts.get("host.addresses")
            assert held is None or held.value in ((), right["host.addresses"].value), document

"""What Plex says besides its settings of remote access: Plex Pass, security, further addresses, relayed sessions."""

from __future__ import annotations

import pytest

from plexops.drivers.plex.answers import SESSIONS_READ
from plexops.drivers.plex.driver import PlexDriver
from plexops.model.exchange import Reply
from plexops.model.resources.plex_remote_access import RemoteAccess
from plexops.model.snapshot import Kind, KindState, Snapshot
from plexops.transport.redact import hidden
from tests.unit.drivers.driver_bench import Said, observe

IDENTITY = '<MediaContainer size="0" claimed="1" machineIdentifier="abc" version="1.43.0"/>'
ROOT = '<MediaContainer machineIdentifier="abc" version="1.43.0" {}/>'
ACCOUNT = '<MyPlex mappingState="mapped" mappingError="" signInState="ok" {}/>'
#: As a server with two viewers answers; shortened, names and addresses made up.
SESSIONS = """<?xml version="1.0" encoding="UTF-8"?>
<MediaContainer size="2">
<Video addedAt="1700000000" key="/library/metadata/42" ratingKey="42" sessionKey="7" title="Home Alone" year="1990"
 grandparentTitle="Alone" librarySectionTitle="Films">
<Media id="77" videoResolution="1080"><Part file="/media/Home Alone (1990).mkv" id="78">
<Stream displayTitle="German" id="9"/></Part></Media>
<Role tag="Catherine O'Hara" role="Kate" thumb="https://metadata-static.plex.tv/people/1"/>
<User id="123456" thumb="https://plex.tv/users/f00d/avatar" title="auntie.mabel"/>
<Player address="198.51.100.7" device="iPhone" machineIdentifier="D00D-1" model="15,2" platform="iOS" product="Plex for iOS"
 remotePublicAddress="198.51.100.7" state="playing"
 title="Mabel's phone" version="8.4" local="0" relayed="{relayed}" secure="1" userID="123456"/>
<Session id="sess1" bandwidth="1900" location="wan"/>
</Video>
<Track title="Cello Suite" ><Player relayed="0" local="1" title="Kitchen"/></Track>
</MediaContainer>"""


def prefs(**settings: tuple[str, object]) -> str:
    given: dict[str, tuple[str, object]] = {
        "PublishServerOnPlexOnlineKey": ("bool", 1),
        "ManualPortMappingMode": ("bool", 1),
        "ManualPortMappingPort": ("int", 32500),
        **settings,
    }
    rows = "".join(
        f'<Setting id="{name}" label="" summary="" type="{kind}" default="" value="{value}" hidden="0" '
        f'advanced="0" group=""/>'
        for name, (kind, value) in given.items()
    )
    return f'<MediaContainer size="{len(given)}">{rows}</MediaContainer>'


def look(said: dict[str, Said], *, thorough: bool = False) -> Snapshot:
    base: dict[str, Said] = {
        "identity": IDENTITY,
        "root": ROOT.format(""),
        "account": ACCOUNT.format(""),
        "prefs": prefs(),
    }
    snapshot = observe(PlexDriver(thorough=thorough).observe(), {**base, **said}, missing=404)
    # plexapi, which does not know of our reading, reads alike, or refuses the whole for an odd word elsewhere.
    twice = observe(PlexDriver(thorough=thorough, twice=True).observe(), {**base, **said}, missing=404)
    refused = "ValueError" in twice.reasons.get(Kind.PLEX_REMOTE_ACCESS, "")
    assert twice == snapshot or (refused and twice.facts.items() <= snapshot.facts.items())
    return snapshot


def test_an_audit_does_not_ask_who_is_watching() -> None:
    assert {read.id for read in next(PlexDriver().observe())} == {"identity", "root", "prefs", "account"}
    assert next(PlexDriver(thorough=True).observe())[-1] is SESSIONS_READ


@pytest.mark.parametrize(
    ("root", "account", "value"),
    [
        ('myPlexSubscription="1"', 'subscriptionActive="0"', True),
        ('myPlexSubscription="0"', 'subscriptionActive="1"', False),
        ("", 'subscriptionActive="1"', True),
        ("", 'subscriptionActive="false"', False),
        ('myPlexSubscription=""', "", None),
        ("", "", None),
    ],
)
def test_plex_pass(root: str, account: str, value: bool | None) -> None:
    snapshot = look({"root": ROOT.format(root), "account": ACCOUNT.format(account)})
    assert snapshot.flag("plex.subscription") is value


def test_plex_pass_is_unknown_where_nobody_answered() -> None:
    failed: dict[str, Said] = {"root": (500, "no"), "account": Reply("account", None, "", whole=False)}
    assert "plex.subscription" not in look(failed).facts


@pytest.mark.parametrize(("value", "word"), [(0, "required"), (1, "preferred"), (2, "disabled"), (7, None)])
def test_secure_connections(value: int, word: str | None) -> None:
    assert look({"prefs": prefs(secureConnections=("int", value))}).text("plex.secure") == word


def test_the_other_settings_that_decide() -> None:
    snapshot = look(
        {
            "prefs": prefs(
                customConnections=("text", "https://plex.example.org:443"),
                allowedNetworks=("text", "192.168.1.0/24"),
                PreferredNetworkInterface=("text", ""),
            )
        }
    )
    assert snapshot.text("plex.custom_connections") == "https://plex.example.org:443"
    assert snapshot.text("plex.allowed_networks") == "192.168.1.0/24"
    assert snapshot.text("plex.interface") == "", "empty is any interface, and no unknown"
    assert snapshot.state(Kind.PLEX_REMOTE_ACCESS) is KindState.PRESENT


@pytest.mark.parametrize(
    ("preferred", "choices", "address"),
    [
        # The list as a real server in a container gave it.
        ("eth0", ":Any|eth0:eth0 (172.18.0.19)", "172.18.0.19"),
        ("eth1", ":Any|eth0:eth0 (172.18.0.19)", ""),
        ("eth1", ":Any|eth0:eth0 (10.0.0.2)|eth1:eth1 (192.168.1.50)", "192.168.1.50"),
        ("eth0", ":Any|eth0:eth0", None),
        ("eth0", "", None),
        ("", ":Any|eth0:eth0 (172.18.0.19)", None),
    ],
)
def test_the_address_of_the_interface_that_plex_prefers(
    preferred: str, choices: str, address: str | None
) -> None:
    listed = prefs(PreferredNetworkInterface=("text", preferred)).replace(
        'id="PreferredNetworkInterface"', f'id="PreferredNetworkInterface" enumValues="{choices}"'
    )
    assert look({"prefs": listed}).text("plex.interface_address") == address


def test_a_setting_that_this_plex_has_not_is_unknown() -> None:
    names = {"plex.secure", "plex.custom_connections", "plex.allowed_networks", "plex.interface"}
    assert names & set(look({}).facts) == set()


@pytest.mark.parametrize(("relayed", "count"), [("1", 1), ("0", 0)])
def test_players_behind_the_relay_are_counted(relayed: str, count: int) -> None:
    body = hidden(SESSIONS_READ, Reply("sessions", 200, SESSIONS.replace("{relayed}", relayed)))
    snapshot = look({"sessions": body}, thorough=True)
    assert snapshot.facts["plex.relayed_sessions"].value == count


def test_nobody_is_watching() -> None:
    snapshot = look({"sessions": '<MediaContainer size="0"/>'}, thorough=True)
    assert snapshot.facts["plex.relayed_sessions"].value == 0


@pytest.mark.parametrize(
    "said",
    [
        (401, "<html/>"),
        (500, ""),
        "<html/>",
        "<MediaContainer",
        Reply("sessions", None, SESSIONS, whole=False),
        "<!DOCTYPE x><MediaContainer/>",
    ],
)
def test_sessions_that_were_not_told_are_unknown(said: Said) -> None:
    snapshot = look({"sessions": said}, thorough=True)
    assert "plex.relayed_sessions" not in snapshot.facts
    assert snapshot.reasons["plex.relayed_sessions"]
    assert snapshot.state(Kind.PLEX_REMOTE_ACCESS) is KindState.PRESENT, "the rest is known all the same"


def test_who_watches_what_is_dropped_where_it_arrives() -> None:
    reply = hidden(SESSIONS_READ, Reply("sessions", 200, SESSIONS))
    private = (
        "mabel",
        "Mabel",
        "Alone",
        "alone",
        "1990",
        "123456",
        "198.51.100.7",
        "D00D",
        "iPhone",
        "Kitchen",
    )
    further = ("Cello", "Hara", "Kate", "metadata-static", "avatar", "Films", "/library", "German", "sess1")
    assert [word for word in (*private, *further) if word in reply.body] == []
    assert 'relayed="{relayed}"' in reply.body
    assert 'location="wan"' in reply.body


@pytest.mark.parametrize(
    ("wanted", "read_twice"),
    [
        (RemoteAccess(enabled=True, manual=True, manual_port=32500), False),
        (RemoteAccess(enabled=True, manual=True, manual_port=32501), True),
        (RemoteAccess(enabled=False, manual=True, manual_port=32500), True),
        (None, True),
    ],
)
def test_plexapi_reads_the_settings_on_which_a_change_will_rest(
    wanted: RemoteAccess | None, read_twice: bool
) -> None:
    odd = prefs(GuestLimit=("odd", 1))  # none of our settings, and nothing that plexapi takes
    said: dict[str, Said] = {
        "identity": IDENTITY,
        "root": ROOT.format(""),
        "account": ACCOUNT.format(""),
        "prefs": odd,
    }
    snapshot = observe(PlexDriver(twice=True, wanted=wanted).observe(), said, missing=404)
    assert ("not understood" in snapshot.reasons.get(Kind.PLEX_REMOTE_ACCESS, "")) is read_twice

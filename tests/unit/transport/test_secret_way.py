"""The one answer to whether a secret may go some way: by every hop's key, and by who is at the end."""

from __future__ import annotations

import pytest

from plexops.model.errors import PlexopsError
from plexops.model.secret import Secret
from plexops.transport.http_settings import BasicLogin, HeaderLogin, HttpSettings, Pinned
from plexops.transport.secret_way import pinned_outside, require_over_http, require_over_ssh, same_way
from plexops.transport.ssh_settings import SshSettings
from plexops.transport.trust.verdict import Source, Trust, TrustedKey, TrustedKeys

TOKEN = HeaderLogin("X-Plex-Token", Secret("t0ken", "env:PLEX_TOKEN"))
BASIC = BasicLogin(Secret("k", "env:PLEXOPS_K"), Secret("s", "env:PLEXOPS_S"))
PLEX = "192.168.1.50"


def key(source: Source, print_: str = "SHA256:a", kind: str = "ssh-ed25519") -> TrustedKey:
    return TrustedKey(print_, source, "somewhere", kind)


def hop(*keys: TrustedKey, host: str = "192.168.1.2", via: SshSettings | None = None) -> SshSettings:
    return SshSettings("home/via", host, host_keys=TrustedKeys(keys), via=via)


INSIDE, STORE, KNOWN = (hop(key(source)) for source in (Source.INVENTORY, Source.STORE, Source.KNOWN_HOSTS))


@pytest.mark.parametrize(
    ("way", "outside"),
    [
        (None, True),
        (hop(), False),
        (INSIDE, False),
        (STORE, True),
        (KNOWN, True),
        # The store decides alone: what known_hosts or the inventory say besides lets no other key through.
        (hop(key(Source.INVENTORY, "SHA256:b"), key(Source.STORE)), False),
        (hop(key(Source.INVENTORY), key(Source.STORE)), True),
        # known_hosts knows a key of another type, and the inventory's would pass as well: pinned in the repository.
        (hop(key(Source.INVENTORY, "SHA256:b"), key(Source.KNOWN_HOSTS, kind="ssh-rsa")), False),
        (hop(key(Source.KNOWN_HOSTS), via=INSIDE), False),
        (hop(key(Source.KNOWN_HOSTS), via=STORE), True),
        (hop(key(Source.STORE), via=hop(key(Source.STORE), via=INSIDE)), False),
    ],
)
def test_all_of_a_way_is_pinned_outside_or_it_is_not(way: SshSettings | None, outside: bool) -> None:
    assert pinned_outside(way) is outside
    if way is not None:
        behind = hop(key(Source.STORE), host="192.168.1.1", via=way)
        assert code(lambda: require_over_ssh(behind, Trust.PINNED_OUTSIDE, "it")) == (
            "" if outside else "PLX-D203"
        )
    assert over_http(f"https://{PLEX}:443", login=BASIC, tls=Pinned(TrustedKeys()), via=way) == (
        "" if outside else "PLX-D203"
    )


def code(act: object) -> str:
    try:
        act()  # type: ignore[operator]
    except PlexopsError as error:
        return error.problems[0].code
    return ""


def over_http(url: str, peer: str = PLEX, **more: object) -> str:
    settings = HttpSettings("home/plex", url, **{"login": TOKEN, "plain_login": True, **more})  # type: ignore[arg-type]
    return code(lambda: require_over_http(settings, peer))


def test_a_login_in_clear_goes_where_the_server_is_or_where_it_was_approved() -> None:
    url = f"http://{PLEX}:32400"
    assert over_http(url) == "PLX-D215"
    assert over_http(url, login=None) == ""
    assert over_http(url, proven=frozenset({PLEX})) == ""
    # What counts is who answers, and not what the URL says.
    assert over_http(url, "192.168.1.66", proven=frozenset({PLEX})) == "PLX-D215"
    assert over_http("http://media.lan:32400", proven=frozenset({PLEX})) == ""
    assert over_http(url, approved=True) == ""
    assert over_http(url, approved=True, via=INSIDE) == "PLX-D203"
    assert over_http("http://203.0.113.9:32400", "203.0.113.9", approved=True) == "PLX-D212"
    assert over_http(url, approved=True, plain_login=False) == "PLX-D212"


def test_a_public_certificate_says_nothing_of_whose_device_it_is() -> None:
    url = "https://plex.example.net:443"
    assert over_http(url) == "PLX-D215"
    assert over_http(url, "203.0.113.9", approved=True) == ""
    assert over_http("https://plex.tv", "203.0.113.9", constant_address=True) == ""
    # The constant is https: in clear it is no plex.tv.
    assert over_http("http://plex.tv", "203.0.113.9", constant_address=True) == "PLX-D212"


def test_an_address_is_another_device_behind_other_jump_hosts() -> None:
    assert same_way(None, None)
    assert same_way(STORE, INSIDE)
    assert not same_way(STORE, None)
    assert not same_way(STORE, hop(host="192.168.2.2"))
    assert not same_way(STORE, hop(via=KNOWN))

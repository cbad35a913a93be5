"""A router that is asked over HTTPS by its own session: from the inventory to what was seen, over real TLS on loopback."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from plexops.config.inventory import load_inventory
from plexops.config.resolve import resolve
from plexops.config.samples import load_samples
from plexops.config.secrets import Secrets
from plexops.engine.look.access import LiveLinks, ReplayedLinks
from plexops.engine.look.site import Home, Setting, open_home
from plexops.engine.look.site_state import SiteState
from plexops.lab.base import HttpRequest, HttpResponse
from plexops.lab.https import make_tls
from plexops.model.codes import CODES
from plexops.model.errors import PlexopsError
from plexops.model.snapshot import Kind, KindState, Role
from plexops.model.status import ExitStatus
from plexops.transport.http_settings import BasicLogin, HeaderLogin, HttpSettings, SessionLogin
from plexops.transport.trust.store import TrustStore
from plexops.transport.trust.verdict import OfferedKey
from tests.lab_sim.listening import listening

TOKEN = "the-token-of-an-app"
PAGE = b"<!DOCTYPE html><html><head><title>Freebox</title></head><body>login</body></html>"


class Freebox:
    """A Freebox that judges the proof by itself, and answers what the sample says. `ends_after`: requests of the first
    session; `pages`: paths that a page is shown for."""

    def __init__(self, ends_after: int = 1000, pages: tuple[str, ...] = ()) -> None:
        samples = load_samples("freebox", Path())
        assert samples is not None
        told = samples.answers("household")
        paths = {
            "fw/redir": "redirs", "fw/dmz": "dmz", "connection": "connection", "lan/config": "lan",
            "dhcp/config": "dhcp", "dhcp/static_lease": "static", "dhcp/dynamic_lease": "dynamic",
            "upnpigd/config": "igd", "upnpigd/redir": "opened", "system": "system",
        }  # fmt: skip
        self.answers = {f"/api/v8/{path}/": str(told[read]) for path, read in paths.items()}
        self.left, self.pages = ends_after, pages
        self.logins, self.logouts, self.sessions = 0, 0, set[str]()

    def __call__(self, asked: HttpRequest) -> HttpResponse:
        if asked.path == "/api/v8/login/":
            return _json({"success": True, "result": {"logged_in": False, "challenge": "c0ffee"}})
        if asked.path == "/api/v8/login/session/":
            return self._log_in(json.loads(asked.body))
        session = asked.headers.get("x-fbx-app-auth", "")
        if session not in self.sessions:
            return _json({"success": False, "error_code": "auth_required", "msg": "Connexion requise"}, 403)
        if asked.path == "/api/v8/login/logout/":
            self.logouts += 1
            return _json({"success": True})
        self.left -= 1
        if self.left == 0:
            self.sessions.clear()
        if asked.path in self.pages:
            return HttpResponse(200, PAGE, "text/html")
        return HttpResponse(200, self.answers[asked.path].encode())

    def _log_in(self, said: dict[str, str]) -> HttpResponse:
        self.logins += 1
        right = hmac.new(TOKEN.encode(), b"c0ffee", hashlib.sha1).hexdigest()
        if said != {"app_id": "fr.plexops", "password": right}:
            refusal = "Erreur d'authentification de l'application"
            return _json({"success": False, "error_code": "invalid_token", "msg": refusal}, 403)
        self.sessions = {f"session-{self.logins}"}
        return _json({"success": True, "result": {"session_token": f"session-{self.logins}"}})


def _json(value: object, status: int = 200) -> HttpResponse:
    return HttpResponse(status, json.dumps(value).encode())


def home_of(folder: Path, router: str, store: TrustStore, *, live: bool = True, **secrets: str) -> Home:
    """Make a home of one router ready, as every command does."""
    (folder / "inventory.yaml").write_text(f"sites: {{home: {{router: {{{router}}}, echoes: []}}}}\n")
    (tasks,) = resolve(load_inventory(folder / "inventory.yaml"), (), keep_all=True)
    links = LiveLinks() if live else ReplayedLinks(folder)
    return open_home(tasks, Setting(folder, Secrets(secrets, None), store, links))


@contextmanager
def looked_at(folder: Path, box: Freebox, token: str = TOKEN) -> Iterator[SiteState]:
    """Look at a home whose router is this one; its key is pinned as `plexops trust` does."""
    tls = make_tls(folder, ["127.0.0.1"])
    listener = listening(box, tls=tls)
    store = TrustStore.load(folder).pin("home/router", OfferedKey("tls", tls.pin), date(2025, 11, 22))
    router = f"profile: freebox, address: 127.0.0.1, port: {listener.address[1]}, password: {{env: PLEXOPS_ROUTER}}"
    try:
        yield home_of(folder, router, store, PLEXOPS_ROUTER=token).observer().look(None)
    finally:
        listener.close()


def test_a_router_is_seen_after_one_login_which_is_ended(tmp_path: Path) -> None:
    box = Freebox()
    with looked_at(tmp_path, box) as state:
        seen = state.view.of(Role.ROUTER)
    assert state.problems == ()
    assert seen.text("wan.address") == "203.0.113.19"
    assert [entry.owner.key for entry in seen.of(Kind.PORT_FORWARD)] == ["", "plex", ""]
    assert {kind for kind, told in seen.kinds.items() if told is KindState.PRESENT} == {
        *(Kind.PORT_FORWARD, Kind.DHCP_RESERVATION, Kind.UPNP, Kind.LEASE, Kind.UPNP_MAPPING)
    }
    assert (box.logins, box.logouts) == (1, 1)


def test_a_session_that_ends_meanwhile_is_begun_once_more(tmp_path: Path) -> None:
    box = Freebox(ends_after=3)
    with looked_at(tmp_path, box) as state:
        seen = state.view.of(Role.ROUTER)
    assert state.problems == ()
    assert seen.state(Kind.PORT_FORWARD) is KindState.PRESENT
    assert box.logins == 2


def test_a_wrong_secret_is_refused_once_and_nothing_is_said_to_be_absent(tmp_path: Path) -> None:
    box = Freebox()
    with looked_at(tmp_path, box, "another") as state:
        assert not state.view.of(Role.ROUTER).kinds
    assert [problem.code for problem in state.problems] == ["PLX-D204"]
    assert CODES["PLX-D204"].status is ExitStatus.INCOMPLETE
    assert "invalid_token" in state.problems[0].reason + " ".join(state.problems[0].detail)
    assert "another" not in repr(state.problems)
    assert box.logins == 1


def test_a_page_in_place_of_an_answer_is_unknown_and_the_rest_is_seen(tmp_path: Path) -> None:
    with looked_at(tmp_path, Freebox(pages=("/api/v8/fw/redir/",))) as state:
        seen = state.view.of(Role.ROUTER)
    assert seen.state(Kind.PORT_FORWARD) is KindState.UNKNOWN
    assert "page" in seen.reasons[Kind.PORT_FORWARD]
    assert seen.state(Kind.DHCP_RESERVATION) is KindState.PRESENT


def test_an_answer_that_its_envelope_calls_none_is_unknown_with_the_boxs_own_reason(tmp_path: Path) -> None:
    box = Freebox()
    box.answers["/api/v8/fw/redir/"] = (
        '{"success": false, "error_code": "insufficient_rights", "msg": "Non autorisé"}'
    )
    with looked_at(tmp_path, box) as state:
        seen = state.view.of(Role.ROUTER)
    assert seen.state(Kind.PORT_FORWARD) is KindState.UNKNOWN
    assert "Non autorisé" in seen.reasons[Kind.PORT_FORWARD]


def test_without_a_key_that_is_pinned_outside_no_secret_leaves(tmp_path: Path) -> None:
    box = Freebox()
    tls = make_tls(tmp_path, ["127.0.0.1"])
    listener = listening(box, tls=tls)
    router = (
        f'profile: freebox, address: 127.0.0.1, port: {listener.address[1]}, tls_pin: "{tls.pin}", '
        "password: {env: PLEXOPS_ROUTER}"
    )
    try:
        home = home_of(tmp_path, router, TrustStore.load(tmp_path), PLEXOPS_ROUTER=TOKEN)
        state = home.observer().look(None)
    finally:
        listener.close()
    assert [problem.code for problem in state.problems] == ["PLX-D203"]
    assert box.logins == 0


KEY, USER = "api_key: {env: PLEXOPS_KEY}", "username: me, password: {env: PLEXOPS_ROUTER}"


@pytest.mark.parametrize(
    ("profile", "given", "kind"),
    [
        ("unifi", KEY, HeaderLogin),
        ("unifi", USER, SessionLogin),
        ("unifi", f"{USER}, {KEY}", HeaderLogin),
        ("pfsense", KEY, HeaderLogin),
        ("pfsense", USER, BasicLogin),
        ("opnsense", f"{KEY}, api_secret: {{env: PLEXOPS_ROUTER}}", BasicLogin),
        ("opnsense", USER, BasicLogin),
        ("routeros-rest", USER, BasicLogin),
    ],
)
def test_the_secrets_of_the_inventory_pick_the_login(
    profile: str, given: str, kind: type, tmp_path: Path
) -> None:
    router = f"profile: {profile}, address: 192.168.1.1, {given}"
    home = home_of(tmp_path, router, TrustStore.load(tmp_path), PLEXOPS_ROUTER="x", PLEXOPS_KEY="y")
    settings = home.access.router()
    assert isinstance(settings, HttpSettings)
    assert type(settings.login) is kind
    assert home.profile is not None
    assert settings.contract == home.profile.contract


@pytest.mark.parametrize(
    ("profile", "given", "wants"),
    [
        ("unifi", "username: me", "api_key:, or username: and password:"),
        ("freebox", "username: me", "Write password: under"),
        ("opnsense", KEY, "api_key: and api_secret:, or username: and password:"),
        ("routeros-rest", KEY, "username: and password:"),
    ],
)
def test_a_login_that_is_missing_is_said_with_its_keys_before_anything_is_asked(
    profile: str, given: str, wants: str, tmp_path: Path
) -> None:
    router, store = f"profile: {profile}, address: 192.168.1.1, {given}", TrustStore.load(tmp_path)
    with pytest.raises(PlexopsError) as caught:
        home_of(tmp_path, router, store)
    (problem,) = caught.value.problems
    assert (problem.code, CODES[problem.code].status) == ("PLX-C309", ExitStatus.USAGE)
    assert wants in problem.cure
    assert home_of(tmp_path, router, store, live=False)  # a recording needs none


def test_a_param_without_a_default_has_to_be_said(tmp_path: Path) -> None:
    given = f"profile: omada, address: 192.168.1.2, {USER}"
    with pytest.raises(PlexopsError, match="controller") as caught:
        home_of(tmp_path, given, TrustStore.load(tmp_path))
    assert caught.value.problems[0].code == "PLX-C602"
    params = "params: {controller: 0a1b, gateway: AA-BB-CC-DD-EE-FF}"
    home = home_of(tmp_path, f"{given}, {params}", TrustStore.load(tmp_path), PLEXOPS_ROUTER="x")
    assert home.profile is not None
    assert home.profile.reads["gateway"].get.startswith("/0a1b/api/v2/sites/Default/gateways/AA-")

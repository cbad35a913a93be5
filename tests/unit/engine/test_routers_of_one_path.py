"""Routers over real TLS that answer as their samples do: whose calls go to one path, and whose login is in no header."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from plexops.config.inventory import load_inventory
from plexops.config.resolve import resolve
from plexops.config.samples import load_samples
from plexops.config.secrets import Secrets
from plexops.engine.look.access import LiveLinks
from plexops.engine.look.site import Setting, open_home
from plexops.engine.look.site_state import SiteState
from plexops.lab.base import HttpRequest, HttpResponse
from plexops.lab.https import make_tls
from plexops.model.snapshot import Kind, KindState, Role
from plexops.transport.trust.store import TrustStore
from plexops.transport.trust.verdict import OfferedKey
from tests.lab_sim.listening import listening

PASSWORD = "a password of a page"
DENIED = b'{"jsonrpc":"2.0","id":1,"error":{"code":-32002,"message":"Access denied"}}'


def answers(family: str) -> Mapping[str, bytes]:
    """Give what a household answers, by what is asked."""
    samples = load_samples(family, Path())
    assert samples is not None
    told = samples.answers("household")
    return {ask: str(told[read]).encode() for read, ask in samples.states["household"].asks.items()}


class Ubus:
    """rpcd: a session in the body, and rights."""

    def __init__(self, password: str = PASSWORD, *, denies: str = "") -> None:
        self.answers, self.password, self.denies = answers("openwrt-ubus"), password, denies
        self.session = ""

    def __call__(self, asked: HttpRequest) -> HttpResponse:
        body = json.loads(asked.body)
        who, *called = body["params"]
        if called[:2] == ["session", "login"]:
            if called[2] != {"username": "root", "password": self.password}:
                return HttpResponse(200, b'{"jsonrpc":"2.0","id":1,"result":[6]}')
            self.session = "c" * 32
            return HttpResponse(200, json.dumps({"result": [0, {"ubus_rpc_session": self.session}]}).encode())
        text = f"{asked.method} {asked.path} {json.dumps({**body, 'params': called})}"
        if who != self.session or (self.denies and self.denies in text):
            return HttpResponse(200, DENIED)
        if called[:2] == ["session", "destroy"]:
            self.session = ""
            return HttpResponse(200, b'{"result":[0]}')
        return HttpResponse(200, self.answers[text])


class Linksys:
    """JNAP: what is done in one header, the login in another, which it says back where it refuses."""

    def __init__(self, password: str = PASSWORD) -> None:
        self.answers = answers("linksys")
        self.right = "Basic " + base64.b64encode(f"root:{password}".encode()).decode()

    def __call__(self, asked: HttpRequest) -> HttpResponse:
        said = asked.headers.get("x-jnap-authorization", "")
        if said != self.right:
            error = {"result": "_ErrorUnauthorized", "error": f"Invalid authorization credentials '{said}'"}
            return HttpResponse(200, json.dumps(error).encode())
        text = f"{asked.method} {asked.path} X-JNAP-Action: {asked.headers['x-jnap-action']} {asked.body.decode()}"
        return HttpResponse(200, self.answers[text])


Box = Callable[[HttpRequest], HttpResponse]


@contextmanager
def looked_at(folder: Path, family: str, box: Box) -> Iterator[SiteState]:
    tls = make_tls(folder, ["127.0.0.1"])
    listener = listening(box, tls=tls)
    store = TrustStore.load(folder).pin("home/router", OfferedKey("tls", tls.pin), date(2025, 11, 22))
    router = (
        f"profile: {family}, address: 127.0.0.1, port: {listener.address[1]}, username: root, "
        "password: {env: PLEXOPS_ROUTER}"
    )
    try:
        (folder / "inventory.yaml").write_text(f"sites: {{home: {{router: {{{router}}}, echoes: []}}}}\n")
        (tasks,) = resolve(load_inventory(folder / "inventory.yaml"), (), keep_all=True)
        setting = Setting(folder, Secrets({"PLEXOPS_ROUTER": PASSWORD}, None), store, LiveLinks())
        yield open_home(tasks, setting).observer().look(None)
    finally:
        listener.close()


@pytest.mark.parametrize(
    ("family", "box", "address"),
    [
        ("openwrt-ubus", Ubus, "203.0.113.1"),
        ("linksys", Linksys, "203.0.113.50"),
    ],
)
def test_a_router_is_seen_with_all_that_its_sample_promises(
    family: str, box: Callable[[], Box], address: str, tmp_path: Path
) -> None:
    with looked_at(tmp_path, family, box()) as state:
        seen = state.view.of(Role.ROUTER)
    assert state.problems == ()
    assert seen.text("wan.address") == address
    assert "plex" in [entry.owner.key for entry in seen.of(Kind.PORT_FORWARD)]
    assert seen.of(Kind.DHCP_RESERVATION)
    assert KindState.UNKNOWN not in seen.kinds.values()


@pytest.mark.parametrize(("family", "box"), [("openwrt-ubus", Ubus), ("linksys", Linksys)])
def test_a_wrong_password_shows_nothing_and_is_said_nowhere(
    family: str, box: Callable[[str], Box], tmp_path: Path
) -> None:
    with looked_at(tmp_path, family, box("another one")) as state:
        seen = state.view.of(Role.ROUTER)
    assert set(seen.kinds.values()) <= {KindState.UNKNOWN}
    told = repr(state.problems) + repr(dict(seen.reasons))
    assert "PLX-D204" in told or "access denied" in told
    assert PASSWORD not in told
    assert base64.b64encode(f"root:{PASSWORD}".encode()).decode() not in told


def test_a_right_that_is_missing_is_unknown_and_the_rest_is_seen(tmp_path: Path) -> None:
    with looked_at(tmp_path, "openwrt-ubus", Ubus(denies='"config": "firewall"')) as state:
        seen = state.view.of(Role.ROUTER)
    assert seen.state(Kind.PORT_FORWARD) is KindState.UNKNOWN
    assert "it takes a login that may use this part" in seen.reasons[Kind.PORT_FORWARD]
    assert seen.state(Kind.DHCP_RESERVATION) is KindState.PRESENT

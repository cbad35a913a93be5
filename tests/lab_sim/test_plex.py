from __future__ import annotations

import io
import json
import re
import threading
import time
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import plexapi.server
import pytest
import requests
from plexapi.exceptions import BadRequest, Unauthorized
from plexapi.settings import Settings as UntypedSettings

from plexops.lab.base import DeviceLog
from plexops.lab.network import Listener
from plexops.lab.plex import PlexSeed, PlexServer, Verdict
from plexops.lab.plex_settings import SETTINGS
from tests.captures.capture_files import DATA
from tests.lab_sim.listening import listening
from tests.waiting import wait_until

TOKEN = PlexSeed().token
#: plexapi has no types.
Client: Any = plexapi.server.PlexServer
Settings: Any = UntypedSettings


@dataclass
class Home:
    """The rest of the home, as plain facts that a test sets."""

    open_ports: set[int] = field(default_factory=set)
    upnp: bool = False
    address: str = "62.155.240.55"
    mapped: list[int] = field(default_factory=list)

    def reachable(self, port: int) -> bool:
        return port in self.open_ports

    def upnp_map(self, port: int) -> bool:
        self.mapped.append(port)
        return self.upnp

    def public_address(self) -> str:
        return self.address


@dataclass
class Served:
    server: PlexServer
    url: str
    log: DeviceLog

    def client(self) -> Any:
        return Client(self.url, TOKEN, timeout=60)

    def call(self, method: str, path: str, **headers: str) -> requests.Response:
        return requests.request(
            method, self.url + path, headers={"X-Plex-Token": TOKEN, **headers}, timeout=60
        )


Start = Callable[..., Served]


@pytest.fixture
def start() -> Iterator[Start]:
    running: list[tuple[PlexServer, Listener]] = []

    def begin(home: Home, settings: dict[str, bool | int | str], **knobs: object) -> Served:
        log = DeviceLog()
        server = PlexServer(home, log, PlexSeed(settings=settings, **{"delay_seconds": 0.02, **knobs}))  # type: ignore[arg-type]
        listener = listening(server.handle)
        running.append((server, listener))
        return Served(server, f"http://127.0.0.1:{listener.address[1]}", log)

    yield begin
    for server, listener in running:
        listener.close()
        server.stop()


MANUAL: dict[str, bool | int | str] = {
    "PublishServerOnPlexOnlineKey": True,
    "ManualPortMappingMode": True,
    "ManualPortMappingPort": 32500,
}


def test_a_healthy_server_seen_through_plexapi(start: Start) -> None:
    served = start(Home({32500}), MANUAL)
    served.server.settle()
    client = served.client()
    assert (client.myPlexMappingState, client.myPlexSigninState) == ("mapped", "ok")
    assert client.friendlyName == "Wohnzimmer"
    assert client.version.startswith("1.43.")
    account = client.account()
    assert (account.mappingState, account.mappingError, account.signInState) == ("mapped", "", "ok")
    assert (account.publicAddress, account.publicPort) == ("62.155.240.55", "32500")
    assert (account.privateAddress, account.privatePort) == ("192.168.1.50", "32400")
    assert account.subscriptionActive is True
    assert client.settings.get("manualPortMappingPort").value == 32500
    assert client.settings.get("RelayEnabled").value is True
    assert client.sessions() == []
    assert served.server.faults == []


def test_unreachable_means_mapped_without_any_address(start: Start) -> None:
    served = start(Home(), MANUAL)
    assert served.server.settle() == Verdict("mapped", "unreachable", "", 0)
    account = served.client().account()
    assert (account.mappingState, account.mappingError) == ("mapped", "unreachable")
    assert (account.publicAddress, account.publicPort) == ("", "0")
    assert (account.privateAddress, account.privatePort) == ("", "0")


def test_settings_saved_through_plexapi_start_a_new_verdict(start: Start) -> None:
    served = start(Home({32500}), {"PublishServerOnPlexOnlineKey": True})
    assert served.server.settle().state == "failed"
    client = served.client()
    client.settings.get("ManualPortMappingMode").set(True)
    client.settings.get("ManualPortMappingPort").set(32500)
    client.settings.save()
    assert served.server.settle() == Verdict("mapped", "", "62.155.240.55", 32500)
    fresh = Settings(client, client.query(Settings.key), Settings.key)
    assert fresh.get("ManualPortMappingMode").value is True
    assert fresh.get("ManualPortMappingPort").value == 32500
    puts = [line for line in served.log.lines if line.startswith("PUT")]
    assert puts == ["PUT /:/prefs?ManualPortMappingMode=true&ManualPortMappingPort=32500"]


def test_a_verdict_follows_the_home_only_when_asked_again(start: Start) -> None:
    home = Home()
    served = start(home, MANUAL, refresh_window_seconds=0.0)
    served.server.settle()
    home.open_ports.add(32500)
    assert served.server.verdict().error == "unreachable"
    assert served.call("PUT", "/myplex/refreshReachability").status_code == 200
    assert served.server.settle().public_port == 32500


def test_a_refresh_too_soon_is_skipped_and_answered_200(start: Start) -> None:
    home = Home()
    served = start(home, MANUAL, refresh_window_seconds=60.0)
    assert served.call("PUT", "/myplex/refreshReachability").status_code == 200
    assert served.server.settle().error == "unreachable"
    assert "too soon" not in served.server.log.text()
    home.open_ports.add(32500)
    assert served.call("PUT", "/myplex/refreshReachability").status_code == 200
    assert served.server.settle().error == "unreachable"
    assert "requesting connectivity refresh too soon" in served.server.log.text()


def test_waiting_lies_between(start: Start) -> None:
    served = start(Home({32500}), MANUAL, delay_seconds=2.0)
    wait_until(lambda: bool(served.client().account().mappingState == "waiting"))
    assert served.server.settle().state == "mapped"


def test_automatic_mode_asks_the_router(start: Start) -> None:
    home = Home(open_ports=set(range(1024, 65536)), upnp=True)
    served = start(home, {"PublishServerOnPlexOnlineKey": True})
    verdict = served.server.settle()
    assert verdict.state == "mapped"
    assert home.mapped == [verdict.public_port]
    assert served.server.setting("LastAutomaticMappedPort") == verdict.public_port
    assert verdict.public_port != 32400


def test_publishing_off_is_unknown_and_on_again_gives_a_verdict(start: Start) -> None:
    served = start(Home({32500}), MANUAL)
    served.server.settle()
    assert served.call("PUT", "/:/prefs?PublishServerOnPlexOnlineKey=0").status_code == 200
    assert served.server.settle() == Verdict("unknown")
    assert served.call("PUT", "/:/prefs?PublishServerOnPlexOnlineKey=1").status_code == 200
    assert served.server.settle().public_port == 32500


def test_switching_publishing_off_may_block_and_stop_ends_that(start: Start) -> None:
    served = start(Home(), MANUAL, blocking_put_seconds=0.4)
    served.server.settle()
    begun = time.monotonic()
    served.call("PUT", "/:/prefs?PublishServerOnPlexOnlineKey=false")
    assert time.monotonic() - begun >= 0.4

    slow = start(Home(), MANUAL, blocking_put_seconds=300.0)
    slow.server.settle()
    blocked = threading.Thread(target=slow.call, args=("PUT", "/:/prefs?PublishServerOnPlexOnlineKey=0"))
    blocked.start()
    while slow.server.setting("PublishServerOnPlexOnlineKey"):
        time.sleep(0.01)
    slow.server.stop()
    blocked.join(60)
    assert not blocked.is_alive()


def test_a_throttled_server_keeps_its_first_verdict(start: Start) -> None:
    home = Home()
    served = start(home, MANUAL, throttled=True, refresh_window_seconds=0.0)
    served.server.settle()
    home.open_ports.add(32501)
    served.call("PUT", "/:/prefs?ManualPortMappingPort=32501")
    served.call("PUT", "/myplex/refreshReachability")
    assert served.server.settle() == Verdict("mapped", "unreachable")
    assert served.server.setting("ManualPortMappingPort") == 32501


def test_an_unclaimed_server_needs_no_token_and_publishes_nothing(start: Start) -> None:
    served = start(Home({32500}), MANUAL, claimed=False)
    served.server.settle()
    root = ET.fromstring(requests.get(served.url + "/", timeout=60).content)  # noqa: S314
    assert root.attrib["myPlexSigninState"] == "none"
    assert root.attrib["myPlexMappingState"] == "unknown"
    identity = ET.fromstring(requests.get(served.url + "/identity", timeout=60).content)  # noqa: S314
    assert identity.attrib["claimed"] == "0"


def test_a_signed_out_server_is_refused_by_plex_tv(start: Start) -> None:
    served = start(Home({32500}), MANUAL, signed_in=False)
    assert served.server.settle() == Verdict("mapped", "badauth")
    assert served.client().account().signInState == "invalid"


def test_no_token_no_answer_but_identity(start: Start) -> None:
    served = start(Home(), MANUAL)
    assert requests.get(served.url + "/myplex/account", timeout=60).status_code == 401
    assert requests.put(served.url + "/:/prefs?logDebug=0", timeout=60).status_code == 401
    assert served.server.setting("logDebug") is True
    with pytest.raises(Unauthorized):
        Client(served.url, "wrong", timeout=60)
    identity = ET.fromstring(requests.get(served.url + "/identity", timeout=60).content)  # noqa: S314
    assert identity.attrib["machineIdentifier"] == PlexSeed().machine_identifier


def test_a_token_in_a_url_is_a_fault(start: Start) -> None:
    served = start(Home(), MANUAL)
    assert served.call("GET", f"/?X-Plex-Token={TOKEN}").status_code == 401
    assert served.server.faults == ["token in a URL: GET /"]


@pytest.mark.parametrize(
    "query", ["NoSuchKey=1", "ManualPortMappingMode=5", "ManualPortMappingPort=many", "logDebug=", ""]
)
def test_a_bad_setting_changes_nothing(start: Start, query: str) -> None:
    served = start(Home(), MANUAL)
    answer = served.call("PUT", f"/:/prefs?RelayEnabled=0&{query}" if query else "/:/prefs")
    assert answer.status_code == 400
    assert served.server.setting("RelayEnabled") is True
    with pytest.raises(BadRequest):
        served.client().query(f"/:/prefs?{query}", method=served.client()._session.put)


def test_a_text_can_be_emptied(start: Start) -> None:
    served = start(Home(), MANUAL | {"customConnections": "http://old.example:32400"})
    assert served.call("PUT", "/:/prefs?customConnections=").status_code == 200
    assert served.server.setting("customConnections") == ""


def test_json_when_asked(start: Start) -> None:
    served = start(Home(), MANUAL)
    rows = served.call("GET", "/:/prefs", Accept="application/json").json()["MediaContainer"]["Setting"]
    by_id = {row["id"]: row for row in rows}
    assert by_id["ManualPortMappingPort"]["hidden"] is True
    assert "authToken" in served.call("GET", "/myplex/account", Accept="application/json").json()["MyPlex"]


def test_other_paths_are_404(start: Start) -> None:
    served = start(Home(), MANUAL)
    assert served.call("GET", "/nothing").status_code == 404
    assert served.call("DELETE", "/myplex/account").status_code == 404


def test_the_log_tells_the_cycle_in_local_time(start: Start) -> None:
    served = start(Home({32500}), MANUAL)
    served.server.settle()
    with zipfile.ZipFile(io.BytesIO(served.call("GET", "/diagnostics/logs").content)) as archive:
        text = archive.read("Plex Media Server.log").decode()
    shape = re.compile(
        r"^[A-Z][a-z]{2} \d\d, \d{4} \d\d:\d\d:\d\d\.\d{3} \[\d+\] (DEBUG|INFO|WARN|ERROR) - .+$"
    )
    assert all(shape.match(line) for line in text.splitlines())
    assert time.strftime("%b %d, %Y") in text
    order = [
        "build: linux-x86_64", "'Not Mapped'", "Got public IP from v4.plex.tv: 62.155.240.55",
        "didn't find usable IGD", "'Mapped - Not Published'", "ip=62.155.240.55, port=32500)", "was 201",
        "'Mapped - Publishing'", ": 1 for 62.155.240.55:32500 (responded in 186 ms)", "state set to 'Mapped'.",
    ]  # fmt: skip
    places = [text.index(phrase) for phrase in order]
    assert places == sorted(places)


def test_without_debug_logging_the_deciding_lines_are_missing(start: Start) -> None:
    served = start(Home({32500}), MANUAL)
    served.server.settle()
    served.call("PUT", "/:/prefs?logDebug=0")
    before = served.server.log.text()
    served.call("PUT", "/:/prefs?ManualPortMappingPort=32501")
    served.server.settle()
    assert served.server.log.text() == before


def test_the_table_agrees_with_a_real_server() -> None:
    real = {row["id"]: row for row in json.loads((DATA / "plex" / "settings.json").read_text())}
    for setting in SETTINGS:
        row = real[setting.id]
        ours = (setting.type, setting.default, setting.hidden, setting.advanced, setting.group)
        assert ours == (row["type"], row["default"], row["hidden"], row["advanced"], row["group"]), setting.id

"""A simulated Plex Media Server: its API, and a publishing cycle whose verdict is computed, not scripted."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Literal, Protocol
from urllib.parse import parse_qsl

from plexops.lab import plex_views
from plexops.lab.base import DeviceLog, HttpRequest, HttpResponse
from plexops.lab.plex_answers import refuse, respond
from plexops.lab.plex_log import PlexLog
from plexops.lab.plex_seed import PlexCondition, PlexSeed, Verdict
from plexops.lab.plex_settings import SETTINGS, Value
from plexops.structs import replace

__all__ = ["PlexCondition", "PlexHooks", "PlexSeed", "PlexServer", "Verdict"]

_SETTINGS_BY_ID = {setting.id: setting for setting in SETTINGS}
_PUBLISH = "PublishServerOnPlexOnlineKey"
_MANUAL_MODE = "ManualPortMappingMode"
_MANUAL_PORT = "ManualPortMappingPort"
_AUTOMATIC_PORT = "LastAutomaticMappedPort"
_TRIO = frozenset({_PUBLISH, _MANUAL_MODE, _MANUAL_PORT})


class PlexHooks(Protocol):
    """What the server asks the home around it. Called from the server's own thread, without its lock."""

    def reachable(self, port: int) -> bool | Literal["refused"]:
        """Tell whether plex.tv gets through to this server on that public port, or is refused at once."""

    def upnp_map(self, port: int) -> bool:
        """Ask the router by UPnP to forward that public port here; false where it refuses or has no UPnP."""

    def public_address(self) -> str:
        """Give the address that the internet sees; empty without internet."""


class PlexServer:
    """A Plex Media Server 1.43. `handle` answers requests from any thread; `stop` ends its own thread.

    `faults` lists requests that no careful client sends: a token in a URL ends up in logs of proxies. `address` gives
    the LAN address that the server believes to have, `now` the time that its log shows.
    """

    def __init__(
        self,
        hooks: PlexHooks,
        log: DeviceLog,
        seed: PlexSeed | None = None,
        *,
        address: Callable[[], str] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._hooks = hooks
        self._requests = log
        self._seed = seed or PlexSeed()
        self._now = now
        self._condition = self._seed.condition
        self._address = address or (lambda: self._seed.private_address)
        self.faults: list[str] = []
        self.log = PlexLog(
            self._seed.version,
            port=self._seed.port,
            history=self._condition.history,
            rotated=self._condition.rotated,
            port_taken=self._condition.port_taken,
            now=now,
        )
        self._values: dict[str, Value] = {setting.id: setting.default for setting in SETTINGS}
        self._values |= {"FriendlyName": self._seed.friendly_name} | dict(self._seed.settings)
        self._values["MachineIdentifier"] = self._seed.machine_identifier
        self._verdict = Verdict()
        self._wake = threading.Condition()
        #: Counts what asked for a new verdict; a cycle that was overtaken gives none.
        self._wanted = 0
        self._done = 0
        self._checked_at = -1e9
        self._judged = False
        self._stopping = False
        self.log.debug = bool(self._values["logDebug"])
        self._thread = threading.Thread(target=self._work, name="plex-publisher", daemon=True)
        self._thread.start()
        if self._condition.running:
            self._publish()
            # A home that starts stands for one that has run for long: that was no request of a moment ago.
            self._checked_at = -1e9

    # --- what tests and the home ask -----------------------------------------------------------------

    def setting(self, name: str) -> Value:
        """Give a setting's present value."""
        with self._wake:
            return self._values[name]

    def verdict(self) -> Verdict:
        """Give the present verdict."""
        with self._wake:
            return self._verdict

    def settle(self, timeout_seconds: float = 10.0) -> Verdict:
        """Wait until nothing is pending and give the verdict; raises TimeoutError."""
        with self._wake:
            if not self._wake.wait_for(lambda: self._done == self._wanted, timeout_seconds):
                raise TimeoutError("the server is still publishing")
            return self._verdict

    def stop(self) -> None:
        """End the server's thread; later requests are answered from the last state."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        self._thread.join()

    # --- HTTP ----------------------------------------------------------------------------------------

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one request, with the date."""
        return replace(self._answer(request), date=self._now())

    def _answer(self, request: HttpRequest) -> HttpResponse:
        query = f"?{request.query}" if request.query else ""
        self._requests.add(f"{request.method} {request.path}{query}")
        if "x-plex-token" in query.lower():
            self.faults.append(f"token in a URL: {request.method} {request.path}")
            return refuse(401, "Unauthorized")
        if (request.method, request.path) == ("GET", "/identity"):
            return respond(request, plex_views.identity(self._seed))
        if self._seed.claimed and request.headers.get("x-plex-token") != self._seed.token:
            return refuse(401, "Unauthorized")
        if request.method == "GET":
            return self._get(request)
        if request.method == "PUT" and request.path == "/:/prefs":
            return self._put_settings(request.query)
        if request.method == "PUT" and request.path == "/myplex/refreshReachability":
            self._refresh()
            return HttpResponse(200, b"", "text/html")
        return refuse(404, "Not Found")

    def _get(self, request: HttpRequest) -> HttpResponse:
        if request.path == "/":
            return respond(
                request, plex_views.root(self._seed, self.verdict(), str(self.setting("FriendlyName")))
            )
        if request.path == "/:/prefs":
            with self._wake:
                values = dict(self._values)
            return respond(request, plex_views.settings(values, self._address()))
        if request.path == "/myplex/account":
            told = self._condition.told_address or self._address()
            return respond(request, plex_views.account(self._seed, self.verdict(), told))
        if request.path == "/status/sessions":
            return respond(request, plex_views.sessions(self._condition))
        if request.path == "/diagnostics/logs":
            return HttpResponse(200, self.log.zipped(), "application/zip")
        return refuse(404, "Not Found")

    # --- settings ------------------------------------------------------------------------------------

    def _put_settings(self, query: str) -> HttpResponse:
        wanted: dict[str, Value] = {}
        for name, text in parse_qsl(query, keep_blank_values=True):
            setting = _SETTINGS_BY_ID.get(name)
            if setting is None:
                return refuse(400, "Bad Request")
            try:
                wanted[setting.id] = setting.read(text)
            except ValueError:
                return refuse(400, "Bad Request")
        if not wanted:
            return refuse(400, "Bad Request")
        with self._wake:
            changed = {name for name, value in wanted.items() if self._values[name] != value}
            self._values |= wanted
            self.log.debug = bool(self._values["logDebug"])
        self._tell(changed)
        if changed & _TRIO:
            self._publish()
        if _PUBLISH in wanted and not wanted[_PUBLISH] and self._seed.blocking_put_seconds:
            with self._wake:
                self._wake.wait_for(lambda: self._stopping, self._seed.blocking_put_seconds)
        return HttpResponse(200, b"", "text/html")

    def _tell(self, changed: set[str]) -> None:
        if _MANUAL_MODE in changed:
            self.log.note(f"Setting manual port mode to {int(bool(self.setting(_MANUAL_MODE)))}.")
        if _PUBLISH in changed:
            self.log.note("Toggling server publish state.")

    def _refresh(self) -> None:
        with self._wake:
            soon = time.monotonic() - self._checked_at < self._seed.refresh_window_seconds
            mapped = self._verdict.state == "mapped"
        if soon or self._seed.throttled:
            self.log.note(
                "MyPlex: requesting connectivity refresh too soon after the last request, skipping."
            )
            return
        if not mapped:
            self.log.note("MyPlex: attempted a reachability check but we're not yet mapped.")
        self._publish()

    # --- the publishing cycle --------------------------------------------------------------------------

    def _publish(self) -> None:
        with self._wake:
            self._wanted += 1
            self._checked_at = time.monotonic()
            self._wake.notify_all()

    def _work(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._stopping or self._done != self._wanted)
                if self._stopping:
                    return
                serial = self._wanted
            verdict = self._judge(serial)
            with self._wake:
                if verdict is not None and serial == self._wanted:
                    self._verdict = verdict
                    self._judged = True
                self._done = max(self._done, serial)
                self._wake.notify_all()

    def _pause(self, serial: int) -> bool:
        """Wait one step; false where the cycle was overtaken or the server stops."""
        with self._wake:
            over = self._wake.wait_for(
                lambda: self._stopping or self._wanted != serial, self._seed.delay_seconds
            )
            return not over

    def _judge(self, serial: int) -> Verdict | None:
        """Go through one cycle; none where something overtook it or plex.tv refuses to answer."""
        if self._seed.throttled and self._judged:
            self.log.note("MyPlex: Published Mapping State response was 429")
            return None
        if not self._seed.claimed:
            self.log.note("MyPlex: Sending unclaimed device connections.")
            return Verdict()
        if not self.setting(_PUBLISH):
            self.log.note("PublicAddressManager: Stopping public ip check.")
            self._map_log("Unknown")
            return Verdict()
        with self._wake:
            self._verdict = Verdict("waiting")
        address = self._learn_address()
        port = self._map()
        if not self._pause(serial):
            return None
        if port is None:
            self.log.note("PublicAddressManager: Mapping failed.")
            self._map_log("Not Mapped")
            self._announce("", 0)
            # plex.tv refuses an announcement without a port.
            self.log.note("MyPlex: Published Mapping State response was 422")
            self._relay()
            return Verdict("failed")
        return self._ask_outside(serial, address, port)

    def _learn_address(self) -> str:
        self.log.note("PublicAddressManager: Starting.")
        self._map_log("Not Mapped")
        self.log.note("PublicAddressManager: Obtaining public address and mapping port.")
        address = self._hooks.public_address()
        if address:
            self.log.note(f"PublicAddressManager: Got public IP from v4.plex.tv: {address}")
        else:
            self.log.error("MyPlex: We appear to have lost Internet connectivity")
            self.log.error("MyPlex: Unable to get public IP adddress from myPlex (httpCode=-6)")
        return address

    def _ask_router(self) -> bool:
        """Look for a router that speaks UPnP; tells whether one answered."""
        router = self._condition.router_address
        if not router:
            # A healthy server with a manual port logs these two as well: it still asks the router.
            self.log.note("NAT: UPnP, getPublicIP didn't find usable IGD.")
            self.log.note("NAT: PMP, timed out waiting for response.")
            return False
        self.log.note(f"NAT: UPnP, public address is {router}")
        self.log.note(f"PublicAddressManager: got WAN IP {router} from router")
        if IPv4Address(router).is_private:
            self.log.warn("PublicAddressManager: WAN IP is a private IP address")
        return True

    def _map(self) -> int | None:
        """Give the public port that the server announces, none where no router maps one."""
        if self.setting(_MANUAL_MODE):
            self._ask_router()
            return int(self.setting(_MANUAL_PORT))
        last = int(self.setting(_AUTOMATIC_PORT))
        port = last or 10_000 + zlib.crc32(self._seed.machine_identifier.encode()) % 20_000
        lan = self._address()
        if not self._hooks.upnp_map(port):
            if self._ask_router():
                self.log.warn(
                    f"NAT: UPnP, error mapping port {port}, error: The port mapping entry specified conflicts "
                    "with a mapping assigned previously to another client."
                )
            return None
        if self._condition.router_address:
            self._ask_router()
        self.log.note(f"NAT: UPnP, mapped port {port} to {lan}:{self._seed.port}.")
        self.log.note(f"PublicAddressManager: Mapping succeeded for {lan}:{port}.")
        with self._wake:
            self._values[_AUTOMATIC_PORT] = port
        return port

    def _announce(self, address: str, port: int) -> None:
        user = self._seed.username
        self.log.note(f"MyPlex: Sending Server Info to myPlex (user={user}, ip={address}, port={port})")

    def _ask_outside(self, serial: int, address: str, port: int) -> Verdict | None:
        self._map_log("Mapped - Not Published")
        self._announce(address, port)
        refused = self._refused_by_plex_tv(address)
        if refused is not None:
            return refused
        self.log.note("MyPlex: Published Mapping State response was 201")
        own = self._seed.machine_identifier
        self.log.note(f"MyPlex: Got response for {own} ~ registered {address}:{port}")
        self._map_log("Mapped - Publishing")
        self.log.note("MyPlex: Requesting reachability check.")
        answer = self._hooks.reachable(port)
        if not self._pause(serial):
            return None
        identifier = f"{zlib.crc32(f'{own}{serial}'.encode()):08x}"
        # plex.tv gives a silent port five seconds; the times are what a real server's log would show.
        took = {True: 186, "refused": 61}.get(answer, 5034)
        through = answer is True
        self.log.note(
            f"PubSub: Got notified of reachability for async identifier {identifier}: {int(through)}"
            f" for {address}:{port} (responded in {took} ms)"
        )
        if not through:
            self._map_log("Mapped - Not Published (Not Reachable)")
            self._relay()
            return Verdict("mapped", "unreachable")
        self._map_log("Mapped")
        return Verdict("mapped", public_address=address, public_port=port)

    def _refused_by_plex_tv(self, address: str) -> Verdict | None:
        """Give the verdict where plex.tv does not take the announcement."""
        if not self._seed.signed_in:
            self.log.error("MyPlex: Token was invalid, resetting security.")
            self.log.note("MyPlex: Published Mapping State response was 401")
            self._map_log("Mapped - Not Published (Bad Authentication)")
            return Verdict("mapped", "badauth")
        if not address:
            self.log.note("MyPlex: Published Mapping State response was -6")
            self._map_log("Mapped - Not Published (No server)")
            return Verdict("mapped", "myplexgone")
        if self._condition.undecided:
            self.log.note("MyPlex: Published Mapping State response was 429")
            return Verdict("waiting")
        return None

    def _relay(self) -> None:
        """Write what a server writes that serves somebody through the relay."""
        if self._condition.relayed_sessions:
            self.log.note("Relay: starting relay.")
            self.log.note(
                f"[PlexRelay] Allocated port 17283 for remote forward to 127.0.0.1:{self._seed.port}"
            )

    def _map_log(self, state: str) -> None:
        self.log.note(f"MyPlex: mapping state set to '{state}'.")

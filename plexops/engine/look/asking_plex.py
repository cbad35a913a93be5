"""Ask Plex, and find out where the router would meet it: the port that is opened is one where it answered itself."""

from __future__ import annotations

from functools import partial
from urllib.parse import urlsplit

from msgspec import Struct

from plexops.drivers.plex.driver import PlexDriver
from plexops.engine.look.access import Access, Links
from plexops.engine.look.asking import Answered, ask_all
from plexops.engine.look.exhibits import exhibit_of
from plexops.model.errors import PlexopsError
from plexops.model.exchange import Call, Read
from plexops.model.secret import Secret
from plexops.model.site import PlexDevice
from plexops.model.snapshot import Role
from plexops.parsers.plex_identity import parse_identity
from plexops.structs import replace
from plexops.transport.http_settings import HttpSettings, Whoever

#: The problems that mean "nobody answers there": the host may have another address now.
_NOBODY = frozenset({"PLX-D102", "PLX-D103", "PLX-D104", "PLX-D108"})
_HTTPS_ONLY = "PLX-D114"
#: How views call the server's own loopback.
LOOPBACK = "127.0.0.1"
#: What anybody may ask: no token goes there.
_WHO = Read("identity at its port", Call("GET", "/identity", accept="xml"), seconds=5.0)


def nobody_answers(error: PlexopsError) -> bool:
    """Tell whether a failure means that nobody answers at an address."""
    return any(problem.code in _NOBODY for problem in error.problems)


class AskingPlex(Struct, frozen=True):
    """Asks the Plex of one site. `logs`: for its log as well."""

    access: Access
    links: Links
    driver: PlexDriver
    logs: bool = False

    def ask(self, token: Secret | None, moved: str, *, host_told: bool) -> Answered:
        """Ask it where it is; where nothing gets through to it, from inside the server. `moved`: where the server is now.

        `host_told`: the server itself has answered in this run. Raises PlexopsError.
        """
        plex, server = self.access.site.plex, self.access.site.server
        if plex is None:
            return Answered()
        driver = replace(self.driver, logs=self.logs, token=self._sends_token(token, host_told))
        same_host = server is not None and urlsplit(plex.url).hostname == str(server.address)
        enters = server is not None and server.asked and host_told
        address = moved if same_host else ""
        try:
            part = self._ask_at(driver, token, address, inside=False, beside=host_told)
        except PlexopsError as error:
            if not nobody_answers(error) or not same_host or not enters:
                raise
            part = self._ask_at(driver, token, address, inside=True, beside=True)
            part.inside = True
        part.address = address
        part.token = token
        part.met = self._met(part, plex, moved, enters=enters)
        return part

    def _sends_token(self, token: Secret | None, server_answers: bool) -> bool:
        """Tell whether Plex is asked with a token. A recording does not hold the one that the server told."""
        told = not self.links.live and server_answers and self.access.wants_token_from_server()
        return told or self.access.knows_token(token)

    def _ask_at(
        self, driver: PlexDriver, token: Secret | None, address: str, *, inside: bool, beside: bool
    ) -> Answered:
        device = self.access.device(Role.PLEX) + (" from inside" if inside else "")
        link = self.links.read(device, lambda: self.access.plex(token, address, inside=inside, beside=beside))
        return ask_all(driver.observe(), link, Role.PLEX)

    def _met(self, part: Answered, plex: PlexDevice, moved: str, *, enters: bool) -> tuple[str, int]:
        """Give where this very Plex was met: where the router shall send packets, else where the URL leads.

        The URL may be a reverse proxy's, and the port in the inventory anybody's.
        """
        url, server = urlsplit(plex.url), self.access.site.server
        on_server = server is not None and plex.address in (None, server.address)
        there = moved if moved and on_server else str(plex.address or url.hostname or "")
        asked = (
            LOOPBACK if part.inside else self._seen_as(part.address or url.hostname or ""),
            url.port or 0,
        )
        if asked[1] == plex.port and asked[0] in (there, *([LOOPBACK] if part.inside else [])):
            return asked
        own = None if part.snapshot is None else part.snapshot.text("plex.identifier")
        for host in (there, *([LOOPBACK] if enters and on_server else [])):
            found = self._who(part, host, plex.port, moved)
            if found:
                return (host, plex.port) if found == own else asked
        return asked

    def _seen_as(self, host: str) -> str:
        """Give the URL's host; not that of a loopback which is another computer's, behind which a tunnel may be."""
        loopback = host == "localhost" or host.startswith("127.")
        if not loopback:
            return host
        return LOOPBACK if self.access.is_local(Role.SERVER) else ""

    def _who(self, part: Answered, host: str, port: int, moved: str) -> str:
        """Ask who answers at a port; empty where no Plex does. Over https where it speaks nothing else."""
        for secure in (False, True):
            name = f"{Role.PLEX} at {host}:{port}{' over https' if secure else ''}"
            url = f"{'https' if secure else 'http'}://{host}:{port}"
            link = self.links.read(self.access.device(name), partial(self._open_to_anybody, url, moved, part))
            try:
                reply = link.ask((_WHO,))[0]
            except PlexopsError as error:
                if not any(problem.code == _HTTPS_ONLY for problem in error.problems):
                    return ""
                continue
            finally:
                link.close()
            part.exhibits.append(exhibit_of(Role.PLEX, _WHO, reply))
            found = parse_identity(reply.body) if reply.whole and reply.status == 200 else None
            return found.identifier if found else ""
        return ""

    def _open_to_anybody(self, url: str, moved: str, part: Answered) -> HttpSettings:
        """Give the way to whoever answers at a URL, as Plex is reached: without the token, and without a certificate."""
        inside = urlsplit(url).hostname == LOOPBACK
        return replace(
            self.access.plex(part.token, moved, inside=inside),
            base_url=url,
            login=None,
            tls=Whoever(),
            connect_seconds=4.0,
            read_seconds=5.0,
        )

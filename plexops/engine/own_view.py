"""Our public address as this computer sees it, where it stands in the home: a second opinion beside the server's."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network

from plexops.drivers.outside import ECHO_SECONDS, USUAL_ECHOES
from plexops.engine.quick import SOMEWHERE, USUAL_STUN
from plexops.model.entries import Echo
from plexops.model.run import Exhibit
from plexops.model.site import Site
from plexops.model.snapshot import SOMEBODY, Entry, Kind, KindState, Role, Snapshot
from plexops.transport.echo import ask_echo
from plexops.transport.here import address_towards
from plexops.transport.stun import ask_stun


def own_view(site: Site) -> tuple[Snapshot, tuple[Exhibit, ...]] | None:
    """Ask the site's echoes from here, and STUN servers where the usual ones are asked.

    None where this computer does not stand in the home, leaves it through a VPN, or nobody is to be asked: what it
    would see is another network's address.
    """
    urls = USUAL_ECHOES if site.echoes is None else site.echoes
    if not urls or site.server is None or not _at_home(site.server.address):
        return None
    servers = USUAL_STUN if site.echoes is None else ()
    with ThreadPoolExecutor(len(urls) + len(servers), "plexops-here") as pool:
        pages = [(url, pool.submit(ask_echo, url, seconds=float(ECHO_SECONDS))) for url in urls]
        packets = [(host, pool.submit(ask_stun, host, port, seconds=1.0)) for host, port in servers]
        said = [(url, page.result().address) for url, page in pages]
        for host, packet in packets:
            mapped = packet.result()
            said.append((f"stun:{host}", None if mapped is None else mapped.address))
    return _snapshot(said)


def _at_home(server: IPv4Address | None) -> bool:
    if server is None:
        return False
    here = address_towards(server)
    if here is None or server not in IPv4Network(f"{here}/24", strict=False):
        return False
    return address_towards(SOMEWHERE) in (None, here)


def _snapshot(said: Sequence[tuple[str, IPv4Address | None]]) -> tuple[Snapshot, tuple[Exhibit, ...]]:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    entries, exhibits = [], []
    for number, (source, address) in enumerate(said):
        name = f"outside.here.{number}"
        text = "no answer" if address is None else str(address)
        digest = hashlib.sha256(text.encode()).hexdigest()
        exhibits.append(
            Exhibit(
                id=name,
                device="outside",
                source=f"{source} from here",
                time=now,
                text=text,
                sha256_raw=digest,
            )
        )
        if address is not None:
            echo = Echo(source.partition("//")[2].partition("/")[0] or source, address, "controller")
            entries.append(Entry(Kind.ECHO, echo, {"answer": text}, SOMEBODY, f"here {source}", name))
    kinds = {Kind.ECHO: KindState.PRESENT} if entries else {}
    return Snapshot(Role.OUTSIDE, {}, tuple(entries), kinds, {}), tuple(exhibits)

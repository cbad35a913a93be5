"""Without an inventory: only a computer on which Plex is seen to run is taken for the Plex host."""

from __future__ import annotations

from pathlib import Path

import pytest

from plexops.engine.bootstrap.discovery import Reach
from plexops.engine.bootstrap.on_the_host import SITE, look_at_host
from plexops.model.site import BecomeMethod, Connection, SecretSource
from tests.unit.transport.strangers import TcpStranger, page
from tests.unit.transport.test_gdm import IDENTITY

#: Its default gateway is this computer itself: the way there leads from 127.0.0.1.
ROUTE = """\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
lo	00000000	0100007F	0003	0	0	100	00000000	0	0	0
lo	0000007F	00000000	0001	0	0	100	000000FF	0	0	0
"""


def reach(folder: Path, port: int, *, process: str = "", route: str = ROUTE) -> Reach:
    (folder / "net").mkdir()
    (folder / "net" / "route").write_text(route, encoding="ascii")
    if process:
        (folder / "77").mkdir()
        (folder / "77" / "comm").write_text(f"{process}\n")
    return Reach(proc=folder / "net", processes=folder, answer_seconds=1.0, plex_port=port)


@pytest.mark.parametrize("sudo", [False, True])
def test_the_plex_host_stands_for_an_inventory(tmp_path: Path, sudo: bool) -> None:
    with TcpStranger(lambda _: [page(IDENTITY)]) as plex:
        found = look_at_host(reach(tmp_path, plex.port, process="Plex Media Serv"), sudo=sudo)
    assert found.inventory is not None
    site = found.inventory.sites[SITE]
    assert site.server is not None
    assert site.server.connection is Connection.LOCAL
    assert (site.server.become.method if site.server.become else None) == (
        BecomeMethod.SUDO if sudo else None
    )
    assert site.router is not None
    assert (site.router.profile, site.router.address) == ("manual", "127.0.0.1")
    assert site.plex is not None
    assert site.plex.url == f"http://127.0.0.1:{plex.port}"
    assert site.plex.token is not None
    assert site.plex.token.source is SecretSource.SERVER


def test_without_a_gateway_the_router_is_left_out(tmp_path: Path) -> None:
    with TcpStranger(lambda _: [page(IDENTITY)]) as plex:
        where = reach(tmp_path, plex.port, process="Plex Media Serv", route=ROUTE.partition("\n")[0] + "\n")
        found = look_at_host(where, sudo=False)
    assert found.inventory is not None
    site = found.inventory.sites[SITE]
    assert (site.router, site.server and site.server.address) == (None, None)


@pytest.mark.parametrize("process", ["", "ssh"])
def test_what_answers_through_a_tunnel_is_not_the_plex_host(tmp_path: Path, process: str) -> None:
    with TcpStranger(lambda _: [page(IDENTITY)]) as plex:
        found = look_at_host(reach(tmp_path, plex.port, process=process), sudo=False)
    assert (found.inventory, found.answered) == (None, True)


@pytest.mark.parametrize("answer", [b"<html>a web page</html>", b""])
def test_another_service_at_that_port_is_not_plex(tmp_path: Path, answer: bytes) -> None:
    with TcpStranger(lambda _: [page(answer)]) as other:
        found = look_at_host(reach(tmp_path, other.port, process="Plex Media Serv"), sudo=False)
    assert (found.inventory, found.answered) == (None, False)

"""`plexops init` behind a gateway that says one thing or another: what it writes, how sure it is, what it survives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .node import NODE_PATH, Node, start_nodes

ROOT = Path(__file__).resolve().parents[2]
GATEWAY, MAC = "192.168.9.1", "52:54:00:00:00:01"
MIKROTIK = "4c:5e:0c:00:00:01"

pytestmark = [
    pytest.mark.namespaces,
    pytest.mark.skipif(
        sys.platform != "linux" or os.geteuid() != 0, reason="needs root on Linux, for network namespaces"
    ),
]


@pytest.fixture(scope="module")
def nodes() -> Iterator[dict[str, Node]]:
    """A PC and its gateway, and nothing else."""
    made = start_nodes({"gateway": "thin", "pc": "thin"})
    try:
        ends = {name: str(node.pid) for name, node in made.items()}
        link = f"link add lan0 netns {ends['gateway']} type veth peer name eth0 netns {ends['pc']}"
        subprocess.run(["ip", *link.split()], check=True)
        made["gateway"].sh(f"ip link set lo up; ip link set lan0 up; ip addr add {GATEWAY}/24 dev lan0")
        made["pc"].sh("ip link set lo up; ip link set eth0 up; ip addr add 192.168.9.2/24 dev eth0")
        yield made
    finally:
        for node in made.values():
            node.stop()


@contextmanager
def gateway(
    nodes: dict[str, Node], folder: Path, mac: str, says: dict[str, str | list[str]]
) -> Iterator[None]:
    """Let the gateway have a MAC address, be the way out, and say something at some places."""
    nodes["gateway"].sh(f"ip link set lan0 address {mac}")
    nodes["pc"].sh(f"ip neigh flush dev eth0; ip route replace default via {GATEWAY}")
    words = folder / "says.json"
    words.write_text(json.dumps(says))
    program = [sys.executable, "-I", str(Path(__file__).with_name("gatewayd.py")), str(words)]
    with subprocess.Popen(
        nodes["gateway"].enter_network(program), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as served:
        assert served.stdout is not None
        assert served.stdout.readline() == b"ready\n"
        try:
            yield
        finally:
            served.communicate()


def init(nodes: dict[str, Node], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        nodes["pc"].enter_network([sys.executable, "-m", "plexops", "init", "--yes"]),
        env={"PATH": NODE_PATH, "PYTHONPATH": str(ROOT), "HOME": str(folder), "LANG": "C.UTF-8"},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def router(nodes: dict[str, Node], folder: Path, mac: str = MAC, **says: str | list[str]) -> str:
    """Give what `init` writes about the router. `says`: the texts by what is asked."""
    places = {"page": "80", "ssh": "22", "upnp": "1900/udp", "description": "5000"}
    with gateway(nodes, folder, mac, {places[name]: text for name, text in says.items()}):
        done = init(nodes, folder)
    assert "Traceback" not in done.stderr
    # No Plex stands in this network: that is left to be filled in.
    assert done.returncode == 1, done.stdout + done.stderr
    text = (folder / "inventory.yaml").read_text(encoding="utf-8")
    assert all(line.isprintable() for line in text.split("\n"))
    assert f"      address: {GATEWAY}\n" in text
    return text.partition("    router:\n")[2].partition("    # to do: server")[0]


def http(body: str, *headers: str, status: str = "200 OK") -> str:
    lines = (f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body.encode())}")
    return "\r\n".join((*lines, "", body))


def titled(title: str) -> str:
    return http(f"<html><head><title>{title}</title></head></html>")


def test_a_page_that_fits(nodes: dict[str, Node], tmp_path: Path) -> None:
    text = router(nodes, tmp_path, page=titled("Login | OPNsense"))
    assert text.startswith("      profile: opnsense # its page says “Login | OPNsense”: correct it if")
    assert "api_key: {env: PLEXOPS_ROUTER_KEY} # to do: System → Access → Users" in text


def test_a_page_without_a_title_that_leads_on(nodes: dict[str, Node], tmp_path: Path) -> None:
    body = '<html><head><meta http-equiv="refresh" content="0; URL=cgi-bin/luci/" /></head></html>'
    text = router(nodes, tmp_path, page=http(body), ssh="SSH-2.0-dropbear\r\n")
    assert "profile: openwrt # its page says “" in text
    assert "username: root # to do: " in text


def test_upnp_is_asked_first(nodes: dict[str, Node], tmp_path: Path) -> None:
    found = (
        "HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"
        f"USN: uuid:1::urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nEXT:\r\nSERVER: Linux UPnP/1.0\r\n"
        f"LOCATION: http://{GATEWAY}:5000/d.xml\r\n\r\n"
    )
    described = (
        "<root><device><friendlyName>Orange Livebox</friendlyName><manufacturer>Sagemcom</manufacturer>"
        "<modelName>Residential Livebox</modelName></device></root>"
    )
    text = router(nodes, tmp_path, upnp=found, description=http(described), page=titled("OPNsense"))
    assert "profile: manual # it says by UPnP “Orange Livebox”: correct it" in text
    assert "      like: livebox #" in text


def test_two_that_fit_equally_are_named_and_none_is_chosen(nodes: dict[str, Node], tmp_path: Path) -> None:
    text = router(nodes, tmp_path, ssh="SSH-2.0-dropbear_2022.83\r\n")
    assert text.startswith(
        "      profile: manual # to do: it may be asuswrt-merlin and ddwrt and openwrt and manual"
    )
    assert "(its SSH server says “SSH-2.0-dropbear_2022.83”), which fit equally: write which it is" in text
    assert "like:" not in text.replace("manual, like: asus", "")


def test_the_next_sign_may_decide_between_two(nodes: dict[str, Node], tmp_path: Path) -> None:
    page = http("<HTML><HEAD><script>top.location.href='/Main_Login.asp';</script></HEAD></HTML>")
    text = router(nodes, tmp_path, page=page)
    assert "it may be asuswrt-merlin and manual, like: asus (its page says " in text


def test_only_the_vendor_of_its_mac_address(nodes: dict[str, Node], tmp_path: Path) -> None:
    text = router(nodes, tmp_path, MIKROTIK, page=titled("Welcome"))
    sure = "only the vendor of its MAC address speaks for it, which begins “4c:5e:0c”"
    assert f"profile: routeros # {sure}: correct it" in text
    assert MIKROTIK not in text


def test_nothing_fits_and_what_was_looked_at_is_said(nodes: dict[str, Node], tmp_path: Path) -> None:
    text = router(nodes, tmp_path, page=titled("Home Gateway"), ssh="SSH-2.0-OpenSSH_9.6\r\n")
    assert "profile: manual # to do: not recognised (UPnP: nothing; its page: Home Gateway; SSH: " in text
    assert "SSH: SSH-2.0-OpenSSH_9.6; MAC address: 52:54:00): a person does there what" in text
    assert "username" not in text


def test_a_gateway_that_is_silent(nodes: dict[str, Node], tmp_path: Path) -> None:
    assert "(UPnP: nothing; its page: nothing; SSH: nothing; MAC address: 52:54:00)" in router(
        nodes, tmp_path
    )


@pytest.mark.parametrize(
    ("page", "told"),
    [
        ("HTTP/1.1 200 OK\r\n\r\n" + "<title>OPNsense</title>" + "x" * 600_000, "nothing"),
        (["HTTP/1.1 200 OK\r\n", *("X: y\r\n" for _ in range(200))], "nothing"),
        (titled("\x1b]0;gone\x07\x1b[2J\u2028]\n  server: {}"), "]0;gone [2J ] server: {}"),
        (titled("-openssh" * 20 + "!"), "-openssh"),
        (http("a" * 100_000), "aaaa"),
        (http("<title" * 30_000), "<title"),
        ("HTTP/1.1 200 OK\r\nX-" + "A" * 70_000 + ": b\r\n\r\n", "nothing"),
        (http("", "Location: https://192.0.2.1/OPNsense", status="302 Found"), "nothing"),
        ("\x00\xff no http at all", "nothing"),
    ],
    ids=["huge", "slow", "escapes", "repeats", "no title", "no end", "long header", "leads away", "no HTTP"],
)
def test_a_hostile_page(nodes: dict[str, Node], tmp_path: Path, page: str | list[str], told: str) -> None:
    text = router(nodes, tmp_path, page=page)
    assert f"not recognised (UPnP: nothing; its page: {told}" in text
    assert [line for line in text.splitlines() if "server:" in line.split("#")[0]] == []


def test_a_gateway_that_has_only_ipv6_is_no_crash(nodes: dict[str, Node], tmp_path: Path) -> None:
    with gateway(nodes, tmp_path, MAC, {}):
        nodes["pc"].sh(
            "ip route del default; ip -6 addr add fd00::2/64 dev eth0 nodad; ip -6 route add default via fd00::1"
        )
        done = init(nodes, tmp_path)
    assert (done.returncode, "PLX-C812" in done.stderr, (tmp_path / "inventory.yaml").exists()) == (
        4,
        True,
        False,
    )


def test_a_second_run_overwrites_nothing_and_looks_at_nothing(nodes: dict[str, Node], tmp_path: Path) -> None:
    before = router(nodes, tmp_path, page=titled("OPNsense"))
    done = init(nodes, tmp_path)
    assert (done.returncode, "PLX-C811" in done.stderr, "looking around" in done.stderr) == (2, True, False)
    assert before in (tmp_path / "inventory.yaml").read_text(encoding="utf-8")

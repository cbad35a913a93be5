"""Families that are read on a terminal and by SOAP, from the inventory to the snapshot, over real connections.

The terminal is OpenSSH's with a command line of this kind behind it; the SOAP device is a server on loopback that judges
Digest as the standard says. What a device answers is that of the family's samples.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from xml.sax.saxutils import escape

import click
import pytest

from plexops.cli.commands.trust import find_device, way_to
from plexops.config.inventory import load_inventory
from plexops.config.playbook import load_playbooks
from plexops.config.resolve import resolve
from plexops.config.samples import Said, load_samples
from plexops.config.secrets import Secrets
from plexops.engine.look.access import LiveLinks, ReplayedLinks
from plexops.engine.look.asking import Answered, ask_all
from plexops.engine.look.site import Setting, open_home
from plexops.lab.https import make_tls
from plexops.model.errors import PlexopsError
from plexops.model.resources.port_forward import PortForward
from plexops.model.snapshot import Kind, KindState, Role, Snapshot
from plexops.transport.record import new_recording
from plexops.transport.redact import masked
from plexops.transport.trust.store import TrustStore
from plexops.transport.trust.verdict import OfferedKey
from tests.faults.test_transport_logins import NAME, PASSWORD, DigestDevice, Seen, Told, served
from tests.faults.test_transport_old_ssh import pytestmark
from tests.faults.test_transport_tree import Router
from tests.faults.test_transport_tree import router as console

__all__ = ["pytestmark"]

PLAYBOOK = "- {name: p, sites: all, tasks: [{name: t, upnp: {enabled: false}}]}\n"


def look(folder: Path, router: str, secrets: Mapping[str, str], links: LiveLinks | ReplayedLinks) -> Answered:
    """Ask a router as the inventory names it."""
    (folder / "inventory.yaml").write_text(f"sites:\n  home:\n    router: {{{router}}}\n")
    (folder / "p.yaml").write_text(PLAYBOOK)
    (tasks,) = resolve(load_inventory(folder / "inventory.yaml"), load_playbooks((folder / "p.yaml",)))
    store = TrustStore.load(folder)
    home = open_home(tasks, Setting(folder, Secrets(secrets, None), store, links))
    driver = home.drivers.router
    assert driver is not None
    device = home.access.device(Role.ROUTER)
    return ask_all(driver.observe(), links.read(device, home.access.router), Role.ROUTER)


def seen(answered: Answered) -> Snapshot:
    assert answered.snapshot is not None
    return answered.snapshot


def said(name: str, state: str) -> dict[str, str]:
    samples = load_samples(name, Path())
    assert samples is not None
    return {key: text for key, text in samples.answers(state).items() if isinstance(text, str)}


def forwards(snapshot: Snapshot) -> list[str]:
    return [
        f"{entry.values.external_port} {entry.values.address}:{entry.values.port}"
        for entry in snapshot.of(Kind.PORT_FORWARD)
        if isinstance(entry.values, PortForward)
    ]


# On a terminal.

#: Each with a canary: what such a leaf holds is a secret.
SECRETS = """\
set system login user vyos authentication plaintext-password 'CANARY'
set system login user vyos authentication encrypted-password '$6$saltCANARY$hashCANARY'
set system login user vyos authentication public-keys me key 'CANARY'
set system login user vyos authentication otp key 'CANARY'
set vpn ipsec site-to-site peer 192.0.2.1 authentication pre-shared-secret 'CANARY with spaces'
set vpn l2tp remote-access authentication local-users username me password "CANARY"
set interfaces wireguard wg0 private-key 'CANARY='
set interfaces wireguard wg0 peer a preshared-key CANARY
set interfaces pppoe pppoe0 password CANARY
set interfaces wireless wlan0 security wpa passphrase 'CANARY'
set interfaces wireless wlan0 security wep key CANARY
set interfaces openvpn vtun0 shared-secret-key-file CANARY
set pki certificate home private key 'CANARY'
set protocols bgp neighbor 192.0.2.1 password 'CANARY'
set protocols ospf interface eth0 authentication md5 key-id 1 md5-key 'CANARY'
set service snmp community CANARY authorization 'ro'
set service snmp v3 user me auth plaintext-key 'CANARY'
set service https api keys id me key 'CANARY'
set service dns dynamic interface eth0 service x password 'CANARY'
set container name plex environment PLEX_CLAIM value 'CANARY'
set system config-management commit-archive location 'scp://me:CANARY@192.0.2.1/x'
set some leaf-of-next-year 'c2VjcmV0IENBTkFSWSB0aGF0IGlzIGxvbmcx'
+password 'CANARY'
>   plaintext-password "CANARY
        encrypted-password $6$x$CANARY
    community CANARY {
""".splitlines()


def at_the_console(folder: Path, home: Router) -> tuple[str, dict[str, str]]:
    """Give the inventory's words for the router, and its secrets."""
    key = (folder / "host.pub").read_text().rsplit(" ", 1)[0].strip()
    login = f'port: {home.settings.port}, username: root, host_key: "{key}", key: {{env: PLEXOPS_ROUTER_KEY}}'
    return f"profile: vyos, address: 127.0.0.1, {login}", {
        "PLEXOPS_ROUTER_KEY": (folder / "client").read_text()
    }


def test_what_holds_a_secret_is_masked_and_the_rest_stays() -> None:
    text = "\n".join(SECRETS)
    hidden = masked(text)
    assert "CANARY" not in hidden
    assert "c2VjcmV0" not in hidden
    assert len(hidden.split("\n")) == len(SECRETS)
    assert hidden.startswith("set system login user vyos authentication '…'\n")
    plain = "\n".join(said("vyos", "household").values()) + "\n".join(said("edgeos", "household").values())
    assert masked(plain) == plain
    monkey = "set service dhcp-server shared-network-name LAN static-mapping monkey-keyboard ip-address '192.0.2.9'"
    assert masked(monkey) == monkey


def test_a_vyos_is_read_on_its_terminal_and_no_secret_of_it_is_recorded_or_shown(tmp_path: Path) -> None:
    answers = said("vyos", "household")
    config = [line for line in answers["config"].splitlines() if "login" not in line]
    recording = tmp_path / "recording"
    new_recording(recording)
    with console(tmp_path) as home:
        shows = {"interfaces": answers["live"], "ip route": answers["routes"]}
        home.state(active=[*config, *(line for line in SECRETS if line.startswith("set "))], shows=shows)
        router, secrets = at_the_console(tmp_path, home)
        live = look(tmp_path, router, secrets, LiveLinks(recording))
        again = look(tmp_path, router, {}, ReplayedLinks(recording))
    found = seen(live)
    assert found.text("wan.address") == "203.0.113.5"
    assert found.text("firmware") == "VyOS 1.4.0"
    assert forwards(found) == [
        "32500 192.168.1.50:32400",
        "80,443 192.168.1.9:80,443",
        "49371-49380 192.168.1.9:49371-49380",
    ]
    assert found.state(Kind.PORT_FORWARD) is KindState.PRESENT
    assert (seen(again).entries, seen(again).facts) == (found.entries, found.facts)
    kept = "".join(path.read_text() for path in recording.iterdir())
    shown = "".join(exhibit.text for exhibit in live.exhibits)
    assert "CANARY" not in kept + shown
    assert "PLEX_CLAIM" not in kept + shown
    assert "encrypted-password" not in shown


def test_a_terminal_that_says_no_leaves_all_unknown_with_its_words(tmp_path: Path) -> None:
    with console(tmp_path) as home:
        home.state(
            active=["Configuration path: [] is not valid"],
            shows={"ip route": "% Unknown command: show ip route\n"},
        )
        router, secrets = at_the_console(tmp_path, home)
        found = seen(look(tmp_path, router, secrets, LiveLinks()))
    assert set(found.kinds.values()) == {KindState.UNKNOWN}
    assert "is not valid" in found.reasons[Kind.UPNP]
    assert "Unknown command" in found.reasons["wan.interface"]
    assert (
        "Invalid command: show [interfaces]"
        in found.reasons[Kind.PORT_FORWARD] + found.reasons["lan.address"]
    )


# By SOAP.

ENVELOPE = '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{}</s:Body></s:Envelope>'
FAULT = ENVELOPE.format(
    "<s:Fault><detail><UPnPError><errorCode>{}</errorCode><errorDescription>{}</errorDescription></UPnPError></detail></s:Fault>"
)
SERVICES = {
    "/upnp/control/deviceinfo": "info", "/upnp/control/layer3forwarding": "way", "/upnp/control/lanhostconfigmgm": "lan",
    "/upnp/control/hosts": "hosts", "/upnp/control/wanpppconn1": "ppp", "/upnp/control/wanipconnection1": "ip",
}  # fmt: skip


class Box(DigestDevice):
    """A FRITZ!Box in a state of the samples. `always` is what it answers to whoever is logged in."""

    realm, more = "F!Box SOAP-Auth", {}

    def __init__(self, always: Told | None = None) -> None:
        super().__init__()
        self.always = always
        samples = load_samples("fritzbox", Path())
        assert samples is not None
        self.answers = samples.answers("household")

    def __call__(self, asked: Seen) -> Told:
        if asked.path == "/tr64desc.xml":
            page = self.answers["services.ppp"]
            assert isinstance(page, str)
            return 200, {"Content-Type": "text/xml"}, page
        told = super().__call__(asked)
        if told[0] != 200:
            return told
        return self.always or self.does(asked)

    def does(self, asked: Seen) -> Told:
        service, _, action = asked.headers["SOAPAction"].strip('"').partition("#")
        read = SERVICES[asked.path]
        if action == "GetIPRoutersList":
            read = "router"
        if "Index>" in asked.body:
            place = asked.body.split("Index>")[1].split("<")[0]
            read = f"{read if read == 'hosts' else f'{read}_mappings'}.{place}"
        told = self.answers[read]
        assert isinstance(told, Said)
        if told.soap is None:
            return 500, {}, FAULT.format(told.fault, "Invalid Action")
        values = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in told.soap.items())
        return (
            200,
            {},
            ENVELOPE.format(f'<u:{action}Response xmlns:u="{service}">{values}</u:{action}Response>'),
        )


def look_at_box(folder: Path, box: Box, password: str = PASSWORD) -> tuple[Answered, list[Seen]]:
    tls = make_tls(folder, ["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    with served(box, context) as (port, asked):
        TrustStore.load(folder).pin("home/router", OfferedKey("tls", tls.pin), date(2026, 1, 1)).save()
        login = f"port: {port}, username: {NAME}, password: {{env: PLEXOPS_PASSWORD}}"
        router = f"profile: fritzbox, address: 127.0.0.1, {login}"
        return look(folder, router, {"PLEXOPS_PASSWORD": password}, LiveLinks()), asked


def test_a_fritzbox_is_read_over_https_with_digest(tmp_path: Path) -> None:
    answered, asked = look_at_box(tmp_path, Box())
    found = seen(answered)
    assert found.text("wan.address") == "203.0.113.18"
    assert forwards(found) == [
        "32500 192.168.178.50:32400",
        "80 192.168.178.9:22",
        "443 192.168.178.9:443",
        "32501 192.168.178.50:32400",
    ]
    assert found.state(Kind.PORT_FORWARD) is KindState.PRESENT
    assert len(found.of(Kind.NEIGHBOUR)) == 2
    assert all(one.headers.get("Authorization", "Digest ").startswith("Digest ") for one in asked)
    assert not any(PASSWORD in str(one.headers) + one.body for one in asked)


@pytest.mark.parametrize(
    ("always", "says"),
    [
        ((500, {}, FAULT.format(401, "Invalid Action")), "401 Invalid Action): it takes a user who"),
        ((500, {}, FAULT.format(606, "Action Not Authorized")), "606 Action Not Authorized"),
        ((200, {}, "<!DOCTYPE html><html><body>FRITZ!Box</body></html>"), "a page for people"),
        ((500, {}, "oops"), "failed with status 500"),
        ((200, {}, ENVELOPE.format("")), "not understood"),
    ],
)
def test_what_a_fritzbox_refuses_is_unknown_and_says_why(tmp_path: Path, always: Told, says: str) -> None:
    found = seen(look_at_box(tmp_path, Box(always))[0])
    assert set(found.kinds.values()) == {KindState.UNKNOWN}
    # Where its services are it tells everybody.
    assert not [name for name in found.facts if not name.startswith("x.services.")]
    assert says in found.reasons["wan.address"]
    assert found.reasons[Kind.PORT_FORWARD]


def test_a_wrong_password_is_a_refused_login(tmp_path: Path) -> None:
    with pytest.raises(PlexopsError) as refused:
        look_at_box(tmp_path, Box(), "wrong")
    assert refused.value.problems[0].code == "PLX-D204"


def test_a_router_with_igd_is_asked_without_a_login(tmp_path: Path) -> None:
    samples = load_samples("igd", Path())
    assert samples is not None
    answers = samples.answers("household")

    def device(asked: Seen) -> Told:
        if asked.method == "GET":
            return 200, {}, str(answers["services.ip"])
        action = asked.headers["SOAPAction"].strip('"').partition("#")[2]
        if action == "GetExternalIPAddress":
            value = "<NewExternalIPAddress>203.0.113.42</NewExternalIPAddress>"
            return 200, {}, ENVELOPE.format(f'<u:{action}Response xmlns:u="x">{value}</u:{action}Response>')
        told = answers["ip" if action == "GetStatusInfo" else "ip_mappings.0"]
        end = "<NewPortMappingIndex>1<" in asked.body
        return (500, {}, FAULT.format(713, "SpecifiedArrayIndexInvalid")) if end else (200, {}, str(told))

    with served(device) as (port, asked):
        found = seen(look(tmp_path, f"profile: igd, address: 127.0.0.1, port: {port}", {}, LiveLinks()))
    assert found.text("wan.address") == "203.0.113.42"
    assert [str(entry.label or entry.raw["NewExternalPort"]) for entry in found.of(Kind.UPNP_MAPPING)] == [
        "40000"
    ]
    assert not any("Authorization" in one.headers for one in asked)
    assert "WANIPConnection:2#GetStatusInfo" in "".join(one.headers.get("SOAPAction", "") for one in asked)


def test_there_is_no_key_to_pin_of_what_is_asked_over_plain_http(tmp_path: Path) -> None:
    file = tmp_path / "inventory.yaml"
    file.write_text("sites:\n  home:\n    router: {profile: igd, address: 192.0.2.1}\n")
    with pytest.raises(click.UsageError, match="no key to pin"):
        way_to(*find_device("home/router", file), TrustStore.load(tmp_path), file)

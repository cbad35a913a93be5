"""The devices of one site: router, upstream gateway, server and Plex."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from ipaddress import IPv4Address
from urllib.parse import SplitResult

from plexops.config import typed
from plexops.config.reading import Reader, host_key, tls_pin, web_address
from plexops.model.answers import Done
from plexops.model.site import (
    AddressBy,
    Become,
    BecomeMethod,
    Connection,
    Container,
    HostFirewall,
    HttpLogin,
    PlexDevice,
    RouterDevice,
    ServerDevice,
    SshLogin,
    UpstreamDevice,
)
from plexops.model.snapshot import Role
from plexops.model.values import PRIVATE_NETWORKS

_SSH = ("port", "username", "password", "key_file", "key", "host_key", "legacy_ssh", "become", "via")
#: What only a login over SSH or the web has a use for.
_LOGINS = (*(name for name in _SSH if name != "become"), "api_key", "api_secret", "tls_pin")
#: What is of no use on a box that a person sets; the first two are a router's alone.
_NOT_BY_HAND = (
    *("connection", "become", "password", "key", "key_file", "api_key", "api_secret"),
    *("host_key", "tls_pin", "params", "legacy_ssh"),
)
#: QEMU and KVM give their guests such addresses; they stay the same, though they are locally made up.
_GUESTS = ("52:54:00:",)


class Devices:
    """Reads the devices of one site; each may have a jump host of its own, else the site's."""

    def __init__(self, site: Reader) -> None:
        self._site = site
        self._via = jump_host(site, None)

    def router(self) -> RouterDevice | None:
        """Give the router, if the site has one."""
        reader = self._site.below("router")
        return None if reader is None else self._router(reader, Role.ROUTER)

    def upstream(self) -> UpstreamDevice | None:
        """Give the gateway before the router, if the site has one."""
        reader = self._site.below("upstream")
        if reader is None:
            return None
        return UpstreamDevice(self._router(reader, Role.UPSTREAM), passes_on=reader.flag("passes_on"))

    def _router(self, reader: Reader, role: Role) -> RouterDevice:
        profile = reader.text("profile")
        reader.need("profile", "openwrt")
        ours = role is Role.ROUTER
        connection = _connection(reader) if ours else Connection.SSH
        if profile and profile != "manual" and connection is not Connection.LOCAL:
            reader.need("address", "192.168.1.1")
        if profile == "manual":
            why = "has no use with “profile: manual”: plexops does not log in there"
            names = _NOT_BY_HAND if ours else _NOT_BY_HAND[2:]
            _refuse(reader, names, why, "Take it out, or name the family.")
        else:
            why = "is about a box that a person sets, and this profile sets it itself"
            _refuse(reader, ("like", "done"), why, "Say “profile: manual”, or take it out.")
            if ours and connection is not Connection.LOCAL:
                why = "is for a router on which plexops runs: over SSH its login has all rights"
                _refuse(reader, ("become",), why, "Take it out, or write “connection: local”.")
        via = jump_host(reader, self._via)
        address = reader.value("address", typed.host) or ""
        return RouterDevice(
            profile=profile,
            ssh=ssh_login(reader, via, address=address, username=reader.text("username")),
            http=HttpLogin(
                address=address,
                port=reader.port("port"),
                username=reader.text("username"),
                password=reader.secret("password"),
                api_key=reader.secret("api_key"),
                api_secret=reader.secret("api_secret"),
                tls_pin=reader.value("tls_pin", tls_pin) or "",
                via=via,
                places=reader.places(),
            ),
            params=reader.params("params"),
            like=reader.text("like"),
            done=_done(reader),
            port_share=reader.value("port_share", typed.ports),
            role=role,
            connection=connection,
            become=_become(reader),
            places=reader.places(),
        )

    def server(self) -> ServerDevice | None:
        """Give the host that Plex runs on, if the site has one."""
        reader = self._site.below("server")
        if reader is None:
            return None
        address = reader.value("address", typed.address)
        mac = reader.value("mac", typed.mac) or ""
        _note_address(reader, address)
        _note_mac(reader, mac)
        connection = _connection(reader)
        wants_login = connection is not Connection.LOCAL and any(
            reader.has(name) for name in (*_SSH, "connection")
        )
        if wants_login:
            reader.need("address", "192.168.1.50")
        via = jump_host(reader, self._via)
        login = ssh_login(reader, via, address=str(address or ""), username=reader.text("username"))
        return ServerDevice(
            address=address,
            address_by=reader.choice("address_by", AddressBy, AddressBy.DHCP),
            mac=mac,
            login=login if wants_login else None,
            become=_become(reader),
            firewall=reader.choice("firewall", HostFirewall, HostFirewall.AUTO),
            container=reader.choice("container", Container, Container.AUTO),
            connection=connection,
            places=reader.places(),
        )

    def plex(self) -> PlexDevice | None:
        """Give Plex, if the site has it. Where packets go defaults to the URL, then to the server's address."""
        reader = self._site.below("plex")
        if reader is None:
            return None
        reader.need("url", "http://192.168.1.50:32400")
        url = _plex_url(reader)
        server = self._site.below("server")
        address, named = reader.value("address", typed.address), _ipv4(url.hostname or "") if url else None
        if address is None and named is not None and not named.is_loopback:
            address = named
        return PlexDevice(
            url=url.geturl().rstrip("/") if url else "",
            token=reader.secret("token"),
            address=address or (_ipv4(server.text("address")) if server else None),
            port=reader.port("port") or (url.port if url and url.port else 0),
            tls_pin=reader.value("tls_pin", tls_pin) or "",
            via=jump_host(reader, self._via),
            places=reader.places(),
        )


def ssh_login(reader: Reader, via: SshLogin | None, *, address: str, username: str) -> SshLogin:
    """Read what SSH needs from a table that has the usual keys."""
    if reader.has("key") and reader.has("key_file"):
        reason = "“key:” and “key_file:” both name the private key"
        place = reader.table.key_place("key")
        reader.problems.add("PLX-C211", place, reader.path, reason, "Keep one of them.")
    return SshLogin(
        address=address,
        port=reader.port("port"),
        username=username,
        password=reader.secret("password"),
        key_file=reader.file("key_file"),
        key=reader.secret("key"),
        host_key=reader.value("host_key", host_key) or "",
        via=via,
        directory=reader.directory,
        places=reader.places(),
        legacy=reader.flag("legacy_ssh"),
    )


def jump_host(reader: Reader, inherited: SshLogin | None) -> SshLogin | None:
    """Read the jump host of a table, else the one that it inherits."""
    own = reader.below("via")
    if own is None:
        return inherited
    address = own.value("address", typed.host) or ""
    return ssh_login(own, None, address=address, username=own.text("username"))


def _become(reader: Reader) -> Become | None:
    own = reader.below("become")
    if own is None:
        return None
    return Become(own.choice("method", BecomeMethod, BecomeMethod.SUDO), own.secret("password"))


def _connection(reader: Reader) -> Connection:
    """Read how a device is reached. On this computer there is no login: what a login needs is refused beside it."""
    connection = reader.choice("connection", Connection, Connection.SSH)
    if connection is Connection.LOCAL:
        why = "has no use with “connection: local”: plexops runs there and does not log in"
        _refuse(reader, _LOGINS, why, "Take “{}:” out, or “connection: local” where it logs in over SSH.")
    return connection


def _done(reader: Reader) -> Done | None:
    own = reader.below("done")
    if own is None:
        return None
    day = own.text("on")
    try:
        ahead = date.fromisoformat(day) > datetime.now().astimezone().date()
        reason = "this day is still to come" if ahead else ""
    except ValueError:
        reason = f"{day} is no day of the calendar"
    if reason and own.has("on"):
        own.complain("on", "PLX-C104", reason, "Write the day on which it was done.")
    return Done(own.text("by"), day)


def _refuse(reader: Reader, names: Iterable[str], why: str, cure: str) -> None:
    """Complain about each of these keys that is there; {} in the cure is its name."""
    for name in filter(reader.has, names):
        place = reader.table.key_place(name)
        reader.problems.add("PLX-C211", place, f"{reader.path}.{name}", f"“{name}:” {why}", cure.format(name))


def _plex_url(reader: Reader) -> SplitResult | None:
    url = reader.value("url", web_address)
    if url is None:
        return None
    if url.port is None:
        cure = f"Write it out: {url.scheme}://{url.hostname}:32400."
        reader.complain("url", "PLX-C204", "this web address names no port", cure)
        return None
    if url.path not in {"", "/"} or url.query:
        reason = "this web address goes on after the port"
        cure = f"Write {url.scheme}://{url.hostname}:{url.port} and nothing more."
        reader.complain("url", "PLX-C204", reason, cure)
        return None
    return url


def _ipv4(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text)
    except ValueError:
        return None


def _note_address(reader: Reader, address: IPv4Address | None) -> None:
    if address is None or any(address in network for network in PRIVATE_NETWORKS):
        return
    what = "the machine's address for itself" if address.is_loopback else "not a private address"
    reader.problems.note(
        "PLX-C290",
        reader.place("address"),
        f"{reader.path}.address",
        f"{address} is {what}; hosts behind a home router have 192.168.x.x, 10.x.x.x or 172.16–31.x.x",
        "Write the address that the host has in the LAN, unless you mean this one.",
    )


def _note_mac(reader: Reader, mac: str) -> None:
    if not mac or mac.startswith(_GUESTS) or not int(mac[:2], 16) & 2:
        return
    reader.problems.note(
        "PLX-C291",
        reader.place("mac"),
        f"{reader.path}.mac",
        f"{mac} is a made-up address: a private Wi-Fi address, or a container's, which may change",
        "Switch private addresses off for your home network, or write the address of the network card.",
    )

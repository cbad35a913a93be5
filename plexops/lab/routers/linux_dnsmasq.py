"""What dnsmasq 2.90 makes of its configuration files: what it refuses, and which addresses it reserves."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address

from msgspec import Struct

from plexops.lab.filesystem import FileError, FileSystem

_MAC = re.compile(r"[0-9A-Fa-f]{1,2}(:[0-9A-Fa-f]{1,2}){5}")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9-]+)*")
_LEASE = re.compile(r"infinite|\d+[smhdw]?")
_OPTIONS = frozenset({
    "port", "interface", "bind-dynamic", "bind-interfaces", "no-ping", "dhcp-authoritative", "dhcp-range",
    "dhcp-option", "dhcp-host", "dhcp-leasefile", "pid-file", "user", "conf-dir", "log-dhcp", "no-resolv",
    "no-dhcp-interface", "no-hosts", "domain", "dhcp-hostsfile", "server", "address", "expand-hosts", "log-facility",
})  # fmt: skip
_WITHOUT_VALUE = frozenset(
    {"bind-dynamic", "bind-interfaces", "no-ping", "dhcp-authoritative", "log-dhcp", "no-resolv", "no-hosts"}
)


class DnsmasqError(Exception):
    """Why dnsmasq does not start, in its own words."""


class Configuration(Struct, frozen=True):
    """What a running dnsmasq goes by: it read its files when it started, and not since."""

    reservations: Mapping[str, IPv4Address]
    pool: tuple[IPv4Address, IPv4Address] | None
    #: Interfaces on which it gives no addresses.
    silent: frozenset[str] = frozenset()


def read(files: FileSystem, path: str) -> Configuration:
    """Read a configuration file and what its conf-dir names.

    Raises DnsmasqError.
    """
    reserved: dict[str, IPv4Address] = {}
    taken: set[IPv4Address] = set()
    silent: set[str] = set()
    pool: tuple[IPv4Address, IPv4Address] | None = None
    for option, value, where in _lines(files, path):
        _check(option, value, where)
        if option == "dhcp-range":
            pool = _pool(value) or pool
        elif option == "no-dhcp-interface":
            silent |= set(value.split(","))
        elif option == "dhcp-host":
            macs, address = _host(value, where)
            if address is None:
                continue
            if address in taken:
                raise DnsmasqError(f"duplicate dhcp-host IP address {address} at {where}")
            taken.add(address)
            for mac in macs:
                reserved.setdefault(mac, address)
    return Configuration(reserved, pool, frozenset(silent))


def _lines(files: FileSystem, path: str) -> Iterator[tuple[str, str, str]]:
    try:
        text = files.read(posixpath.normpath(path)).decode("utf-8", "replace")
    except FileError as error:
        raise DnsmasqError(f"cannot read {path}: {error}") from None
    directories: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        # A hash begins a comment at the start of a line or behind a blank.
        content = re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip()
        if not content:
            continue
        option, _, value = content.partition("=")
        option, value = option.strip(), value.strip()
        if option == "conf-dir":
            directories.append(value)
            continue
        yield option, value, f"line {number} of {path}"
    for value in directories:
        directory, *patterns = value.split(",")
        for name in files.names(directory.rstrip("/")) if files.is_dir(directory.rstrip("/")) else []:
            if not patterns or any(name.endswith(pattern.lstrip("*")) for pattern in patterns):
                # dnsmasq joins them as they stand: its complaints say `/etc/dnsmasq.d//name.conf`.
                yield from _lines(files, f"{directory}/{name}")


def _check(option: str, value: str, where: str) -> None:
    if option not in _OPTIONS:
        raise DnsmasqError(f"bad option at {where}")
    if not value and option not in _WITHOUT_VALUE and option != "dhcp-host":
        raise DnsmasqError(f"missing parameter at {where}")
    if value and option in _WITHOUT_VALUE:
        raise DnsmasqError(f"extraneous parameter at {where}")


def _pool(value: str) -> tuple[IPv4Address, IPv4Address] | None:
    addresses = [part for part in value.split(",") if re.fullmatch(r"\d+(\.\d+){3}", part)]
    return (IPv4Address(addresses[0]), IPv4Address(addresses[1])) if len(addresses) > 1 else None


def _host(value: str, where: str) -> tuple[list[str], IPv4Address | None]:
    """Read one dhcp-host: MACs, tags, client ids, an address, a name and a lease time, in any order."""
    macs: list[str] = []
    address: IPv4Address | None = None
    ignored = False
    for part in (p.strip().strip('"') for p in value.split(",")):
        if _MAC.fullmatch(part):
            macs.append(":".join(f"{int(pair, 16):02x}" for pair in part.split(":")))
        elif re.match(r"(set|tag|id|net):", part) or _LEASE.fullmatch(part):
            continue
        elif part == "ignore":
            ignored = True
        elif re.fullmatch(r"\d+(\.\d+){3}", part):
            # What looks like an address and is none (192.168.1.400) is taken for a name, without a word.
            address = _address(part) or address
        elif ":" in part:
            raise DnsmasqError(f"bad hex constant at {where}")
        elif part and not _NAME.fullmatch(part):
            raise DnsmasqError(f"bad DHCP host name at {where}")
    return macs, None if ignored else address


def _address(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text)
    except ValueError:
        return None

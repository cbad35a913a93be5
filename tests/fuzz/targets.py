"""What is fuzzed: each target takes any bytes, may raise its one kind of error, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile

import yaml
from msgspec import Struct, field

from plexops.config.answers_file import read_answers_file
from plexops.config.files import shipped
from plexops.config.inventory import read_inventory
from plexops.config.nodes import Node
from plexops.config.playbook import load_playbooks
from plexops.config.probe_file import read_probe_file
from plexops.config.profiles import load_profile
from plexops.config.templates import parse_template
from plexops.config.typed import Misfit
from plexops.config.yaml import decode, parse_yaml
from plexops.drivers.router.compile import compile_profile
from plexops.model.errors import PlexopsError
from plexops.parsers import PARSERS, ParseError
from plexops.parsers.igd import parse_description, parse_external_address, parse_mapping
from plexops.parsers.plex_log import parse_plex_log
from plexops.parsers.proc_net import parse_proc_arp, parse_proc_route
from plexops.transport.ssh.config_file import read_ssh_config
from tests.captures.capture_files import DATA, EXPECTED, answer

#: A parser gets what a transport lets through of one answer; more is cut off there.
MAX_LENGTH = 4096
NOW = datetime(2026, 11, 29, tzinfo=UTC)
_HERE = Path(__file__).resolve().parent
_EXCERPTS = _HERE.parent / "unit" / "parsers" / "plex_log_excerpts"
_CASES = _HERE.parent / "unit" / "config" / "cases"


class Target(Struct, frozen=True):
    """One reader of bytes. `read` raises for a violation only. `seeds` are where mutation starts."""

    read: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]
    #: Words that random bytes would hardly form.
    words: tuple[str, ...] = field(default=())


def _text(data: bytes) -> str:
    """Decode as the transports do: a device may send any bytes."""
    return data.decode("utf-8", "replace")


def _parser(name: str) -> Target:
    def read(data: bytes) -> None:
        with suppress(ParseError):
            # What a parser gives is what profiles search, and recordings keep: JSON, or a text.
            json.dumps(PARSERS[name](_text(data)), allow_nan=False)

    written = [text.encode() for text in _WRITTEN.get(name, ())]
    return Target(read, lambda: [*_captured().get(name, ()), *written])


_PRINTED = (
    ' 0 X  chain=dstnat action=dst-nat to-addresses=192.168.1.50 to-ports=32400 comment="J\\C3\\BCrgen\'s"\n'
)
_EXPORTED = r"""# nov/22/2026 10:00:00 by RouterOS 6.49.10
/ip firewall nat
# no interface
add action=dst-nat chain=dstnat comment="J\C3\BCrgen's \$5 \\ NAS\?" disabled=yes dst-port=32500 protocol=tcp \
    to-addresses=192.168.1.50 to-ports=32400
/interface ethernet
set [ find default-name=ether1 ] comment="ISP \"fiber\"" name=ether1-wan
"""
#: Begun by hand: of these no genuine answer is in this checkout.
_WRITTEN: Mapping[str, Sequence[str]] = {
    "dhcpd": [
        'key "k" { algorithm hmac-md5; };\nsubnet 192.168.1.0 netmask 255.255.255.0 { pool { range 192.168.1.9; } }\n',
        '/etc/dhcp/dhcpd.conf:include "/etc/dhcp/a";\n/etc/dhcp/a:host a { hardware ethernet 0:1:2:3:4:5; } # }\n',
    ],
    "kea": [
        '/etc/kea/kea-dhcp4.conf:{ "Dhcp4": { "subnet4": [ <?include "/etc/kea/a"?>, ] } } // }\n/etc/kea/a:{ /* */ }\n',
        '{ "Dhcp4": { "option-data": [ { "name": "a", "data": "b // c" } ] } } # }\n',
    ],
    "kea_leases": [
        (
            "/a.csv:address,hwaddr,valid_lifetime,state\n/a.csv:192.168.1.9,02:00:00:00:00:09,3600,0\n"
            "/a.csv.2:address,hwaddr,valid_lifetime,state\n/a.csv.2:192.168.1.9,02:00:00:00:00:08,3600,0\n"
        )
    ],
    "ip_address_lines": [
        (
            "2: ppp0@eth0: <POINTOPOINT,UP> mtu 1492 qdisc noop qlen 3\n"
            "    inet 10.0.0.2 peer 10.0.0.1/32 scope global ppp0\n"
            "    inet6 fe80::1/64 scope link tentative\n       valid_lft forever preferred_lft forever\n"
        )
    ],
    "ip_route_lines": [
        (
            "default via 203.0.113.1 dev eth0 proto dhcp metric 10 onlink\nblackhole 10.9.0.0/16\n"
            "198.51.100.0/24 \n\tnexthop via inet6 fe80::1 dev eth0 weight 1 dead\n"
        )
    ],
    "ip_neigh": ["192.168.1.50 dev br-lan lladdr 52:54:00:12:34:56 ref 1 used 0/0/0 probes 4 REACHABLE\n"],
    "routeros_export": [_EXPORTED],
    "routeros_ids": ["*1;*A;*2F\n"],
    "routeros_rows": [_PRINTED],
    "routeros_terse": [_PRINTED],
    "tree": [
        "set nat destination rule 10 destination port '32500'\nset nat destination rule 10 disable\n",
        "set service dhcp-server shared-network-name LAN subnet 192.168.1.0/24 static-mapping nas mac '02:00:00:00:00:50'\n",
    ],
    "ss": ['LISTEN 0 1024 0.0.0.0:32400 0.0.0.0:* users:(("Plex Media Serv",pid=9,fd=1))\n'],
}


@cache
def _captured() -> Mapping[str, Sequence[bytes]]:
    """Give the genuine answers that are in this checkout, by the parser that reads them."""
    found: dict[str, list[bytes]] = {}
    for path in sorted(EXPECTED.glob("*.yaml")):
        for document in yaml.load_all(path.read_text("utf-8"), yaml.BaseLoader):
            source = DATA / document["source"]
            if source.is_file():
                text = answer(source, document.get("command"))
                found.setdefault(document["parser"], []).append(text.encode()[:MAX_LENGTH])
    return found


def _said(parse: Callable[[str], object], *seeds: str) -> Target:
    def read(data: bytes) -> None:
        with suppress(ParseError):
            parse(_text(data))

    return Target(read, lambda: [seed.encode() for seed in seeds] or _files(DATA / "upnp_igd", "*"))


def _ignore(_: object) -> None:
    return None


def _files(folder: Path, pattern: str) -> list[bytes]:
    return [path.read_bytes()[:MAX_LENGTH] for path in sorted(folder.rglob(pattern)) if path.is_file()]


def _document(data: bytes) -> Node:
    return parse_yaml(decode(data, "fuzzed.yaml"), "fuzzed.yaml")


def _yaml(data: bytes) -> None:
    with suppress(PlexopsError):
        _document(data)


def _inventory(data: bytes) -> None:
    with suppress(PlexopsError):
        read_inventory(_document(data), Path("/nowhere/inventory.yaml"))


def _template(data: bytes) -> None:
    with suppress(Misfit):
        parse_template(_text(data))


def _by_path(load: Callable[[Path], object]) -> Callable[[bytes], None]:
    """Fuzz what reads a file of its own: through one file in memory."""
    file = NamedTemporaryFile(suffix=".yaml", dir=_memory())  # noqa: SIM115
    path = Path(file.name)

    def read(data: bytes) -> None:
        path.write_bytes(data)
        with suppress(PlexopsError):
            load(path)

    return read


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _profile(path: Path) -> object:
    return compile_profile(load_profile(path.name, path.parent))


_PLAYBOOK_WORDS = (
    "name", "sites", "tasks", "vars", "tags", "state", "adopt", "dhcp_reservation", "firewall_rule", "port_forward",
    "plex_remote_access", "external_port", "manual_port", "{{ plex.port }}",
)  # fmt: skip
_INVENTORY_WORDS = (
    "sites", "defaults", "groups", "router", "server", "plex", "profile", "address", "username", "password", "ask",
    "token", "from", "env", "file", "become", "method", "vantages", "ssh", "via", "host_key", "tls_pin", "echoes",
)  # fmt: skip
_PROFILE_WORDS = (
    "profile", "title", "speaks", "posix", "reads", "run", "parse", "facts", "take", "resources", "port_forward",
    "where", "fields", "owner", "like", "put", "window", "open", "confirm", "armed", "{{ tag }}",
)  # fmt: skip


def _targets() -> Iterator[tuple[str, Target]]:
    for name in PARSERS:
        if name not in ("text", "lines"):
            yield f"parser-{name}", _parser(name)
    yield "igd-description", _said(lambda text: parse_description(text, "http://192.168.1.1:5000/desc.xml"))
    yield "igd-address", _said(parse_external_address)
    yield "igd-mapping", _said(parse_mapping)
    yield (
        "plex-log",
        Target(lambda data: _ignore(parse_plex_log(_text(data))), lambda: _files(_EXCERPTS, "*.log")),
    )
    yield (
        "proc-route",
        _said(parse_proc_route, "Iface\tDestination\tGateway\neth0\t00000000\t0101A8C0\t0003\t0\t0\t0\n"),
    )
    yield (
        "proc-arp",
        _said(parse_proc_arp, "IP address HW type\n192.168.1.1 0x1 0x2 52:54:00:00:00:01 * eth0\n"),
    )
    yield "yaml", Target(_yaml, lambda: [*_files(_CASES, "*.yaml"), *_shipped("playbooks")])
    yield (
        "inventory",
        Target(_inventory, lambda: [_example(), *_files(_CASES, "*inventory*")], _INVENTORY_WORDS),
    )
    playbook = _by_path(lambda path: load_playbooks((path,)))
    yield "playbook", Target(playbook, lambda: _shipped("playbooks"), _PLAYBOOK_WORDS)
    yield "profile", Target(_by_path(_profile), lambda: _shipped("router_profiles"), _PROFILE_WORDS)
    yield "template", Target(_template, lambda: [b"{{ plex.port }}", b"a {{ vars.x | default(1) }} b"])
    yield "probe-file", Target(_by_path(read_probe_file), lambda: [_PROBE.encode()])
    yield "told-file", Target(_by_path(lambda path: read_answers_file(path, NOW)), lambda: [_TOLD.encode()])
    yield (
        "ssh-config",
        Target(_by_path(read_ssh_config), lambda: [b"Host *\n  User me\n  ProxyJump a@b:22\n"]),
    )


def _shipped(folder: str) -> list[bytes]:
    return _files(shipped(folder), "*.yaml")


def _example() -> bytes:
    return (_HERE.parents[1] / "inventory.example.yaml").read_bytes()


_PROBE = (
    '{"schema": "plexops/probe/1", "vantage": "vps", "address": "203.0.113.20", "port": 32500, "answer": "this-server",'
    ' "identifier": "abc", "inside": false, "made": "2026-11-29T20:14:00Z"}'
)
_TOLD = 'site: home\nanswers:\n  wan_address: {answer: "203.0.113.20", at: "2026-11-28T20:14:00Z"}\n'
#: All of them, by name.
TARGETS: Mapping[str, Target] = dict(_targets())

"""The JSON Schema of inventories, and the helpers of all schemas. Draft 7: what editors understand."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from plexops.config.boxes import boxes_by_hand
from plexops.config.schemas import WANTS, Schema
from plexops.model.site import (
    Access,
    AddressBy,
    BecomeMethod,
    CheckerName,
    Connection,
    Container,
    HostFirewall,
)

DRAFT = "http://json-schema.org/draft-07/schema#"
NAME = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$"
VARIABLE = "^[A-Za-z_][A-Za-z0-9_]{0,39}$"


def leaf(description: str, *examples: object, wants: str = "text", **more: object) -> Schema:
    """One property: its type follows from what it wants unless `more` says otherwise."""
    kinds = {"port": "integer", "flag": "boolean", "number": "integer"}
    return {
        "description": description,
        "examples": list(examples),
        "type": kinds.get(wants, "string"),
        WANTS: wants,
        **({"minimum": 1, "maximum": 65535} if wants == "port" else {}),
        **more,
    }


def word(description: str, words: type[StrEnum], default: StrEnum) -> Schema:
    """A property that is one of some words."""
    return leaf(description, *(str(w) for w in words), enum=[str(w) for w in words], default=str(default))


def table(description: str, example: object, properties: Schema, *required: str, **more: object) -> Schema:
    """A property that is a table with known keys."""
    return {
        "description": description,
        "examples": [example],
        "type": "object",
        WANTS: "table",
        "properties": properties,
        "additionalProperties": False,
        **({"required": list(required)} if required else {}),
        **more,
    }


def secret(description: str, example: Mapping[str, object], *, server: bool = False) -> Schema:
    """A property that is a reference to a secret. `server`: the token may be read on the Plex host."""
    sources = {
        "env": leaf("The environment variable that holds it.", "PLEX_TOKEN", wants="variable"),
        "file": leaf(
            "A file that holds nothing else and that only you may read; relative to the inventory.",
            "~/.config/plexops/router-password",
        ),
        "ask": leaf("Ask for it on the terminal, once per run.", True, wants="flag", const=True),
    }
    if server:
        sources["from"] = leaf("Read it on the server, where Plex keeps it.", "server", const="server")
    more = {"minProperties": 1, "maxProperties": 1, WANTS: "token" if server else "secret"}
    return table(description, dict(example), sources, **more)


def variables(description: str) -> Schema:
    """A table of variables."""
    return {
        "description": description,
        "examples": [{"external_port": 32500}],
        "type": "object",
        WANTS: "table",
        "propertyNames": {"pattern": VARIABLE, WANTS: "variable name"},
        "additionalProperties": {"$ref": "#/definitions/variable"},
    }


def listing(description: str, example: object, items: Schema, **more: object) -> Schema:
    """A property that is a list."""
    return {
        "description": description,
        "examples": [example],
        "type": "array",
        WANTS: "list",
        "items": items,
        **more,
    }


VARIABLE_DEFINITION: Schema = {
    "description": "A text, a number, true or false, or a table of these. Texts may hold {{ names }}.",
    "examples": [32500, "plex", True],
    "type": ["string", "integer", "boolean", "object"],
    WANTS: "variable value",
    "propertyNames": {"pattern": VARIABLE, WANTS: "variable name"},
    "additionalProperties": {"$ref": "#/definitions/variable"},
}


def _ssh_properties() -> Schema:
    return {
        "address": leaf("IPv4 or IPv6 address, or host name.", "192.168.1.1", wants="host"),
        "port": leaf("SSH port. Default: ~/.ssh/config, else 22.", 22, wants="port"),
        "username": leaf("Login name. Default: ~/.ssh/config, else your own.", "root"),
        "password": secret("Login password. It also answers keyboard-interactive.", {"ask": True}),
        "key_file": leaf("Private key file; relative to the inventory.", "~/.ssh/id_ed25519"),
        "key": secret("Text of a private key, for CI.", {"env": "ROUTER_SSH_KEY"}),
        "host_key": leaf(
            "The device's public host key, as a line of known_hosts has it. Default: known_hosts, plexops trust.",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBa0Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFy",
            wants="host key",
        ),
        "legacy_ssh": leaf(
            "Agree to SSH algorithms no longer considered safe (SHA-1, CBC), for this device alone. Default: false.",
            True,
            wants="flag",
        ),
    }


def _via() -> Schema:
    example = {"address": "vpn.example.net", "username": "me", "key_file": "~/.ssh/id_ed25519"}
    return table("A jump host. It carries SSH and HTTP.", example, _ssh_properties(), "address")


def _connection() -> Schema:
    description = (
        "`local`: plexops runs on this device itself, and needs no login. `ssh`: it logs in over SSH."
    )
    return word(description, Connection, Connection.SSH)


def _become(description: str) -> Schema:
    properties = {
        "method": word("The program that gives them.", BecomeMethod, BecomeMethod.SUDO),
        "password": secret("The password that it asks for.", {"ask": True}),
    }
    return table(description, {"method": "sudo", "password": {"ask": True}}, properties)


def _router(description: str, *, here: bool = False) -> Schema:
    passes_on = leaf(
        "Whether it hands the external port, or everything, on to the router (as its DMZ host). Only you know: plexops then "
        "makes the router's own forward behind it, and believes nothing but what gets in.",
        True,
        wants="flag",
    )
    local = {
        "connection": _connection(),
        "become": _become(
            "With `connection: local`: how plexops gets root's rights, where it is not run as root."
        ),
    }
    properties = {
        "profile": leaf(
            "The router family; `plexops profiles list` shows them. `manual`: a person does what plexops says. "
            "A path that ends in .yaml: a profile of your own, from the inventory's folder.",
            "openwrt",
            "routeros",
            "opnsense",
            "manual",
            "./profiles/mine.yaml",
            pattern=r"^(?:[a-z0-9][a-z0-9_-]{0,39}|[A-Za-z0-9_./~-]{1,200}\.yaml)$",
        ),
        **_ssh_properties(),
        "port": leaf(
            "Port of SSH or of the web interface. Default: what the profile says.", 22, wants="port"
        ),
        "api_key": secret("API key, for families that use one (OPNsense, UniFi).", {"env": "OPNSENSE_KEY"}),
        "api_secret": secret("The API key's secret.", {"env": "OPNSENSE_SECRET"}),
        "tls_pin": leaf(
            "The certificate's public key, as `curl --pinnedpubkey` takes it.",
            "sha256//YhKJKSzoTt2b5FP18fvpHo7fJYqQCjAa3HWY3tvRMwE=",
            wants="tls pin",
        ),
        "like": leaf(
            "With `profile: manual`: the box that it is. plexops then says where its page or app has each setting.",
            "fritzbox",
            enum=sorted(boxes_by_hand()),
        ),
        "done": table(
            "With `profile: manual`: who took the steps and when. Each audit then looks for their effect.",
            {"by": "Ann", "on": "2026-11-20"},
            {
                "by": leaf("Who set the box.", "Ann"),
                "on": leaf("The day, as 2026-11-20.", "2026-11-20", pattern=r"^\d{4}-\d{2}-\d{2}$"),
            },
            "by",
            "on",
        ),
        "port_share": leaf(
            "The ports that arrive here, where the ISP shares one IPv4 address between homes and gives each a range (MAP-E, "
            "Freebox, iliad). Default: all.",
            "16384-32767",
            wants="ports",
        ),
        "params": {
            "description": "What the profile lets you choose, such as the name of the WAN interface.",
            "examples": [{"wan": "wan"}],
            "type": "object",
            WANTS: "table",
            "propertyNames": {"pattern": VARIABLE, WANTS: "variable name"},
            "additionalProperties": leaf(
                "Letters, digits and . / - _.",
                "wan",
                type=["string", "integer"],
                wants="param",
            ),
        },
        "via": _via(),
        **(local if here else {"passes_on": passes_on}),
    }
    return table(
        description, {"profile": "openwrt", "address": "192.168.1.1", "username": "root"}, properties
    )


def _server() -> Schema:
    ssh = _ssh_properties()
    properties = {
        **ssh,
        "address": leaf(
            "Where the host shall be: its IPv4 address in the LAN.", "192.168.1.50", wants="address"
        ),
        "address_by": word("Who gives the host its address.", AddressBy, AddressBy.DHCP),
        "mac": leaf("The host's MAC address.", "52:54:00:12:34:56", wants="mac"),
        "connection": _connection(),
        "become": _become("How the login gets the rights to read and change the firewall."),
        "firewall": word("The firewall to change; auto finds out.", HostFirewall, HostFirewall.AUTO),
        "container": word("What Plex runs in; auto finds out.", Container, Container.AUTO),
        "via": _via(),
    }
    example = {"address": "192.168.1.50", "mac": "52:54:00:12:34:56", "username": "media"}
    return table("The host that Plex runs on.", example, properties)


def _plex() -> Schema:
    properties = {
        "url": leaf(
            "Where Plex answers in the LAN, with its port.", "http://192.168.1.50:32400", wants="url"
        ),
        "token": secret("Plex's access token (X-Plex-Token).", {"from": "server"}, server=True),
        "address": leaf(
            "Where the router must send packets. Default: the URL's address, else the server's.",
            "192.168.1.50",
            wants="address",
        ),
        "port": leaf("The port there. Default: the URL's.", 32400, wants="port"),
        "tls_pin": leaf(
            "The certificate's public key, where the URL is https and names an address.",
            "sha256//YhKJKSzoTt2b5FP18fvpHo7fJYqQCjAa3HWY3tvRMwE=",
            wants="tls pin",
        ),
        "via": _via(),
    }
    example = {"url": "http://192.168.1.50:32400", "token": {"from": "server"}}
    return table("The Plex server.", example, properties)


def _site_properties() -> Schema:
    vantage = {
        "ssh": leaf("user@host of a machine outside.", "me@vps.example.net", wants="text"),
        **{k: v for k, v in _ssh_properties().items() if k not in {"address", "username"}},
        "via": {**_via(), "description": "A jump host for this vantage. The site's own is not used."},
        "checker": leaf(
            "A stranger's service that tries the port when it is asked. It learns your address and the port.",
            *(str(name) for name in CheckerName),
            enum=[str(name) for name in CheckerName],
        ),
        "at": leaf(
            "Where the service is: a must for echoip, which many people run. Default: its usual place.",
            "https://ifconfig.co",
            wants="url",
        ),
    }
    return {
        "groups": listing(
            "Groups that this site is in; of two that set a variable, the later one wins.",
            ["family"],
            leaf("A group's name.", "family", pattern=NAME, wants="name"),
        ),
        "access": word("How outsiders are meant to get in.", Access, Access.FORWARD),
        "vars": variables("Variables of this site."),
        "via": {**_via(), "description": "A jump host for all devices of the site. It carries SSH and HTTP."},
        "router": _router("The router that does NAT for the home.", here=True),
        "upstream": _router("A gateway between the router and the internet, where there is one."),
        "server": _server(),
        "plex": _plex(),
        "vantages": listing(
            "From where the port is tried: machines outside, or services that do so when they are asked.",
            [{"ssh": "me@vps.example.net"}, {"checker": "check-host"}],
            table(
                "One machine outside, or one service.",
                {"ssh": "me@vps.example.net"},
                vantage,
                oneOf=[{"required": ["ssh"]}, {"required": ["checker"]}],
            ),
        ),
        "echoes": listing(
            "Services that tell the home's public address. Default: the usual ones; [] asks none.",
            ["https://api.ipify.org"],
            leaf(
                "An address that answers with the caller's address as text.",
                "https://api.ipify.org",
                wants="echo",
            ),
        ),
        "plex_tv": leaf(
            "Where a diagnosis asks for plex.tv's list of your servers. Default: https://plex.tv; else a simulated one, on"
            " this computer alone.",
            "https://plex.tv",
            wants="url",
        ),
    }


def inventory_schema() -> Schema:
    """Give the schema of `inventory.yaml`."""
    site_example = {"router": {"profile": "openwrt", "address": "192.168.1.1"}}
    names = {"pattern": NAME, WANTS: "name"}
    site = {"$ref": "#/definitions/site"}
    group = table(
        "What the sites of a group share.",
        {"vars": {"external_port": 32500}},
        {"vars": variables("Variables.")},
    )
    by_name = {"type": "object", WANTS: "table", "propertyNames": names}
    group_example = {"family": {"vars": {"external_port": 32500}}}
    defaults_example = {"vars": {"external_port": 32500}}
    properties = {
        "sites": {
            "description": "The homes, by name.",
            "examples": [{"home": site_example}],
            **by_name,
            "additionalProperties": site,
            "minProperties": 1,
        },
        "groups": {
            "description": "Variables by group.",
            "examples": [group_example],
            **by_name,
            "additionalProperties": group,
        },
        "defaults": table(
            "What holds for every site that does not say otherwise.", defaults_example, _site_properties()
        ),
    }
    description = "The homes that plexops looks after, and how to reach their devices."
    return {
        "$schema": DRAFT,
        "title": "plexops inventory",
        **table(description, {"sites": {"home": site_example}}, properties, "sites"),
        "definitions": {
            "variable": VARIABLE_DEFINITION,
            "site": table("One home.", site_example, _site_properties()),
        },
    }

"""What only reads, over HTTP, by SOAP and in a tree of settings: whole requests as expressions. What never reads wins.

The method of a request proves nothing: OPNsense searches by POST, and several routers restart by GET. So a request is a
read where its contract says so and nothing in it says that it acts. This is plexops' own; no profile adds to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from msgspec import Struct

from plexops.model.exchange import Json
from plexops.pattern import Pattern

ContractName = Literal["json", "rest", "opnsense", "routeros-rest", "rci", "ubus", "jnap", "soap", "tree"]
#: What else may be sent before anything is asked, and after: the requests that begin a login and end it.
LoginStep = Literal["send", "end"]


class Contract(Struct, frozen=True):
    """One table: requests that read, and those that never do, whatever else says that they read.

    `paths`: a request is a method and a path, which is plain and holds no word that says that it acts. `keys` are all
    that a body may hold; None: a body does nothing that the path does not say.
    `action`: one path takes all, and what is done stands in the `params` of JSON-RPC, or in the header of that name; it
    is judged behind the path.
    """

    reads: tuple[Pattern, ...]
    never: tuple[Pattern, ...] = ()
    paths: bool = True
    keys: frozenset[str] | None = None
    action: str = ""


#: In the place of a login that there is not yet: rpcd's.
NOBODY = "0" * 32
_CALL = {"jsonrpc": "2.0", "id": 1, "method": "call", "params": []}
#: Words of a path that say that something is done, whatever the method.
_ACTING = frozenset(
    {
        *("add", "set", "del", "delete", "remove", "toggle", "apply", "reconfigure", "restart"),
        *("start", "stop", "reboot", "halt", "poweroff", "update", "upgrade", "revert", "rollback"),
        *("savepoint", "cancel", "import", "upload", "run", "exec", "execute", "flush", "reset"),
        *("save", "write", "create", "clear", "refresh", "enable", "disable", "shutdown", "terminate"),
        *("kill", "install", "logout", "activate", "deactivate", "restore", "connect", "disconnect"),
        *("renew", "sync"),
    }
)
_WORD = Pattern(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
#: These act in whatever word they stand, and however that is written: `reBoot`, `doreboot`, `REBOOTNOW`.
_WHEREVER = Pattern(
    r"(?i)re[._~-]?(?:boot|start|configure)|shut[._~-]?down|power[._~-]?off|factory|roll[._~-]?back|log[._~-]?out|savepoint"
)
#: Without percent signs: what `re%62oot` says is only seen when it has arrived.
_PATH = Pattern(r"/|(?:/[A-Za-z0-9._~:@$-]+)+/?")
_QUERY = r"(?:\?[A-Za-z0-9._-]+=[A-Za-z0-9._~:@$,/ -]*(?:&[A-Za-z0-9._-]+=[A-Za-z0-9._~:@$,/ -]*)*)?"
#: OPNsense has /api/MODULE/CONTROLLER/COMMAND/…: what follows the command is its parameter, whatever it says.
_COMMAND = r"(?:search|get|list|find|status|dump|show|count)(?:_[a-z0-9_]+|[A-Z][A-Za-z0-9]*)?"
_ENDING = r"(?:search|get|status|info|list|export|show|backups)(?:_[a-z_]+|[A-Z][A-Za-z]*)?"

CONTRACTS: Mapping[ContractName, Contract] = MappingProxyType(
    {
        #: Plex, and OPNsense as far as a profile does not say more.
        "json": Contract(
            (
                Pattern(r"GET /[^?]*"),
                Pattern(rf"POST /api/[^/]+/[^/]+/{_COMMAND}(?:/[^?]*)?"),
                Pattern(rf"POST /(?!api(?:/|$))(?:[^/?]+/)*{_COMMAND}"),
            )
        ),
        "rest": Contract(
            (Pattern(rf"GET /[^?]*{_QUERY}"),),
            (
                Pattern(r"(?i)GET (?:.*/)?(?:cmds?|commands?|login|signin|auth|tokens?|passwords?|secrets?)(?:[/?].*)?"),
                # One program behind all requests, which acts by its query.
                Pattern(r"(?i)GET (?:.*/)?(?:cgi-bin|cgi|goform|boaform|jsonrpc|rpc|ubus)(?:[/?].*)?"),
                Pattern(r"(?i)GET [^?]*\.(?:aspx?|ccp|cgi|do|html?|jsp|lua|php|pl|sh|xml)(?:[/?].*)?"),
                Pattern(r"(?i).*[?&](?:action|call|cmd|command|do|func|function|_?method|op|operation)=.*"),
            ),
        ),
        "opnsense": Contract(
            (
                Pattern(rf"GET /api/[a-z0-9_]+/[a-z0-9_]+/(?:{_ENDING}|interfaces_info)(?:/this)?"),
                Pattern(r"GET /api/diagnostics/firewall/pf_statistics/rules"),
                Pattern(r"POST /api/[a-z0-9_]+/[a-z0-9_]+/(?:search|get)(?:_[a-z_]+|[A-Z][A-Za-z]*)?"),
            )
        ),
        "routeros-rest": Contract(
            (Pattern(rf"GET /rest/[a-z0-9/.*-]+{_QUERY}"), Pattern(r"POST /rest/[a-z0-9/-]+/print")),
            (Pattern(r"(?i)(?:GET|POST) /rest/(?:execute|export|tool/fetch|system/(?:script|backup))(?:[/?].*)?"),),
            # `print` also knows `file`, which writes one.
            keys=frozenset({".proplist", ".query"}),
        ),
        # Keenetic: what `show` prints, and settings. Others of both go on until they are stopped, or hold keys.
        "rci": Contract(
            (
                Pattern(
                    r"GET /rci/(?:show/(?:version|interface|upnp/redirect|ip/(?:dhcp/bindings|hotspot))"
                    r"|ip/(?:static|dhcp/(?:host|pool)))"
                ),
            )
        ),
        # OpenWrt's rpcd. Other configurations hold passwords, and `file` runs programs.
        "ubus": Contract(
            (
                Pattern(
                    r"POST /ubus (?:uci get (?:dhcp|firewall|upnpd)|network\.interface dump|system board"
                    r"|luci-rpc getDHCPLeases)"
                ),
            ),
            keys=frozenset({"config"}),
            action="params",
        ),
        "jnap": Contract(
            (Pattern(r"POST /JNAP/ http://linksys\.com/jnap/(?:core/GetDeviceInfo|router/Get(?:WANStatus|LANSettings|DHCPClientLeases)"
                    r"|firewall/Get(?:SinglePortForwardingRules|PortRangeForwardingRules|DMZSettings)|routerupnp/GetUPnPSettings)[0-9]?"),),
            keys=frozenset(),
            action="X-JNAP-Action",
        ),
        "soap": Contract(
            (
                Pattern(r"urn:[A-Za-z0-9.:_-]+#(?:X_AVM[-_]DE_)?Get[A-Za-z0-9_-]*"),
                # Where a device describes itself.
                Pattern(r"GET /(?:[A-Za-z0-9_-]+/)*[A-Za-z0-9_-]*(?i:desc|root|igd|gateway)[A-Za-z0-9_-]*\.xml"),
            ),
            # What these give is a password, or leads to one; and AVM's configuration is written to a file for it.
            (Pattern(r"(?i).*(?:config_?file|password|passphrase|persistent|secur(?:e|ity)_?keys?|support_?data|urlsid).*"),),
            paths=False,
        ),
        "tree": Contract(
            (Pattern(r"show(?: [A-Za-z0-9][A-Za-z0-9./:_-]*)+"),),
            # They never end, start a program, or print files; and only where each leaf is a line its secrets can be masked.
            (
                Pattern(r"show configuration(?! commands$).*|.*(?:running|startup)-config.*"),
                Pattern(r".* (?:capture|file|monitor|monitoring|tail|tech-support)(?: .*)?"),
                Pattern(r".*\.\..*"),
            ),
            paths=False,
        ),
    }
)  # fmt: skip
_LOGIN: Mapping[LoginStep, Pattern] = MappingProxyType(
    {
        "send": Pattern(
            rf"POST /(?:[A-Za-z0-9._-]+/)*(?:login|signin|auth|sessions?|login\.cgi|login_sid\.lua)/?{_QUERY}"
            r"|POST /ubus session login"
        ),
        "end": Pattern(
            rf"(?:POST|GET) /(?:[A-Za-z0-9._-]+/)*(?:logout|signout|login_sid\.lua)/?{_QUERY}"
            r"|DELETE /(?:[A-Za-z0-9._-]+/)*(?:login|auth|sessions?)/?|POST /ubus session destroy"
        ),
    }
)


def refuse_read(
    contract: ContractName, request: str, body: Json = None, headers: Mapping[str, str] = MappingProxyType({})
) -> str | None:
    """Tell why a request is not known to only read; None when it is.

    It is `METHOD /path?name=value`, as no browser writes it: without percent signs; for `soap` the type of a service,
    `#` and an action; for `tree` a line. `headers` are those that a profile adds.
    """
    table = CONTRACTS[contract]
    if strange := sorted(set(headers) - {table.action}):
        return f"{request} with {', '.join(strange)} may do more than read"
    if table.paths and (reason := _no_plain_path(request.partition(" ")[2])):
        return reason
    if table.action:
        action, body = called(body) if table.action == "params" else (headers.get(table.action, ""), body)
        request = f"{request} {action}"
    if table.paths and (reason := _acting(request)):
        return reason
    if any(never.fullmatch(request) for never in table.never):
        return f"{request!r} acts, or gives secrets away"
    if not any(reads.fullmatch(request) for reads in table.reads):
        return f"{request} is not known to only read"
    if body is None or table.keys is None:
        return None
    more = set(body) - table.keys if isinstance(body, Mapping) else {"a list"}
    return f"{request} with {', '.join(sorted(more))} may do more than read" if more else None


def called(body: Json, *login: str) -> tuple[str, Json]:
    """Give what a call by JSON-RPC does, as `object method configuration`, and its arguments; empty for no such call.

    `login` is what stands before them: nothing, for the transport puts it there, but in what logs in.
    """
    if not isinstance(body, Mapping) or {**body, "params": []} != _CALL:
        return "", None
    match body.get("params"):
        case [*before, str(thing), str(method), Mapping() as told] if before == [*login]:
            return " ".join(map(str, filter(None, (thing, method, told.get("config"))))), told
    return "", None


def refuse_login(step: LoginStep, request: str, body: Json = None) -> str | None:
    """Tell why a request is not known to only begin a login (`send`) or to end it; None when it is."""
    if reason := _no_plain_path(request.partition(" ")[2]):
        return reason
    request = f"{request} {called(body, *(NOBODY,) * (step == 'send'))[0]}".rstrip()
    return None if _LOGIN[step].fullmatch(request) else f"{request} is not known to be a login's"


def _no_plain_path(path: str) -> str | None:
    plain = path.partition("?")[0]
    if _PATH.fullmatch(plain) is None or {".", ".."} & set(plain.split("/")):
        return f"{path!r} is no plain path"
    return None


def _acting(request: str) -> str | None:
    path = request.partition(" ")[2]
    words = {word.lower() for word in _WORD.findall(path)} & _ACTING
    words |= {found[0] for found in _WHEREVER.finditer(path)} if not words else set()
    return f"{path!r} says that it acts: {', '.join(sorted(words))}" if words else None

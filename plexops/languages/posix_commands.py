"""One check per command of the allow-list: which flags and operands keep it a read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence, Set
from itertools import dropwhile
from types import MappingProxyType

from plexops.languages.posix_network import curl, getent, ip, ping
from plexops.pattern import Pattern

Check = Callable[[Sequence[str]], str | None]

#: What may stand in double quotes so that no shell expands anything.
VARIABLE_FREE = Pattern(r"[^$`\\!]*")

_NAME = Pattern(r"[A-Za-z0-9_][A-Za-z0-9_.@:-]*")
_PROC = Pattern(
    r"/proc/(?:net|sys)/[^*?]+|/proc/(?:version|uptime|meminfo|cpuinfo|loadavg|mounts|modules)"
    r"|/proc/(?:self|[0-9]{1,7})/(?:status|cgroup|mountinfo|comm)"
)
_SECRET = Pattern(
    r"/etc/g?shadow-?|.*/\.ssh(?:/.*)?|.*/ssh_host_[^/]*_key|/etc/(?:dropbear|sudoers)(?:[./].*)?"
    r"|/etc/ssh/?|/etc/ssh/.*[*?\[].*"
)
#: Folders that a recursive read would take keys and passwords from.
_TOO_WIDE = frozenset({"/", "/proc", "/sys", "/etc", "/root", "/home", "/var", "/var/lib"})


def refuse_path(path: str) -> str | None:
    """Tell why a read of this path is refused: devices, memory, credentials, wildcards in a folder's name."""
    folder, _, name = path.rpartition("/")
    if not path.startswith("/") or "//" in path or re.search(r"(?:^|/)\.\.?(?:/|$)", path):
        return f"{path!r} is no plain absolute path"
    if re.search(r"[*?\[]", folder) or (not folder and re.search(r"[*?\[]", name)):
        return f"a wildcard may stand only in the last part of {path!r}"
    if (path.rstrip("/") or "/") in _TOO_WIDE or (path.startswith("/proc/") and not _PROC.fullmatch(path)):
        return f"{path!r} is too wide, or a process's own"
    if path == "/dev" or (path.startswith("/dev/") and path != "/dev/null"):
        return f"{path!r} is a device"
    if _SECRET.fullmatch(path) or (folder == "/etc" and re.search(r"[*?\[]", name)):
        return f"{path!r} holds credentials of the host"
    return None


def _paths(paths: Sequence[str], least: int = 1) -> str | None:
    if len(paths) < least:
        return "names no file"
    return next((reason for path in paths if (reason := refuse_path(path))), None)


def _flags(letters: str, arguments: Sequence[str]) -> tuple[list[str], str | None]:
    """Take bundled one-letter flags out of a closed set; the operands are left."""
    operands: list[str] = []
    for argument in arguments:
        if not argument.startswith("-") or argument == "-":
            operands.append(argument)
        elif any(letter not in letters for letter in argument[1:]):
            return [], f"the flag {argument!r} is not on the list"
    return operands, None


def _with_paths(letters: str, least: int = 1) -> Check:
    def check(arguments: Sequence[str]) -> str | None:
        operands, reason = _flags(letters, arguments)
        return reason or _paths(operands, least)

    return check


def _only(letters: str, operand: Pattern | None = None, least: int = 0, most: int = 0) -> Check:
    """Flags of a closed set, then `least` to `most` operands of one form."""

    def check(arguments: Sequence[str]) -> str | None:
        operands, reason = _flags(letters, arguments)
        if reason:
            return reason
        if not least <= len(operands) <= most:
            return f"takes {least} to {most} operands here"
        wrong = [word for word in operands if operand is None or operand.fullmatch(word) is None]
        return f"the operand {wrong[0]!r} is not on the list" if wrong else None

    return check


def _phrase(form: str, reason: str) -> Check:
    """All arguments together in one form, with a space between."""
    pattern = Pattern(form)

    def check(arguments: Sequence[str]) -> str | None:
        said = " ".join(arguments)
        # A word that is empty or holds a space itself is no part of any form.
        return None if said.split() == list(arguments) and pattern.fullmatch(said) else reason

    return check


def _grep(arguments: Sequence[str]) -> str | None:
    operands: list[str] = []
    waiting = iter(arguments)
    pattern = False
    for argument in waiting:
        if argument in {"-e", "-m", "-A", "-B", "-C"}:
            value = next(waiting, None)
            pattern = pattern or argument == "-e"
            if value is None or (argument != "-e" and not value.isdecimal()):
                return f"{argument} lacks its value"
        elif argument.startswith("-") and any(letter not in "EFGHahilLnoqrsvwxc" for letter in argument[1:]):
            return f"the flag {argument!r} is not on the list"
        elif not argument.startswith("-"):
            operands.append(argument)
    return _paths(operands if pattern else operands[1:])


def _head(arguments: Sequence[str]) -> str | None:
    if len(arguments) == 3 and arguments[0] in {"-n", "-c"} and arguments[1].isdecimal():
        return refuse_path(arguments[2])
    return "only `-n NUMBER FILE` and `-c NUMBER FILE` are on the list"


def _stat(arguments: Sequence[str]) -> str | None:
    rest = list(arguments)
    if "-c" in rest:
        at = rest.index("-c")
        del rest[at : at + 2]
    return _with_paths("Lft")(rest)


def _test(arguments: Sequence[str]) -> str | None:
    rest = list(arguments[1:] if arguments[:1] == ["!"] else arguments)
    if len(rest) == 2 and re.fullmatch(r"-[defhLrsSwx]", rest[0]):
        return refuse_path(rest[1])
    return "only one test of one file is on the list"


def _bracket(arguments: Sequence[str]) -> str | None:
    return _test(arguments[:-1]) if arguments[-1:] == ["]"] else "lacks its closing bracket"


def _uci(arguments: Sequence[str]) -> str | None:
    rest = list(dropwhile(lambda word: word in {"-q", "-X"}, arguments))
    if not rest or rest[0] not in {"show", "get", "changes", "export"}:
        return "only show, get, changes and export read"
    if len(rest) > 2 or any(re.fullmatch(r"[A-Za-z0-9_.@\[\]-]+", word) is None for word in rest[1:]):
        return "takes one name of a package, section or option"
    return "options after the command are not on the list" if rest[1:] and rest[1].startswith("-") else None


#: ubus methods that read, by the objects that have them (rpcd, netifd, procd, odhcpd).
_UBUS: tuple[tuple[str, str], ...] = (
    (r"network\.interface(?:\.[A-Za-z0-9_-]+)?", "status|dump"),
    (r"network\.device", "status"),
    (r"system", "board|info"),
    (r"dhcp", "ipv4leases|ipv6leases"),
    (r"luci-rpc", "getDHCPLeases|getHostHints|getBoardJSON|getNetworkDevices|getWirelessDevices"),
    (r"luci\.upnp", "get_status"),
    (r"uci", "get|configs|changes|state"),
    (r"service|rc", "list"),
    (r"iwinfo", "info"),
)


def _ubus(arguments: Sequence[str]) -> str | None:
    rest = list(dropwhile(lambda word: word in {"-S", "-v"}, arguments))
    if rest[:1] == ["list"]:
        return _only("v", _NAME, 0, 1)(rest[1:])
    if rest[:1] != ["call"] or not 3 <= len(rest) <= 4:
        return "only `list` and `call OBJECT METHOD [JSON]` are on the list"
    known = any(re.fullmatch(obj, rest[1]) and re.fullmatch(method, rest[2]) for obj, method in _UBUS)
    if not known:
        return f"{rest[1]} {rest[2]} is not on the list of methods that only read"
    return _json_object(rest[3]) if len(rest) == 4 else None


def _json_object(text: str) -> str | None:
    try:
        return None if isinstance(json.loads(text), dict) else "the argument is no JSON object"
    except (ValueError, RecursionError):
        return "the argument is no JSON object"


_NFT_LISTED = frozenset(
    {"ruleset", "tables", "table", "chains", "chain", "sets", "set", "maps", "map", "flowtables"}
)


def _nft(arguments: Sequence[str]) -> str | None:
    if list(arguments) in (["--version"], ["-v"]):
        return None
    # `-t` only leaves out what is in sets.
    rest = list(dropwhile(lambda word: re.fullmatch(r"-[jsnayt]{1,6}", word), arguments))
    if rest[:1] != ["list"] or len(rest) < 2 or rest[1] not in _NFT_LISTED:
        return "only `list` reads"
    wrong = [word for word in rest[1:] if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", word) is None]
    return f"{wrong[0]!r} is no name" if wrong else None


def _iptables(arguments: Sequence[str]) -> str | None:
    if list(arguments) in (["--version"], ["-V"]):
        return None
    rest = list(arguments)
    listed = False
    while rest:
        word = rest.pop(0)
        if word in {"-t", "--table"}:
            if not rest or re.fullmatch(r"filter|nat|mangle|raw|security", rest.pop(0)) is None:
                return "names no table"
        elif word in {"-S", "-L", "--list-rules", "--list"}:
            listed = True
            if rest and re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", rest[0]):
                rest.pop(0)
        elif word in {"-w", "--wait"}:
            if rest and rest[0].isdecimal():
                rest.pop(0)
        elif word not in {"-n", "-v", "-x", "-nv", "-vn", "--line-numbers"}:
            return f"{word!r} is not on the list"
    return None if listed else "only -S and -L read"


_FIREWALLD = Pattern(
    r"--(?:state|version|list-(?:all|all-zones|ports|services|rich-rules|forward-ports|interfaces|sources|protocols)"
    r"|get-(?:default-zone|active-zones|zones|services|log-denied|policies|zone-of-interface=[A-Za-z0-9_.@-]+)"
    r"|query-(?:panic|masquerade|(?:port|service|interface|source)=[A-Za-z0-9_.:/@-]+)"
    r"|info-(?:zone|service|policy)=[A-Za-z0-9_.-]+)"
)
_FIREWALLD_WHERE = Pattern(r"--(?:permanent|(?:zone|policy)=[A-Za-z0-9_.-]+)")


def _firewall_cmd(arguments: Sequence[str]) -> str | None:
    asked = [word for word in arguments if not _FIREWALLD_WHERE.fullmatch(word)]
    if len(asked) == 1 and _FIREWALLD.fullmatch(asked[0]):
        return None
    return "takes one of --state, --list-…, --get-…, --query-…, --info-…"


def _valued(
    arguments: Sequence[str], alone: Set[str], valued: Set[str], without_operand: str = ""
) -> str | None:
    """Options out of two closed sets, and at least one name; `without_operand` is a command that takes none."""
    operands: list[str] = []
    waiting = iter(arguments)
    for word in waiting:
        if word in valued:
            if next(waiting, None) is None:
                return f"{word} lacks its value"
        elif word.startswith("-") and word not in alone and word.partition("=")[0] not in valued:
            return f"the option {word!r} is not on the list"
        elif not word.startswith("-"):
            operands.append(word)
    if without_operand:
        return f"{without_operand} takes no operand" if operands else None
    return _names(operands)


def _docker(arguments: Sequence[str]) -> str | None:
    """Judge docker, and podman, which takes the same words."""
    if list(arguments[:2]) == ["network", "ls"]:
        return _valued(arguments[2:], {"--no-trunc"}, {"--format"}, "network ls")
    if arguments[:1] == ["ps"]:
        alone = {"-a", "-q", "--all", "--quiet", "--no-trunc"}
        return _valued(arguments[1:], alone, {"--format", "-f", "--filter"}, "ps")
    if arguments[:1] == ["inspect"]:
        return _valued(arguments[1:], set(), {"-f", "--format", "--type"})
    return "only ps, inspect and network ls read"


def _systemctl(arguments: Sequence[str]) -> str | None:
    if not arguments or arguments[0] not in {"is-active", "is-enabled", "show"}:
        return "only is-active, is-enabled and show read"
    return _valued(arguments[1:], {"--value", "--no-pager", "--quiet", "-q"}, {"-p", "--property"})


def _names(operands: Sequence[str]) -> str | None:
    if not operands:
        return "names nothing"
    wrong = [word for word in operands if _NAME.fullmatch(word) is None]
    return f"{wrong[0]!r} is no name" if wrong else None


_VERSION = _phrase("--version|-v", "only --version is on the list")
_IPTABLES_SAVE = _phrase(r"(?:-c(?: |\Z))*(?:-t [a-z]+(?: -c)*)?", "only -c and -t TABLE are on the list")
_NMCLI = "-t -f GENERAL.DEVICE,DHCP4 device show"
_SS_FILTER = Pattern(r"(?!-)[A-Za-z0-9=:.,*()\[\]/ _-]+")

#: Every command that may be read with. A command that is not here is refused.
CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "[": _bracket,
        "cat": _with_paths(""),
        "command": _phrase(f"-v {_NAME.source}", "only `-v NAME` is on the list"),
        "curl": curl,
        # Only what follows a plus sign is a format; anything else would set the clock.
        "date": _phrase(r"\+[A-Za-z0-9%:._-]+", "only +FORMAT is on the list"),
        "dnsmasq": _VERSION,
        "docker": _docker,
        "firewall-cmd": _firewall_cmd,
        "getent": getent,
        "grep": _grep,
        "head": _head,
        "hostname": _only("Ifs"),
        "id": _only("ugnGr", _NAME, 0, 1),
        "ip": ip,
        "ip6tables": _iptables,
        "ip6tables-legacy": _iptables,
        "ip6tables-legacy-save": _IPTABLES_SAVE,
        "ip6tables-save": _IPTABLES_SAVE,
        "iptables": _iptables,
        "iptables-legacy": _iptables,
        "iptables-legacy-save": _IPTABLES_SAVE,
        "iptables-save": _IPTABLES_SAVE,
        "ipset": _phrase("save", "only save reads"),
        "ls": _with_paths("1adlnhiRrtSA", 0),
        "nft": _nft,
        "nmcli": _phrase(re.escape(_NMCLI), f"only `nmcli {_NMCLI}` is on the list"),
        "nvram": _phrase(f"show|get {_NAME.source}", "only show and get NAME read"),
        "ping": ping,
        "pidof": _only("s", _NAME, 1, 1),
        "podman": _docker,
        "printenv": _only("", Pattern(r"[A-Za-z_][A-Za-z0-9_]*"), 1, 1),
        "readlink": _with_paths("fen"),
        "ss": _only("Htulnpa046exmio", _SS_FILTER, 0, 8),
        "stat": _stat,
        "sysctl": lambda words: (
            _only("", Pattern(r"[a-z0-9_./-]+"), 1, 32)(words[1:])
            if words[:1] == ["-n"]
            else "only -n KEY reads"
        ),
        "systemctl": _systemctl,
        "tail": _head,
        "test": _test,
        "true": _only(""),
        "ubus": _ubus,
        "uci": _uci,
        "ufw": _phrase(
            "status(?: verbose| numbered)?|(?:--)?version|show (?:added|listening)",
            "only status, version, show added and show listening read",
        ),
        "uname": _only("asnrvmpio"),
        "which": _only("", _NAME, 1, 1),
    }
)

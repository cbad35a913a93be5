"""ufw on a simulated Debian server: its rule files, its command, and what it lets through.

Texts are those of ufw 0.36.2, seen in captures.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from ipaddress import ip_network
from typing import BinaryIO

from plexops.lab import ufw_chains
from plexops.lab.base import ExecResult
from plexops.lab.filesystem import FileSystem
from plexops.lab.iptables import Family
from plexops.lab.shell import Context, fail, say
from plexops.lab.ufw_rule import ANYWHERE, Rule
from plexops.structs import replace

CONF = "/etc/ufw/ufw.conf"
DEFAULTS = "/etc/default/ufw"
FILES = {4: "/etc/ufw/user.rules", 6: "/etc/ufw/user6.rules"}
MAX_PORT = 65535
TARGETS = {"allow": "ACCEPT", "deny": "DROP", "reject": "REJECT", "limit": "LIMIT"}
ACTIONS = frozenset(TARGETS)
_SIMPLE = re.compile(r"(\d+(?::\d+)?)(?:/(tcp|udp))?")
_TUPLE = re.compile(
    r"### tuple ### (allow|deny|reject|limit) (\S+) (\S+) (\S+) (\S+) (\S+) (in|out)(?: comment=([0-9a-f]+))?"
)

USAGE = """
Usage: ufw COMMAND

Commands:
 enable                          enables the firewall
 disable                         disables the firewall
 default ARG                     set default policy
 logging LEVEL                   set logging to LEVEL
 allow ARGS                      add allow rule
 deny ARGS                       add deny rule
 reject ARGS                     add reject rule
 limit ARGS                      add limit rule
 delete RULE|NUM                 delete RULE
 insert NUM RULE                 insert RULE at NUM
 prepend RULE                    prepend RULE
 route RULE                      add route RULE
 route delete RULE|NUM           delete route RULE
 route insert NUM RULE           insert route RULE at NUM
 reload                          reload firewall
 reset                           reset firewall
 status                          show firewall status
 status numbered                 show firewall status as numbered list of RULES
 status verbose                  show verbose firewall status
 show ARG                        show firewall report
 version                         display version information

Application profile commands:
 app list                        list application profiles
 app info PROFILE                show information on PROFILE
 app update PROFILE              update PROFILE
 app default ARG                 set default application policy
"""


class UfwError(Exception):
    """What ufw answers with status 1 after `ERROR: `."""


class Ufw:
    """The firewall of one host. What is in the files acts from `enable` (or boot) on; commands act at once."""

    def __init__(self, files: FileSystem, *, enabled: bool, rules: Iterable[Rule]) -> None:
        self._files = files
        files.install({CONF: _conf(enabled=enabled), DEFAULTS: _DEFAULTS})
        self._rules: dict[int, list[Rule]] = {4: [], 6: []}
        for rule in rules:
            for version in (4, 6):
                fitting = rule.version(version)
                if fitting is not None:
                    self._rules[version].append(fitting)
        self._active = enabled
        #: Whether it was switched off since the host started: some of its chains stay.
        self._stopped = False
        self._save()

    def loaded(self, family: Family, instead: bool | None = None) -> str:
        """Give what of its chains is in the kernel, as iptables-restore takes it.

        `instead`: whether they are there, where that is not what the switch says; somebody then flushed them.
        """
        if self._active if instead is None else instead:
            settings = self._files.read(DEFAULTS).decode()
            found = dict(re.findall(r'DEFAULT_(INPUT|OUTPUT|FORWARD)_POLICY="(\w+)"', settings))
            policies = {side: found.get(side.upper(), "DROP") for side in ufw_chains.SIDES}
            return ufw_chains.chains(family, list(self._rules[family]), policies)
        if instead is not None:
            return ufw_chains.FLUSHED
        return ufw_chains.skeleton(family) if self._stopped else ""

    def export(self) -> str:
        """Give all of its files."""
        paths = (CONF, DEFAULTS, *FILES.values())
        return "".join(f"## {path}\n{self._files.read(path).decode()}" for path in paths)

    def command(self, argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
        """Answer one call of `ufw`."""
        if context.user != "root":
            return fail("ERROR: You need to be root to run this script")
        words = [word for word in argv[1:] if word not in ("--force", "--dry-run")]
        try:
            return self._dispatch(words, dry_run="--dry-run" in argv)
        except UfwError as error:
            return fail(f"ERROR: {error}")

    def _dispatch(self, words: list[str], *, dry_run: bool) -> ExecResult:
        match words:
            case ["version"]:
                return say("ufw 0.36.2\nCopyright 2008-2023 Canonical Ltd.\n")
            case ["enable"]:
                return self._switch(on=True, text="Firewall is active and enabled on system startup\n")
            case ["disable"]:
                return self._switch(on=False, text="Firewall stopped and disabled on system startup\n")
            case ["reload"]:
                return self._reload()
            case ["status", *rest]:
                return say(self._status(rest[0] if rest else ""))
            case ["show", "added"]:
                return say(self._added())
            case ["show", "listening"]:
                return say("")
            case ["delete", number] if number.isdigit():
                return self._delete_number(int(number))
            case ["delete", *rest]:
                return self._each(_rule(rest), self._delete)
            case ["prepend", *rest]:
                return self._each(_rule(rest), lambda v, r: self._insert(v, r, 1))
            case ["insert", number, *rest] if number.isdigit():
                return self._insert_at(int(number), _rule(rest))
            case [action, *_] if action in ACTIONS:
                rule = _rule(words)
                return self._show_dry(rule) if dry_run else self._each(rule, self._add)
        raise UfwError("Invalid syntax\n" + USAGE)

    def _switch(self, *, on: bool, text: str) -> ExecResult:
        self._files.write(CONF, _conf(enabled=on).encode())
        self._rules = {version: _read(self._files, version) for version in FILES}
        self._stopped = self._stopped or (self._active and not on)
        self._active = on
        return say(text)

    def _reload(self) -> ExecResult:
        if not self._active:
            return say("Firewall not enabled (skipping reload)\n")
        self._rules = {version: _read(self._files, version) for version in FILES}
        return say("Firewall reloaded\n")

    def _each(self, rule: Rule, change: Callable[[int, Rule], str]) -> ExecResult:
        """Do it to the IPv4 and the IPv6 form of a rule, and say so as ufw does."""
        out = ""
        for version, suffix in ((4, ""), (6, " (v6)")):
            fitting = rule.version(version)
            if fitting is not None:
                out += f"{change(version, fitting)}{suffix}\n"
        self._save()
        return say(out)

    def _add(self, version: int, rule: Rule) -> str:
        rules = self._rules[version]
        for index, held in enumerate(rules):
            if held == rule:
                return "Skipping adding existing rule"
            if held.matches(rule):
                rules[index] = rule
                return self._said("Rule updated")
        rules.append(rule)
        return self._said("Rule added")

    def _insert(self, version: int, rule: Rule, position: int) -> str:
        rules = self._rules[version]
        for index, held in enumerate(rules):
            if held == rule:
                return "Skipping inserting existing rule"
            if held.matches(rule):
                rules[index] = rule
                return self._said("Rule updated")
        rules.insert(position - 1, rule)
        return self._said("Rule inserted")

    def _insert_at(self, position: int, rule: Rule) -> ExecResult:
        """Insert by the number that `status numbered` shows: IPv6 rules are counted after those of IPv4."""
        count = len(self._rules[4])
        if not 1 <= position <= count + len(self._rules[6]):
            raise UfwError(f"Invalid position '{position}'")
        if position <= count:
            # The IPv6 form goes before the twin of the rule that gives way, or to the end where that has none.
            held = self._rules[4][position - 1]
            twin = next((n for n, r in enumerate(self._rules[6], 1) if _is_twin(held, r)), None)
            places = {4: position, 6: twin or len(self._rules[6]) + 1}
            return self._each(rule, lambda v, r: self._insert(v, r, places[v]))
        return self._each(rule, lambda v, r: self._insert(v, r, position - count if v == 6 else count + 1))

    def _delete(self, version: int, rule: Rule) -> str:
        rules = self._rules[version]
        for held in rules:
            if held.matches(rule) and held.action == rule.action:
                rules.remove(held)
                return self._said("Rule deleted")
        return "Could not delete non-existent rule"

    def _delete_number(self, number: int) -> ExecResult:
        rules = self._rules[4]
        index, suffix = number - 1, ""
        if index >= len(rules):
            index, rules, suffix = index - len(rules), self._rules[6], " (v6)"
        if not 0 <= index < len(rules):
            raise UfwError(f"Could not find rule '{number}'")
        del rules[index]
        self._save()
        return say(f"{self._said('Rule deleted')}{suffix}\n")

    def _said(self, text: str) -> str:
        return text if self._active else "Rules updated"

    def _show_dry(self, rule: Rule) -> ExecResult:
        out = ""
        for version in FILES:
            fitting = rule.version(version)
            text = _render(version, [*self._rules[version], *([fitting] if fitting else [])])
            if version == 6:
                # The preview of IPv6 leaves the rate limits out; the file has them.
                text = re.sub(r"(:ufw6-user-limit\S* - \[0:0\]\n)", "", text)
                text = text[: text.index("### RATE LIMITING")].rstrip("\n") + "\nCOMMIT\n"
            out += text
        return say(out + "Rules updated\nRules updated (v6)\n")

    def _save(self) -> None:
        for version, path in FILES.items():
            self._files.install({path: _render(version, self._rules[version])}, mode=0o640)

    def _status(self, kind: str) -> str:
        if not self._active:
            return "Status: inactive\n"
        out = "Status: active\n"
        if kind == "verbose":
            out += (
                "Logging: on (low)\nDefault: deny (incoming), allow (outgoing), disabled (routed)\n"
                "New profiles: skip\n"
            )
        rules = [(version, rule) for version in FILES for rule in self._rules[version]]
        if not rules:
            return out
        margin = "     " if kind == "numbered" else ""
        out += f"\n{margin}{'To':26} {'Action':11} From\n{margin}{'--':26} {'------':11} ----\n"
        for number, (version, rule) in enumerate(rules, 1):
            lead = f"[{number:2}] " if kind == "numbered" else ""
            out += lead + _row(version, rule, direction=kind != "") + "\n"
        return out + "\n"

    def _added(self) -> str:
        out = "Added user rules (see 'ufw status' for running firewall):\n"
        lines = list(dict.fromkeys(_as_command(r) for version in FILES for r in self._rules[version]))
        return out + ("".join(f"ufw {line}\n" for line in lines) or "(None)\n")


def _is_twin(rule: Rule, other: Rule) -> bool:
    """Tell whether two rules are the IPv4 and the IPv6 form of one."""
    places = {ANYWHERE[4]: ANYWHERE[6]}
    anywhere = replace(
        rule,
        destination=places.get(rule.destination, rule.destination),
        source=places.get(rule.source, rule.source),
    )
    return anywhere == other


def _rule(words: list[str]) -> Rule:
    """Read `allow 32400/tcp` or `allow in proto tcp from A to B port P`, with a comment or without.

    Raises UfwError.
    """
    if not words or words[0] not in ACTIONS:
        raise UfwError("Invalid syntax\n" + USAGE)
    action, rest, comment = words[0], words[1:], ""
    if "comment" in rest:
        at = rest.index("comment")
        rest, comment = rest[:at], " ".join(rest[at + 1 :])
        if "'" in comment:
            raise UfwError("Invalid syntax\n" + USAGE)
    if rest[:1] == ["in"]:
        rest = rest[1:]
    if len(rest) == 1:
        return _simple(action, rest[0], comment)
    return _extended(action, rest, comment)


def _simple(action: str, text: str, comment: str) -> Rule:
    match = _SIMPLE.fullmatch(text)
    if match is None:
        raise UfwError(f"Could not find a profile matching '{text}'")
    return Rule(action, match[2] or "any", _port(match[1]), "any", "any", comment=comment)


def _extended(action: str, words: list[str], comment: str) -> Rule:
    values = {"proto": "any", "from": "any", "to": "any", "port": "any"}
    pairs = iter(words)
    side = ""
    for word in pairs:
        value = next(pairs, None)
        if word not in values or value is None:
            raise UfwError("Invalid syntax\n" + USAGE)
        if word in ("from", "to"):
            side = word
        if word == "port" and side != "to":
            raise UfwError("Invalid syntax\n" + USAGE)
        values[word] = _port(value) if word == "port" else value
    for name in ("from", "to"):
        try:
            if values[name] != "any":
                ip_network(values[name], strict=False)
        except ValueError as error:
            raise UfwError(f"Bad {'source' if name == 'from' else 'destination'} address") from error
    return Rule(action, values["proto"], values["port"], values["to"], values["from"], comment=comment)


def _port(text: str) -> str:
    for piece in text.split(","):
        first, colon, last = piece.partition(":")
        if not first.isdigit() or not 1 <= int(first) <= MAX_PORT:
            raise UfwError(f"Bad port '{text}'")
        if colon and (not last.isdigit() or not int(first) < int(last) <= MAX_PORT):
            raise UfwError(f"Bad port '{text}'")
    return text


def _side(address: str, version: int) -> str:
    return "" if address == ANYWHERE[version] else address


def _row(version: int, rule: Rule, *, direction: bool) -> str:
    suffix = " (v6)" if version == 6 else ""
    port = "" if rule.port == "any" else rule.port + ("" if rule.protocol == "any" else f"/{rule.protocol}")
    to = " ".join(word for word in (_side(rule.destination, version), port) if word) or "Anywhere"
    source = _side(rule.source, version) or "Anywhere"
    action = rule.action.upper() + (f" {rule.direction.upper()}" if direction else "")
    comment = f" # {rule.comment}" if rule.comment else ""
    return f"{to + suffix:26} {action:11} {source + (suffix if source == 'Anywhere' else ''):26}{comment}"


def _as_command(rule: Rule) -> str:
    comment = f" comment '{rule.comment}'" if rule.comment else ""
    anywhere = set(ANYWHERE.values())
    if rule.source in anywhere and rule.destination in anywhere:
        protocol = "" if rule.protocol == "any" else f"/{rule.protocol}"
        return f"{rule.action} {rule.port}{protocol}{comment}"
    source, to = ("any" if a in anywhere else a for a in (rule.source, rule.destination))
    port = "" if rule.port == "any" else f" port {rule.port}"
    protocol = "" if rule.protocol == "any" else f" proto {rule.protocol}"
    return f"{rule.action} from {source} to {to}{port}{protocol}{comment}"


def _read(files: FileSystem, version: int) -> list[Rule]:
    found = []
    for line in files.read(FILES[version]).decode().split("\n"):
        match = _TUPLE.fullmatch(line)
        if match:
            action, protocol, port, destination, _, source, direction, comment = match.groups()
            text = bytes.fromhex(comment or "").decode("utf-8", "replace")
            found.append(Rule(action, protocol, port, destination, source, direction, text))
    return found


def _render(version: int, rules: list[Rule]) -> str:
    chain = "ufw" if version == 4 else "ufw6"
    body = ""
    for rule in rules:
        comment = f" comment={rule.comment.encode().hex()}" if rule.comment else ""
        body += (
            f"### tuple ### {rule.action} {rule.protocol} {rule.port} {rule.destination} any {rule.source} "
            f"{rule.direction}{comment}\n{_iptables(version, rule)}\n"
        )
    return (_HEAD + body + _TAIL).replace("ufw-", f"{chain}-")


def _iptables(version: int, rule: Rule) -> str:
    lines = ""
    protocols = ["tcp", "udp"] if rule.protocol == "any" and rule.port != "any" else [rule.protocol]
    for protocol in protocols:
        match = "" if protocol == "any" else f" -p {protocol}"
        if _side(rule.destination, version):
            match += f" -d {rule.destination}"
        if re.search("[:,]", rule.port):
            match += f" -m multiport --dports {rule.port}"
        elif rule.port != "any":
            match += f" --dport {rule.port}"
        if _side(rule.source, version):
            match += f" -s {rule.source}"
        if rule.action == "limit":
            state = "-m conntrack --ctstate NEW -m recent"
            lines += f"-A ufw-user-input{match} {state} --set\n"
            lines += (
                f"-A ufw-user-input{match} {state} --update --seconds 30 --hitcount 6 -j ufw-user-limit\n"
            )
            lines += f"-A ufw-user-input{match} -j ufw-user-limit-accept\n"
            continue
        reset = " --reject-with tcp-reset" if rule.action == "reject" and protocol == "tcp" else ""
        lines += f"-A ufw-user-input{match} -j {TARGETS[rule.action]}{reset}\n"
    return lines


def _conf(*, enabled: bool) -> str:
    return (
        "# /etc/ufw/ufw.conf\n#\n\n# Set to yes to start on boot. If setting this remotely, be sure to add a rule\n"
        f"# to allow your remote connection before starting ufw. Eg: 'ufw allow 22/tcp'\n"
        f"ENABLED={'yes' if enabled else 'no'}\n\n"
        "# Please use the 'ufw' command to set the loglevel. Eg: 'ufw logging medium'.\n"
        "# See 'man ufw' for details.\nLOGLEVEL=low\n"
    )


_DEFAULTS = """# /etc/default/ufw
#

# Set to yes to apply rules to support IPv6 (no means only IPv6 on loopback
# accepted). You will need to 'disable' and then 'enable' the firewall for
# the changes to take affect.
IPV6=yes

# Set the default input policy to ACCEPT, DROP, or REJECT. Please note that if
# you change this you will most likely want to adjust your rules.
DEFAULT_INPUT_POLICY="DROP"

# Set the default output policy to ACCEPT, DROP, or REJECT. Please note that if
# you change this you will most likely want to adjust your rules.
DEFAULT_OUTPUT_POLICY="ACCEPT"

# Set the default forward policy to ACCEPT, DROP or REJECT.  Please note that
# if you change this you will most likely want to adjust your rules
DEFAULT_FORWARD_POLICY="DROP"

# Set the default application policy to ACCEPT, DROP, REJECT or SKIP. Please
# note that setting this to ACCEPT may be a security risk. See 'man ufw' for
# details
DEFAULT_APPLICATION_POLICY="SKIP"

# By default, ufw only touches its own chains. Set this to 'yes' to have ufw
# manage the built-in chains too. Warning: setting this to 'yes' will break
# non-ufw managed firewall rules
MANAGE_BUILTINS=no
"""

_HEAD = """*filter
:ufw-user-input - [0:0]
:ufw-user-output - [0:0]
:ufw-user-forward - [0:0]
:ufw-before-logging-input - [0:0]
:ufw-before-logging-output - [0:0]
:ufw-before-logging-forward - [0:0]
:ufw-user-logging-input - [0:0]
:ufw-user-logging-output - [0:0]
:ufw-user-logging-forward - [0:0]
:ufw-after-logging-input - [0:0]
:ufw-after-logging-output - [0:0]
:ufw-after-logging-forward - [0:0]
:ufw-logging-deny - [0:0]
:ufw-logging-allow - [0:0]
:ufw-user-limit - [0:0]
:ufw-user-limit-accept - [0:0]
### RULES ###

"""

_TAIL = """### END RULES ###

### LOGGING ###
-A ufw-after-logging-input -j LOG --log-prefix "[UFW BLOCK] " -m limit --limit 3/min --limit-burst 10
-A ufw-after-logging-forward -j LOG --log-prefix "[UFW BLOCK] " -m limit --limit 3/min --limit-burst 10
-I ufw-logging-deny -m conntrack --ctstate INVALID -j RETURN -m limit --limit 3/min --limit-burst 10
-A ufw-logging-deny -j LOG --log-prefix "[UFW BLOCK] " -m limit --limit 3/min --limit-burst 10
-A ufw-logging-allow -j LOG --log-prefix "[UFW ALLOW] " -m limit --limit 3/min --limit-burst 10
### END LOGGING ###

### RATE LIMITING ###
-A ufw-user-limit -m limit --limit 3/minute -j LOG --log-prefix "[UFW LIMIT BLOCK] "
-A ufw-user-limit -j REJECT
-A ufw-user-limit-accept -j ACCEPT
### END RATE LIMITING ###
COMMIT
"""

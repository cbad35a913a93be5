"""The chains that ufw 0.36.2 loads, as iptables-restore takes them: its shipped rules, its policies, a user's rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_network

from plexops.lab.iptables import Family
from plexops.lab.ufw_rule import Rule

SIDES = ("input", "output", "forward")
_STAGES = ("before-logging", "before", "after", "after-logging", "reject", "track")
_ANYWHERE = frozenset({"0.0.0.0/0", "::/0", "any"})
_TARGETS = {"allow": "ACCEPT", "deny": "DROP"}
_KNOWN = "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
_LIMIT = "-m limit --limit 3/min --limit-burst 10"
_INVALID = "-m conntrack --ctstate INVALID"
_OWN_MASK: Mapping[Family, str] = {4: "255.255.255.255", 6: ":".join(["ffff"] * 8)}
_NOT_LOCAL = (
    *(f"-m addrtype --dst-type {kind} -j RETURN" for kind in ("LOCAL", "MULTICAST", "BROADCAST")),
    f"{_LIMIT} -j ufw-logging-deny",
    "-j DROP",
)
_SKIPPED: Mapping[Family, tuple[str, ...]] = {
    4: ("udp 137", "udp 138", "tcp 139", "tcp 445", "udp 67", "udp 68"),
    6: ("udp 137", "udp 138", "tcp 139", "tcp 445", "udp 546", "udp 547"),
}
_NAMED_GROUPS: Mapping[Family, tuple[tuple[str, int], ...]] = {
    4: (("224.0.0.251/32", 5353), ("239.255.255.250/32", 1900)),
    6: (("ff02::fb/128", 5353), ("ff02::f/128", 1900)),
}


#: What is left where somebody took them out by hand.
FLUSHED = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"


def chains(family: Family, rules: Iterable[Rule], policies: Mapping[str, str]) -> str:
    """Give the table `filter`. `policies`: ACCEPT, DROP or REJECT for each of `SIDES`."""
    declared = [f"{stage}-{side}" for stage in _STAGES for side in SIDES]
    later = [
        "logging-deny", "logging-allow", *(f"skip-to-policy-{side}" for side in SIDES),
        *(["not-local"] if family == 4 else []), *(f"user-{side}" for side in SIDES),
        *(f"user-logging-{side}" for side in SIDES), "user-limit", "user-limit-accept",
    ]  # fmt: skip
    held: list[str] = []
    for side in SIDES:
        held += [f"{side.upper()} -j ufw-{stage}-{side}" for stage in _STAGES]
    held += _before(family)
    held += [f"ufw-not-local {rule}" for rule in _NOT_LOCAL if family == 4]
    held += _after(family)
    for side in SIDES:
        held += _policy(side, policies[side], family)
    held += [line for rule in rules for line in _user(rule, family)]
    held += [
        'ufw-user-limit -m limit --limit 3/min -j LOG --log-prefix "[UFW LIMIT BLOCK] "',
        f"ufw-user-limit {_reject(family)}",
        "ufw-user-limit-accept -j ACCEPT",
        f"ufw-logging-deny {_INVALID} {_LIMIT} -j RETURN",
        f'ufw-logging-deny {_LIMIT} -j LOG --log-prefix "[UFW BLOCK] "',
        f'ufw-logging-allow {_LIMIT} -j LOG --log-prefix "[UFW ALLOW] "',
    ]
    return _restorable(family, policies, declared, later, held)


def skeleton(family: Family) -> str:
    """Give what `ufw disable` leaves: the built-in chains with their jumps, and empty chains."""
    declared = [f"{stage}-{side}" for stage in _STAGES for side in SIDES]
    held = [f"{side.upper()} -j ufw-{stage}-{side}" for side in SIDES for stage in _STAGES]
    return _restorable(family, dict.fromkeys(SIDES, "ACCEPT"), declared, [], held)


def _restorable(
    family: Family, policies: Mapping[str, str], declared: list[str], later: list[str], held: list[str]
) -> str:
    own = [f":{side.upper()} {'ACCEPT' if policies[side] == 'ACCEPT' else 'DROP'} [0:0]" for side in SIDES]
    lines = [
        *(f":ufw-{name} - [0:0]" for name in declared), *own, *(f":ufw-{name} - [0:0]" for name in later),
        *(f"-A {rule}" for rule in held),
    ]  # fmt: skip
    text = "*filter\n" + "".join(f"{line}\n" for line in lines)
    return re.sub(r"\bufw-", "ufw6-", text) if family == 6 else text


def _reject(family: Family) -> str:
    return f"-j REJECT --reject-with icmp{'' if family == 4 else '6'}-port-unreachable"


def _policy(side: str, policy: str, family: Family) -> list[str]:
    """Give what stands for a policy beside the built-in chain's own."""
    held = [f"ufw-skip-to-policy-{side} {_reject(family) if policy == 'REJECT' else f'-j {policy}'}"]
    if policy == "REJECT":
        held.append(f"ufw-reject-{side} {_reject(family)}")
    if policy == "ACCEPT":
        held += [f"ufw-track-{side} -p {p} -m conntrack --ctstate NEW -j ACCEPT" for p in ("tcp", "udp")]
    else:
        held.append(f'ufw-after-logging-{side} {_LIMIT} -j LOG --log-prefix "[UFW BLOCK] "')
    return held


def _after(family: Family) -> list[str]:
    held = []
    for text in _SKIPPED[family]:
        protocol, port = text.split()
        held.append(f"-p {protocol} -m {protocol} --dport {port}")
    held += ["-m addrtype --dst-type BROADCAST"] if family == 4 else []
    return [f"ufw-after-input {match} -j ufw-skip-to-policy-input" for match in held]


def _before(family: Family) -> list[str]:
    groups = [
        f"ufw-before-input -d {address} -p udp -m udp --dport {port} -j ACCEPT"
        for address, port in _NAMED_GROUPS[family]
    ]
    ends = [f"ufw-before-{side} -j ufw-user-{side}" for side in SIDES]
    if family == 6:
        return [*_before6(), *groups, *ends]
    control = [f"-p icmp -m icmp --icmp-type {number} -j ACCEPT" for number in (3, 11, 12, 8)]
    return [
        "ufw-before-input -i lo -j ACCEPT", "ufw-before-output -o lo -j ACCEPT",
        *(f"ufw-before-{side} {_KNOWN}" for side in SIDES),
        f"ufw-before-input {_INVALID} -j ufw-logging-deny", f"ufw-before-input {_INVALID} -j DROP",
        *(f"ufw-before-{side} {rule}" for side in ("input", "forward") for rule in control),
        "ufw-before-input -p udp -m udp --sport 67 --dport 68 -j ACCEPT",
        "ufw-before-input -j ufw-not-local", *groups, *ends,
    ]  # fmt: skip


def _before6() -> list[str]:
    source_routed = "-m rt --rt-type 0 -j DROP"
    errors = [_control(number) for number in (1, 2, 3, 4, 128)]
    forwarded = [*errors, _control(129)]
    discovery = [_control(n, hops=255) for n in (133, 134, 135, 136, 141, 142)]
    # Those for what the host sends are in another order.
    sent = [_control(n, hops=255) for n in (133, 136, 135, 134, 141, 142)]
    listeners = [_control(n, near=True) for n in (130, 131, 132, 143)]
    certification = [_control(n, hops=255) for n in (148, 149)]
    routers = [_control(n, near=True, hops=1) for n in (151, 152, 153)]
    mobile = [_control(n) for n in (144, 145, 146, 147)]
    held = {
        "input": [
            "-i lo -j ACCEPT", source_routed, _KNOWN, _control(129), f"{_INVALID} -j ufw-logging-deny",
            f"{_INVALID} -j DROP", *errors, *discovery, *listeners, *certification, *routers, *mobile,
            "-s fe80::/10 -d fe80::/10 -p udp -m udp --sport 547 --dport 546 -j ACCEPT",
        ],
        "output": ["-o lo -j ACCEPT", source_routed, _KNOWN, *forwarded, *sent, *listeners, *certification, *routers],
        "forward": [source_routed, _KNOWN, *forwarded],
    }  # fmt: skip
    return [f"ufw-before-{side} {rule}" for side, rules in held.items() for rule in rules]


def _control(number: int, *, near: bool = False, hops: int = 0) -> str:
    source = "-s fe80::/10 " if near else ""
    limit = f" -m hl --hl-eq {hops}" if hops else ""
    return f"{source}-p ipv6-icmp -m icmp6 --icmpv6-type {number}{limit} -j ACCEPT"


def _user(rule: Rule, family: Family) -> Iterable[str]:
    """Give a user's rule as iptables-save prints it: one line for each protocol that it is for, or three."""
    chain = f"ufw-user-{'output' if rule.direction == 'out' else 'input'}"
    addresses = "".join(
        f"{option} {ip_network(text, strict=False)} "
        for option, text in (("-s", rule.source), ("-d", rule.destination))
        if text not in _ANYWHERE
    )
    for protocol in ["tcp", "udp"] if rule.protocol == "any" and rule.port != "any" else [rule.protocol]:
        match = addresses + ("" if protocol == "any" else f"-p {protocol} ")
        if re.search("[:,]", rule.port):
            match += f"-m multiport --dports {rule.port} "
        elif rule.port != "any":
            match += f"-m {protocol} --dport {rule.port} "
        if rule.action == "limit":
            state = f"{match}-m conntrack --ctstate NEW -m recent"
            own = f"--name DEFAULT --mask {_OWN_MASK[family]} --rsource"
            yield f"{chain} {state} --set {own}"
            yield f"{chain} {state} --update --seconds 30 --hitcount 6 {own} -j ufw-user-limit"
            yield f"{chain} {match}-j ufw-user-limit-accept"
        elif rule.action == "reject":
            yield f"{chain} {match}" + (
                "-j REJECT --reject-with tcp-reset" if protocol == "tcp" else _reject(family)
            )
        else:
            yield f"{chain} {match}-j {_TARGETS[rule.action]}"

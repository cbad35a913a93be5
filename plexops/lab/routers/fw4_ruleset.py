"""The whole table that OpenWrt's firewall4 prints and loads, out of the configuration as read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from plexops.lab.routers.fw4 import HELPERS, Firewall
from plexops.lab.routers.fw4_words import Zone, comment, sentence

#: What miniupnpd's package puts into the table: a jump at the end of three chains, and what they lead to.
UPNP = {"forward": "forwarding", "dstnat": "prerouting", "srcnat": "postrouting"}
UPNP_CHAINS = ("upnp_forward", "upnp_prerouting", "upnp_postrouting")
_TRACKED = ("established : accept", "related : accept")
_BASES = (
    ("raw_prerouting", "filter", "prerouting", "raw"), ("raw_output", "filter", "output", "raw"),
    ("mangle_prerouting", "filter", "prerouting", "mangle"), ("mangle_postrouting", "filter", "postrouting", "mangle"),
    ("mangle_input", "filter", "input", "mangle"), ("mangle_output", "route", "output", "mangle"),
    ("mangle_forward", "filter", "forward", "mangle"),
)  # fmt: skip
_FLOWS = {"input": "inbound", "forward": "forwarded", "output": "outbound"}


def ruleset(firewall: Firewall, *, upnp: bool) -> str:
    """Give the text; `upnp`: miniupnpd is installed."""
    chains = [
        *(_main(firewall, name, upnp=upnp) for name in _FLOWS),
        _base("prerouting", "filter", "prerouting", "filter", _jumps(firewall, "helper", "helper")),
        _chain("handle_reject", _REJECT),
        *([_chain("syn_flood", _FLOOD)] if _floods(firewall) else []),
        *(text for zone in firewall.zones for text in _zone(firewall, zone)),
        *(_nat(firewall, name, upnp=upnp) for name in ("dstnat", "srcnat")),
        *(text for zone in firewall.zones for text in _zone_nat(firewall, zone)),
        *(_base(*place, _early(firewall, place[0])) for place in _BASES[:2]),
        *(_chain(f"notrack_{z.name}", _held(firewall, f"notrack_{z.name}")) for z in firewall.zones
          if "notrack" in z.flags),
        *(_base(*place, _mangled(firewall, place[0])) for place in _BASES[2:]),
        *(_chain(name, ()) for name in UPNP_CHAINS if upnp),
    ]  # fmt: skip
    helpers = [
        f'\tct helper {name} {{\n\t\ttype "{name}" protocol {protocol};\n\t}}\n'
        for name, protocol, *_ in HELPERS
    ]
    sets = [named.text() for named in firewall.sets.values()]
    own = '\tinclude "/etc/nftables.d/*.nft"\n' + _includes(firewall, "table-prepend", "", "\t")
    body = "\n".join([*helpers, *sets, *_defines(firewall), own, *chains])
    return (
        f"table inet fw4\nflush table inet fw4\n{_includes(firewall, 'ruleset-prepend', '', '')}\n"
        f"table inet fw4 {{\n{body}{_includes(firewall, 'table-append', '', chr(9))}}}\n"
        f"{_includes(firewall, 'ruleset-append', '', '')}"
    )


_REJECT = (
    f"meta l4proto tcp reject with tcp reset {comment('Reject TCP traffic')}",
    f"reject with icmpx type port-unreachable {comment('Reject any other traffic')}",
)
_FLOOD = (
    f"limit rate 25/second burst 50 packets return {comment('Accept SYN packets below rate-limit')}",
    f"drop {comment('Drop excess packets')}",
)


def _defines(firewall: Firewall) -> Iterator[str]:
    for zone in firewall.zones:
        name = f"_{zone.name}" if zone.name[:1].isdigit() else zone.name
        devices = ", ".join(f'"{device}"' for device in zone.devices)
        subnets = ", ".join(spot.text for spot in zone.subnets)
        yield f"\tdefine {name}_devices = {{ {devices} }}\n\tdefine {name}_subnets = {{ {subnets} }}\n"


def _chain(name: str, rules: Iterable[str], head: str = "") -> str:
    return f"\tchain {name} {{\n{head}" + "".join(f"\t\t{rule}\n" for rule in rules) + "\t}\n"


def _base(
    name: str, kind: str, hook: str, priority: str, rules: Iterable[str], policy: str = "accept"
) -> str:
    return _chain(name, rules, f"\t\ttype {kind} hook {hook} priority {priority}; policy {policy};\n")


def _includes(firewall: Firewall, position: str, chain: str, pad: str) -> str:
    found = [path for where, name, path in firewall.includes if (where, name) == (position, chain)]
    return "".join(f'{pad}include "{path}"\n' for path in found)


def _around(firewall: Firewall, chain: str, rules: Iterable[str], *before: str) -> list[str]:
    """Give a chain's rules with what the configuration includes at its start and its end."""
    start = _includes(firewall, "chain-prepend", chain, "").splitlines()
    return [*before, *start, *rules, *_includes(firewall, "chain-append", chain, "").splitlines()]


def _held(firewall: Firewall, chain: str) -> list[str]:
    return firewall.chains.get(chain, [])


def _floods(firewall: Firewall) -> bool:
    return firewall.defaults.switch("synflood_protect") or (
        not firewall.defaults.word("synflood_protect") and firewall.defaults.switch("syn_flood")
    )


def _devices(zone: Zone, word: str) -> str:
    names = [f'"{device}"' for device in zone.devices]
    return f"{word} {names[0] if len(names) == 1 else '{ ' + ', '.join(names) + ' }'}"


def _jump(zone: Zone, direction: str, what: str = "traffic") -> str:
    word = "oifname" if direction in ("output", "srcnat") else "iifname"
    title = comment(f"Handle {zone.name} IPv4/IPv6 {direction} {what}")
    return f"{_devices(zone, word)} jump {direction}_{zone.name} {title}"


def _jumps(firewall: Firewall, direction: str, flag: str = "") -> list[str]:
    what = "assignment" if direction == "helper" else "traffic"
    zones = [zone for zone in firewall.zones if zone.devices and (not flag or flag in zone.flags)]
    return [_jump(zone, direction, what) for zone in zones]


def _main(firewall: Firewall, name: str, *, upnp: bool) -> str:
    """Give one of the three chains that every packet comes through."""
    loopback = {
        "input": [f'iif "lo" accept {comment("Accept traffic from loopback")}'],
        "output": [f'oif "lo" accept {comment("Accept traffic towards loopback")}'],
    }.get(name, [])
    states = [*_TRACKED, *(["invalid : drop"] if firewall.defaults.switch("drop_invalid") else [])]
    rules = [f"ct state vmap {{ {', '.join(states)} }} {comment(f'Handle {_FLOWS[name]} flows')}"]
    if name == "input" and _floods(firewall):
        title = comment("Rate limit TCP syn packets")
        rules.append(f"tcp flags & (fin | syn | rst | ack) == syn jump syn_flood {title}")
    rules += _held(firewall, name) + _jumps(firewall, name)
    whole = _around(firewall, name, rules, *loopback)
    whole += [_hook(name)] if upnp and name == "forward" else []
    policy = firewall.policy(name)
    whole += ["jump handle_reject"] if policy == "reject" else []
    return _base(name, "filter", name, "filter", whole, "drop" if policy == "reject" else policy)


def _hook(chain: str) -> str:
    target = "forward" if chain == "forward" else UPNP[chain]
    return f'jump upnp_{target} comment "Hook into miniupnpd {UPNP[chain]} chain"'


def _zone(firewall: Firewall, zone: Zone) -> Iterator[str]:
    accepted = {"input": "Accept port redirections", "forward": "Accept port forwards"}
    for name in ("input", "output", "forward"):
        chain = f"{name}_{zone.name}"
        rules = list(_held(firewall, chain))
        if "dnat" in zone.flags and name in accepted:
            rules.append(f"ct status dnat accept {comment(accepted[name])}")
        side = "from" if name == "input" else "to"
        yield _chain(
            chain, [*_around(firewall, chain, rules), f"jump {zone.policies[name]}_{side}_{zone.name}"]
        )
    if "helper" in zone.flags:
        yield _chain(f"helper_{zone.name}", _held(firewall, f"helper_{zone.name}"))
    for verdict in ("accept", "reject", "drop"):
        if verdict in zone.sources:
            yield _chain(f"{verdict}_from_{zone.name}", _verdict(zone, verdict, "iifname"))
        if verdict in zone.flags:
            invalid = _leakage(firewall, zone) if verdict == "accept" else []
            yield _chain(f"{verdict}_to_{zone.name}", [*invalid, *_verdict(zone, verdict, "oifname")])


def _verdict(zone: Zone, verdict: str, word: str) -> list[str]:
    action = "jump handle_reject" if verdict == "reject" else verdict
    title = comment(f"{verdict} {zone.name} IPv4/IPv6 traffic")
    return [f"{_devices(zone, word)} {zone.counter}{action} {title}"] if zone.devices else []


def _leakage(firewall: Firewall, zone: Zone) -> list[str]:
    if (
        firewall.defaults.switch("drop_invalid")
        or not zone.masquerades
        or zone.allows_invalid
        or not zone.devices
    ):
        return []
    families = sorted(zone.masquerades)
    family = f"meta nfproto ipv{families[0]}" if len(families) == 1 else ""
    title = comment("Prevent NAT leakage")
    return [sentence(family, _devices(zone, "oifname"), f"ct state invalid {zone.counter}drop {title}")]


def _nat(firewall: Firewall, name: str, *, upnp: bool) -> str:
    flag = "dnat" if name == "dstnat" else "snat"
    rules = _around(firewall, name, [*_held(firewall, name), *_jumps(firewall, name, flag)])
    hook = "prerouting" if name == "dstnat" else "postrouting"
    return _base(name, "nat", hook, name, [*rules, *([_hook(name)] if upnp else [])])


def _zone_nat(firewall: Firewall, zone: Zone) -> Iterator[str]:
    if "dnat" in zone.flags:
        chain = f"dstnat_{zone.name}"
        yield _chain(chain, _around(firewall, chain, _held(firewall, chain)))
    if "snat" in zone.flags:
        chain = f"srcnat_{zone.name}"
        hidden: Sequence[str] = [
            f"meta nfproto ipv{f} masquerade {comment(f'Masquerade IPv{f} {zone.name} traffic')}"
            for f in sorted(zone.masquerades)
        ]
        yield _chain(chain, _around(firewall, chain, [*_held(firewall, chain), *hidden]))


def _early(firewall: Firewall, name: str) -> list[str]:
    rules = _jumps(firewall, "notrack", "notrack") if name == "raw_prerouting" else []
    return _around(firewall, name, rules)


def _mangled(firewall: Firewall, name: str) -> list[str]:
    rules = list(_held(firewall, name))
    side, word = ("egress", "oifname") if name == "mangle_postrouting" else ("ingress", "iifname")
    if name in ("mangle_postrouting", "mangle_forward"):
        rules += [
            f"{_devices(zone, word)} tcp flags syn / syn,fin,rst tcp option maxseg size set rt mtu "
            f"{comment(f'Zone {zone.name} IPv4/IPv6 {side} MTU fixing')}"
            for zone in firewall.zones
            if zone.clamps and zone.devices
        ]
    return _around(firewall, name, rules)

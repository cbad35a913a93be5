"""What firewall4 makes of a `config redirect`: a translation, and what leads the LAN's own packets back inside."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

from msgspec import Struct

from plexops.lab.routers import fw4_values as values
from plexops.lab.routers.fw4_values import Family, Options, Port, Skipped, Spot
from plexops.lab.routers.fw4_words import Matches, Zone, comment, counted, of_family, sentence
from plexops.structs import replace


class Redirect(Struct, frozen=True):
    """One section as read; addresses and ports are those of the translation that it asks for."""

    target: str
    source: Zone | None
    dest: Zone | str | None
    from_addresses: tuple[Spot, ...]
    to_addresses: tuple[Spot, ...]
    new: tuple[Spot, ...]
    from_port: Port | None
    to_port: Port | None
    new_port: Port | None


class Firewall(Protocol):
    """The firewall whose redirects these are."""

    zones: list[Zone]

    def add(self, chain: str, rule: str) -> None:
        """Append a rule to a chain."""

    def zone_of(self, options: Options, name: str) -> Zone | str | None:
        """Give the zone that an option names."""

    def protocols(self, options: Options) -> tuple[str, ...]:
        """Read a section's protocols."""

    def set_family(self, options: Options) -> Family:
        """Give the family of a section's set or helper."""

    def more(self, options: Options, protocol: str) -> str:
        """Write the helper, the limit and the set of a section."""


def redirect(firewall: Firewall, options: Options, name: str) -> None:
    """Read a section, and put its rules into the chains.

    Raises Skipped.
    """
    wanted = options.one("family", values.family)
    macs = options.many("src_mac", values.mac)
    protocols = firewall.protocols(options)
    external = options.one("reflection_src", _source_of_reflection, "internal") == "external"
    mirrors = tuple(_mirror(firewall, name) for name in options.words("reflection_zone"))
    reflects = options.switch("reflection", "1")
    one = _read(firewall, options)
    zone = one.source if one.target == "dnat" else one.dest
    assert isinstance(zone, Zone)  # noqa: S101 (_read skips what has none)
    for protocol in protocols:
        families = [values.family_of(a) for a in (one.from_addresses, one.to_addresses, one.new)]
        try:
            asked_for = 6 if protocol == "ipv6-icmp" else wanted
            family = values.inferred(asked_for, firewall.set_family(options), *families)
        except Skipped:
            continue
        asked = Matches(family, protocol, macs=macs, more=firewall.more(options, protocol))
        ported = (
            one if protocol in ("tcp", "udp") else replace(one, from_port=None, to_port=None, new_port=None)
        )
        if one.target == "dnat" and reflects:
            mirrored = replace(asked, macs=(), more=_limits(asked))
            _reflect(firewall, ported, mirrored, name, mirrors, external=external)
        zone.flags.add(one.target)
        for found in _families(ported, asked):
            verdict = _verdict(ported, of_family(one.new, found.family))
            words = sentence(found.text(translates=bool(ported.new_port)), counted(options, name), verdict)
            chain = f"{'dst' if one.target == 'dnat' else 'src'}nat_{zone.name}"
            firewall.add(chain, f"{words} {comment(name)}")


def _read(firewall: Firewall, options: Options) -> Redirect:
    target = options.one("target", values.target, "dnat")
    source, dest = firewall.zone_of(options, "src"), firewall.zone_of(options, "dest")
    addresses = {key: options.spot(key) for key in ("src_ip", "src_dip", "dest_ip")}
    ports = {key: options.one(key, values.port) for key in ("src_port", "src_dport", "dest_port")}
    if target == "snat":
        if not isinstance(dest, Zone) or not addresses["src_dip"] or addresses["src_dip"][0].negated:
            raise Skipped("has no destination, or nothing to translate to")
        return Redirect(
            "snat", None, dest, addresses["src_ip"], addresses["dest_ip"], addresses["src_dip"],
            ports["src_port"], ports["dest_port"], ports["src_dport"],
        )  # fmt: skip
    new = addresses["dest_ip"]
    if not isinstance(source, Zone) or (new and new[0].negated):
        raise Skipped("has no source zone, or a negated 'dest_ip'")
    if dest is None and new:
        dest = next((z for z in firewall.zones if any(s.encloses(n) for s in z.subnets for n in new)), None)
    if options.switch("reflection", "1") and isinstance(dest, Zone) and 4 in source.masquerades:
        dest.flags |= {"accept", "dnat", "snat"}
    source.flags |= {"dnat", *(["helper"] if options.word("helper") else [])}
    return Redirect(
        "dnat", source, dest, addresses["src_ip"], addresses["src_dip"], new,
        ports["src_port"], ports["src_dport"], ports["dest_port"] or ports["src_dport"],
    )  # fmt: skip


def _limits(asked: Matches) -> str:
    """Give what of the rest a reflected rule has too: helper and limit, not the set."""
    found = re.match(
        r'(?:ct helper (?:!= )?"[^"]*" ?)?(?:limit rate \S+(?: burst \d+ packets)?)?', asked.more
    )
    return found[0].strip() if found else ""


def _ported(asked: Matches, source: Port | None, destination: Port | None) -> Matches:
    return replace(
        asked, source_ports=(source,) if source else (), ports=(destination,) if destination else ()
    )


def _families(one: Redirect, asked: Matches) -> Iterator[Matches]:
    """Give the matches for each family; without an address and a family it is IPv4."""
    asked = _ported(asked, one.from_port, one.to_port)
    addresses = (*one.from_addresses, *one.to_addresses, *one.new)
    if not asked.family and not addresses:
        yield replace(asked, family=4 if asked.family is None else 0)
        return
    for family in (4, 6):
        if asked.family in (None, 0, family) and (not addresses or of_family(addresses, family)):
            yield replace(
                asked,
                family=family,
                sources=of_family(one.from_addresses, family),
                destinations=of_family(one.to_addresses, family),
            )


def _verdict(one: Redirect, new: Sequence[Spot]) -> str:
    port = one.new_port.text if one.new_port else ""
    if not new:
        return f"redirect to {port}" if port else "redirect"
    address = new[0].target
    if port:
        address = f"[{address}]:{port}" if new[0].family == 6 else f"{address}:{port}"
    return f"{one.target} {address}"


def _source_of_reflection(text: str) -> str | None:
    return next((word for word in ("internal", "external") if word.startswith(text.lower())), None)


def _mirror(firewall: Firewall, name: str) -> Zone:
    zone = next((z for z in firewall.zones if z.name == name), None)
    if zone is None:
        raise Skipped(f"option 'reflection_zone' specifies invalid value '{name}'")
    return zone


def _reflect(
    firewall: Firewall, one: Redirect, asked: Matches, name: str, mirrors: Sequence[Zone], *, external: bool
) -> None:
    """Add what answers a host of the LAN that asks for the public address."""
    if not (one.new and one.source and isinstance(one.dest, Zone)):
        return
    title = comment(f"{name} (reflection)")
    for zone in mirrors or (one.dest,):
        for family in one.source.masquerades:
            new = of_family(one.new, family)
            inner = of_family(zone.subnets, family)
            outer: Sequence[Spot] = of_family(one.to_addresses, family)
            if not one.to_addresses:
                outer = [values.spot(spot.host) for spot in of_family(one.source.subnets, family)]
            if not (new and inner and outer):
                continue
            own = next((spot for spot in inner if spot.encloses(new[0])), inner[0])
            host = outer[0].host if external else own.host
            base = replace(asked, family=family, sources=inner)
            there = _ported(replace(base, destinations=outer), one.from_port, one.to_port).text(
                translates=bool(one.new_port)
            )
            back = _ported(replace(base, destinations=new), None, one.new_port).text()
            zone.flags |= {"dnat", "snat"}
            firewall.add(f"dstnat_{zone.name}", sentence(there, _verdict(one, new), title))
            firewall.add(f"srcnat_{zone.name}", sentence(back, f"snat {host}", title))

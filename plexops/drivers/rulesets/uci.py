"""Which port forwards of OpenWrt's configuration are not in force, and why.

What decides about packets is what the kernel holds (`nft`). firewall4 skips a section as a whole where one of its options
is not valid; here stands of a `config redirect` which one. What the configuration alone does not tell is not claimed.
Source: openwrt/firewall4 b6e5157, root/usr/share/ucode/fw4.uc, tried with each option and with random configurations.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from ipaddress import ip_address
from itertools import chain

from plexops.drivers.rulesets.nft_words import listed, members
from plexops.model.exchange import Json
from plexops.model.intervals import EMPTY, Numbers, network
from plexops.model.matches import Match, PortIn, Side
from plexops.model.packets import Chain, Rule, TranslateDestination
from plexops.parsers.base import Row

NOT_LOADED = "firewall4 was not reloaded since, or skips it for a list where none may be, or nft refused it"
_ON, _OFF = ("1", "on", "true", "yes"), ("0", "off", "false", "no")
#: Option=kind in firewall4's order; `+` may be a list.
_OPTIONS = (
    "enabled=bool name=any _name=any family=family src=zone dest=zone ipset=any helper=any proto=any+ src_ip=network "
    "src_mac=mac+ src_port=port src_dip=network src_dport=port dest_ip=network dest_port=port extra=any limit=limit "
    "limit_burst=number utc_time=bool start_date=date stop_date=date start_time=time stop_time=time weekdays=days "
    "monthdays=month_days mark=mark reflection=bool reflection_src=end reflection_zone=zone+ counter=bool log=any "
    "log_limit=limit target=target"
)


def _beginnings(words: str) -> str:
    """Give the pattern of what any of these words begins with: firewall4 takes that for the word."""
    return "|".join(word[:length] for word in words.split() for length in range(1, len(word) + 1))


_TARGET = _beginnings("accept reject drop notrack helper mark dscp dnat snat masquerade")
_DAY = _beginnings("monday tuesday wednesday thursday friday saturday sunday")
_CLOCK = r"([01]?\d|2[0-3])(:[0-5]?\d(:[0-5]?\d)?)?"
_DATE = rf"(19[7-9]\d|20[0-2]\d|203[0-8])(-(0?\d|1[0-2])(-([0-2]?\d|3[01])(T{_CLOCK})?)?)?"
_MARK = r"(0x0*[0-9a-f]{1,8}|\d{1,10}|\d+[be]\d+)"
_MONTH_DAY = r"(0*([1-9]|[12]\d|3[01])|\S*[^\d\s]\S*)"
#: Of each kind the pattern of a valid value, and what an invalid one is not. `(?i)`: in any case of letters.
_KINDS: Mapping[str, tuple[str, str]] = {
    "any": (r"(?s).*", ""),
    "bool": ("|".join((*_ON, *_OFF)), "no yes or no"),
    "family": (r"any|all|\*|inet|.*[46].*", "no family"),
    "target": (f"(?i){_TARGET}", "no target"),
    "end": (f"(?i){_beginnings('internal external')}", "neither internal nor external"),
    "mac": (r"(?i)([0-9a-f]{1,2}[:-]){5}[0-9a-f]{1,2}", "no hardware address"),
    "limit": (rf"\d+(/({_beginnings('second minute hour day')}))?", "no rate"),
    "number": (r".*\d.*", "no number"),
    "date": (_DATE, "no date"),
    "time": (_CLOCK, "no time of day"),
    "days": (rf"(?i)({_DAY})(\s+({_DAY}))*", "no days of the week"),
    "month_days": (rf"{_MONTH_DAY}(\s+{_MONTH_DAY})*", "no days of a month"),
    "mark": (rf"(?i){_MARK}(/{_MARK})?", "no mark"),
}
#: What options name, in the order in which firewall4 compares their families.
_NAMED = (
    {"ipset": "ipset"}
    | dict.fromkeys(("src_ip", "src_dip", "dest_ip"), "network")
    | {"src": "zone", "dest": "zone"}
)
#: Zones and sets that may be in force, and networks (left out where they were not read), with their family; 0: both.
_Known = Mapping[str, Mapping[str, int]]


def configured(rows: Sequence[Row], dump: Json, chains: Mapping[str, Chain], exhibit: str) -> Chain | None:
    """Give the forwards that are not in force as a chain that packets never come to; None where there are none.

    `rows` are `uci show firewall`, `dump` is `ubus call network.interface dump`. Of `chains`, which are loaded, those of
    firewall4 tell what is in force; without them nothing can be said. `exhibit` shows the rows.
    """
    own = [one for one in chains.values() if one.id.startswith("inet fw4 dstnat")]
    off = not_in_force(rows, {rule.name for one in own for rule in one.rules}, dump)
    rules = tuple(_rule(row, off[str(row[".name"])], exhibit) for row in rows if row[".name"] in off)
    return Chain("configured", rules) if own and rules else None


def _rule(row: Row, why: str, exhibit: str) -> Rule:
    """Give a section as a rule that is not in force; to an address that is none it leads nowhere."""
    options = {option: f"{option}='{value}'" for option, value in row.items() if not option.startswith(".")}
    to = _bare(_text(row, "dest_ip"))
    try:
        addresses = network(to)[1] if to else None
    except ValueError:
        addresses = EMPTY
    effect = TranslateDestination(addresses, _port(_text(row, "dest_port")) or None, to_itself=not to)
    port = PortIn(Side.DESTINATION, _port(_text(row, "src_dport")))
    words, handle = " ".join(["config redirect:", *options.values()]), str(row[".name"])
    return Rule((Match(port),), (effect,), words, _text(row, "name", handle), handle, exhibit, off=why)


def not_in_force(rows: Sequence[Row], loaded: Collection[str], dump: Json = None) -> Mapping[str, str]:
    """Say of each DNAT that is not switched off and not in force why, by section. `loaded` are names of loaded rules."""
    known = {"zone": dict(_families(rows, "zone", "")), "ipset": dict(_families(rows, "ipset", "4"))}
    if dump:
        known["network"] = dict(_networks(dump))
    wanted = [row for row in rows if row.get(".type") == "redirect" and _text(row, "enabled") not in _OFF]
    wanted = [row for row in wanted if not "snat".startswith(_text(row, "target", "dnat").lower())]
    # firewall4 names a rule by its section, without quotation marks.
    names = [_text(row, "name", str(row[".name"])).replace('"', "'") for row in wanted]
    found: dict[str, str] = {}
    for row, name in zip(wanted, names, strict=True):
        if name in loaded and Counter(names)[name] == 1:
            continue
        why = next(chain(_invalid(row, known), _no_forward(row, known), _two_families(row, known)), "")
        if why or name not in loaded:
            found[str(row[".name"])] = f"firewall4 skips this section: {why}" if why else NOT_LOADED
    return found


def _families(rows: Sequence[Row], kind: str, default: str) -> Iterator[tuple[str, int]]:
    """Give zones or sets that may be in force, with their family: firewall4 checks more of their options than these."""
    for row in rows:
        flags = (_text(row, "enabled", "1") in _ON, _text(row, "masq", "1") in (*_ON, *_OFF))
        sets = any(text.rpartition("_")[2].startswith("s") for text in _texts(row, "match"))
        if row.get(".type") == kind and all(flags) and not sets:
            yield _text(row, "name"), _family(_text(row, "family", default))


def _networks(dump: Json) -> Iterator[tuple[str, int]]:
    for one in map(members, listed(members(dump).get("interface"))):
        of_4, of_6 = one.get("ipv4-address"), one.get("ipv6-address") or one.get("ipv6-prefix-assignment")
        yield str(one.get("interface")), 0 if of_4 and of_6 else 4 if of_4 else 6 if of_6 else 0


def _invalid(row: Row, known: _Known) -> Iterator[str]:
    for word in _OPTIONS.split():
        option, _, kind = word.partition("=")
        value = row.get(option) or []
        if isinstance(value, list) and value and not kind.endswith("+"):
            yield f"{option} must not be a list"
        for text in _texts(row, option) if kind.endswith("+") else [_text(row, option)] if value else []:
            if what := _not_valid(kind.rstrip("+"), text, known):
                yield f"{option} '{text}' is {what}"


def _not_valid(kind: str, text: str, known: _Known) -> str:
    """Say what a value is not; empty where it is valid, or that cannot be told."""
    if kind == "zone":
        return "" if text == "*" or text in known["zone"] else "no zone that is in force"
    if kind == "network":
        return "" if _is_network(_bare(text), known.get("network")) else "no address and no network"
    if kind == "port":
        return "" if _port(text) else "no port, and no range of ports"
    pattern, what = _KINDS[kind]
    return "" if re.fullmatch(pattern, _bare(text)) else what


def _no_forward(row: Row, known: _Known) -> Iterator[str]:
    """Say what firewall4 cannot translate to, or match."""
    named = _bare(_text(row, "ipset")).partition(" ")[0]
    if named and named not in known["ipset"]:
        yield f"there is no set '{named}' in force"
    if _text(row, "src", "*") == "*":
        yield "src must be one zone"
    for option in ("helper", "dest_ip"):
        if (text := _text(row, option).strip()) != _bare(text) or "/-" in text:
            yield f"{option} '{text}' must not be negated, and have no mask with gaps"


def _two_families(row: Row, known: _Known) -> Iterator[str]:
    """Say what is of another family than what stands before it, where that is so for each protocol."""
    bound: list[tuple[str, int]] = []
    for option, kind in _NAMED.items():
        name = _bare(_text(row, option)).partition(" ")[0]
        bound.append((f"{option} '{name}'", _version(name) or known.get(kind, {}).get(name, 0)))
    protocols = [_bare(text).lower() for text in _texts(row, "proto")] or ["tcpudp"]
    found: list[str] = []
    for protocol in protocols:
        family = 6 if protocol in ("icmpv6", "ipv6-icmp", "58") else _family(_text(row, "family"))
        for what, other in bound:
            if family and other not in (0, family):
                found.append(f"{what} is IPv{other}, and the rule is for IPv{family}")
                break
            family = family or other
    yield from found[:1] if len(found) == len(protocols) else ()


def _text(row: Row, option: str, default: str = "") -> str:
    value = row.get(option)
    return value if isinstance(value, str) and value else default


def _texts(row: Row, option: str) -> Sequence[str]:
    value = row.get(option, "")
    return value.split() if isinstance(value, str) else value


def _bare(text: str) -> str:
    return text.strip().removeprefix("!").strip()


def _port(text: str) -> Numbers:
    """Read `32400`, `32400-32410` or `32400:32410`; empty where it is none."""
    match = re.fullmatch(r"(\d{1,5})(?:[-:](\d{1,5}))?", _bare(text))
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    return ((first, last),) if first <= last <= 65535 else EMPTY


def _family(text: str) -> int:
    return 4 if text == "inet" or "4" in text else 6 if "6" in text else 0


def _version(text: str) -> int:
    try:
        return 0 if "%" in text else ip_address(re.split("[/-]", text)[0]).version
    except ValueError:
        return 0


def _is_network(text: str, networks: Collection[str] | None) -> bool:
    """Tell whether this is an address, a range or network of addresses, or may be a logical network."""
    first, slash, mask = text.partition("/")
    _, dash, last = text.partition("-")
    if not _version(text):
        return not slash and not dash and (networks is None or text in networks)
    if slash:
        return _version(mask) == _version(first) or re.fullmatch(r"([-+]?\d\w*)?", mask) is not None
    return not dash or _version(last) == _version(first)

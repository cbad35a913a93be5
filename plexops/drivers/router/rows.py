"""From the device's rows to entries: words become the model's values by the profile's field maps."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from ipaddress import IPv4Address
from types import MappingProxyType
from typing import Any

from plexops.model.entries import Lease, Neighbour, UpnpMapping
from plexops.model.fields import FieldType, FieldValue
from plexops.model.profile import FieldMap, ResourceSpec
from plexops.model.resources import KINDS
from plexops.model.resources.port_forward import ANYBODY, LIMITED
from plexops.model.snapshot import FOREIGN, Entry, Kind, Owner
from plexops.model.store import WHOLE_ROW
from plexops.model.values import ALL_PORTS, Ports, Protocol, parse_mac

#: One row of a device: text, or a list of texts.
Row = Mapping[str, Any]
Word = str | tuple[str, ...] | None

#: A default that says: where the field is missing, the entry is not understood.
UNKNOWN = "unknown"
#: Stands for a key, and is none.
_ANY_KEY = "{{ key }}"
#: Entries that are changed, or that a packet meets: what of a row is not accounted for makes it a maybe.
_CLOSED = frozenset({Kind.DHCP_RESERVATION, Kind.PORT_FORWARD, Kind.PASSAGE})
_TRUE = frozenset({"true", "yes", "1", "on", "enabled"})
_FALSE = frozenset({"false", "no", "0", "off", "disabled"})


class NotUnderstood(ValueError):
    """A row that the profile's maps cannot hold."""


def raw_word(row: Row, name: str) -> Word:
    """Give a device's own word; a list stays a list; a missing or empty field is None."""
    value = row.get(name)
    if value is None or value in ("", [], ()):
        return None
    if isinstance(value, list | tuple):
        return tuple(_said(item) for item in value)
    return _said(value)


def _said(value: object) -> str:
    """Write one value as the device does: JSON's flags in small letters."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def text_of(word: Word) -> str:
    """Give a word as one text."""
    if word is None:
        return ""
    return word if isinstance(word, str) else " ".join(word)


def matches(spec: ResourceSpec, row: Row) -> bool:
    """Tell whether a row is of the kind: every `where` holds and no `unless` does."""
    wanted = all(text_of(raw_word(row, name)) in words for name, words in spec.where.items())
    return wanted and not any(text_of(raw_word(row, name)) in words for name, words in spec.unless.items())


def model_word(field: FieldMap, row: Row) -> Word:
    """Give what a field says in the model's words, after fallback, default and mapping."""
    word = raw_word(row, field.name)
    if word is None and field.fallback:
        word = raw_word(row, field.fallback)
    if word is None:
        word = field.default
    if field.contains:
        if word is None:
            return None
        text = text_of(word)
        inside = field.contains in re.split(r"[,\s]+", text.removeprefix("!"))
        return "true" if inside is not text.startswith("!") else "false"
    if not field.values or word is None:
        return word
    text = text_of(word)
    for ours, theirs in field.values.items():
        if text in theirs:
            return ours
    if field.otherwise is not None:
        return field.otherwise
    raise NotUnderstood(f"{field.name} is {text!r}")


def flag(word: Word) -> bool | None:
    """Read a flag; None where the device says nothing."""
    text = text_of(word).lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if not text:
        return None
    raise NotUnderstood(f"{text!r} is neither true nor false")


def typed(kind: FieldType, word: Word) -> FieldValue | tuple[str, ...] | None:
    """Turn the model's word into a value of its type. Raises NotUnderstood for what does not fit."""
    if word is None:
        return None
    text = text_of(word)
    try:
        match kind:
            case FieldType.PORT | FieldType.PORTS:
                return Ports.parse(text)
            case FieldType.ADDRESS:
                return IPv4Address(_over_ipv4(text).removesuffix("/32"))
            case FieldType.MAC:
                return tuple(parse_mac(part) for part in re.split(r"[,\s]+", text))
            case FieldType.FLAG:
                return flag(word)
            case FieldType.PROTOCOL:
                return Protocol(text.lower())
            case FieldType.NUMBER:
                return int(text)
            case _:
                return text
    except NotUnderstood:
        raise
    except ValueError as reason:
        raise NotUnderstood(str(reason)) from None


def _over_ipv4(text: str) -> str:
    """Give a host's address over IPv4, where a device lists one of each family (OPNsense: `192.168.1.50,fd00::50`)."""
    found = [part for part in re.split(r"[,\s]+", text) if ":" not in part]
    return found[0] if len(found) == 1 else text


def entry_of(spec: ResourceSpec, row: Row, position: int, exhibit: str, own: str = "") -> Entry:
    """Make one entry. A row that cannot be understood keeps its place with `values=None`.

    `own` is the device's address on the internet side: what has to be sent there narrows nothing.
    """
    words: dict[str, Word] = {}
    try:
        for name, field in spec.fields.items():
            words[name] = model_word(field, row)
        strange = _strangers(spec, row)
        if strange:
            raise NotUnderstood(strange)
        values = _build(spec, words, row, own)
    except NotUnderstood:
        values = None
    names = {spec.mark, spec.order, *(f.name for f in spec.fields.values()), *spec.limits} - {""}
    return Entry(
        kind=spec.kind,
        values=values,
        raw={name: raw_word(row, name) for name in sorted(names)} | _whole(spec, row),
        owner=_owner(spec, row),
        handle=text_of(raw_word(row, spec.handle)) if spec.handle else str(position),
        exhibit=exhibit,
        position=position,
        label=text_of(raw_word(row, spec.label)) if spec.label else "",
        placed=spec.kind is Kind.PORT_FORWARD and not spec.order,
    )


def _whole(spec: ResourceSpec, row: Row) -> dict[str, Word]:
    """Keep all of a row where a change needs it: to send it back, to make it again, or to find an item of a list in
    an nvram.

    A single value of an nvram needs only itself; its row is the whole nvram, of which other kinds write other values.
    """
    write = spec.write
    if write is None or not (write.whole or write.tree or (write.nvram and spec.mark)):
        return {}
    return {WHOLE_ROW: json.dumps({name: word for name, word in row.items() if name not in spec.beside})}


def written_over(raw: Mapping[str, Word], words: Mapping[str, Word]) -> Mapping[str, Word]:
    """Give an entry's words after a change of some of them."""
    if not words:
        return raw
    whole = raw.get(WHOLE_ROW)
    kept = {WHOLE_ROW: json.dumps({**json.loads(whole), **words})} if isinstance(whole, str) else {}
    return {**raw, **words, **kept}


def _strangers(spec: ResourceSpec, row: Row) -> str:
    """Give what else a row says that the profile does not account for; empty where it is all understood."""
    if text_of(raw_word(row, "understood")) == "0":
        return "the parser could not read all that it matches on"
    if spec.kind not in _CLOSED:
        return ""
    known = {name for f in spec.fields.values() for name in (f.name, f.fallback)}
    known |= {*spec.where, *spec.unless, *spec.limits, spec.handle, spec.label, spec.mark, spec.order}
    strangers = sorted(
        name
        for name in row
        if name not in known
        and not name.startswith(".")
        and raw_word(row, name) is not None
        and not _harmless(spec, row, name)
    )
    return f"it also says {', '.join(strangers)}" if strangers else ""


def _harmless(spec: ResourceSpec, row: Row, name: str) -> bool:
    """Tell whether what a field says changes nothing. Names that begin with a dot are plexops' own."""
    words = spec.harmless.get(name)
    if words is None:
        words = next(
            (w for key, w in spec.harmless.items() if key[-1] == "*" and name.startswith(key[:-1])), None
        )
    return words is not None and (not words or text_of(raw_word(row, name)) in words)


def _owner(spec: ResourceSpec, row: Row) -> Owner:
    if not spec.owner:
        return FOREIGN
    before, _, after = spec.tag(_ANY_KEY).partition(_ANY_KEY)
    pattern = re.escape(before) + r"([a-z][a-z0-9_]{0,19})" + re.escape(after)
    found = re.fullmatch(pattern, text_of(raw_word(row, spec.mark)))
    return Owner(found[1]) if found else FOREIGN


#: Words for all senders, all ports and all times (RouterOS' `time` with all its days).
_EVERYTHING = frozenset({"0.0.0.0/0", ANYBODY, "0-65535", "1-65535"})
_DAYS = frozenset({"sun", "mon", "tue", "wed", "thu", "fri", "sat"})


def _narrows(word: Word, own: str) -> bool:
    """Tell whether a limit keeps out any of what comes in over IPv4 from the internet."""
    text = text_of(word).lower()
    if not text or text in _EVERYTHING or (own and text.removesuffix("/32") == own):
        return False
    return {part[:3] for part in re.split(r"[,\s]+", text.removeprefix("0s-1d,"))} != _DAYS


def _build(spec: ResourceSpec, words: Mapping[str, Word], row: Row, own: str) -> Any:
    if spec.kind in READ_FIELDS:
        return _read_only(spec.kind, words)
    resource = KINDS[spec.kind]
    fields = {name: typed(resource.field(name).type, word) for name, word in words.items()}
    narrowed = [
        name for name in spec.limits if _narrows(raw_word(row, name), own) and not _harmless(spec, row, name)
    ]
    if "source" in fields and not _narrows(text_of(words["source"]), ""):
        fields["source"] = ANYBODY
    if narrowed:
        if "source" not in {f.name for f in resource.fields}:
            raise NotUnderstood(f"it is narrowed by {', '.join(narrowed)}")
        limits = LIMITED + ", ".join(f"{name} {text_of(raw_word(row, name))}" for name in narrowed)
        source = fields.get("source")
        fields["source"] = limits if source in (None, "", ANYBODY) else f"{source} {limits}"
    try:
        return resource.build(fields)
    except (KeyError, ValueError) as reason:
        raise NotUnderstood(f"it is no whole {spec.kind}: {reason}") from None


#: What is read and never made: the fields that a profile may map for it, and their types.
READ_FIELDS: Mapping[Kind, Mapping[str, FieldType]] = MappingProxyType(
    {
        Kind.LEASE: {"mac": FieldType.MAC, "address": FieldType.ADDRESS, "name": FieldType.TEXT},
        Kind.NEIGHBOUR: {"mac": FieldType.MAC, "address": FieldType.ADDRESS, "current": FieldType.FLAG},
        Kind.UPNP_MAPPING: {
            "external_port": FieldType.PORTS,
            "address": FieldType.ADDRESS,
            "port": FieldType.PORTS,
            "protocol": FieldType.PROTOCOL,
            "name": FieldType.TEXT,
        },
    }
)


def _read_only(kind: Kind, words: Mapping[str, Word]) -> Lease | Neighbour | UpnpMapping:
    found: dict[str, Any] = {name: typed(of, words.get(name)) for name, of in READ_FIELDS[kind].items()}
    address, name = found["address"], found.get("name") or ""
    if address is None:
        raise NotUnderstood("it has no address")
    if kind is Kind.UPNP_MAPPING:
        external = found["external_port"] or ALL_PORTS
        protocol = found["protocol"] or Protocol.BOTH
        return UpnpMapping(external, address, found["port"] or external, protocol, name)
    if found["mac"] is None:
        raise NotUnderstood("it has no MAC address")
    mac = found["mac"][0]
    return (
        Lease(mac, address, name) if kind is Kind.LEASE else Neighbour(mac, address, found["current"] is True)
    )


def wrong_words(of: FieldType, field: FieldMap) -> str:
    """Say what is wrong with the words of a field: of ours, or of the device's; empty where nothing is."""
    theirs = {word for words in field.values.values() for word in words}
    ours = [*field.values, *(() if field.otherwise is None else (field.otherwise,))]
    if not field.values and field.default and field.default != UNKNOWN:
        ours.append(field.default)
    for word in ours:
        try:
            typed(of, word)
        except NotUnderstood:
            return f"{word!r} is no {of}"
    if not all(field.values.values()):
        return "each word of ours needs one of the device's"
    if of is FieldType.FLAG and field.values and {flag(word) for word in ours} != {True, False}:
        return "a flag has two words"
    if field.values and field.default and field.default not in (*theirs, UNKNOWN):
        return f"its default {field.default!r} is none of the device's words"
    return ""

"""Masking: what leaves this machine shows the class of an identifier and a tag to compare by, and never a secret.

A tag is keyed (HMAC-SHA256 with a key that stays in the state folder): the same MAC address has the same tag in every
file of this machine, and without the key no one can try addresses until one fits.
"""

from __future__ import annotations

import base64
import hmac
import os
import re
from copy import copy
from functools import lru_cache, partial
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from types import MappingProxyType
from typing import NewType

from plexops.evidence import contexts
from plexops.evidence.contexts import Context, Seen
from plexops.evidence.lock import short_lock
from plexops.evidence.scrub import REMOVED, Scrubber
from plexops.files import read_file, write_file
from plexops.model.errors import PlexopsError, Problem
from plexops.model.run import FieldChange, MaskedReport, RunReport, map_texts
from plexops.model.values import NOT_PUBLIC_NETWORKS
from plexops.pattern import Pattern
from plexops.structs import replace

#: Text that may leave this machine.
Masked = NewType("Masked", str)

_KEY_FILE = "mask.key"
_KEY_BYTES = 32

#: Texts that homes have in common, as titles and questions, are masked once: so many, up to so many characters.
_REPEATED, _REPEATED_LENGTH = 2048, 1024
#: So are the files that a distribution brings, and what devices of one kind answer alike: of longer texts the last few.
_LONG, _LONG_LENGTH = 64, 16 * 1024

#: Addresses that tell nothing about a home: they stay readable.
_READABLE_V4 = (
    *NOT_PUBLIC_NETWORKS,
    *(IPv4Network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15")),
    *(IPv4Network(net) for net in ("1.1.1.1", "1.0.0.1", "8.8.8.8", "8.8.4.4", "9.9.9.9")),
)
#: So many colons has a whole address of IPv6 with a port.
_PORT_AFTER = 8
_READABLE_V6 = tuple(
    IPv6Network(net) for net in ("::/127", "fe80::/10", "fc00::/7", "2001:db8::/32", "ff00::/8")
)

#: Secrets that their own shape gives away: keys, headers, bearer and basic logins, JSON web tokens, Plex claims, crypt
#: hashes. As with all expressions here, what begins with a lookahead is only there to be quick.
_SECRETS = (
    Context(
        r"(?s-i:(?P<lead>)-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]{0,40}-----|\Z))",
        ("-----begin",),
    ),
    Context(
        r"^(?P<lead>[ \t]*(?:[<>*] ?)?(?:set-cookie|cookie|authorization|proxy-authorization|x-plex-token|x-auth-token"
        r"|x-csrf-token|x-api-key)[ \t]*:[ \t]*)[^\n]+",
        ("cookie", "authorization", "x-"),
    ),
    Context(
        r"(?-i:(?P<lead>\b(?:Bearer|Basic|Digest) )(?!realm=)[A-Za-z0-9+/=._~-]{6,})",
        ("bearer ", "basic ", "digest "),
    ),
    Context(r"(?-i:(?P<lead>)\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{2,}(?:\.[A-Za-z0-9_-]*)?)", ("eyj",)),
    Context(r"(?-i:(?P<lead>)\bclaim-[A-Za-z0-9_-]{10,})", ("claim-",)),
    Context(r"(?-i:(?P<lead>)\$(?:1|2[abxy]?|5|6|7|y|gy|sha1|apr1)\$[A-Za-z0-9./$=,+-]{8,})", ("$",)),
    Context(r"(?P<lead>\b[a-z][a-z0-9+.-]{1,20}://)[^\s/@:\"'<>]{0,200}:[^\s/@\"'<>]{1,200}(?=@)", ("://",)),
    Context(r"(?P<lead>\bsid(?:\\?[\"'])?\s?[=:>]\s?(?:\\?[\"'])?)[0-9a-f]{16}(?![0-9a-f])", ("sid",)),
)

_PLEX_DIRECT = Context(
    r"(?<![\w-])(?<!\w\.)[a-z0-9-]{1,120}(?:\.[a-z0-9-]{1,64}){0,3}\.plex\.direct\b", (".plex.direct",)
)
_EMAIL = Context(r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:[a-z0-9-]{1,63}\.){1,5}[a-z]{2,24}(?![a-z0-9-])", ("@",))
_UUID = Context(
    r"(?<![\w-])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![\w-])",
    ("-",),
    (b"00000000-0000-0000-0000-000000000000",),
)
_MACHINE = Context(r"(?<![0-9a-z])[0-9a-f]{40}(?![0-9a-z])", shapes=(b"0" * 40,))
_OCTETS = Context(
    r"(?<![\w:])(?:1:)?[0-9a-f]{2}(?:(?::[0-9a-f]{2}){5,19}|(?:-[0-9a-f]{2}){5})(?![\w:]|-[0-9a-f])",
    (":", "-"),
    (b"00:00:00:00:00:00", b"00-00-00-00-00-00"),
)
_CISCO_MAC = Context(
    r"(?<![\w.])[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}(?![\w.])", (".",), (b"0000.0000.0000",)
)
_BARE_MAC = Context(
    r"(?P<lead>mac(?:[-_]?addr(?:ess)?)?(?:\\?[\"'])?\s?[=:>]\s?(?:\\?[\"'])?)(?P<mac>[0-9a-f]{12})(?![0-9a-f])",
    ("mac",),
    (b"0" * 12,),
)
_V6 = Context(
    r"(?=[0-9a-f:])(?<![\w:.])(?:[0-9a-f]{0,4}:){2,7}"
    r"(?:[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}|[0-9a-f]{1,4})?(?![0-9a-z:]|\.[0-9])",
    (":",),
    (b"::", b":0:", b":00:", b":000:", b":0000:"),
)
_V4 = Context(
    r"(?=[0-9])(?<![\w.])(?<!version )(?<!version=)(?<!version=[\"'])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?!\w|\.[0-9])",
    (".",),
    (b".0.", b".00.", b".000."),
)
_REVERSE = Context(
    r"(?<![\w.])(?:[0-9]{1,3}\.){4}(?=in-addr\.arpa)|(?<![\w.])(?:[0-9a-f]\.){32}(?=ip6\.arpa)", (".arpa",)
)
_DASHED_V4 = Context(
    r"(?=[0-9])(?<![0-9])(?<![0-9][-.])[0-9]{1,3}(?:-[0-9]{1,3}){3}(?=[.-][a-z])",
    ("-",),
    (b"-0-", b"-00-", b"-000-"),
)
_PLACE = Context(
    r"(?P<lead>(?<![a-z])(?:latitude|longitude|lat|lng|lon)(?:\\?[\"'])?\s?[=:>]\s?(?:\\?[\"'])?)-?[0-9]{1,3}\.[0-9]+",
    ("lat", "lng", "lon"),
    (b"0.0",),
)
_PPPOE_LINE = (
    Context(r"(?P<lead>pppoe-client[^\n]{0,300}?\buser=)(?P<open>\"?)(?P<value>[^\s\"]+)", ("pppoe",)),
)
#: Identifiers that are found by their shape alone, in this order, and what is left of them.
_SHAPED = ((_PLEX_DIRECT, "plex.direct"), (_EMAIL, "email"), (_UUID, "uuid"), (_MACHINE, "machine"))
_FORMS = MappingProxyType({"plex.direct": "····.plex.direct", "email": "····@····"})
_MASKED = Pattern(r"[\w.:@-]*··[·.:@-]*(?:\.plex\.direct)?#[a-z2-7]{4}")
_SWITCH = Pattern(r"true|false|yes|no|on|off|enabled|disabled|[01]?", re.IGNORECASE)


#: The kinds of identifier that only their name gives away; the expressions besides those by name.
_NAMED: tuple[tuple[str, Context, tuple[Context, ...]], ...] = (
    ("ssid", contexts.SSID_NAMES, ()),
    ("serial", contexts.SERIAL_NAMES, ()),
    ("person", contexts.PERSON_NAMES, _PPPOE_LINE),
    ("identity", contexts.IDENTITY_NAMES, ()),
)


def load_key(root: Path) -> bytes:
    """Give the key of this machine's pseudonyms; it is made on first use, with mode 0600.

    Raises PlexopsError PLX-R102 if it cannot be written, PLX-R105 for what is longer than a key ever was.
    """
    path = root / _KEY_FILE
    key = _key_there(path)
    if key is not None:
        return key
    with short_lock(root / "mask.lock", "key of the pseudonyms"):
        key = _key_there(path)  # once more: who held it may have made one
        if key is None:
            key = os.urandom(_KEY_BYTES)
            write_file(path, key)
    return key


def _key_there(path: Path) -> bytes | None:
    """Read the key. One that is too short was never used: its maker was killed or the disk was full."""
    try:
        key = read_file(path)
    except FileNotFoundError:
        return None
    if len(key) > _KEY_BYTES:
        reason = f"{path} is not a key of {_KEY_BYTES} bytes"
        raise PlexopsError(Problem("PLX-R105", reason, cure="delete it: a new one is made; old tags end"))
    return key if len(key) == _KEY_BYTES else None


class Masker:
    """Masks texts. `secrets` knows secrets by value; all else is found by its shape or its name."""

    def __init__(self, key: bytes, secrets: Scrubber) -> None:
        self._key = key
        self._secrets = secrets
        self._repeated = lru_cache(_REPEATED)(self._by_shape)
        self._long = lru_cache(_LONG)(self._by_shape)
        self._v4 = lru_cache(_REPEATED)(self._ipv4)
        self._v6 = lru_cache(_REPEATED)(self._ipv6)

    def about(self, secrets: Scrubber) -> Masker:
        """Give one for a home that knows these secrets. It remembers what this one has masked by its shape."""
        other = copy(self)
        other._secrets = secrets
        return other

    def mask(self, text: str) -> Masked:
        """Give the text without secrets and with pseudonyms for identifiers. Masking twice changes nothing more."""
        if not text:
            return Masked(text)
        text = self._secrets.scrub(text)
        if len(text) <= _REPEATED_LENGTH:
            return self._repeated(text)
        return self._long(text) if len(text) <= _LONG_LENGTH else self._by_shape(text)

    def value(self, name: str, text: str) -> Masked:
        """Mask a value that stands apart from its name, as in a table."""
        line = f"{name}={text}"
        masked = self.mask(line)
        if masked.startswith(f"{name}="):
            return Masked(masked[len(name) + 1 :])
        return self.mask(text)

    def _by_shape(self, text: str) -> Masked:
        seen = Seen.of(text)
        return Masked(self._identifiers(self._without_secrets(text, seen), seen))

    def _without_secrets(self, text: str, seen: Seen) -> str:
        for secret in _SECRETS:
            text = secret.replaced(text, seen, rf"\g<lead>{REMOVED}")
        text = contexts.replace_values(text, seen, contexts.nameless_keys(), self._secret)
        return contexts.replace_beside(text, seen, contexts.ANY_CONFIDENTIAL, self._secret)

    def _secret(self, value: str) -> str:
        del value
        return REMOVED

    def _identifiers(self, text: str, seen: Seen) -> str:
        for shaped, kind in _SHAPED:
            text = shaped.replaced(text, seen, partial(self._found, kind))
        text = _OCTETS.near(text, seen, lambda m: self._octets(m[0]))
        text = _CISCO_MAC.replaced(text, seen, lambda m: self._mac(m[0]))
        text = _BARE_MAC.replaced(text, seen, lambda m: m["lead"] + self._mac(m["mac"]))
        text = _REVERSE.replaced(text, seen, lambda m: f"{self._shaped('reverse', m[0])}.")
        text = _V6.near(text, seen, lambda m: self._v6(m[0]))
        text = _V4.near(text, seen, lambda m: self._v4(m[0], "."))
        text = _DASHED_V4.near(text, seen, lambda m: self._v4(m[0], "-"))
        text = _PLACE.replaced(text, seen, r"\g<lead>··.··")
        for kind, names, others in _NAMED:
            give = partial(self._pseudonym, kind)
            text = contexts.replace_values(text, seen, others, give)
            text = contexts.replace_beside(text, seen, names, give)
        return text

    def _found(self, kind: str, found: re.Match[str]) -> str:
        return self._shaped(kind, found[0])

    def _shaped(self, kind: str, text: str) -> str:
        """Give what stands for an identifier that its own shape gives away."""
        return f"{_FORMS.get(kind, '····')}{self._tag(kind, text.lower())}"

    def _tag(self, kind: str, value: str) -> str:
        digest = hmac.digest(self._key, f"{kind}\0{value}".encode("utf-8", "surrogatepass"), "sha256")
        return "#" + base64.b32encode(digest).decode().lower()[:4]

    def _pseudonym(self, kind: str, value: str) -> str:
        # What was masked by its shape has a tag that fits elsewhere too.
        if _MASKED.fullmatch(value.strip()) or _SWITCH.fullmatch(value.strip()):
            return value
        return f"····{self._tag(kind, value)}"

    def _octets(self, text: str) -> str:
        if text[1] == ":":  # a DHCP client id as RouterOS writes it
            return f"1:{self._octets(text[2:])}"
        separator = text[2]
        octets = text.split(separator)
        if len(octets) == 6:
            return self._mac(text)
        if len(octets) == 7 and octets[0] == "01":  # a DHCP client id: hardware type 1, then the MAC address
            return f"01{separator}{self._mac(text[3:])}"
        return self._shaped("octets", text)

    def _mac(self, text: str) -> str:
        digits = re.sub(r"[^0-9a-f]", "", text.lower())
        if digits in {"0" * 12, "f" * 12} or int(digits[:2], 16) & 1:
            return text  # nobody's, everybody's, or a group's
        return self._hidden_mac(text, digits)

    def _hidden_mac(self, text: str, digits: str) -> str:
        """Give the vendor of a MAC address alone."""
        tag = self._tag("mac", digits)
        if text[2] in ":-":
            return f"{text[:8]}{text[2]}··{text[2]}··{text[2]}··{tag}"
        return f"{text[:7]}··.····{tag}" if "." in text else f"{text[:6]}······{tag}"

    def _ipv4(self, text: str, separator: str) -> str:
        parts = text.split(separator)
        try:
            address = IPv4Address(".".join(str(int(part)) for part in parts))
        except AddressValueError:
            return text
        if any(address in network for network in _READABLE_V4):
            return text
        return self._hidden_v4(address, separator)

    def _hidden_v4(self, address: IPv4Address, separator: str) -> str:
        """Give a public address without its last half."""
        parts = str(address).split(".")
        return f"{parts[0]}{separator}{parts[1]}{separator}··{separator}··{self._tag('ip', str(address))}"

    def _ipv6(self, text: str) -> str:
        # A colon after an address belongs to the sentence, not to it.
        core = text[:-1] if text.endswith(":") and not text.endswith("::") else text
        if core.count(":") == _PORT_AFTER and "::" not in core:
            core = core.rpartition(":")[0]  # old versions of curl write a port behind it, and no brackets
        try:
            address = IPv6Address(core)
        except AddressValueError:
            return text
        rest = text[len(core) :]
        if address.ipv4_mapped is not None:
            return f"::ffff:{self._v4(str(address.ipv4_mapped), '.')}{rest}"
        if any(address in network for network in _READABLE_V6):
            # The last half of an address made from a MAC address (EUI-64) is that MAC address.
            from_mac = address.packed[11:13] == b"\xff\xfe"
            return f"{self._hidden_v6(address, 1)}{rest}" if from_mac else text
        return f"{self._hidden_v6(address, 2)}{rest}"

    def _hidden_v6(self, address: IPv6Address, kept: int) -> str:
        """Give an address of which so many groups stay."""
        groups = [group.lstrip("0") or "0" for group in address.exploded.split(":")[:kept]]
        return f"{':'.join(groups)}:····{self._tag('ip', str(address))}"


#: Fields that hold hashes, ids and times of our own making: masking has nothing to do there.
_OWN_FIELDS = frozenset({"run_id", "started", "version", "journal_head", "plan_digest", "sha256_raw", "time"})


def mask_report(report: RunReport, masker: Masker) -> MaskedReport:
    """Mask every text of a report. A table of fields is masked by the field's name too."""
    named = replace(
        report,
        sites=tuple(
            replace(
                site,
                changes=tuple(
                    replace(change, fields=tuple(_mask_field(field, masker) for field in change.fields))
                    for change in site.changes
                ),
            )
            for site in report.sites
        ),
    )
    masked = map_texts(named, lambda name, text: text if name in _OWN_FIELDS else masker.mask(text))
    return MaskedReport(**{name: getattr(masked, name) for name in RunReport.__struct_fields__})


def _mask_field(field: FieldChange, masker: Masker) -> FieldChange:
    return FieldChange(
        field.name, masker.value(field.name, field.before), masker.value(field.name, field.after)
    )

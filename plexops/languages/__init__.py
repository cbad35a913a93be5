"""The languages of devices: quote a value, frame many reads as one exec, split the answer, tell a read from a write."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from plexops.languages.base import Console, Language, LanguageName
from plexops.languages.files import Dnsmasq, Nft
from plexops.languages.json_http import JsonHttp
from plexops.languages.posix import Posix
from plexops.languages.routeros import RouterOS
from plexops.languages.tree import Tree

_POSIX = Posix()
_ROUTEROS = RouterOS()

#: Every language by the name that profiles use.
LANGUAGES: Mapping[LanguageName, Language] = MappingProxyType(
    {
        "posix": _POSIX,
        "routeros": _ROUTEROS,
        "nft": Nft(),
        "dnsmasq": Dnsmasq(),
        "json": JsonHttp(),
        "tree": Tree(),
    }
)

#: The languages in which one exec carries many reads.
CONSOLES: Mapping[LanguageName, Console] = MappingProxyType({"posix": _POSIX, "routeros": _ROUTEROS})

__all__ = ["CONSOLES", "LANGUAGES", "Console", "Language", "LanguageName"]

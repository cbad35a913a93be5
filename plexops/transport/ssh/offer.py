"""A connection that keeps what the SSH server offered (RFC 4253, 7.1): it says why no algorithm was agreed on, and which
other host keys a device has. Imports paramiko: load this module only when a connection is made."""

from __future__ import annotations

from typing import Any

import paramiko
from msgspec import Struct


class Offer(Struct, frozen=True):
    """The algorithms that a server offers, by what they are for. Of both directions devices offer the same."""

    key_exchange: tuple[str, ...] = ()
    host_keys: tuple[str, ...] = ()
    ciphers: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()

    def lines(self) -> tuple[str, ...]:
        """Put the offer into words for a message; there are none where nothing was offered."""
        named = {
            "key exchange: ": self.key_exchange,
            "host keys:    ": self.host_keys,
            "ciphers:      ": self.ciphers,
            "MACs:         ": self.macs,
        }
        return tuple(name + ", ".join(names) for name, names in named.items() if any(named.values()))


class TellingTransport(paramiko.Transport):
    """Keeps the server's offer."""

    offer = Offer()

    def _really_parse_kex_init(self, m: paramiko.Message, ignore_first_byte: bool = False) -> dict[str, Any]:
        base: Any = super()  # the stubs leave it out
        parsed: dict[str, Any] = base._really_parse_kex_init(m, ignore_first_byte)
        if not ignore_first_byte:  # else it is our own offer, looked at once more
            # Markers travel in the list of key exchanges and are none.
            exchanges = (n for n in parsed["kex_algo_list"] if not n.startswith(("ext-info-", "kex-strict-")))
            lists = (parsed[f"{name}_algo_list"] for name in ("server_key", "server_encrypt", "server_mac"))
            self.offer = Offer(tuple(exchanges), *map(tuple, lists))
        return parsed

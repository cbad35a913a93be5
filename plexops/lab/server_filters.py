"""What the simulated server's kernel asks: ufw's chains, Docker's, somebody's own table, and what shows them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import BinaryIO

from msgspec import Struct, field

from plexops.lab import docker_chains
from plexops.lab.base import ExecResult, Fate, Packet
from plexops.lab.iptables import Family, OldTable, Save, legacy_save, load, restored
from plexops.lab.routers import nft_packets
from plexops.lab.routers.nft import Ruleset
from plexops.lab.routers.nft_command import NftCommand
from plexops.lab.routers.nft_parser import Parser
from plexops.lab.routers.nft_tokens import Source
from plexops.lab.server_condition import Container
from plexops.lab.shell import CommandFunction, Context

INTERFACE = "eth0"
FAMILIES: tuple[Family, ...] = (4, 6)


class KernelFilters(Struct):
    """All tables. `rules` stand in a chain of somebody's own at input; `ufw` tells what of ufw's is loaded now."""

    rules: tuple[str, ...]
    ufw: Callable[[Family], str]
    container: Container | None
    ruleset: Ruleset = field(default_factory=Ruleset)
    lock: threading.RLock = field(default_factory=threading.RLock)
    _texts: dict[Family, str] = {}
    _tables: dict[Family, Mapping[str, OldTable]] = {}

    def __post_init__(self) -> None:
        if not self.rules:
            return
        lines = "".join(f"\t\t{rule}\n" for rule in self.rules)
        text = (
            "table inet guard {\n\tchain input {\n\t\ttype filter hook input priority -5; policy accept;\n"
            f"{lines}\t}}\n}}\n"
        )
        self.ruleset.run(Parser(Source("guard.nft", text), lambda _: []).program())

    def commands(self) -> Mapping[str, CommandFunction]:
        """Give the programs that show and change them, by name."""
        return {
            "nft": self._nft,
            "iptables-save": Save(4, lambda: self.tables(4), self.ruleset).run,
            "ip6tables-save": Save(6, lambda: self.tables(6), self.ruleset).run,
            "iptables-legacy-save": legacy_save,
            "ip6tables-legacy-save": legacy_save,
        }

    def _nft(self, argv: list[str], stdin: BinaryIO, context: Context) -> ExecResult:
        with self.lock:
            for family in FAMILIES:
                self.tables(family)
            return NftCommand(self.ruleset).run(argv, stdin, context)

    def tables(self, family: Family) -> Mapping[str, OldTable]:
        """Give what iptables shows of a family; the kernel's own tables are made anew where that has changed."""
        text = self.ufw(family)
        if self.container is not None:
            text += docker_chains.chains(family, self.container, beside=bool(text))
        with self.lock:
            if self._texts.get(family, "") != text:
                self._texts[family] = text
                self._tables[family] = restored(text)
                load(self.ruleset, family, self._tables[family])
            return self._tables.get(family, {})

    def carry(self, packet: Packet) -> Packet | Fate:
        """Carry an incoming connection for the host's own address to where it ends: here, or in a container."""
        own = frozenset({packet.destination})
        with self.lock:
            self.tables(4)
            return nft_packets.carry(self.ruleset, packet, INTERFACE, docker_chains.BRIDGE, own)

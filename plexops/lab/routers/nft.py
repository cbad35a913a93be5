"""The packet filter of a simulated Linux router: tables, chains and rules with handles, as nft 1.0.6 keeps them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from plexops.lab.routers.nft_language import priority_text
from plexops.lab.routers.nft_objects import Helper, NamedSet
from plexops.lab.routers.nft_parser import Base, Command
from plexops.lab.routers.nft_statements import Part, Translate, Verdict
from plexops.lab.routers.nft_tokens import NftError, Token
from plexops.structs import replace

METAINFO = {"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}}
VERSION = "nftables v1.0.6 (Lester Gooch #5)\n"
MISSING = "Could not process rule: No such file or directory"
EXISTS = "Could not process rule: File exists"
BUSY = "Could not process rule: Device or resource busy"
NOT_HERE = "Could not process rule: Operation not supported"
#: The priority at which the kernel itself calls all chains that translate.
NAT_PLACES = {"prerouting": -100, "input": 100, "output": -100, "postrouting": 100}
#: Where the kernel lets a chain translate addresses.
NAT_HOOKS = {
    "dnat": ("prerouting", "output"),
    "redirect": ("prerouting", "output"),
    "snat": ("postrouting", "input"),
    "masquerade": ("postrouting",),
}


class Rule(Struct, frozen=True):
    """One rule, with the handle that the kernel gave it."""

    handle: int
    parts: tuple[Part, ...]
    comment: str = ""

    def text(self, *, stateless: bool) -> str:
        """Give it as nft prints it."""
        words = [part.text(stateless=stateless) for part in self.parts]
        return " ".join([*words, *([f'comment "{self.comment}"'] if self.comment else [])])

    def jumps(self) -> str:
        """Give the chain that it jumps to, if any."""
        return next((p.target for p in self.parts if isinstance(p, Verdict) and p.target), "")


class Chain(Struct):
    """A chain; with a base it sees packets by itself, else only where it is jumped to."""

    name: str
    handle: int
    base: Base | None = None
    rules: list[Rule] = []


class Table(Struct):
    """A table; all that is in it shares one count of handles."""

    family: str
    name: str
    handle: int
    chains: dict[str, Chain] = {}
    things: dict[str, Helper | NamedSet] = {}
    last_handle: int = 0

    def new_handle(self) -> int:
        """Give the next handle."""
        self.last_handle += 1
        return self.last_handle


class Ruleset(Struct):
    """All tables, in the order in which they were made."""

    tables: dict[tuple[str, str], Table] = {}
    last_table: int = 0

    def run(self, commands: Sequence[Command], *, check: bool = False) -> list[NftError]:
        """Apply a batch: all of it or, after complaints, none. `check` applies nothing."""
        work = self._copy()
        complaints: list[NftError] = []
        for command in commands:
            try:
                work.apply(command)
            except NftError as error:
                complaints.append(error)
        if not complaints and not check:
            self.tables, self.last_table = work.tables, work.last_table
        else:
            self._spend(work)
        return complaints

    def _copy(self) -> Ruleset:
        """Copy all that a batch changes: rules are never changed, only put in and taken out."""
        tables = {
            key: replace(
                table,
                chains={name: replace(chain, rules=[*chain.rules]) for name, chain in table.chains.items()},
                things={**table.things},
            )
            for key, table in self.tables.items()
        }
        return Ruleset(tables, self.last_table)

    def _spend(self, work: Ruleset) -> None:
        """Keep the handles that a batch used up, though nothing came of it: the kernel does not reuse them."""
        self.last_table = work.last_table
        for key, table in self.tables.items():
            if key in work.tables and work.tables[key].handle == table.handle:
                table.last_handle = work.tables[key].last_handle

    def apply(self, command: Command) -> None:
        """Apply one command that changes something.

        Raises NftError.
        """
        if command.object == "ruleset":
            self._flush_ruleset(command)
        elif command.object == "table":
            self._table_command(command)
        elif command.object == "chain":
            self._chain_command(command)
        elif command.thing is not None:
            assert command.table is not None  # noqa: S101 (the grammar gives one)
            table = self.find_table(command.family, command.table)
            old = table.things.get(command.thing.name)
            handle = old.handle if old else table.new_handle()
            table.things[command.thing.name] = replace(command.thing, handle=handle)
        else:
            self._rule_command(command)

    def _flush_ruleset(self, command: Command) -> None:
        for key in [k for k in self.tables if command.family in ("", k[0])]:
            del self.tables[key]

    def _table_command(self, command: Command) -> None:
        assert command.table is not None  # noqa: S101 (the grammar gives one)
        key = (command.family, command.table.text)
        found = self.tables.get(key)
        if command.verb in ("add", "create"):
            if found is None:
                self.last_table += 1
                self.tables[key] = Table(*key, self.last_table)
            elif command.verb == "create":
                raise NftError(EXISTS, command.table)
            return
        if found is None:
            if command.verb != "destroy":
                raise NftError(MISSING, command.table)
        elif command.verb in ("delete", "destroy"):
            del self.tables[key]
        else:
            for chain in found.chains.values():
                chain.rules.clear()

    def find_table(self, family: str, name: Token) -> Table:
        """Give a table.

        Raises NftError as the kernel's answer at the name.
        """
        if (family, name.text) not in self.tables:
            raise NftError(MISSING, name)
        return self.tables[family, name.text]

    def _chain_command(self, command: Command) -> None:
        assert command.table is not None and command.chain is not None  # noqa: S101, PT018
        table = self.find_table(command.family, command.table)
        found = table.chains.get(command.chain.text)
        if command.verb in ("add", "create"):
            self._add_chain(command, table, found)
            return
        if found is None:
            if command.verb != "destroy":
                raise NftError(MISSING, command.chain)
        elif command.verb == "flush":
            found.rules.clear()
        else:
            callers = [r for c in table.chains.values() for r in c.rules if r.jumps() == found.name]
            if callers:
                raise NftError(BUSY, command.chain)
            del table.chains[found.name]

    def _add_chain(self, command: Command, table: Table, found: Chain | None) -> None:
        assert command.chain is not None  # noqa: S101
        base = command.base
        if found is None:
            if base is not None and base.type == "nat" and base.hook == "forward":
                table.new_handle()
                raise NftError(NOT_HERE, command.start, command.span)
            table.chains[command.chain.text] = Chain(command.chain.text, table.new_handle(), base)
            return
        if command.verb == "create":
            raise NftError(EXISTS, command.chain)
        if base is None:
            return
        old = found.base
        if old is None or (old.type, old.hook, old.priority) != (base.type, base.hook, base.priority):
            raise NftError(NOT_HERE, command.policy or command.chain, command.policy_span)
        if command.policy is not None:
            found.base = base

    def _rule_command(self, command: Command) -> None:
        assert command.table is not None and command.chain is not None  # noqa: S101, PT018
        table = self.find_table(command.family, command.table)
        chain = table.chains.get(command.chain.text)
        if chain is None:
            raise NftError(MISSING, command.chain)
        place = self._place(command, chain)
        if command.verb == "delete":
            del chain.rules[place]
            return
        rule = self._new_rule(command, table, chain)
        if command.verb == "replace":
            chain.rules[place] = rule
        elif command.verb == "insert":
            chain.rules.insert(place, rule)
        else:
            chain.rules.insert(place + 1 if command.handle else len(chain.rules), rule)

    def _place(self, command: Command, chain: Chain) -> int:
        if command.handle is None:
            return 0
        number = int(command.handle.text) if command.handle.text.isdigit() else -1
        if command.by_index:
            if not 0 <= number < len(chain.rules):
                raise NftError(MISSING, command.where, len(f"index {number}"))
            return number
        for place, rule in enumerate(chain.rules):
            if rule.handle == number:
                return place
        raise NftError(MISSING, command.handle)

    def _new_rule(self, command: Command, table: Table, chain: Chain) -> Rule:
        body = command.body
        assert body is not None  # noqa: S101 (the grammar gives one)
        table.last_handle += body.sets
        handle = table.new_handle()
        if body.target is not None:
            called = table.chains.get(body.target.text)
            if called is None:
                raise NftError(MISSING, body.target)
            if called.base is not None:
                raise NftError(NOT_HERE, body.target)
        for part in body.parts:
            if isinstance(part, Translate) and chain.base is not None:
                base = chain.base
                if base.type != "nat" or base.hook not in NAT_HOOKS[part.name]:
                    raise NftError(NOT_HERE, command.start, command.span)
        return Rule(handle, body.parts, body.comment)

    # --- listings ------------------------------------------------------------------------------------

    def of(self, family: str) -> list[Table]:
        """Give the tables of a family, or all."""
        return [table for table in self.tables.values() if family in ("", table.family)]

    def base_chains(self, hook: str) -> Iterator[tuple[Table, Chain]]:
        """Give the IPv4 base chains at a hook, in the order in which a packet meets them.

        All that translates stands at one place. Of chains with one priority the newest is asked first.
        """
        found = [
            (NAT_PLACES.get(hook, 0) if chain.base.type == "nat" else chain.base.priority, table, chain)
            for table in self.tables.values()
            for chain in table.chains.values()
            if chain.base is not None and chain.base.hook == hook and table.family in ("ip", "inet")
        ]
        order = {id(chain): -place for place, (_, _, chain) in enumerate(found)}
        for _, table, chain in sorted(
            found,
            key=lambda item: (item[0], item[2].base.priority if item[2].base else 0, order[id(item[2])]),
        ):
            yield table, chain


class Style(Struct, frozen=True):
    """How a listing looks: `-a` shows handles, `-s` leaves counts out."""

    handles: bool = False
    stateless: bool = False
    terse: bool = False

    def handle(self, number: int) -> str:
        """Give the handle's comment."""
        return f" # handle {number}" if self.handles else ""


def list_tables(tables: Sequence[Table], style: Style, only: str = "", *, rules: bool = True) -> str:
    """Print tables as `nft list` does; `only` names the one chain to show."""
    out: list[str] = []
    for table in tables:
        head = "" if only else style.handle(table.handle)
        out.append(f"table {table.family} {table.name} {{{head}\n")
        chains = [c for c in table.chains.values() if only in ("", c.name)]
        between = "\n" if rules else ""
        things = [] if only or not rules else _things(table)
        shown = [x.text(terse=style.terse, handle=style.handle(x.handle)) for x in things]
        out.append(between.join([*shown, *(_list_chain(chain, style, rules=rules) for chain in chains)]))
        out.append("}\n")
    return "".join(out)


def _things(table: Table) -> list[Helper | NamedSet]:
    """Give helpers, then sets."""
    return sorted(table.things.values(), key=lambda thing: isinstance(thing, NamedSet))


def _list_chain(chain: Chain, style: Style, *, rules: bool) -> str:
    lines = [f"\tchain {chain.name} {{{style.handle(chain.handle)}"]
    if chain.base is not None:
        base = chain.base
        priority = priority_text(base.priority, base.hook)
        lines.append(f"\t\ttype {base.type} hook {base.hook} priority {priority}; policy {base.policy};")
    if rules:
        lines += [f"\t\t{r.text(stateless=style.stateless)}{style.handle(r.handle)}" for r in chain.rules]
    return "\n".join([*lines, "\t}\n"])


def json_tables(tables: Sequence[Table], only: str = "", *, whole: bool = True, terse: bool = False) -> str:
    """Print tables as `nft -j list` does: a table, then its chains, then their rules."""
    items: list[dict[str, Any]] = [dict(METAINFO)]
    for table in tables:
        if not only:
            items.append({"table": {"family": table.family, "name": table.name, "handle": table.handle}})
        place = {"family": table.family, "table": table.name}
        if whole and not only:
            items += [thing.json(place, terse=terse) for thing in _things(table)]
        chains = [c for c in table.chains.values() if only in ("", c.name)] if whole else []
        items += [_json_chain(table, chain) for chain in chains]
        items += [json_rule(table, chain, rule) for chain in chains for rule in chain.rules]
    return json.dumps({"nftables": items}, ensure_ascii=False) + "\n"


def _json_chain(table: Table, chain: Chain) -> dict[str, Any]:
    inner: dict[str, Any] = {
        "family": table.family, "table": table.name, "name": chain.name, "handle": chain.handle,
    }  # fmt: skip
    if chain.base is not None:
        base = chain.base
        inner |= {"type": base.type, "hook": base.hook, "prio": base.priority, "policy": base.policy}
    return {"chain": inner}


def json_rule(table: Table, chain: Chain, rule: Rule) -> dict[str, Any]:
    """Give one rule as `nft -j` does."""
    inner: dict[str, Any] = {
        "family": table.family, "table": table.name, "chain": chain.name, "handle": rule.handle,
    }  # fmt: skip
    if rule.comment:
        inner["comment"] = rule.comment
    return {"rule": {**inner, "expr": [part.json() for part in rule.parts]}}

"""Reads nftables' own language into commands: files, includes, definitions, and what stands on a command line."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from msgspec import Struct

from plexops.lab.routers.nft_cursor import Cursor
from plexops.lab.routers.nft_language import PRIORITIES
from plexops.lab.routers.nft_objects import Helper, NamedSet, read_helper, read_set
from plexops.lab.routers.nft_rules import Body, RuleReader
from plexops.lab.routers.nft_tokens import NftError, Source, Token
from plexops.structs import replace

FAMILIES = frozenset({"ip", "ip6", "inet"})
MAX_INCLUDES = 16


class Base(Struct, frozen=True):
    """What makes a chain a base chain: where it hooks in, and what becomes of packets that reach its end."""

    type: str
    hook: str
    priority: int
    policy: str = "accept"


class Command(Struct, frozen=True):
    """One thing to do. Tokens are kept where the kernel may complain about them."""

    verb: str
    object: str
    family: str = "ip"
    table: Token | None = None
    chain: Token | None = None
    base: Base | None = None
    #: The word `policy`, if it was written: a base without keeps the policy that is there.
    policy: Token | None = None
    body: Body | None = None
    #: A named set or a helper, where `object` says so.
    thing: NamedSet | Helper | None = None
    handle: Token | None = None
    #: `index` counts rules from 0; `handle` and `position` name one.
    by_index: bool = False
    where: Token | None = None
    start: Token | None = None
    end: Token | None = None

    @property
    def span(self) -> int:
        """The length of the whole command and its line's end, for complaints about all of it."""
        if self.start is None or self.end is None:
            return 1
        return self.end.column + self.end.length - self.start.column + 1

    @property
    def policy_span(self) -> int:
        """The length of `policy drop`."""
        return len(f"policy {self.base.policy}") if self.base is not None else 1


class Parser(Cursor):
    """Turns one source, and what it includes, into commands.

    `load` gives the sources that an include's pattern names: none is an error unless the pattern is a glob.
    """

    def __init__(
        self,
        source: Source,
        load: Callable[[str], Sequence[Source]],
        variables: dict[str, list[Token]] | None = None,
        depth: int = 0,
    ) -> None:
        super().__init__(source, {} if variables is None else variables)
        self._load = load
        self._depth = depth

    def program(self) -> list[Command]:
        """Read everything.

        Raises NftError.
        """
        found: list[Command] = []
        self.separators()
        while self.peek().kind != "end":
            found += self._command()
            if not self.at_separator():
                self.unexpected(
                    "newline or semicolon"
                    if self._depth or self.peek().source.name
                    else "end of file or newline or semicolon"
                )
            self.separators()
        return found

    def _command(self) -> list[Command]:
        start = self.peek()
        if self.accept("include"):
            return self._include(start)
        if self.accept("define"):
            return self._define()
        if self.accept("table"):
            return self._table(start, "add")
        verb = self.accept("add", "create", "insert", "replace", "delete", "flush", "list", "destroy")
        if verb is None:
            self.next()
            self.unexpected("string")
        assert verb is not None  # noqa: S101 (unexpected() raises)
        if self.accept("ruleset"):
            family = self.accept(*FAMILIES)
            return [Command(verb.text, "ruleset", family.text if family else "", start=start)]
        if verb.text == "list" and (kind := self.accept("tables", "chains")):
            family = self.accept(*FAMILIES)
            return [Command("list", kind.text, family.text if family else "", start=start)]
        if self.accept("table"):
            return self._table(start, verb.text)
        if self.accept("chain"):
            return [self._chain_command(start, verb.text)]
        if verb.text in ("add", "insert", "replace", "delete") and self.accept("rule"):
            return [self._rule_command(start, verb.text)]
        self.unexpected()
        return []

    def _include(self, start: Token) -> list[Command]:
        return [command for parser in self._includes(start) for command in parser.program()]

    def _includes(self, start: Token) -> list[Parser]:
        """Give a parser for each file that an include names."""
        token = self.next()
        if token.kind != "quoted":
            raise NftError("syntax error, unexpected string, expecting quoted string", token)
        sources = self._load(token.text)
        if not sources and not re.search(r"[*?\[]", token.text):
            length = token.column + token.length - start.column + 1  # with the line's end
            raise NftError(f"File not found: {token.text}", start, length)
        if self._depth >= MAX_INCLUDES:
            raise NftError("Include nested too deeply, max 16 levels", token)
        return [Parser(source, self._load, self._variables, self._depth + 1) for source in sources]

    def _define(self) -> list[Command]:
        name = self.word()
        self.expect("=")
        content: list[Token] = []
        depth = 0
        while not self.at_separator() or depth:
            token = self.next()
            if token.kind == "end":
                self.unexpected()
            depth += {"{": 1, "}": -1}.get(token.text, 0) if token.kind == "mark" else 0
            content.append(token)
        self._variables[name.text] = content
        return []

    def _family(self) -> str:
        token = self.accept(*FAMILIES)
        return token.text if token else "ip"

    def _table(self, start: Token, verb: str) -> list[Command]:
        family, name = self._family(), self.word()
        command = Command(verb, "table", family, name, start=start, end=name)
        if verb != "add" or not self.accept("{"):
            return [command]
        content = self._table_block(command, "}")
        # nft makes all chains of a table before anything else, so that rules may jump to later ones.
        order = ("chain", "helper", "set", "rule")
        return [command, *(one for kind in order for one in content if one.object == kind)]

    def _table_block(self, table: Command, last: str) -> list[Command]:
        """Read what stands in a table, to its brace or to the end of a file that is included there."""
        found: list[Command] = []
        self.separators()
        while not self._ends(last):
            start = self.peek()
            if self.accept("include"):
                for parser in self._includes(start):
                    found += parser._table_block(table, "")
            elif self.accept("define"):
                self._define()
            elif self.at("ct", "helper") or self.at("set"):
                found.append(self._thing(table))
            else:
                self.expect("chain")
                chain, rules = self._chain_block(
                    Command("add", "chain", table.family, table.table, self.word(), start=start)
                )
                found += [chain, *rules]
            if not self.at_separator() or (last and self.peek().kind == "end"):
                self.unexpected("newline or semicolon")
            self.separators()
        return found

    def _ends(self, last: str) -> bool:
        return self.accept(last) is not None if last else self.peek().kind == "end"

    def _thing(self, table: Command) -> Command:
        kind = "set" if self.next().text == "set" else self.next().text
        name = self.word()
        thing = read_set(self, name.text) if kind == "set" else read_helper(self, name.text)
        return Command("add", kind, table.family, table.table, name, thing=thing)

    def _chain_block(self, chain: Command) -> tuple[Command, list[Command]]:
        self.expect("{")
        return self._chain_lines(chain, "}")

    def _chain_lines(self, chain: Command, last: str) -> tuple[Command, list[Command]]:
        rules: list[Command] = []
        self.separators()
        while not self._ends(last):
            start = self.peek()
            if self.accept("type"):
                chain = replace(chain, base=self._base())
            elif self.accept("policy"):
                policy = self.word()
                base = chain.base or Base("filter", "", 0)
                chain = replace(chain, base=replace(base, policy=policy.text), policy=start)
            elif self.accept("comment"):
                self.next()
            elif self.accept("include"):
                for parser in self._includes(start):
                    chain, more = parser._chain_lines(chain, "")
                    rules += more
            else:
                body = RuleReader(self, chain.family).body()
                end = self._tokens[self._at - 1]
                place = (chain.family, chain.table, chain.chain)
                rules.append(Command("add", "rule", *place, body=body, start=start, end=end))
            if not self.at_separator() or (last and self.peek().kind == "end"):
                self.unexpected("newline or semicolon" if self.peek().kind != "end" else "")
            self.separators()
        return chain, rules

    def _base(self) -> Base:
        kind = self.word().text
        self.expect("hook")
        hook = self.word().text
        self.expect("priority")
        token = self.word()
        if token.text in PRIORITIES:
            priority = PRIORITIES[token.text]
            if sign := self.accept("+", "-"):
                offset = int(self.word().text)
                priority += offset if sign.text == "+" else -offset
        elif re.fullmatch(r"-?\d+", token.text):
            priority = int(token.text)
        else:
            raise NftError(f"'{token.text}' is invalid priority in this context.", token)
        return Base(kind, hook, priority)

    def _chain_command(self, start: Token, verb: str) -> Command:
        family, table, name = self._family(), self.word(), self.word()
        command = Command(verb, "chain", family, table, name, start=start, end=name)
        if verb in ("add", "create") and self.peek().text == "{":
            command, rules = self._chain_block(command)
            if rules:
                raise NftError("syntax error, unexpected string", rules[0].start)
            command = replace(command, end=self._tokens[self._at - 1])
        return command

    def _rule_command(self, start: Token, verb: str) -> Command:
        family, table, chain = self._family(), self.word(), self.word()
        command = Command(verb, "rule", family, table, chain, start=start)
        by_handle = verb in ("delete", "replace")
        where = self.accept("handle") if by_handle else self.accept("handle", "position", "index")
        if where is not None:
            command = replace(command, where=where, handle=self.word(), by_index=where.text == "index")
        elif by_handle:
            self.unexpected("handle")
        if verb != "delete":
            command = replace(command, body=RuleReader(self, family).body())
        return replace(command, end=self._tokens[self._at - 1])

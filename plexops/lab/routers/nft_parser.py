"""Reads nftables' own language into commands: files, includes, definitions, and what stands on a command line."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from plexops.lab.routers.nft_language import PRIORITIES
from plexops.lab.routers.nft_rules import Body, RuleReader
from plexops.lab.routers.nft_tokens import NftError, Source, Token, tokens

FAMILIES = frozenset({"ip", "ip6", "inet"})
MAX_INCLUDES = 16


@dataclass(frozen=True, slots=True)
class Base:
    """What makes a chain a base chain: where it hooks in, and what becomes of packets that reach its end."""

    type: str
    hook: str
    priority: int
    policy: str = "accept"


@dataclass(frozen=True, slots=True)
class Command:
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


class Parser:
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
        self._tokens = list(tokens(source))
        self._at = 0
        self._load = load
        self._depth = depth
        self._variables: dict[str, list[Token]] = {} if variables is None else variables

    # --- tokens --------------------------------------------------------------------------------------

    def peek(self) -> Token:
        """Give the next token, with a variable's content in its place."""
        token = self._tokens[self._at]
        if token.kind == "variable":
            content = self._variables.get(token.text[1:])
            if content is None:
                raise NftError(
                    f"unknown identifier '{token.text[1:]}'",
                    replace(token, text=token.text[1:2], column=token.column + 1),
                )
            self._tokens[self._at : self._at + 1] = content
            return self.peek()
        return token

    def next(self) -> Token:
        """Take the next token."""
        token = self.peek()
        self._at += token.kind != "end"
        return token

    def accept(self, *texts: str) -> Token | None:
        """Take the next token if it is one of these words or marks."""
        token = self.peek()
        return self.next() if token.text in texts and token.kind in ("word", "mark") else None

    def expect(self, text: str, what: str = "") -> Token:
        """Take a word or mark that must follow."""
        return self.accept(text) or self.unexpected(what or f"'{text}'" if len(text) == 1 else what)

    def word(self) -> Token:
        """Take a name."""
        token = self.peek()
        return self.next() if token.kind == "word" else self.unexpected("string")

    def unexpected(self, expecting: str = "") -> Token:
        """Complain about the next token."""
        token = self.peek()
        more = f", expecting {expecting}" if expecting else ""
        raise NftError(
            f"syntax error, unexpected {token.called}{more}", replace(token, text=token.text.strip("\n"))
        )

    def at_separator(self) -> bool:
        """Tell whether a statement may end here."""
        token = self.peek()
        return token.kind in ("newline", "end") or (token.kind == "mark" and token.text == ";")

    def separators(self) -> None:
        """Skip newlines and semicolons."""
        while self.peek().kind == "newline" or (self.peek().kind == "mark" and self.peek().text == ";"):
            self.next()

    # --- commands ------------------------------------------------------------------------------------

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
        token = self.next()
        if token.kind != "quoted":
            raise NftError("syntax error, unexpected string, expecting quoted string", token)
        sources = self._load(token.text)
        if not sources and not re.search(r"[*?\[]", token.text):
            length = token.column + token.length - start.column + 1  # with the line's end
            raise NftError(f"File not found: {token.text}", start, length)
        if self._depth >= MAX_INCLUDES:
            raise NftError("Include nested too deeply, max 16 levels", token)
        found: list[Command] = []
        for source in sources:
            found += Parser(source, self._load, self._variables, self._depth + 1).program()
        return found

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
        chains: list[Command] = []
        rules: list[Command] = []
        self.separators()
        while not self.accept("}"):
            chain_start = self.peek()
            self.expect("chain")
            chain = Command("add", "chain", family, name, self.word(), start=chain_start)
            chain, inside = self._chain_block(chain)
            chains.append(chain)
            rules += inside
            if not self.at_separator() or self.peek().kind == "end":
                self.unexpected("newline or semicolon")
            self.separators()
        # nft makes all chains of a table before any rule, so that rules may jump to later ones.
        return [command, *chains, *rules]

    def _chain_block(self, chain: Command) -> tuple[Command, list[Command]]:
        self.expect("{")
        rules: list[Command] = []
        self.separators()
        while not self.accept("}"):
            start = self.peek()
            if self.accept("type"):
                chain = replace(chain, base=self._base())
            elif self.accept("policy"):
                policy = self.word()
                base = chain.base or Base("filter", "", 0)
                chain = replace(chain, base=replace(base, policy=policy.text), policy=start)
            elif self.accept("comment"):
                self.next()
            else:
                body = RuleReader(self, chain.family).body()
                rules.append(
                    Command(
                        "add",
                        "rule",
                        chain.family,
                        chain.table,
                        chain.chain,
                        body=body,
                        start=start,
                        end=self._tokens[self._at - 1],
                    )
                )
            if not self.at_separator() or self.peek().kind == "end":
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

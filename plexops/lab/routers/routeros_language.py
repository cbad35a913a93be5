"""The RouterOS console language: from text to commands.

A whole text is read before anything of it runs, as on the device: one error anywhere means that nothing happens.
Text is held as bytes shown in Latin-1, because the device knows bytes only and writes those outside ASCII as `\\XX`.
"""

from __future__ import annotations

import re

from plexops.lab.routers.routeros_syntax import (
    COLON_COMMANDS,
    COLON_NEEDS,
    Array,
    Block,
    Bracket,
    Colon,
    Command,
    ConsoleError,
    Expression,
    Function,
    Grammar,
    Joined,
    Operation,
    Path,
    Property,
    Text,
    Variable,
)

_CODE = frozenset({"do", "else", "on-error"})
_ESCAPES = {
    '"': '"', "\\": "\\", "n": "\n", "r": "\r", "t": "\t", "$": "$", "?": "?", "_": " ", "a": "\a",
    "b": "\b", "f": "\f", "v": "\v",
}  # fmt: skip
_CONTINUED = re.compile(r"\\\r?\n")
_INDENTED_BREAK = re.compile(r"\r?\n[ \t]*")
_WHERE = re.compile(r"where(?=[\s(])")
_OR = re.compile(r"\|\||or\b")
_COMMENT = re.compile(r"#[^\n]*")
_HEX = re.compile(r"[0-9A-F]{2}")
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_NAME = re.compile(r"\.?[A-Za-z0-9][A-Za-z0-9._-]*")
_VARIABLE = re.compile(r"[A-Za-z0-9_]+")
_BARE = re.compile(r"[^\s;\[\](){}\"'$=`\\]+")
_IN_EXPRESSION = re.compile(r"\d+(?:\.\d+){3}(?:/\d+)?|(?:\d+[wdhms])+|\d+|\*[0-9A-Fa-f]+|[A-Za-z_][\w-]*")
_IN_WHERE = re.compile(r"[^\s;\[\](){}\"'$=`&|~<>]+")
_COMPARISONS = ("!=", "<=", ">=", "=", "<", ">", "~")
_LEVELS: tuple[tuple[str, ...], ...] = (
    ("||", "or"), ("&&", "and"), (*_COMPARISONS, "in"), (".", ","), ("+", "-"), ("*", "/", "%"),
)  # fmt: skip


def read_script(text: str, grammar: Grammar) -> Block:
    """Read a whole text; raises ConsoleError with line and column of the first mistake."""
    reader = _Reader(text, grammar)
    block = reader.block(end="")
    if reader.at < len(text):
        raise reader.mistake("syntax error")
    return block


class _Reader:
    def __init__(self, text: str, grammar: Grammar) -> None:
        self.text = text
        self.at = 0
        self.menu: Path = ()
        self._grammar = grammar

    # --- characters ---------------------------------------------------------------------------------

    def mistake(self, message: str, at: int | None = None) -> ConsoleError:
        at = self.at if at is None else at
        before = self.text[:at]
        column = at - (before.rfind("\n") + 1) + 1
        return ConsoleError(f"{message} (line {before.count(chr(10)) + 1} column {column})")

    def _peek(self, length: int = 1) -> str:
        return self.text[self.at : self.at + length]

    def _take(self, pattern: re.Pattern[str]) -> str | None:
        match = pattern.match(self.text, self.at)
        if match is None:
            return None
        self.at = match.end()
        return match.group()

    def _skip(self, *, lines: bool = False) -> None:
        """Skip blanks, continued lines, and line ends too where `lines`."""
        while self.at < len(self.text):
            if self.text[self.at] in " \t" or (lines and self.text[self.at] in "\r\n"):
                self.at += 1
            elif (match := _CONTINUED.match(self.text, self.at)) is not None:
                self.at = match.end()
            else:
                return

    def _expect(self, mark: str) -> None:
        if self._peek(len(mark)) != mark:
            raise self.mistake("syntax error")
        self.at += len(mark)

    def _ended(self) -> bool:
        return self.at >= len(self.text) or self._peek() in ";\r\n]})"

    # --- commands -----------------------------------------------------------------------------------

    def block(self, end: str) -> Block:
        """Read commands up to a closing mark, which stays; a menu chosen inside does not outlive it."""
        outer = self.menu
        commands: list[Command] = []
        while True:
            self._skip(lines=True)
            if self._peek() == ";":
                self.at += 1
            elif self._peek() == "#":
                self._take(_COMMENT)
            elif self.at >= len(self.text) or (end and self._peek() == end):
                break
            else:
                command = self._command()
                if command is not None:
                    commands.append(command)
                self._skip()
                if not self._ended():
                    raise self.mistake("expected end of command")
                if self.at < len(self.text) and self._peek() in "]})" and self._peek() != end:
                    raise self.mistake("syntax error")
        if end:
            self.menu = outer
        return Block(tuple(commands))

    def _command(self) -> Command | None:
        if self._peek() == "{":
            return Command("do", values=(self._function(),))
        if self._peek() in "$[(":
            return self._call()
        if self._peek() == ":":
            self.at += 1
            start = self.at
            word = self._take(_WORD) or ""
            if word not in COLON_COMMANDS:
                raise self.mistake(f"bad command name {word}", start)
            return self._colon(word)
        return self._in_menu()

    def _in_menu(self) -> Command | None:
        path = self.menu
        if self._peek() == "/":
            self.at += 1
            path = ()
        while True:
            self._skip()
            start = self.at
            word = self._take(_WORD)
            if word is None:
                if self._ended():
                    self.menu = path
                    return None
                raise self.mistake("syntax error")
            if self._grammar.is_menu((*path, word)):
                path = (*path, word)
                if self._peek() == "/":
                    self.at += 1
            elif self._grammar.parameters(path, word) is not None:
                return self._arguments(path, word)
            elif path == () and word in COLON_COMMANDS:
                return self._colon(word)
            else:
                raise self.mistake(f"bad command name {word}", start)

    def _call(self) -> Command:
        called = self._primary()
        values, named = self._plain_arguments(None)
        return Command("call", called=called, values=values, named=named)

    def _colon(self, word: str) -> Command:
        start = self.at
        if word == "log":
            self._skip()
            self._take(_WORD)
        values, named = self._plain_arguments(COLON_COMMANDS[word], code_in=word == "onerror")
        missing = COLON_NEEDS.get(word, frozenset()) - {name for name, _ in named}
        if missing or (word in COLON_NEEDS and len(values) != COLON_COMMANDS[word].values):
            raise self.mistake("syntax error", start)
        return Command(word, values=values, named=named)

    def _plain_arguments(
        self, known: Colon | None, *, code_in: bool = False
    ) -> tuple[tuple[Expression, ...], tuple[tuple[str, Expression], ...]]:
        """Read values and `name=value` of a colon command, or of a function where `known` is none."""
        values: list[Expression] = []
        named: list[tuple[str, Expression]] = []
        while True:
            self._skip()
            if self._ended():
                return tuple(values), tuple(named)
            start = self.at
            name = self._take(_NAME)
            if name is not None and self._peek() == "=" and (known is None or name in known.names):
                self.at += 1
                code = name in _CODE or (code_in and name == "in")
                named.append((name, self._value(code=code)))
                continue
            self.at = start
            if known is not None and len(values) == known.values:
                raise self.mistake("expected end of command")
            values.append(self._value(code=known is not None and known.code))

    def _arguments(self, path: Path, verb: str) -> Command:
        parameters = self._grammar.parameters(path, verb) or frozenset()
        words, room = self._grammar.words(path, verb), self._grammar.positionals(path, verb)
        values: list[Expression] = []
        named: list[tuple[str, Expression]] = []
        unset: list[str] = []
        seen: set[str] = set()
        where: Expression | None = None
        outer, self.menu = self.menu, path
        while where is None:
            self._skip()
            if self._ended():
                break
            start = self.at
            if verb == "find":
                where = self._condition(optional_word=True)
                break
            if verb == "set" and self._peek() == "!":
                self.at += 1
                name = self._take(_NAME) or ""
                if name not in parameters:
                    raise self.mistake("expected end of command", start)
                unset.append(name)
                continue
            name = self._take(_NAME) or ""
            if name and self._peek() == "=":
                if name not in parameters:
                    raise self.mistake("expected end of command", start)
                self.at += 1
                named.append((name, self._parameter()))
            elif name == "where" and verb == "print":
                self.at = start
                where = self._condition(optional_word=True)
            elif name in words:
                seen.add(name)
            elif len(values) < room:
                self.at = start
                values.append(self._value())
            else:
                raise self.mistake("expected end of command", start)
        self.menu = outer
        return Command(verb, path, None, tuple(values), tuple(named), tuple(unset), frozenset(seen), where)

    # --- values -------------------------------------------------------------------------------------

    def _parameter(self) -> Expression:
        """Read a menu command's value: braces hold a script's source as it stands (`on-event={…}`)."""
        if self._peek() != "{":
            return self._value()
        start = self.at
        self._function()
        return Text(self.text[start + 1 : self.at - 1])

    def _value(self, *, code: bool = False) -> Expression:
        if code:
            self._skip()
            if self._peek() == "{":
                return self._function()
        if self._peek() and self._peek() in '"$[({':
            value = self._primary()
        elif self._ended() or self._peek() in " \t":
            value = Text("")
        else:
            word = self._take(_BARE)
            if word is None:
                raise self.mistake("syntax error")
            value = Text(word, bare=True)
        if not self._ended() and self._peek() not in " \t\\":
            raise self.mistake("syntax error")
        return value

    def _function(self) -> Function:
        self._expect("{")
        block = self.block("}")
        self._expect("}")
        return Function(block)

    def _primary(self) -> Expression:
        mark = self._peek()
        if mark == '"':
            value = self._string()
        elif mark == "$":
            value = self._variable()
        elif mark == "[":
            self.at += 1
            value = Bracket(self.block("]"))
            self._expect("]")
        elif mark == "(":
            self.at += 1
            value = self._expression(0)
            self._skip(lines=True)
            self._expect(")")
        elif mark == "{":
            value = self._array()
        else:
            word = self._take(_IN_EXPRESSION)
            if word is None:
                raise self.mistake("syntax error")
            value = Text(word, bare=True)
        while self._peek(2) == "->":
            self.at += 2
            value = Operation("->", (value, self._primary()))
        return value

    def _variable(self) -> Expression:
        self._expect("$")
        if self._peek() == '"':
            name = self._string()
            return Variable(name.text if isinstance(name, Text) else "")
        word = self._take(_VARIABLE)
        if word is None:
            raise self.mistake("syntax error")
        return Variable(word)

    def _array(self) -> Array:
        self._expect("{")
        items: list[Expression] = []
        while True:
            self._skip(lines=True)
            if self._peek() == "}":
                self.at += 1
                return Array(tuple(items))
            if self._peek() == ";":
                self.at += 1
                continue
            if self._ended():
                raise self.mistake("syntax error")
            items.append(self._value())

    def _string(self) -> Expression:
        self._expect('"')
        parts: list[Expression] = []
        text = ""
        while True:
            character = self._peek()
            if character == "":
                raise self.mistake("syntax error")
            if character == '"':
                self.at += 1
                break
            if character == "\\":
                text += self._escape()
            elif character == "$":
                parts += [Text(text), self._inside_string()]
                text = ""
            else:
                text += character
                self.at += 1
        return Joined((*parts, Text(text))) if parts else Text(text)

    def _inside_string(self) -> Expression:
        if self._peek(2) in {"$[", "$("}:
            self.at += 1
            return self._primary()
        return self._variable()

    def _escape(self) -> str:
        start = self.at
        self.at += 1
        digits = self._take(_HEX)
        if digits is not None:
            return chr(int(digits, 16))
        if (match := _INDENTED_BREAK.match(self.text, self.at)) is not None:
            self.at = match.end()
            return ""
        character = _ESCAPES.get(self._peek())
        if character is None:
            raise self.mistake("syntax error", start)
        self.at += 1
        return character

    # --- expressions and conditions -------------------------------------------------------------------

    def _operator(self, choices: tuple[str, ...]) -> str | None:
        self._skip(lines=True)
        for choice in choices:
            if self.text.startswith(choice, self.at):
                after = self.text[self.at + len(choice) : self.at + len(choice) + 1]
                if choice.isalpha() and _WORD.match(after):
                    continue
                self.at += len(choice)
                return choice
        return None

    def _expression(self, level: int) -> Expression:
        self._skip(lines=True)
        if level == len(_LEVELS):
            if self._operator(("!", "not")) is not None:
                return Operation("!", (self._expression(level),))
            if self._operator(("-",)) is not None:
                return Operation("neg", (self._expression(level),))
            return self._primary()
        left = self._expression(level + 1)
        while (operator := self._operator(_LEVELS[level])) is not None:
            left = Operation(operator, (left, self._expression(level + 1)))
        return left

    def _condition(self, *, optional_word: bool = False) -> Expression:
        if optional_word and _WHERE.match(self.text, self.at):
            self.at += len("where")
        left = self._all_of()
        while True:
            self._skip()
            if self._operator_here(("||", "or")) is None:
                return left
            left = Operation("||", (left, self._all_of()))

    def _all_of(self) -> Expression:
        left = self._one_of()
        while True:
            self._skip()
            self._operator_here(("&&", "and"))
            self._skip()
            if self._ended() or _OR.match(self.text, self.at):
                return left
            left = Operation("&&", (left, self._one_of()))

    def _operator_here(self, choices: tuple[str, ...]) -> str | None:
        """Like `_operator`, but a line end ends the command."""
        return None if self._ended() else self._operator(choices)

    def _one_of(self) -> Expression:
        self._skip()
        if self._operator_here(("!", "not")) is not None:
            return Operation("!", (self._one_of(),))
        if self._peek() == "(":
            self.at += 1
            inner = self._condition()
            self._expect(")")
            return inner
        name = self._take(_NAME)
        left: Expression = Property(name) if name is not None else self._primary()
        self._skip()
        operator = self._operator_here((*_COMPARISONS, "in"))
        if operator is None:
            return left
        self._skip()
        if self._peek() and self._peek() in '"$[({':
            return Operation(operator, (left, self._primary()))
        word = self._take(_IN_WHERE)
        return Operation(operator, (left, Text(word or "", bare=True)))

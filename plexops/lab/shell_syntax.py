"""The grammar of a small POSIX shell: text → commands."""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from plexops.lab.shell_quoting import ShellSyntaxError, parts, word_end

OPERATORS = ("<<-", "&&", "||", ";;", "<<", ">>", ">|", ">&", "<&", ";", "&", "|", "<", ">", "(", ")")
REDIRECTIONS = frozenset({"<<-", "<<", ">>", ">|", ">&", "<&", "<", ">"})
RESERVED = frozenset(
    {
        "if",
        "then",
        "elif",
        "else",
        "fi",
        "for",
        "in",
        "do",
        "done",
        "while",
        "until",
        "case",
        "esac",
        "{",
        "}",
        "!",
    }
)
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Token(Struct, frozen=True):
    """`raw` is the text as written. `body` is a here-document's, `expands` whether `$` counts in it."""

    kind: Literal["word", "operator", "newline", "end"]
    raw: str
    number: int | None = None


class Redirect(Struct):
    """`number` `operator` `target`; a here-document has its text in `body`."""

    number: int
    operator: str
    target: str
    body: str = ""
    expands: bool = True


class Simple(Struct):
    """Assignments and a command with its arguments, all raw."""

    assignments: list[tuple[str, str]] = []
    words: list[str] = []
    redirects: list[Redirect] = []


class Compound(Struct):
    """A subshell or a brace group."""

    kind: Literal["subshell", "group"]
    body: Sequence
    redirects: list[Redirect] = []


class If(Struct):
    """Branches of (condition, body); the last `else` has no condition."""

    branches: list[tuple[Sequence | None, Sequence]]
    redirects: list[Redirect] = []


class Loop(Struct):
    """`for name in words`, or `while` and `until` with a condition."""

    kind: Literal["for", "while", "until"]
    body: Sequence
    name: str = ""
    words: list[str] | None = None
    condition: Sequence | None = None
    redirects: list[Redirect] = []


class Case(Struct):
    """`case word in pattern|pattern) …;; esac`."""

    word: str
    clauses: list[tuple[list[str], Sequence]]
    redirects: list[Redirect] = []


class Function(Struct):
    """`name() { …; }`."""

    name: str
    body: Command
    redirects: list[Redirect] = []


Command = Simple | Compound | If | Loop | Case | Function


class Pipeline(Struct):
    """Commands whose outputs are each the next one's input."""

    commands: list[Command]
    negated: bool = False


class AndOr(Struct):
    """Pipelines joined by `&&` and `||`; the first has no operator."""

    items: list[tuple[str, Pipeline]]
    background: bool = False


class Sequence(Struct):
    """Lists one after the other."""

    items: list[AndOr]


class _Lexer:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.pending: list[Redirect] = []

    def token(self) -> Token:
        self._skip_blank()
        if self.at >= len(self.text):
            return Token("end", "")
        if self.text[self.at] == "\n":
            self.at += 1
            self._read_documents()
            return Token("newline", "\n")
        number = re.compile(r"([0-9])(?=[<>])").match(self.text, self.at)
        if number:
            self.at = number.end()
        for operator in OPERATORS:
            if self.text.startswith(operator, self.at):
                self.at += len(operator)
                return Token("operator", operator, int(number.group()) if number else None)
        end = word_end(self.text, self.at)
        raw = self.text[self.at : end]
        self.at = end
        return Token("word", raw)

    def _skip_blank(self) -> None:
        while self.at < len(self.text):
            if self.text.startswith("\\\n", self.at):
                self.at += 2
            elif self.text[self.at] in " \t":
                self.at += 1
            elif self.text[self.at] == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            else:
                return

    def _read_documents(self) -> None:
        for redirect in self.pending:
            delimiter = "".join(p.text for p in parts(redirect.target))
            redirect.expands = not any(p.quoted for p in parts(redirect.target))
            lines = []
            while self.at < len(self.text):
                end = self.text.find("\n", self.at)
                end = len(self.text) if end < 0 else end
                line = self.text[self.at : end]
                self.at = end + 1
                if redirect.operator == "<<-":
                    line = line.lstrip("\t")
                if line == delimiter:
                    break
                lines.append(line + "\n")
            redirect.body = "".join(lines)
        self.pending.clear()


class Parser:
    """Recursive descent over the lexer's tokens, one ahead."""

    def __init__(self, text: str) -> None:
        self._lexer = _Lexer(text)
        self._token = self._lexer.token()

    def program(self) -> Sequence:
        """Parse the whole text.

        Raises ShellSyntaxError.
        """
        result = self._sequence(frozenset())
        if self._token.kind != "end":
            raise self._unexpected()
        return result

    def _sequence(self, closing: frozenset[str]) -> Sequence:
        items: list[AndOr] = []
        self._newlines()
        while (
            self._token.kind != "end"
            and self._token.raw not in closing
            and self._token.raw not in (")", ";;")
        ):
            item = self._and_or()
            items.append(item)
            if self._token.raw == "&" and self._token.kind == "operator":
                item.background = True
            elif self._token.kind != "newline" and self._token.raw != ";":
                break
            self._next()
            self._newlines()
        return Sequence(items)

    def _body(self, *closing: str) -> Sequence:
        found = self._sequence(frozenset(closing))
        if self._token.kind != "word" or self._token.raw not in closing or not found.items:
            raise self._unexpected(f' (expecting "{closing[0]}")')
        return found

    def _and_or(self) -> AndOr:
        items = [("", self._pipeline())]
        while self._token.kind == "operator" and self._token.raw in ("&&", "||"):
            operator = self._token.raw
            self._next()
            self._newlines()
            items.append((operator, self._pipeline()))
        return AndOr(items)

    def _pipeline(self) -> Pipeline:
        negated = self._token.kind == "word" and self._token.raw == "!"
        if negated:
            self._next()
        commands = [self._command()]
        while self._token.kind == "operator" and self._token.raw == "|":
            self._next()
            self._newlines()
            commands.append(self._command())
        return Pipeline(commands, negated)

    def _command(self) -> Command:
        token = self._token
        if token.kind == "operator" and token.raw == "(":
            self._next()
            body = self._sequence(frozenset({")"}))
            if not body.items:
                raise self._unexpected()
            self._expect(")")
            return self._redirected(Compound("subshell", body))
        if token.kind == "word" and token.raw in RESERVED:
            return self._redirected(self._reserved(token.raw))
        return self._simple()

    def _reserved(self, word: str) -> Compound | If | Loop | Case:
        if word == "{":
            self._next()
            body = self._body("}")
            self._next()
            return Compound("group", body)
        if word == "if":
            return self._if()
        if word == "for":
            return self._for()
        if word == "case":
            return self._case()
        if word in ("while", "until"):
            self._next()
            condition = self._body("do")
            kind: Literal["while", "until"] = "while" if word == "while" else "until"
            return Loop(kind, self._do(), condition=condition)
        raise self._unexpected()

    def _if(self) -> If:
        branches: list[tuple[Sequence | None, Sequence]] = []
        while self._token.raw in ("if", "elif"):
            self._next()
            condition = self._body("then")
            self._next()
            branches.append((condition, self._body("fi", "else", "elif")))
        if self._token.raw == "else":
            self._next()
            branches.append((None, self._body("fi")))
        self._expect("fi")
        return If(branches)

    def _for(self) -> Loop:
        self._next()
        name = self._token.raw
        if not NAME.fullmatch(name):
            raise ShellSyntaxError("syntax error: bad for loop variable")
        self._next()
        words: list[str] | None = None
        if self._token.raw == "in":
            self._next()
            words = []
            while self._token.kind == "word":
                words.append(self._token.raw)
                self._next()
        if self._token.raw == ";":
            self._next()
        self._newlines()
        return Loop("for", self._do(), name=name, words=words)

    def _do(self) -> Sequence:
        self._expect("do")
        body = self._body("done")
        self._next()
        return body

    def _case(self) -> Case:
        self._next()
        word = self._token.raw
        self._next()
        self._newlines()
        self._expect("in")
        self._newlines()
        clauses: list[tuple[list[str], Sequence]] = []
        while self._token.raw != "esac":
            if self._token.raw == "(":
                self._next()
            patterns = [self._word()]
            while self._token.raw == "|":
                self._next()
                patterns.append(self._word())
            self._expect(")")
            clauses.append((patterns, self._sequence(frozenset({"esac"}))))
            if self._token.raw == ";;":
                self._next()
            self._newlines()
        self._next()
        return Case(word, clauses)

    def _simple(self) -> Command:
        command = Simple()
        while True:
            token = self._token
            if token.kind == "word":
                name, equals, value = token.raw.partition("=")
                if equals and not command.words and NAME.fullmatch(name):
                    command.assignments.append((name, value))
                else:
                    command.words.append(token.raw)
                self._next()
                if self._token.raw == "(" and self._token.kind == "operator" and len(command.words) == 1:
                    return self._function(command.words[0])
            elif token.kind == "operator" and token.raw in REDIRECTIONS:
                command.redirects.append(self._redirect())
            else:
                break
        if not (command.words or command.assignments or command.redirects):
            raise self._unexpected()
        return command

    def _function(self, name: str) -> Function:
        self._next()
        self._expect(")")
        self._newlines()
        return Function(name, self._command())

    def _redirected(self, command: Compound | If | Loop | Case) -> Command:
        while self._token.kind == "operator" and self._token.raw in REDIRECTIONS:
            command.redirects.append(self._redirect())
        return command

    def _redirect(self) -> Redirect:
        token = self._token
        number = token.number if token.number is not None else int(not token.raw.startswith("<"))
        redirect = Redirect(number, token.raw, "")
        if token.raw in ("<<", "<<-"):
            # Its body starts after this line's end, which the lexer may reach while reading one token ahead.
            self._lexer.pending.append(redirect)
        self._token = self._lexer.token()
        redirect.target = self._token.raw
        if self._token.kind != "word":
            raise self._unexpected()
        self._next()
        return redirect

    def _word(self) -> str:
        if self._token.kind != "word":
            raise self._unexpected()
        raw = self._token.raw
        self._next()
        return raw

    def _expect(self, raw: str) -> None:
        if self._token.raw != raw:
            raise self._unexpected(f' (expecting "{raw}")')
        self._next()

    def _newlines(self) -> None:
        while self._token.kind == "newline":
            self._next()

    def _next(self) -> None:
        self._token = self._lexer.token()

    def _unexpected(self, expecting: str = "") -> ShellSyntaxError:
        what = {"end": "end of file", "newline": "newline"}.get(self._token.kind, f'"{self._token.raw}"')
        if self._token.kind == "word" and self._token.raw not in RESERVED:
            what = "word"
        return ShellSyntaxError(f"syntax error: unexpected {what}{expecting}")

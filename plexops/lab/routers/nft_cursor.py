"""Where one reads in the tokens of a source of nftables' language."""

from __future__ import annotations

from plexops.lab.routers.nft_tokens import NftError, Source, Token, tokens
from plexops.structs import replace


class Cursor:
    """Takes a source's tokens one after the other; a variable stands for its content."""

    def __init__(self, source: Source, variables: dict[str, list[Token]]) -> None:
        self._tokens = list(tokens(source))
        self._at = 0
        self._variables = variables

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

    def at(self, *texts: str) -> bool:
        """Tell whether these words follow, one after another."""
        self.peek()
        following = self._tokens[self._at : self._at + len(texts)]
        return tuple(token.text for token in following if token.kind == "word") == texts

    def newlines(self) -> None:
        """Skip ends of lines."""
        while self.peek().kind == "newline":
            self.next()

    def at_separator(self) -> bool:
        """Tell whether a statement may end here."""
        token = self.peek()
        return token.kind in ("newline", "end") or (token.kind == "mark" and token.text == ";")

    def separators(self) -> None:
        """Skip newlines and semicolons."""
        while self.peek().kind == "newline" or (self.peek().kind == "mark" and self.peek().text == ";"):
            self.next()

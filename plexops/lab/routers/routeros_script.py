"""What RouterOS commands do when they run: variables, conditions, loops, errors.

Menu commands go to the device; everything here is the language around them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Protocol

from msgspec import Struct

from plexops.lab.routers.routeros_language import read_script
from plexops.lab.routers.routeros_syntax import (
    Array,
    Block,
    Bracket,
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
from plexops.lab.routers.routeros_values import (
    FUNCTIONS,
    Code,
    Value,
    as_list,
    duration_seconds,
    equal,
    is_true,
    matches,
    member,
    plain,
    to_text,
)

LINE_END = "\r\n"
#: A script that loops for ever must not hold the simulation.
MAX_STEPS = 200_000


Condition = Callable[[Mapping[str, Value]], bool]


class Arguments(Struct, frozen=True):
    """A menu command's arguments, evaluated."""

    values: tuple[Value, ...] = ()
    named: Mapping[str, Value] = {}
    unset: tuple[str, ...] = ()
    words: frozenset[str] = frozenset()
    where: Condition | None = None


class Device(Grammar, Protocol):
    """The menus behind the language."""

    def run(self, path: Path, verb: str, arguments: Arguments, output: list[str]) -> Value:
        """Run a menu command: lines that it prints go to `output`; raises ConsoleError."""

    def sleep(self, seconds: float) -> None:
        """Wait simulated seconds."""


class _ReturnedError(Exception):
    """`:return` leaving a function; it ends there and never at the user."""

    def __init__(self, value: Value) -> None:
        super().__init__()
        self.value = value


class Scope:
    """Variables of one block; globals are seen only where they were declared, as on the device."""

    def __init__(self, outer: Scope | None, shared: dict[str, Value]) -> None:
        self._outer = outer
        self.shared = shared
        self._own: dict[str, Value] = {}
        self._declared: set[str] = set()

    def declare(self, name: str, value: Value) -> None:
        """Make a local variable."""
        self._own[name] = value

    def declare_global(self, name: str) -> None:
        """Make a global visible here."""
        self._declared.add(name)
        self.shared.setdefault(name, None)

    def get(self, name: str) -> Value:
        """Read a variable; what nobody declared is nothing."""
        holder = self._holder(name)
        return None if holder is None else holder[name]

    def assign(self, name: str, value: Value) -> None:
        """Change a declared variable; raises ConsoleError for an unknown one."""
        holder = self._holder(name)
        if holder is None:
            raise ConsoleError(f"unknown variable {name}")
        holder[name] = value

    def _holder(self, name: str) -> dict[str, Value] | None:
        if name in self._own:
            return self._own
        if name in self._declared:
            return self.shared
        return None if self._outer is None else self._outer._holder(name)


class Interpreter:
    """Runs commands of one exec. What `:put` and `print` show is collected in `output`."""

    def __init__(self, device: Device, shared: dict[str, Value]) -> None:
        self._device = device
        self._shared = shared
        self._steps = 0
        self.output: list[str] = []

    def run(self, text: str) -> None:
        """Read and run a text; raises ConsoleError, before anything ran where it does not read."""
        block = read_script(text, self._device)
        try:
            self._block(block, Scope(None, self._shared))
        except _ReturnedError:
            return

    # --- commands -----------------------------------------------------------------------------------

    def _block(self, block: Block, scope: Scope) -> Value:
        value: Value = None
        for command in block.commands:
            value = self._command(command, scope)
        return value

    def _inner(self, expression: Expression | None, scope: Scope) -> Value:
        """Run `do={…}`; its local variables are its own."""
        if isinstance(expression, Function):
            return self._block(expression.block, Scope(scope, self._shared))
        if expression is not None:
            code = self._value(expression, scope)
            if isinstance(code, Code):
                return self._block(code.block, Scope(scope, self._shared))
        return None

    def _command(self, command: Command, scope: Scope) -> Value:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise ConsoleError("interrupted")
        if command.path is not None:
            return self._device.run(command.path, command.verb, self._arguments(command, scope), self.output)
        if command.called is not None:
            return self._call(command.called, command, scope)
        named = dict(command.named)
        if command.verb in {"if", "foreach", "while", "for", "do", "onerror"}:
            return self._flow(command, named, scope)
        if command.verb in {"local", "global", "set"}:
            self._assign(command, named, scope)
            return None
        values = [self._value(value, scope) for value in command.values]
        return self._builtin(command.verb, values, {n: self._value(v, scope) for n, v in named.items()})

    def _arguments(self, command: Command, scope: Scope) -> Arguments:
        condition = command.where

        def holds(row: Mapping[str, Value]) -> bool:
            return condition is None or is_true(self._value(condition, scope, row))

        return Arguments(
            tuple(self._value(value, scope) for value in command.values),
            {name: self._value(value, scope) for name, value in command.named},
            command.unset,
            command.words,
            None if condition is None else holds,
        )

    def _call(self, called: Expression, command: Command, scope: Scope) -> Value:
        code = self._value(called, scope)
        if not isinstance(code, Code):
            # A value alone in brackets gives itself: `[$x]`.
            return code
        inside = Scope(None, self._shared)
        for number, value in enumerate(command.values, 1):
            inside.declare(str(number), self._value(value, scope))
        for name, value in command.named:
            inside.declare(name, self._value(value, scope))
        try:
            return self._block(code.block, inside)
        except _ReturnedError as returned:
            return returned.value

    def _flow(self, command: Command, named: dict[str, Expression], scope: Scope) -> Value:
        verb, values = command.verb, command.values
        if verb == "if":
            chosen = "do" if is_true(self._value(values[0], scope)) else "else"
            return self._inner(named.get(chosen), scope)
        if verb == "do":
            return self._do(values[0], named, scope)
        if verb == "onerror":
            try:
                return self._inner(named.get("in"), scope)
            except ConsoleError as error:
                inside = Scope(scope, self._shared)
                inside.declare(self._name(values[0]), str(error))
                return self._inner(named.get("do"), inside)
        if verb == "while":
            while is_true(self._value(values[0], scope)):
                self._inner(named.get("do"), scope)
            return None
        for value in self._rounds(verb, named, scope):
            inside = Scope(scope, self._shared)
            inside.declare(self._name(values[0]), value)
            self._inner(named.get("do"), inside)
        return None

    def _do(self, body: Expression, named: dict[str, Expression], scope: Scope) -> Value:
        if "on-error" not in named:
            return self._inner(body, scope)
        try:
            return self._inner(body, scope)
        except ConsoleError:
            return self._inner(named["on-error"], scope)

    def _rounds(self, verb: str, named: dict[str, Expression], scope: Scope) -> list[Value]:
        if verb == "foreach":
            found = self._value(named["in"], scope)
            return list(found) if isinstance(found, list) else [] if found in (None, "") else [found]
        first, last = (self._number(self._value(named[name], scope)) for name in ("from", "to"))
        step = self._number(self._value(named["step"], scope)) if "step" in named else 1
        return list(range(first, last + (1 if step > 0 else -1), step or 1))

    def _assign(self, command: Command, named: dict[str, Expression], scope: Scope) -> None:
        name = self._name(command.values[0]) if command.values else ""
        given = len(command.values) > 1 or "do" in named
        value = self._value(named.get("do", command.values[-1]), scope) if given else None
        if command.verb == "set":
            scope.assign(name, value)
        elif command.verb == "local":
            scope.declare(name, value)
        else:
            scope.declare_global(name)
            if given:
                self._shared[name] = value

    def _builtin(self, verb: str, values: list[Value], named: dict[str, Value]) -> Value:
        first = values[0] if values else None
        if verb == "put":
            self.output.append(to_text(first) + LINE_END)
        elif verb == "error":
            raise ConsoleError(to_text(first))
        elif verb == "return":
            raise _ReturnedError(first)
        elif verb == "delay":
            self._device.sleep(self._seconds(first))
        elif verb == "parse":
            return Code(read_script(to_text(first), self._device))
        elif verb == "serialize":
            return json.dumps(plain(named.get("value")), separators=(",", ":"), ensure_ascii=False)
        return FUNCTIONS[verb](values) if verb in FUNCTIONS else None

    @staticmethod
    def _seconds(value: Value) -> float:
        try:
            return duration_seconds(to_text(value) or "1s")
        except ValueError:
            raise ConsoleError("invalid value for argument delay-time") from None

    @staticmethod
    def _name(expression: Expression) -> str:
        if isinstance(expression, Text):
            return expression.text
        return expression.name if isinstance(expression, Variable) else ""

    @staticmethod
    def _number(value: Value) -> int:
        text = to_text(value)
        if not re.fullmatch(r"-?\d+", text):
            raise ConsoleError("value is not a number")
        return int(text)

    # --- values -------------------------------------------------------------------------------------

    def _value(self, expression: Expression, scope: Scope, row: Mapping[str, Value] | None = None) -> Value:
        match expression:
            case Text(text, bare):
                return int(text) if bare and text.isdigit() and str(int(text)) == text else text
            case Joined(parts):
                return "".join(to_text(self._value(part, scope, row)) for part in parts)
            case Variable(name):
                # Inside `where` a property hides a variable of its name, as on the device.
                return row[name] if row is not None and name in row else scope.get(name)
            case Property(name):
                return row.get(name) if row is not None else None
            case Bracket(block):
                return self._block(block, Scope(scope, self._shared))
            case Array(items):
                return [self._value(item, scope, row) for item in items]
            case Function(block):
                return Code(block)
            case Operation(operator, operands):
                return self._operation(operator, operands, scope, row)

    def _operation(
        self, operator: str, operands: tuple[Expression, ...], scope: Scope, row: Mapping[str, Value] | None
    ) -> Value:
        left = self._value(operands[0], scope, row)
        if operator == "!":
            return not is_true(left)
        if operator == "neg":
            return -self._number(left)
        if operator in {"&&", "and"} and not is_true(left):
            return False
        if operator in {"||", "or"} and is_true(left):
            return True
        right = self._value(operands[1], scope, row)
        if operator in {"&&", "and", "||", "or"}:
            return is_true(right)
        return self._combine(operator, left, right)

    def _combine(self, operator: str, left: Value, right: Value) -> Value:
        if operator in {"=", "!="}:
            return equal(left, right) is (operator == "=")
        if operator == "~":
            return matches(to_text(left), to_text(right))
        if operator == ".":
            return to_text(left) + to_text(right)
        if operator == ",":
            return [*as_list(left), *as_list(right)]
        if operator == "->":
            return member(left, right)
        if operator == "in":
            return any(equal(left, one) for one in as_list(right))
        a, b = self._number(left), self._number(right)
        if operator in {"<", ">", "<=", ">="}:
            return {"<": a < b, ">": a > b, "<=": a <= b, ">=": a >= b}[operator]
        if operator in {"/", "%"} and b == 0:
            raise ConsoleError("division by zero")
        if operator in {"/", "%"}:
            return a // b if operator == "/" else a % b
        return {"+": a + b, "-": a - b, "*": a * b}[operator]

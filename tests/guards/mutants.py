"""Guards with one part taken out: for each of these a test has to go red. `python -m tests.guards.mutants` names survivors.

The parts come out of the guards' own source: every guard, every reason that one gives, every condition and each side of
it. A mutant lives in a forked child, where the changed code takes the place of the function's.
"""

from __future__ import annotations

import ast
import inspect
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from cProfile import Profile
from functools import cached_property
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

import pytest
from msgspec import Struct

from plexops.model import plan
from plexops.runbook import conditions, exposures, view
from plexops.runbook.guards import case
from plexops.runbook.guards import circumstances as guard_circumstances
from plexops.runbook.guards import exposure as guard_exposure
from plexops.runbook.guards import values as guard_values

#: What is mutated: a module, and the functions of it that guards are made of (none named: all).
PARTS: tuple[tuple[ModuleType, tuple[str, ...]], ...] = (
    (guard_exposure, ()),
    (guard_values, ()),
    (guard_circumstances, ()),
    (case, ()),
    (plan, ("authorize",)),
    (exposures, ()),
    (view, ("operator_of", "held_by_server")),
    (conditions, ("wan", "_of_wan_address", "_agreed", "_passed_on", "_came_through", "_kind_of")),
)
#: The tests that have to see it, the quickest first.
TESTS = (
    *sorted(map(str, Path("tests/unit/runbook").glob("test_guards*.py"))),
    "tests/guards/test_guard_parts.py",
    "tests/unit/runbook/test_conditions.py",
    "tests/runbook/test_answers.py",
)
#: Changed, and yet the same: what stands behind each catches what it lets through. What else than a lease a change wants
#: is no address, and equals none.
SAME = frozenset(
    {
        ("_network", "if text is None", "if False"),
        ("_is_of", "… if v is not None", "… if True"),
        ("_opens_what_is_not_plex", "… if change.kind is Kind.LEASE", "… if True"),
    }
)
#: How long a mutant may take until it counts as seen: it may never end.
SECONDS = 60.0


#: A function: its file, its first line and its name.
Place = tuple[str, int, str]


def _place(code: CodeType) -> Place:
    return code.co_filename, code.co_firstlineno, code.co_name


class Mutant(Struct, frozen=True):
    """One function with one part of it changed."""

    module: ModuleType
    function: str
    line: int
    was: str
    became: str
    code: CodeType

    def __str__(self) -> str:
        name = self.module.__name__.rpartition(".")[2]
        return f"{name}.{self.function}:{self.line}: {self.was} -> {self.became}"

    def take_place(self) -> None:
        """Put the changed code in the place of the function's, whoever holds the function."""
        for found in _functions(self.module):
            if (found.__name__, found.__code__.co_firstlineno) == (self.function, self.code.co_firstlineno):
                found.__code__ = self.code
                return
        raise LookupError(str(self))


def _functions(module: ModuleType) -> Iterator[FunctionType]:
    """Give the functions of a module, and those of its classes."""
    for held in vars(module).values():
        if isinstance(held, FunctionType) and held.__module__ == module.__name__:
            yield held
        elif inspect.isclass(held) and held.__module__ == module.__name__:
            for part in vars(held).values():
                inner = part.func if isinstance(part, cached_property) else getattr(part, "fget", part)
                if isinstance(inner, FunctionType) and inner.__module__ == module.__name__:
                    yield inner


def mutants() -> Iterator[Mutant]:
    """Give every mutant of every part."""
    for module, names in PARTS:
        tree = ast.parse(inspect.getsource(module))
        numbered = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        for function in numbered:
            if function.name.startswith("__") or (names and function.name not in names):
                continue
            yield from _of_function(module, tree, function)


def _of_function(module: ModuleType, tree: ast.Module, function: ast.FunctionDef) -> Iterator[Mutant]:
    for place, node in enumerate(ast.walk(function)):
        for number, (was, became) in enumerate(_changes(node)):
            if (function.name, was, became) in SAME:
                continue
            changed = deepcopy(tree)
            twin = next(
                one
                for one in ast.walk(changed)
                if isinstance(one, ast.FunctionDef) and one.lineno == function.lineno
            )
            spot = list(ast.walk(twin))[place]
            _apply(twin, spot, number)
            ast.fix_missing_locations(changed)
            whole = compile(changed, module.__file__ or "", "exec", dont_inherit=True)
            line = getattr(node, "lineno", function.lineno)
            yield Mutant(module, function.name, line, was, became, _code_of(whole, function))


def _code_of(whole: CodeType, function: ast.FunctionDef) -> CodeType:
    first = min([function.lineno, *(d.lineno for d in function.decorator_list)])
    for part in whole.co_consts:
        if not isinstance(part, CodeType):
            continue
        if (part.co_name, part.co_firstlineno) == (function.name, first):
            return part
        inner = [one for one in part.co_consts if isinstance(one, CodeType)]
        for one in inner:
            if (one.co_name, one.co_firstlineno) == (function.name, first):
                return one
    raise LookupError(function.name)


def _changes(node: ast.AST) -> list[tuple[str, str]]:
    """Say in which ways a part can be changed: what it was, what it becomes."""
    match node:
        case ast.BoolOp():
            return [(ast.unparse(node), f"without {ast.unparse(value)}") for value in node.values]
        case ast.If() | ast.IfExp():
            test = ast.unparse(node.test)
            return [(f"if {test}", "if False"), (f"if {test}", "if True")]
        case ast.comprehension() if node.ifs:
            return [(f"… if {ast.unparse(one)}", "… if True") for one in node.ifs]
        case ast.Return() if node.value is not None and not _is_none(node.value):
            return [(ast.unparse(node), "return None")]
        case ast.UnaryOp(op=ast.Not()):
            return [(ast.unparse(node), ast.unparse(node.operand))]
        case ast.Compare(ops=[ast.LtE() | ast.Lt() | ast.GtE() | ast.Gt(), *_]):
            return [(ast.unparse(node), "the border moved")]
    return []


def _is_none(value: ast.expr) -> bool:
    """Tell what is None, or as good as None to whoever asks."""
    return isinstance(value, ast.Constant) and not value.value


_STRICT: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.LtE: ast.Lt, ast.Lt: ast.LtE, ast.GtE: ast.Gt, ast.Gt: ast.GtE
}  # fmt: skip


def _apply(function: ast.FunctionDef, node: ast.AST, number: int) -> None:
    """Make the change of that number in the tree."""
    match node:
        case ast.BoolOp():
            node.values[number] = node.values[number - 1]
        case ast.If() | ast.IfExp():
            node.test = ast.Constant(bool(number))
        case ast.comprehension():
            node.ifs[number] = ast.Constant(True)
        case ast.Return():
            node.value = ast.Constant(None)
        case ast.UnaryOp():
            _replace(function, node, node.operand)
        case ast.Compare():
            node.ops[0] = _STRICT[type(node.ops[0])]()


def _replace(function: ast.FunctionDef, old: ast.AST, new: ast.expr) -> None:
    class Replacing(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            return new if node is old else self.generic_visit(node)

    Replacing().visit(function)


def _run(item: pytest.Item) -> None:
    """Run one test: by itself where it takes nothing but its parameters, which is much quicker."""
    assert isinstance(item, pytest.Function)
    given = item.callspec.params if hasattr(item, "callspec") else {}
    if set(item.fixturenames) <= set(given):
        item.obj(**given)
    else:
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)


class Hunt:
    """Runs the collected tests once for every mutant, each time in a child, until one goes red."""

    def __init__(self, wanted: Sequence[Mutant], say: Callable[[str], object]) -> None:
        self.wanted = wanted
        self.survivors: list[Mutant] = []
        self._say = say
        self._runs: dict[pytest.Item, set[Place]] = {}
        self._children = False

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Take the place of pytest's own loop. First all as it is, to learn which test runs which function."""
        for item in session.items:
            with Profile(builtins=False) as seen:
                _run(item)
            called = (entry.code for entry in seen.getstats())
            self._runs[item] = {_place(code) for code in called if isinstance(code, CodeType)}
        self._children = True
        for number, mutant in enumerate(self.wanted, 1):
            if not self._seen(session, mutant):
                self.survivors.append(mutant)
                self._say(f"{number}/{len(self.wanted)} survives: {mutant}")
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """End the child at the first red test."""
        if report.failed and not self._children:
            raise RuntimeError(f"{report.nodeid} is red without any mutant: {report.longreprtext}")
        if report.failed:
            os._exit(1)

    def _seen(self, session: pytest.Session, mutant: Mutant) -> bool:
        child = os.fork()
        if child == 0:
            self._become(session, mutant)
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return status != 0
            time.sleep(0.002)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return True

    def _become(self, session: pytest.Session, mutant: Mutant) -> None:
        try:
            mutant.take_place()
            tests = [item for item in session.items if _place(mutant.code) in self._runs[item]]
            # What runs little else is about this.
            for item in sorted(tests, key=lambda one: len(self._runs[one])):
                _run(item)
            os._exit(0)
        except BaseException:  # noqa: BLE001 - whatever ends it, somebody saw the mutant
            os._exit(1)


def hunt(wanted: Sequence[Mutant], say: Callable[[str], object] = lambda _text: None) -> list[Mutant]:
    """Give the mutants that no test sees."""
    hunting = Hunt(wanted, say)
    options = ["-o", "addopts=", "-p", "no:cacheprovider", "-p", "no:terminal", *TESTS]
    if pytest.main(options, [hunting]) != pytest.ExitCode.OK:
        raise RuntimeError("the tests of the guards could not be collected")
    return hunting.survivors


def main() -> int:
    """Hunt all mutants, or those whose line says what the command line says; 1 where one survives."""
    words = sys.argv[1:]
    wanted = [one for one in mutants() if all(word in str(one) for word in words)]
    survivors = hunt(wanted, lambda text: sys.stdout.write(f"{text}\n"))
    sys.stdout.write(f"{len(wanted)} mutants, {len(survivors)} survive\n")
    return int(bool(survivors))


if __name__ == "__main__":
    raise SystemExit(main())

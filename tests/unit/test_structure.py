"""The shape of the code: who may import whom, who touches the world, who prints, what is never written.

These tests read the source; they import nothing of it.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "plexops"
SOURCES = sorted(path for path in PACKAGE.rglob("*.py"))

#: Who may import whom. Every room may import itself, `plexops.__version__`, `plexops.structs` and `plexops.pattern`.
MAY_IMPORT: Mapping[str, frozenset[str]] = {
    "structs": frozenset(),
    "pattern": frozenset(),
    "files": frozenset({"model"}),
    "model": frozenset(),
    "lab": frozenset(),  # it must not share the drivers' mistakes
    "languages": frozenset({"model"}),
    "parsers": frozenset({"model"}),
    "config": frozenset({"model"}),
    "evidence": frozenset({"model", "files"}),
    "report": frozenset({"model"}),
    "packets": frozenset({"model"}),
    "runbook": frozenset({"model", "parsers", "packets"}),
    "drivers": frozenset({"model", "languages", "parsers"}),
    "transport": frozenset({"model", "languages", "files"}),
    "engine": frozenset(
        {"model", "languages", "parsers", "config", "drivers", "transport", "packets", "runbook", "evidence"}
    ),
    "cluster": frozenset({"model", "config", "engine", "evidence", "transport"}),
    "cli": frozenset({"model", "files", "config", "engine", "cluster", "evidence", "report", "lab"}),
    "__main__": frozenset({"cli"}),
}
#: Single files that may import more, and why.
ALSO: Mapping[str, tuple[frozenset[str], str]] = {
    "cli/session.py": (frozenset({"transport"}), "opens trust and recordings for the engine"),
    "cli/commands/trust.py": (frozenset({"transport"}), "looks at a device's key before anything is trusted"),
}

#: What touches the network or starts processes. Only `transport` may; the lab is a world of its own.
WORLD = frozenset(
    {
        *("socket", "ssl", "subprocess", "socketserver", "selectors", "asyncio", "multiprocessing", "pty"),
        *("http", "urllib.request", "urllib3", "requests", "httpx", "ftplib", "telnetlib", "smtplib"),
        *("paramiko", "netmiko", "asyncssh", "dask", "distributed"),
    }
)
WORLD_ALSO: Mapping[str, tuple[frozenset[str], str]] = {
    "cluster/controller.py": (frozenset({"distributed"}), "hands homes to the workers of a Dask cluster"),
    "evidence/lock.py": (frozenset({"socket"}), "asks for this machine's name, to say who holds a lock"),
    "cli/commands/lab.py": (
        frozenset({"subprocess"}),
        "starts the user's own command beside a simulated home",
    ),
}

#: Files that are longer than LONGEST lines, and why they are in one piece.
LONGEST = 400
LONG: Mapping[str, str] = {
    "plexops/lab/home.py": "the wiring of one simulated home",
    "plexops/lab/routers/routeros_language.py": "one grammar",
    "plexops/lab/shell.py": "one interpreter",
    "plexops/lab/shell_builtins.py": "one table of builtins",
    "plexops/lab/shell_syntax.py": "one grammar",
    "plexops/lab/ufw.py": "one command-line tool, as its users see it",
}

#: Spelled so that this file does not find itself.
FORBIDDEN = re.compile(r"\b(?:TO[D]O|FIX[M]E|X{3})\b|(?i:session[ ]transcript|(?<!home[ -])\bassistan[t])")
#: Recorded reality is not ours to reword.
RECORDED = ("tests/captures/data/", "tests/unit/evidence/masking_excerpts.py", "LICENSE")


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def room(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Give every imported module with its line, also those inside functions and under TYPE_CHECKING."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno}: imports are written in full"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def test_there_is_something_to_look_at() -> None:
    assert len(SOURCES) > 150
    rooms = {room(path) for path in SOURCES} - {"__init__"}
    assert rooms == set(MAY_IMPORT)


def test_rooms_import_only_what_they_may() -> None:
    wrong = []
    for path in SOURCES:
        if path == PACKAGE / "__init__.py":
            continue
        here = room(path)
        allowed = (
            MAY_IMPORT[here]
            | {here, "__version__", "structs", "pattern"}
            | ALSO.get(name_of(path), (frozenset[str](), ""))[0]
        )
        for line, module in imports(path):
            parts = module.split(".")
            if parts[0] == "plexops" and parts[1] not in allowed:
                wrong.append(f"{name_of(path)}:{line}: {here} imports {parts[1]}")
    assert wrong == []


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def folder_of(module: str, path: Path) -> str:
    """Give the room's own room that a module is in; a file that lies in the room itself stands for itself."""
    folder = path.parent.relative_to(ROOT).parts
    return ".".join(folder) if len(folder) > 2 or path.name == "__init__.py" else module


def circle(edges: Mapping[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def test_imports_form_no_circle_neither_of_files_nor_of_folders() -> None:
    modules = {module_of(path): path for path in SOURCES}
    files: dict[str, set[str]] = {}
    for module, path in modules.items():
        named = {name if name in modules else name.rpartition(".")[0] for _, name in imports(path)}
        files[module] = (named & modules.keys()) - {module, "plexops"}
    assert circle(files) == []
    folders: dict[str, set[str]] = {}
    for module, path in modules.items():
        if room(path) != "lab":
            here = folder_of(module, path)
            folders.setdefault(here, set()).update(
                folder_of(other, modules[other]) for other in files[module]
            )
    assert circle({here: others - {here} for here, others in folders.items()}) == []


def test_a_circle_would_be_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) != []
    assert circle({"a": {"b", "c"}, "b": {"c"}}) == []


def test_the_model_needs_nothing_but_python_and_msgspec() -> None:
    foreign = ("yaml", "jinja2", "jsonschema", "click", "rich", "plexapi", "requests", "cryptography")
    wrong = [
        f"{name_of(path)}:{line}: {module}"
        for path in SOURCES
        if room(path) == "model"
        for line, module in imports(path)
        if module.split(".")[0] in foreign
    ]
    assert wrong == []


def reaches(module: str) -> str | None:
    return next((world for world in WORLD if module == world or module.startswith(f"{world}.")), None)


def test_only_transport_touches_the_world() -> None:
    wrong = []
    for path in SOURCES:
        if room(path) in ("transport", "lab"):
            continue
        allowed = WORLD_ALSO.get(name_of(path), (frozenset[str](), ""))[0]
        for line, module in imports(path):
            found = reaches(module)
            if found is not None and found not in allowed:
                wrong.append(f"{name_of(path)}:{line}: {module}")
        wrong += [
            f"{name_of(path)}:{node.lineno}: os.{node.attr}"
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "os"
            and (
                node.attr in ("system", "popen", "fork", "forkpty") or node.attr.startswith(("exec", "spawn"))
            )
        ]
    assert wrong == []


def test_the_lab_starts_no_process_by_a_shell() -> None:
    wrong = [
        f"{name_of(path)}:{node.value.lineno}"
        for path in SOURCES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.keyword) and node.arg == "shell" and not _is(node.value, False)
    ]
    assert wrong == []


def _is(node: ast.expr, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def test_only_cli_and_report_print() -> None:
    wrong = []
    for path in SOURCES:
        if room(path) in ("cli", "report"):
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                wrong.append(f"{name_of(path)}:{node.lineno}: print")
            if isinstance(node, ast.Attribute) and ast.unparse(node) in ("sys.stdout", "sys.stderr"):
                wrong.append(f"{name_of(path)}:{node.lineno}: {ast.unparse(node)}")
    assert wrong == []


CONTAINERS = frozenset({"dict", "list", "set", "bytearray", "defaultdict", "deque", "Counter", "OrderedDict"})
CHANGES = frozenset(
    {
        *("append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse", "update", "setdefault"),
        *("popitem", "add", "discard", "appendleft", "popleft", "difference_update", "intersection_update"),
    }
)


def containers(module: ast.Module) -> Iterator[tuple[int, str, bool]]:
    """Give a module's own lists, sets and dicts: the line, the name, whether it begins empty."""
    for node in module.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        value = node.value
        names = [
            ast.unparse(name) for name in (node.targets if isinstance(node, ast.Assign) else [node.target])
        ]
        if isinstance(value, ast.Dict | ast.List | ast.Set | ast.DictComp | ast.ListComp | ast.SetComp):
            empty = not (
                getattr(value, "keys", ()) or getattr(value, "elts", ()) or hasattr(value, "generators")
            )
            yield from ((node.lineno, name, empty) for name in names)
        elif isinstance(value, ast.Call) and ast.unparse(value.func).split(".")[-1] in CONTAINERS:
            yield from ((node.lineno, name, not value.args) for name in names)


def changed_names(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Give every name whose content is changed somewhere: by an item, a deletion or a method."""
    for node in ast.walk(module):
        if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            yield node.lineno, ast.unparse(node.value)
        elif (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGES
        ):
            yield node.lineno, ast.unparse(node.func.value)
        elif isinstance(node, ast.AugAssign):
            yield node.lineno, ast.unparse(node.target)


def test_no_module_keeps_state() -> None:
    """A module's tables are written once: none begins empty, none is changed, no name is rebound by a function."""
    wrong = []
    for path in SOURCES:
        module = tree(path)
        held = list(containers(module))
        wrong += [f"{name_of(path)}:{line}: {name} begins empty" for line, name, empty in held if empty]
        names = {name for _, name, _ in held}
        wrong += [
            f"{name_of(path)}:{line}: {name} is changed"
            for line, name in changed_names(module)
            if name in names
        ]
        wrong += [
            f"{name_of(path)}:{node.lineno}: global {', '.join(node.names)}"
            for node in ast.walk(module)
            if isinstance(node, ast.Global)
        ]
    assert wrong == []


def test_state_in_a_module_would_be_found() -> None:
    module = ast.parse("A = {}\nB: list[int] = [1]\nC = (1,)\ndef f():\n    B.append(2)\n    C.count(1)\n")
    assert list(containers(module)) == [(1, "A", True), (2, "B", False)]
    assert list(changed_names(module)) == [(5, "B")]


def test_files_stay_short() -> None:
    wrong = []
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > LONGEST and name not in LONG:
            wrong.append(f"{name}: {lines} lines")
    assert wrong == []
    assert [name for name in LONG if not (ROOT / name).is_file()] == []


def public_without_words(path: Path) -> Iterator[str]:
    for node in tree(path).body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if node.name.startswith("_"):
            continue
        if not ast.get_docstring(node):
            yield f"{name_of(path)}:{node.lineno}: {node.name}"
        if isinstance(node, ast.ClassDef) and not node.bases:
            methods = (inner for inner in node.body if isinstance(inner, ast.FunctionDef))
            for method in methods:
                if not (method.name.startswith("_") or method.decorator_list or ast.get_docstring(method)):
                    yield f"{name_of(path)}:{method.lineno}: {node.name}.{method.name}"


def test_what_is_public_is_explained() -> None:
    modules = [f"{name_of(p)}: module" for p in SOURCES if tree(p).body and not ast.get_docstring(tree(p))]
    assert [name for name in modules if name != "__init__.py: module"] == []
    assert [complaint for path in SOURCES for complaint in public_without_words(path)] == []


def texts_of_the_repository() -> Iterator[tuple[str, str]]:
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout: nothing says which files are ours")
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if not name.startswith(RECORDED) and path.is_file():
            data = path.read_bytes()
            if b"\0" not in data:
                yield name, data.decode("utf-8")


def test_nothing_is_left_for_later_and_nothing_foreign_is_mentioned() -> None:
    wrong = [
        f"{name}:{number}: {found[0]}"
        for name, text in texts_of_the_repository()
        for number, line in enumerate(text.splitlines(), 1)
        if (found := FORBIDDEN.search(line))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("LICENSE", "Apache License"),
        ("README.md", "plexops"),
        ("CHANGELOG.md", "0.1.0"),
        ("inventory.example.yaml", "sites:"),
        ("plexops/py.typed", ""),
    ],
)
def test_the_repository_has_what_a_reader_looks_for(name: str, says: str) -> None:
    assert says in (ROOT / name).read_text(encoding="utf-8")

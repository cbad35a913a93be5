"""The small programs of simulated devices that change files."""

from __future__ import annotations

import posixpath
import random
from collections.abc import Mapping
from typing import BinaryIO

from plexops.lab.base import ExecResult
from plexops.lab.filesystem import Directory, File, FileError
from plexops.lab.shell_state import DONE, CommandFunction, Context, fail, say


def options(argv: list[str], with_value: str = "") -> tuple[dict[str, str], list[str]]:
    """Split `-abc -n VALUE WORD…` into options and words; letters in `with_value` take a value."""
    found: dict[str, str] = {}
    words = list(argv[1:])
    rest: list[str] = []
    while words:
        word = words.pop(0)
        if word == "--":
            rest += words
            break
        if not word.startswith("-") or word == "-":
            rest.append(word)
            continue
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            found[name] = value
            continue
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in with_value:
                found[letter] = letters or (words.pop(0) if words else "")
                break
            found[letter] = ""
    return found, rest


def _rm(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    given, names = options(argv)
    errors = ""
    for name in names:
        path = context.path(name)
        try:
            if given.keys() & {"r", "R"} and context.files.is_dir(path):
                context.files.remove_tree(path, context.user)
            else:
                context.files.remove(path, context.user)
            context.shell.log.add(f"# write {path}")
        except FileError as error:
            if "f" not in given or "No such" not in str(error):
                errors += f"rm: can't remove '{name}': {error}\n"
    return ExecResult(b"", errors.encode(), int(bool(errors)))


def _mv(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    names = options(argv)[1]
    source, target = context.path(names[0]), context.path(names[1])
    if context.files.is_dir(target):
        target = posixpath.join(target, posixpath.basename(source))
    try:
        context.files.move(source, target, context.user)
    except FileError as error:
        return fail(f"mv: can't rename '{names[0]}': {error}")
    context.shell.log.add(f"# write {target}")
    return DONE


def _cp(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    names = options(argv)[1]
    target = context.path(names[-1])
    for name in names[:-1]:
        source = context.path(name)
        final = posixpath.join(target, posixpath.basename(source)) if context.files.is_dir(target) else target
        try:
            node = context.files.stat(source)
            content = context.files.read(source, context.user)
            context.files.write(final, content, context.user, mode=node.mode)
            if context.user == "root" and isinstance(node, File) and "-p" in argv:
                context.files.stat(final).owner = node.owner
        except FileError as error:
            return fail(f"cp: can't stat '{name}': {error}")
        context.shell.log.add(f"# write {final}")
    return DONE


def _mkdir(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    given, names = options(argv, "m")
    for name in names:
        try:
            context.files.make_dir(context.path(name), context.user, parents="p" in given)
            if "m" in given:
                context.files.stat(context.path(name)).mode = int(given["m"], 8)
        except FileError as error:
            return fail(f"mkdir: can't create directory '{name}': {error}")
    return DONE


def _rmdir(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    for name in options(argv)[1]:
        path = context.path(name)
        if not context.files.is_dir(path) or context.files.names(path):
            reason = "Directory not empty" if context.files.is_dir(path) else "No such file or directory"
            return fail(f"rmdir: '{name}': {reason}")
        context.files.remove_tree(path, context.user)
    return DONE


def _touch(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    for name in options(argv)[1]:
        try:
            context.files.write(context.path(name), b"", context.user, append=True)
        except FileError as error:
            return fail(f"touch: {name}: {error}")
    return DONE


def _ls(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    given, names = options(argv)
    out = errors = ""
    for name in names or ["."]:
        path = context.path(name)
        try:
            node = context.files.stat(path)
        except FileError as error:
            errors += f"ls: {name}: {error}\n"
            continue
        inside = isinstance(node, Directory) and "d" not in given
        entries = context.files.names(path) if inside else [name]
        shown = [entry for entry in entries if not inside or "a" in given or not entry.startswith(".")]
        out += "".join(_listed(entry, path if inside else "", given, context) for entry in shown)
    return ExecResult(out.encode(), errors.encode(), int(bool(errors)))


def _listed(entry: str, directory: str, given: Mapping[str, str], context: Context) -> str:
    if "l" not in given:
        return entry + "\n"
    node = context.files.stat(posixpath.join(directory, entry) if directory else context.path(entry))
    size = len(node.content) if isinstance(node, File) else 4096
    kind = "-" if isinstance(node, File) else "d"
    bits = "".join(c if node.mode & 1 << 8 - i else "-" for i, c in enumerate("rwxrwxrwx"))
    return f"{kind}{bits}    1 {node.owner:8} {node.owner:8} {size:9} Nov 22 08:46 {entry}\n"


def _chmod(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    names = options(argv)[1]
    try:
        for name in names[1:]:
            node = context.files.stat(context.path(name))
            if context.user not in ("root", node.owner):
                return fail(f"chmod: {name}: Operation not permitted")
            if names[0].isdigit():
                node.mode = int(names[0], 8)
            elif "x" in names[0]:
                node.mode |= 0o111
    except FileError as error:
        return fail(f"chmod: {names[-1]}: {error}")
    return DONE


def _mktemp(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    given, names = options(argv, "p")
    template = names[0] if names else "/tmp/tmp.XXXXXX"  # noqa: S108
    if "p" in given:
        template = posixpath.join(given["p"], template)
    letters = random.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=6)  # noqa: S311
    path = context.path(template.replace("XXXXXX", "".join(letters)))
    if "d" in given:
        context.files.make_dir(path, context.user)
        context.files.stat(path).mode = 0o700
    else:
        context.files.write(path, b"", context.user, mode=0o600)
    return say(path + "\n")


def _tee(argv: list[str], stdin: BinaryIO, context: Context) -> ExecResult:
    given, names = options(argv)
    data = stdin.read()
    for name in names:
        path = context.path(name)
        try:
            context.files.write(path, data, context.user, append="a" in given)
        except FileError as error:
            return ExecResult(data, f"tee: {name}: {error}\n".encode(), 1)
        context.shell.log.add(f"# write {path}")
    return ExecResult(data, b"", 0)


def _stat(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    given, names = options(argv, "c")
    try:
        node = context.files.stat(context.path(names[0]))
    except FileError as error:
        return fail(f"stat: can't stat '{names[0]}': {error}")
    size = len(node.content) if isinstance(node, File) else 4096
    form = given.get("c", "%n")
    for letter, value in (("%a", f"{node.mode:o}"), ("%U", node.owner), ("%s", str(size)), ("%n", names[0])):
        form = form.replace(letter, value)
    return say(form + "\n")


def _cmp(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    names = options(argv)[1]
    try:
        one, other = (context.files.read(context.path(name), context.user) for name in names)
    except FileError as error:
        return fail(f"cmp: {names[0]}: {error}", 2)
    return ExecResult(b"", b"", int(one != other))


def _df(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    """Show the file system of one path, as `df -Pk` does."""
    path = context.path(options(argv)[1][0])
    free = next((f for d, f in context.files.free.items() if f"{path}/".startswith(f"{d}/")), 8 << 20) // 1024
    head = "Filesystem           1024-blocks    Used Available Capacity Mounted on\n"
    return say(f"{head}overlayfs:/overlay         {free + 1024}    1024     {free}  50% /\n")


FILE_UTILITIES: Mapping[str, CommandFunction] = {
    "rm": _rm,
    "mv": _mv,
    "cp": _cp,
    "mkdir": _mkdir,
    "rmdir": _rmdir,
    "touch": _touch,
    "ls": _ls,
    "chmod": _chmod,
    "mktemp": _mktemp,
    "tee": _tee,
    "stat": _stat,
    "cmp": _cmp,
    "df": _df,
}

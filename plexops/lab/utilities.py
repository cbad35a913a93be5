"""The small programs that every Unix has, for simulated devices."""

from __future__ import annotations

import hashlib
import posixpath
import re
import time
from collections.abc import Callable, Mapping
from typing import BinaryIO

from plexops.lab.base import ExecResult
from plexops.lab.file_utilities import options
from plexops.lab.filesystem import FileError
from plexops.lab.shell_state import DONE, CommandFunction, Context, fail, say

FAILURE = ExecResult(b"", b"", 1)


def _inputs(
    program: str, names: list[str], stdin: BinaryIO, context: Context
) -> tuple[list[tuple[str, bytes]], bytes]:
    """Give (name, content) of each file that can be read, and the complaints."""
    if not names:
        return [("-", stdin.read())], b""
    found: list[tuple[str, bytes]] = []
    errors = b""
    for name in names:
        try:
            data = stdin.read() if name == "-" else context.files.read(context.path(name), context.user)
            found.append((name, data))
        except FileError as error:
            reason = f"can't open '{name}'" if context.shell.flavour == "ash" else name
            errors += f"{program}: {reason}: {error}\n".encode()
    return found, errors


def _cat(argv: list[str], stdin: BinaryIO, context: Context) -> ExecResult:
    found, errors = _inputs("cat", options(argv)[1], stdin, context)
    return ExecResult(b"".join(data for _, data in found), errors, int(bool(errors)))


def _echo(argv: list[str], _stdin: BinaryIO, _context: Context) -> ExecResult:
    words = argv[1:]
    newline = "\n"
    if words and words[0] == "-n":
        words, newline = words[1:], ""
    elif words and words[0] == "-e":
        return say(_escapes(" ".join(words[1:])) + newline)
    return say(" ".join(words) + newline)


_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{1,2}|0?[0-7]{1,3}|.)", re.DOTALL)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "a": "\a", "b": "\b", "f": "\f", "v": "\v", '"': '"'}


def _escapes(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        body = match.group(1)
        if body[0] == "x" and len(body) > 1:
            code = int(body[1:], 16)
        elif body[0] in "01234567":
            code = int(body, 8)
        else:
            return _LETTERS.get(body, "\\" + body)
        return bytes([code & 255]).decode("utf-8", "surrogateescape")

    return _ESCAPE.sub(one, text)


def _printf(argv: list[str], _stdin: BinaryIO, _context: Context) -> ExecResult:
    if len(argv) < 2:
        return fail("usage: printf FORMAT [ARGUMENT...]")
    form, words = argv[1], argv[2:]
    if form == "--" and words:
        form, words = words[0], words[1:]
    pieces = re.split(r"(%[-+ 0#]*\d*(?:\.\d+)?[sdiuxXobcq%])", form)
    takes = any(p.startswith("%") and not p.endswith("%") for p in pieces[1::2])
    out = ""
    while True:
        for index, piece in enumerate(pieces):
            if index % 2 == 0:
                out += _escapes(piece)
            elif piece.endswith("%"):
                out += "%"
            else:
                out += _formatted(piece, words.pop(0) if words else "")
        if not (takes and words):
            return say(out)


def _formatted(piece: str, value: str) -> str:
    kind = piece[-1]
    if kind in "sbc":
        text = _escapes(value) if kind == "b" else value[:1] if kind == "c" else value
        return (piece[:-1] + "s") % text
    return piece.replace("u", "d") % int(value or "0", 0)


def _test(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    words = argv[1:]
    if argv[0] == "[":
        if not words or words[-1] != "]":
            return fail("sh: [: missing ]", 2)
        words = words[:-1]
    try:
        return DONE if _judge(words, context) else FAILURE
    except (ValueError, IndexError):
        return fail(f"sh: {' '.join(words)}: bad number", 2)


def _judge(words: list[str], context: Context) -> bool:
    for joiner, combine in (("-o", any), ("-a", all)):
        if joiner in words[1:-1]:
            at = words.index(joiner, 1)
            return combine([_judge(words[:at], context), _judge(words[at + 1 :], context)])
    if words and words[0] == "!" and len(words) > 1:
        return not _judge(words[1:], context)
    if len(words) == 1:
        return words[0] != ""
    if len(words) == 2:
        return _unary(words[0], words[1], context)
    if len(words) == 3:
        return _binary(*words)
    if not words:
        return False
    raise ValueError(words)


def _unary(operator: str, word: str, context: Context) -> bool:
    if operator in ("-n", "-z"):
        return (word != "") == (operator == "-n")
    path = context.path(word)
    if operator == "-d":
        return context.files.is_dir(path)
    exists = context.files.exists(path)
    if operator in ("-e", "-L", "-h"):
        return exists and operator == "-e"
    if not exists:
        return False
    if operator == "-f":
        return not context.files.is_dir(path) and path != "/dev/null"
    try:
        content = b"" if context.files.is_dir(path) else context.files.read(path, context.user)
    except FileError:
        return False
    if operator == "-s":
        return bool(content)
    if operator == "-x":
        node = context.files.stat(path)
        return bool(node.mode & 0o111)
    if operator in ("-r", "-w"):
        return True
    raise ValueError(operator)


def _binary(left: str, operator: str, right: str) -> bool:
    if operator in ("=", "=="):
        return left == right
    if operator == "!=":
        return left != right
    a, b = int(left), int(right)
    results = {"-eq": a == b, "-ne": a != b, "-lt": a < b, "-le": a <= b, "-gt": a > b, "-ge": a >= b}
    if operator not in results:
        raise ValueError(operator)
    return results[operator]


def _nothing(_argv: list[str], _stdin: BinaryIO, _context: Context) -> ExecResult:
    return DONE


def _head(argv: list[str], stdin: BinaryIO, context: Context) -> ExecResult:
    words = [re.sub(r"^-(\d+)$", r"-n\1", word) for word in argv]
    given, names = options(words, "nc")
    found, errors = _inputs(argv[0], names, stdin, context)
    out = b""
    for _, data in found:
        lines = data.splitlines(keepends=True)
        count = int(given.get("n", "10").lstrip("+") or 10)
        if "c" in given:
            size = int(given["c"].lstrip("-+"))
            out += data[:size] if argv[0] == "head" else data[-size:] if size else b""
        elif argv[0] == "head":
            out += b"".join(lines[:count])
        elif given.get("n", "").startswith("+"):
            out += b"".join(lines[count - 1 :])
        else:
            out += b"".join(lines[-count:]) if count else b""
    return ExecResult(out, errors, int(bool(errors)))


def _wc(argv: list[str], stdin: BinaryIO, context: Context) -> ExecResult:
    given, names = options(argv)
    found, errors = _inputs("wc", names, stdin, context)
    out = ""
    for name, data in found:
        counts = {"l": data.count(b"\n"), "w": len(data.split()), "c": len(data)}
        shown = " ".join(str(counts[letter]) for letter in "lwc" if letter in given or not given)
        out += shown + ("" if name == "-" else f" {name}") + "\n"
    return ExecResult(out.encode(), errors, int(bool(errors)))


def _grep(argv: list[str], stdin: BinaryIO, context: Context) -> ExecResult:
    given, names = options(argv, "em")
    if "e" in given:
        expression = given["e"]
    elif names:
        expression = names.pop(0)
    else:
        return fail("Usage: grep [-HhnlLoqvsrRiwFE] PATTERN [FILE]...", 2)
    recursive = bool(given.keys() & {"r", "R"})
    if recursive:
        names = [path for name in names or ["."] for path in _below(name, context)]
    found, errors = _inputs("grep", names, stdin, context)
    search = _matcher(expression, given)
    with_name = ("H" in given or len(names) > 1 or recursive) and "h" not in given
    out, hits = "", 0
    for name, data in found:
        lines = data.decode("utf-8", "surrogateescape").removesuffix("\n").split("\n") if data else []
        matched = [(i, line) for i, line in enumerate(lines, 1) if search(line) != ("v" in given)]
        hits += len(matched)
        prefix = f"{name}:" if with_name else ""
        if "c" in given:
            out += f"{prefix}{len(matched)}\n"
        elif "l" in given:
            out += f"{name}\n" if matched else ""
        else:
            out += "".join(f"{prefix}{f'{i}:' if 'n' in given else ''}{line}\n" for i, line in matched)
    # An error counts also when something else matched, unless grep is quiet.
    status = 2 if errors and (not hits or "q" not in given) else int(not hits)
    return ExecResult(
        b"" if "q" in given else out.encode("utf-8", "surrogateescape"),
        b"" if "s" in given else errors,
        status,
    )


def _below(name: str, context: Context) -> list[str]:
    path = context.path(name)
    if not context.files.is_dir(path):
        return [name]
    return [p for entry in context.files.names(path) for p in _below(posixpath.join(name, entry), context)]


def _matcher(expression: str, given: Mapping[str, str]) -> Callable[[str], bool]:
    flags = re.IGNORECASE if "i" in given else 0
    if "F" in given:
        expression = "|".join(re.escape(line) for line in expression.split("\n"))
    elif "E" not in given:
        # In basic expressions \\( \\| \\+ are the operators and the bare characters stand for themselves.
        expression = re.sub(r"(\\?)([(){}|+?])", lambda m: m[2] if m[1] else "\\" + m[2], expression)
    if "x" in given:
        expression = f"^(?:{expression})$"
    if "w" in given:
        expression = rf"\b(?:{expression})\b"
    expression = expression.replace("[[:space:]]", r"\s").replace("[[:digit:]]", r"\d")
    compiled = re.compile(expression, flags)
    return lambda line: compiled.search(line) is not None


def _sed(argv: list[str], stdin: BinaryIO, context: Context) -> ExecResult:
    """Print lines by number (`-n 2p`, `-n 2,5p`, `$p`): all that this lab's sed can do."""
    given, names = options(argv)
    match = re.fullmatch(r"(\d+|\$)(?:,(\d+|\$))?p;?", names[0]) if names else None
    if "n" not in given or match is None:
        return fail("sed: unsupported command")
    found, errors = _inputs("sed", names[1:], stdin, context)
    lines = b"".join(data for _, data in found).splitlines(keepends=True)
    first = len(lines) if match[1] == "$" else int(match[1])
    last = len(lines) if match[2] == "$" else int(match[2] or first)
    return ExecResult(b"".join(lines[max(first - 1, 0) : last]), errors, int(bool(errors)))


def _id(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    number = 0 if context.user == "root" else 1000
    if "-un" in argv or "-nu" in argv or argv[0] == "whoami":
        return say(context.user + "\n")
    if "-u" in argv:
        return say(f"{number}\n")
    return say(f"uid={number}({context.user}) gid={number}({context.user}) groups={number}({context.user})\n")


def _hostname(_argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    return say(context.shell.hostname + "\n")


def _date(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    form = next((word[1:] for word in argv[1:] if word.startswith("+")), "%a %b %e %H:%M:%S %Z %Y")
    now = context.shell.clock.time()
    return say(time.strftime(form.replace("%s", str(int(now))), time.localtime(now)) + "\n")


def _sha256sum(argv: list[str], stdin: BinaryIO, context: Context) -> ExecResult:
    found, errors = _inputs("sha256sum", options(argv)[1], stdin, context)
    out = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in found)
    return ExecResult(out.encode(), errors, int(bool(errors)))


def _ps(_argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    rows = "".join(f"{p.pid:5} root      1328 S    {p.words}\n" for p in context.shell.processes.running())
    return say("  PID USER       VSZ STAT COMMAND\n" + rows)


def _pgrep(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    wanted = options(argv)[1]
    running = context.shell.processes.running()
    me = context.state.process.pid
    found = [p for p in running if wanted and re.search(wanted[0], p.words) and p.pid != me]
    return say("".join(f"{p.pid}\n" for p in found), int(not found))


def _sort(argv: list[str], stdin: BinaryIO, context: Context) -> ExecResult:
    given, names = options(argv)
    found, errors = _inputs("sort", names, stdin, context)
    lines = sorted(line for _, data in found for line in data.decode("utf-8", "surrogateescape").splitlines())
    if "u" in given:
        lines = list(dict.fromkeys(lines))
    if "r" in given:
        lines.reverse()
    text = "".join(line + "\n" for line in lines)
    return ExecResult(text.encode("utf-8", "surrogateescape"), errors, int(bool(errors)))


def _basename(argv: list[str], _stdin: BinaryIO, _context: Context) -> ExecResult:
    function = posixpath.basename if argv[0] == "basename" else posixpath.dirname
    return say(function(argv[1]) + "\n")


UTILITIES: Mapping[str, CommandFunction] = {
    "cat": _cat,
    "echo": _echo,
    "printf": _printf,
    "test": _test,
    "[": _test,
    "chown": _nothing,
    "sync": _nothing,
    "head": _head,
    "tail": _head,
    "wc": _wc,
    "grep": _grep,
    "sed": _sed,
    "id": _id,
    "whoami": _id,
    "hostname": _hostname,
    "date": _date,
    "sha256sum": _sha256sum,
    "ps": _ps,
    "pgrep": _pgrep,
    "sort": _sort,
    "basename": _basename,
    "dirname": _basename,
}

"""`curl` on simulated hosts: enough of it to ask an address echo and to try a port."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import BinaryIO, Literal
from urllib.parse import urlsplit

from msgspec import Struct

from plexops.lab.base import ExecResult, HttpRequest, HttpResponse
from plexops.lab.network import Answer, Service
from plexops.lab.shell import CommandFunction, Context, fail

#: Where a connection leads; None is a name that does not resolve.
Connect = Callable[[str, int], Service | Answer | None]
#: The address to which a name leads; empty for one that does not resolve.
LookUp = Callable[[str], str]

_FLAGS = {
    "-s": "silent",
    "-S": "show",
    "-v": "verbose",
    "-k": "insecure",
    "-f": "fail",
    "-4": "ipv4",
    "-L": "follow",
    "-g": "glob",
}
_LONG_FLAGS = {
    "--silent": "silent",
    "--show-error": "show",
    "--verbose": "verbose",
    "--insecure": "insecure",
    "--fail": "fail",
    "--ipv4": "ipv4",
    "--location": "follow",
    "--no-progress-meter": "quiet",
}
_VALUES = {
    "-m": "max_time",
    "--max-time": "max_time",
    "--connect-timeout": "connect_timeout",
    "-w": "write_out",
    "--write-out": "write_out",
    "-o": "output",
    "--output": "output",
    "-H": "header",
    "--header": "header",
    "-X": "method",
    "--request": "method",
    "-A": "agent",
    "--user-agent": "agent",
    "--noproxy": "no_proxy",
    "--proto": "protocols",
    "--max-filesize": "limit",
    "--interface": "interface",
    "--retry": "retry",
}
_TIMED_OUT = 28
_MESSAGES = {
    6: "Could not resolve host: {host}",
    7: "Failed to connect to {host} port {port} after 0 ms: Couldn't connect to server",
    22: "The requested URL returned error: {status}",
    28: "Connection timed out after {milliseconds} milliseconds",
    35: "OpenSSL/3.0.16: error:0A00010B:SSL routines::wrong version number",
    52: "Empty reply from server",
    60: "SSL certificate problem: self-signed certificate",
}


class _Call(Struct):
    values: dict[str, str] = {}
    flags: set[str] = set()
    headers: dict[str, str] = {}
    url: str = ""


class _Outcome(Struct):
    exit_code: int
    response: HttpResponse | None = None
    remote: str = ""
    #: The system's own word for why no connection came about.
    why: str = ""


def make_curl(connect: Connect, look_up: LookUp = str) -> CommandFunction:
    """Make the command; `connect` decides where connections lead, `look_up` what `-v` says of a name's address."""

    def curl(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
        call = _read(argv[1:])
        if isinstance(call, str):
            return fail(f"curl: option {call}: is unknown\ncurl: try 'curl --help' for more information", 2)
        if not call.url:
            return fail("curl: (2) no URL specified", 2)
        return _answer(call, _perform(call, connect, look_up), context)

    return curl


def _read(words: list[str]) -> _Call | str:
    call = _Call()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word in _LONG_FLAGS:
            call.flags.add(_LONG_FLAGS[word])
        elif word in _VALUES:
            _take(call, _VALUES[word], rest.pop(0) if rest else "")
        elif word.startswith("--"):
            return word
        elif word.startswith("-"):
            for index, letter in enumerate(word[1:], 1):
                if f"-{letter}" in _VALUES:
                    _take(call, _VALUES[f"-{letter}"], word[index + 1 :] or (rest.pop(0) if rest else ""))
                    break
                if f"-{letter}" not in _FLAGS:
                    return word
                call.flags.add(_FLAGS[f"-{letter}"])
        else:
            call.url = word
    return call


def _take(call: _Call, name: str, value: str) -> None:
    if name == "header":
        key, _, text = value.partition(":")
        call.headers[key.strip().lower()] = text.strip()
    else:
        call.values[name] = value


def _perform(call: _Call, connect: Connect, look_up: LookUp) -> _Outcome:
    url = urlsplit(call.url if "//" in call.url else f"http://{call.url}")
    host = url.hostname or ""
    port = url.port or (443 if url.scheme == "https" else 80)
    found = connect(host, port)
    codes: dict[str | None, int] = {None: 6, "unresolved": 6, "refused": 7, "unreachable": 7, "dropped": 28}
    if not isinstance(found, Service):
        whys = {"refused": "Connection refused", "unreachable": "No route to host"}
        why = (
            "Network is unreachable" if found == "unreachable" and ":" in host else whys.get(found or "", "")
        )
        return _Outcome(codes[found], remote=look_up(host), why=why)
    remote = look_up(host)
    if found.http is None:
        return _Outcome(35 if url.scheme == "https" else 52, remote=remote)
    problem = _tls_problem(url.scheme, found.tls, insecure="insecure" in call.flags)
    if problem:
        return _Outcome(problem, remote=remote)
    headers = {"host": url.netloc, "user-agent": "curl/8.14.1", "accept": "*/*"} | call.headers
    request = HttpRequest(call.values.get("method", "GET"), url.path or "/", url.query, headers, b"")
    response = found.http(request)
    failed = "fail" in call.flags and response.status >= 400
    return _Outcome(22 if failed else 0, response, remote)


def _tls_problem(scheme: str, tls: Literal["plain", "tls", "both", "known"], *, insecure: bool) -> int:
    if scheme == "https" and tls == "plain":
        return 35
    if scheme == "http" and tls in ("tls", "known"):
        return 52
    return 60 if scheme == "https" and tls != "known" and not insecure else 0


def _answer(call: _Call, outcome: _Outcome, context: Context) -> ExecResult:
    response = outcome.response
    status = response.status if response else 0
    body = response.body if response and outcome.exit_code == 0 else b""
    target = call.values.get("output", "")
    if target:
        context.files.write(context.path(target), body, context.user)
        body = b""
    if "write_out" in call.values:
        body += _written(call.values["write_out"], status, outcome).encode()
    errors = _told(call, outcome)
    if outcome.exit_code and not ("silent" in call.flags and "show" not in call.flags):
        errors += f"curl: ({outcome.exit_code}) {_message(call, outcome, status)}\n"
    return ExecResult(body, errors.encode(), outcome.exit_code)


def _told(call: _Call, outcome: _Outcome) -> str:
    """Give what `-v` adds about the connection, as curl 7.88 words it."""
    if "verbose" not in call.flags:
        return ""
    url = urlsplit(call.url if "//" in call.url else f"http://{call.url}")
    port = url.port or (443 if url.scheme == "https" else 80)
    if not outcome.remote:
        return f"* Could not resolve host: {url.hostname}\n"
    lines = [f"*   Trying {outcome.remote}:{port}..."]
    if outcome.why:
        lines.append(f"* connect to {outcome.remote} port {port} failed: {outcome.why}")
        lines.append(
            f"* Failed to connect to {url.hostname} port {port} after 0 ms: Couldn't connect to server"
        )
        lines.append("* Closing connection 0")
    elif outcome.exit_code != _TIMED_OUT:
        lines.append(f"* Connected to {url.hostname} ({outcome.remote}) port {port} (#0)")
    if outcome.response is not None:
        lines.append(f"< HTTP/1.1 {outcome.response.status} {HTTPStatus(outcome.response.status).phrase}")
    return "".join(f"{line}\n" for line in lines)


def _message(call: _Call, outcome: _Outcome, status: int) -> str:
    url = urlsplit(call.url if "//" in call.url else f"http://{call.url}")
    limit = float(call.values.get("connect_timeout") or call.values.get("max_time") or 135)
    return _MESSAGES[outcome.exit_code].format(
        host=url.hostname, port=url.port or 80, status=status, milliseconds=int(limit * 1000)
    )


def _written(template: str, status: int, outcome: _Outcome) -> str:
    values = {
        "http_code": f"{status:03}",
        "response_code": f"{status:03}",
        "exitcode": str(outcome.exit_code),
        "remote_ip": outcome.remote,
        "time_total": "0.021",
        "time_connect": "0.009" if outcome.remote else "0.000",
        "size_download": str(len(outcome.response.body)) if outcome.response else "0",
    }
    for name, value in values.items():
        template = template.replace("%{" + name + "}", value)
    return template.replace("\\n", "\n").replace("\\t", "\t")

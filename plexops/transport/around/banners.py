"""What a box says of itself to anybody who connects: its SSH version line, the title of its web page."""

from __future__ import annotations

import re
import time

from plexops.pattern import Pattern
from plexops.transport.around.fetch import Ask, FetchError, connect, fetch

#: RFC 4253: a version line has at most 255 characters, and some lines may come before it.
_LONGEST = 255
_MOST_LINES = 8
#: A page that is longer is not looked at; of one without a title the begin is.
_LONGEST_PAGE = 256 * 1024
_BEGIN = 2048
_TITLE = Pattern(r"<title[^<>]{0,100}>([^<>]{1,200})</title>", re.IGNORECASE)


def ssh_version(address: str, *, port: int = 22, seconds: float = 2.0) -> str:
    """Give the version line of an SSH server, such as `SSH-2.0-dropbear`; empty where none answers."""
    end = time.monotonic() + seconds
    try:
        stream = connect(address, port, seconds)
    except FetchError:
        return ""
    data = b""
    with stream:
        try:
            while len(data) < _LONGEST * _MOST_LINES and not re.search(rb"^SSH-[^\n]*\n", data, re.MULTILINE):
                stream.settimeout(max(end - time.monotonic(), 0.001))
                more = stream.recv(_LONGEST)
                if not more or time.monotonic() > end:
                    break
                data += more
        except OSError:
            return ""
    line = re.search(rb"^SSH-([!-~ ]{0,250}?)\r?\n", data, re.MULTILINE)
    return f"SSH-{line[1].decode('ascii')}" if line else ""


def web_page(address: str, *, seconds: float = 2.0) -> tuple[str, tuple[str, ...]]:
    """Give the title of what a box shows over http, or else https, or how a page without one begins; and its headers.

    A redirect is not followed: what it says are its headers.
    """
    headers: tuple[str, ...] = ()
    for scheme in ("http", "https"):
        try:
            answer = fetch(Ask(f"{scheme}://{address}/"), seconds, limit=_LONGEST_PAGE, trust="nobody")
        except FetchError:
            continue
        headers += tuple(f"{name}: {_plain(value)[:_BEGIN]}" for name, value in answer.headers.items())
        text = "" if answer.status // 100 == 3 else _title(answer.text) or _plain(answer.text[:_BEGIN])
        if text:
            return text, headers
    return "", headers


def page_title(address: str, *, seconds: float = 2.0) -> str:
    """Give the title of the page that a box shows at http://ADDRESS/: one GET. Raises FetchError.

    A page that is not the box's own (a redirect, an error) has a title of its own: it does not count.
    """
    return _title(fetch(Ask(f"http://{address}/"), seconds).page())


def _title(page: str) -> str:
    found = _TITLE.search(page)
    return _plain(found[1]) if found else ""


def _plain(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())

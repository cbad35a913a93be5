"""Lines out of a zip archive, unpacked in memory: no path in it is used, and every size is bounded.

Whoever made the archive is not trusted: a few kilobytes can claim to be petabytes, and a directory of a million
members costs more than the members themselves.
"""

from __future__ import annotations

import io
import re
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

#: Every entry of an archive's directory begins so.
_ENTRY = b"PK\x01\x02"
_ENCRYPTED = 0x1
#: The others are rare, and unpack what they like at a time.
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
#: What a damaged archive makes of zipfile is not one kind of error.
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError),
    *(ValueError, OverflowError, LookupError),
)


class ArchiveError(Exception):
    """It is no archive that can be used. The message says why."""


class Limits(Struct, frozen=True):
    """How much an archive may cost: itself, one file unpacked, all that are wanted, its files, the time for all of it.

    Plex's logs of all kinds come to some 5 MB, of each at most six files of 10 MB; its plug-ins and tuners have some dozens.
    """

    archive_bytes: int = 32 * 1024 * 1024
    file_bytes: int = 24 * 1024 * 1024
    all_bytes: int = 80 * 1024 * 1024
    members: int = 2000
    seconds: float = 20.0


LIMITS = Limits()


def selected(
    archive: bytes, files: Sequence[str], pattern: str, bounds: Limits = LIMITS
) -> tuple[tuple[str, str], ...]:
    """Give, for each wanted file that the archive holds, its name and the lines of it that the pattern selects.

    Line ends stay as they are; a last line without one may have been cut off, and has none here either. Bytes that are
    no UTF-8 become U+FFFD. Raises ArchiveError.
    """
    end = time.monotonic() + bounds.seconds
    if len(archive) > bounds.archive_bytes:
        raise ArchiveError(f"the archive is larger than {bounds.archive_bytes} bytes")
    if archive.count(_ENTRY) > bounds.members:
        raise ArchiveError(f"the archive holds more than {bounds.members} files")
    expression = re.compile(pattern)
    found: list[tuple[str, str]] = []
    left = bounds.all_bytes
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            members = _members(opened, files)
            for name in files:
                if name not in members:
                    continue
                text = _text(opened, members[name], min(bounds.file_bytes, left))
                left -= len(text)
                found.append((name, "".join(_lines(text.decode("utf-8", "replace"), expression))))
                if time.monotonic() > end:
                    raise ArchiveError(f"the archive takes longer than {bounds.seconds:g} s to read")
    except _DAMAGED as error:
        raise ArchiveError(f"the archive is damaged: {(str(error) or type(error).__name__)[:120]}") from None
    return tuple(found)


def as_grep(found: Iterable[tuple[str, str]], spare: str, most: int) -> str:
    """Write the lines as `grep` does that looks into several files. A last line without an end is left out.

    Where that would be more than `most` characters, lines in which `spare` finds something are left out as well.
    """
    # Not splitlines: a line of a log may hold a form feed.
    lines = [f"{name}:{line}" for name, text in found for line in re.findall(r"[^\n]*\n", text)]
    if sum(map(len, lines)) > most:
        spared = re.compile(spare).search
        lines = [line for line in lines if not spared(line)]
    return "".join(lines)


def _members(opened: zipfile.ZipFile, files: Sequence[str]) -> Mapping[str, zipfile.ZipInfo]:
    """Find the wanted files by their last name."""
    found: dict[str, zipfile.ZipInfo] = {}
    for member in opened.infolist():
        name = re.split(r"[/\\]", member.filename)[-1]
        if name not in files:
            continue
        if name in found:
            raise ArchiveError(f"the archive holds {name} twice")
        if member.flag_bits & _ENCRYPTED:
            raise ArchiveError(f"{name} is encrypted")
        if member.compress_type not in _METHODS:
            raise ArchiveError(f"{name} is packed in a way that is not known")
        found[name] = member
    return found


def _text(opened: zipfile.ZipFile, member: zipfile.ZipInfo, limit: int) -> bytes:
    """Unpack one file. What its header says of its size is not believed."""
    with opened.open(member) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise ArchiveError(f"what is packed in the archive is larger than {limit} bytes")
    return data


def _lines(text: str, pattern: re.Pattern[str]) -> Iterator[str]:
    """Give the lines that the pattern selects. Every character is looked at once."""
    at = 0
    while match := pattern.search(text, at):
        start = text.rfind("\n", at, match.start()) + 1 or at
        end = text.find("\n", match.end()) + 1 or len(text)
        yield text[start:end]
        at = end

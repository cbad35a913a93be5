"""What comes out of a zip archive that somebody else made: bounded lines of the wanted files, or a reason."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plexops.structs import replace
from plexops.transport.http.archive import ArchiveError, Limits, as_grep, selected

FILES = ("Server.1.log", "Server.log")
PATTERN = "mapped|\\(WAN\\)"
SMALL = Limits(archive_bytes=200_000, file_bytes=50_000, all_bytes=80_000, members=20)


def packed(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def refusal(archive: bytes, limits: Limits = SMALL, files: Sequence[str] = FILES) -> str:
    with pytest.raises(ArchiveError) as caught:
        selected(archive, files, PATTERN, limits)
    return str(caught.value)


# --- what is wanted ----------------------------------------------------------------------------------


def test_lines_of_the_wanted_files_in_their_order() -> None:
    archive = packed(
        ("Server.log", b"noise\nmapped 2\nnoise\n"),
        ("Server.1.log", b"mapped 1\r\nnoise\r\n"),
        ("Scanner.log", b"mapped by somebody else\n"),
    )
    assert selected(archive, FILES, PATTERN) == (
        ("Server.1.log", "mapped 1\r\n"),
        ("Server.log", "mapped 2\n"),
    )


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("Logs/Server.log", True),
        ("../../etc/Server.log", True),
        ("C:\\Plex\\Logs\\Server.log", True),
        ("/Server.log", True),
        ("__MACOSX/._Server.log", False),
        ("Server.log/", False),
        ("Server.log.txt", False),
        ("My Server.log", False),
        ("SERVER.LOG", False),
    ],
)
def test_only_the_last_part_of_a_name_counts(name: str, wanted: bool) -> None:
    assert bool(selected(packed((name, b"mapped\n")), FILES, PATTERN)) is wanted


def test_a_file_without_such_lines_was_there_all_the_same() -> None:
    assert selected(packed(("Server.log", b"noise\n")), FILES, PATTERN) == (("Server.log", ""),)
    assert selected(packed(("Other.log", b"mapped\n")), FILES, PATTERN) == ()


def test_bytes_that_are_no_text_and_separators_that_are_no_line_ends() -> None:
    archive = packed(("Server.log", b"\xef\xbb\xbfmapped \xff\x0c\xe2\x80\xa8 x\nmapped\0\n"))
    assert selected(archive, FILES, PATTERN) == (("Server.log", "\ufeffmapped \ufffd\f\u2028 x\nmapped\0\n"),)


def test_it_reads_like_grep_over_several_files() -> None:
    found = (("Server.1.log", "mapped\f1\n"), ("Server.log", "a (WAN)\nmapped 2\ncut of"))
    everything = "Server.1.log:mapped\f1\nServer.log:a (WAN)\nServer.log:mapped 2\n"
    assert as_grep(found, r"\(WAN\)", 1000) == everything
    assert as_grep(found, r"\(WAN\)", len(everything)) == everything
    assert as_grep(found, r"\(WAN\)", len(everything) - 1) == everything.replace("Server.log:a (WAN)\n", "")


@given(st.lists(st.sampled_from(["mapped", "noise", "a (WAN) b", "", "\r", "m\fapped"]), max_size=12))
def test_the_lines_are_those_that_a_person_would_pick(lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    (found,) = selected(packed(("Server.log", text.encode())), FILES, PATTERN)
    picked = [line for line in lines if "mapped" in line or "(WAN)" in line]
    assert found[1] == "".join(f"{line}\n" for line in picked)


# --- what is refused ---------------------------------------------------------------------------------


def test_a_bomb_of_one_file() -> None:
    archive = packed(("Server.log", b"\0" * 30_000_000))
    assert len(archive) < 50_000
    assert "larger than 50000 bytes" in refusal(archive)


def test_a_bomb_of_several_files() -> None:
    archive = packed(("Server.log", b"x" * 45_000), ("Server.1.log", b"y" * 45_000))
    assert "larger than" in refusal(archive)
    assert selected(archive, FILES, PATTERN, replace(SMALL, all_bytes=90_000)) == (
        ("Server.1.log", ""),
        ("Server.log", ""),
    )


def test_a_size_that_lies() -> None:
    """The header says ten bytes, the data is a million: what counts is what comes out."""
    archive = bytearray(packed(("Server.log", b"mapped\n" * 150_000)))
    size = struct.pack("<I", 7 * 150_000)
    assert archive.count(size) == 2
    lying = bytes(archive).replace(size, struct.pack("<I", 10))
    said = refusal(lying)
    assert "damaged" in said or "larger than" in said


def test_a_bomb_that_nobody_wants_is_not_unpacked() -> None:
    archive = packed(("Other.log", b"\0" * 30_000_000), ("Server.log", b"mapped\n"))
    assert selected(archive, FILES, PATTERN, SMALL) == (("Server.log", "mapped\n"),)


def test_more_files_than_anybody_packs() -> None:
    archive = packed(*((f"{number}.log", b"") for number in range(21)))
    assert refusal(archive) == "the archive holds more than 20 files"


def test_an_archive_that_is_too_large() -> None:
    assert refusal(b"PK\x03\x04" + b"\0" * 200_000) == "the archive is larger than 200000 bytes"


def test_two_files_of_one_name() -> None:
    archive = packed(("a/Server.log", b"mapped\n"), ("b/Server.log", b"mapped\n"))
    assert refusal(archive) == "the archive holds Server.log twice"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packed_in_a_way_that_cannot_be_bounded(method: int) -> None:
    archive = packed(("Server.log", b"mapped\n" * 100), method=method)
    assert refusal(archive) == "Server.log is packed in a way that is not known"


def test_an_encrypted_file() -> None:
    archive = bytearray(packed(("Server.log", b"mapped\n")))
    entry = archive.index(b"PK\x01\x02")
    archive[entry + 8] |= 1
    assert refusal(bytes(archive)) == "Server.log is encrypted"


@pytest.mark.parametrize(
    "archive",
    [
        b"",
        b"PK",
        b"<html>no archive</html>",
        b"PK\x05\x06" + b"\0" * 10,
        b"PK\x05\x06" + b"\xff" * 18,
        packed(("Server.log", b"mapped\n" * 500))[:-30],
        packed(("Server.log", b"mapped\n" * 500))[30:],
        packed(("Server.log", b"mapped\n" * 500)).replace(b"PK\x03\x04", b"PK\x09\x09"),
    ],
    ids=["nothing", "short", "page", "no end", "mad end", "no directory", "no beginning", "no header"],
)
def test_a_damaged_archive_has_a_reason_and_no_traceback(archive: bytes) -> None:
    assert refusal(archive).startswith("the archive is damaged: ")


def test_a_wrong_checksum() -> None:
    good = packed(("Server.log", b"mapped\n"), method=zipfile.ZIP_STORED)
    check = struct.pack("<I", zlib.crc32(b"mapped\n"))
    assert "damaged" in refusal(good.replace(check, struct.pack("<I", 1)))


@given(st.data())
def test_whatever_is_damaged_it_is_lines_or_a_reason(data: st.DataObject) -> None:
    archive = bytearray(packed(("Server.log", b"mapped\n" * 40), ("Server.1.log", b"noise\n" * 40)))
    for at in data.draw(st.lists(st.integers(0, len(archive) - 1), min_size=1, max_size=6)):
        archive[at] = data.draw(st.integers(0, 255))
    try:
        outcome = {name for name, _ in selected(bytes(archive), FILES, PATTERN, SMALL)} <= set(FILES)
    except ArchiveError as reason:
        outcome = str(reason) != ""
    assert outcome


def test_a_time_limit() -> None:
    archive = packed(("Server.log", b"mapped\n" * 5_000))
    assert "takes longer than" in refusal(archive, replace(SMALL, seconds=-1.0))

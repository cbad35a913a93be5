"""The journal: what a crash leaves is tolerated, what anybody edits is found, and a full disk stops the run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from plexops.evidence.journal import FINISH, Journal, read_journal
from plexops.model.errors import PlexopsError
from plexops.model.status import ExitStatus

RUN = "01arz3ndektsv4rrffq69g5fav"


def write(path: Path, *kinds: str) -> bytes:
    with Journal.create(path, RUN, "0.1.0") as journal:
        for kind in kinds:
            journal.append(kind, {"change": "router/port_forward/plex", "seconds": 1.5, "text": "ä → ö"})
    return path.read_bytes()


def test_records_come_back_in_order_and_chained(tmp_path: Path) -> None:
    write(tmp_path / "j", "intent", "done", FINISH)
    text = read_journal(tmp_path / "j", RUN)
    assert [record.kind for record in text.records] == ["start", "intent", "done", "finish"]
    assert [record.number for record in text.records] == [0, 1, 2, 3]
    assert all(b.previous == a.head for a, b in zip(text.records, text.records[1:], strict=False))
    assert text.records[1].data["text"] == "ä → ö"
    assert text.finished
    assert text.torn == 0
    assert (tmp_path / "j").stat().st_mode & 0o777 == 0o600


def test_every_torn_tail_reads_as_the_records_before_it(tmp_path: Path) -> None:
    path = tmp_path / "j"
    whole = write(path, "intent", "done")
    ends = [i + 1 for i, byte in enumerate(whole) if byte == 10]
    for cut in range(ends[0], len(whole)):
        path.write_bytes(whole[:cut])
        text = read_journal(path, RUN)
        complete = [end for end in ends if end <= cut]
        assert len(text.records) == len(complete)
        assert text.torn == cut - complete[-1]


def test_resuming_cuts_the_torn_tail_off_and_goes_on_with_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "j"
    whole = write(path, "intent")
    path.write_bytes(whole + b'{"n":2,"kind":"done')
    journal, text = Journal.resume(path, RUN)
    with journal:
        journal.append("recovered", {})
    assert text.torn == 19
    again = read_journal(path, RUN)
    assert [record.kind for record in again.records] == ["start", "intent", "recovered"]
    assert again.torn == 0


def test_every_flipped_byte_is_found(tmp_path: Path) -> None:
    path = tmp_path / "j"
    whole = write(path, "intent", "done")
    for at in range(len(whole) - 1):  # the very last newline turned into something else is a torn tail
        for flip in (0x01, 0x20):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :])
            with pytest.raises(PlexopsError) as caught:
                read_journal(path, RUN)
            assert caught.value.status is ExitStatus.TAMPERED, at


@pytest.mark.parametrize("edit", ["remove", "swap", "repeat", "spaces", "other run"])
def test_removed_reordered_repeated_or_moved_records_are_found(tmp_path: Path, edit: str) -> None:
    path = tmp_path / "j"
    lines = write(path, "intent", "done", "kept").splitlines(keepends=True)
    edited = {
        "remove": [lines[0], *lines[2:]],
        "swap": [lines[0], lines[2], lines[1], lines[3]],
        "repeat": [*lines[:2], lines[1], *lines[2:]],
        "spaces": [lines[0], lines[1].replace(b'","', b'", "'), *lines[2:]],
        "other run": lines,
    }[edit]
    path.write_bytes(b"".join(edited))
    with pytest.raises(PlexopsError) as caught:
        read_journal(path, "01arz3ndektsv4rrffq69g5faw" if edit == "other run" else RUN)
    assert caught.value.problems[0].code == "PLX-R110"


def test_journal_of_a_newer_version_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "j"
    body = json.loads(write(path).splitlines()[0])
    body["data"] |= {"format": "plexops.journal/2", "version": "3.0.0"}
    import hashlib

    del body["h"]
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    body["h"] = hashlib.sha256(canonical.encode()).hexdigest()
    path.write_text(json.dumps(body, sort_keys=True, separators=(",", ":")) + "\n")
    before = path.read_bytes()
    with pytest.raises(PlexopsError) as caught:
        Journal.resume(path, RUN)
    problem = caught.value.problems[0]
    assert problem.code == "PLX-R106"
    assert "3.0.0" in problem.reason
    assert "plexops.journal/1" in problem.reason
    assert path.read_bytes() == before


def test_second_journal_in_one_place_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "j")
    with pytest.raises(PlexopsError) as caught:
        Journal.create(tmp_path / "j", RUN, "0.1.0")
    assert caught.value.problems[0].code == "PLX-R102"


FULL_DISK = """
import resource, sys
from pathlib import Path
from plexops.evidence.journal import Journal, read_journal
from plexops.model.errors import PlexopsError
journal = Journal.create(Path(sys.argv[1]), "run", "0.1.0")
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
codes = []
for number in range(4):
    try:
        journal.append("intent", {"pad": "x" * 400})
    except PlexopsError as error:
        codes.append(error.problems[0].code)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(codes, len(read_journal(Path(sys.argv[1]), "run").records))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the limit is POSIX")
def test_full_disk_stops_the_run_for_good_and_leaves_a_readable_journal(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "j")], capture_output=True, text=True, check=True
    )
    # start and one record fit; the second is cut short by the kernel; later ones are refused though room came back
    assert done.stdout.strip() == "['PLX-R102', 'PLX-R102', 'PLX-R102'] 2"

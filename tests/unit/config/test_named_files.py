"""Files that a repository or a person names: what is no regular file is refused at once, and nothing of it is read."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from plexops.config.answers_file import read_answers_file
from plexops.config.playbook import load_playbooks
from plexops.config.probe_file import read_probe_file
from plexops.config.profiles import load_profile
from plexops.config.variables import extra_variables
from plexops.config.yaml import MAX_BYTES, load_yaml_document
from plexops.engine.look.user_evidence import bring
from plexops.engine.tell.plan_file import read_plan_file
from plexops.model.errors import PlexopsError

READERS: dict[str, Callable[[Path], object]] = {
    "inventory": load_yaml_document,
    "playbook": lambda path: load_playbooks((path,)),
    "profile": lambda path: load_profile(f"./{path.name}", path.parent),
    "variables": lambda path: extra_variables((f"@{path}",)),
    "told": lambda path: read_answers_file(path, datetime.now(UTC)),
    "plan": lambda path: read_plan_file(path, "0" * 12),
    "probe": read_probe_file,
    "log": lambda path: bring((), path),
}


def pipe(path: Path) -> None:
    os.mkfifo(path)


def link_to_a_pipe(path: Path) -> None:
    os.mkfifo(path.with_suffix(".pipe"))
    path.symlink_to(path.with_suffix(".pipe"))


def link_to_an_endless_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def listening_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def link_to_itself(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    "plant", [pipe, link_to_a_pipe, link_to_an_endless_device, listening_socket, link_to_itself]
)
@pytest.mark.parametrize("what", READERS)
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, plant: Callable[[Path], None], what: str) -> None:
    """Row 17: `check` hung on a named pipe and read /dev/zero."""
    path = tmp_path / "x.yaml"
    plant(path)
    with pytest.raises(PlexopsError) as caught:
        READERS[what](path)
    assert caught.value.problems[0].code[:5] == "PLX-C"


@pytest.mark.parametrize("what", READERS)
def test_a_file_without_an_end_is_read_up_to_a_limit(tmp_path: Path, what: str) -> None:
    path = tmp_path / "x.yaml"
    with path.open("wb") as file:
        file.truncate(20_000 * MAX_BYTES)  # 20 GB, of which nothing is on the disk
    with contextlib.suppress(PlexopsError):  # a log of zeros is one that says nothing
        READERS[what](path)


def test_what_a_person_pipes_in_is_read() -> None:
    """`plexops … -e @<(generate)`: a shell names such a pipe /dev/fd/63."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as file:
        file.write(b"port: 32500\n")
    assert extra_variables((f"@/dev/fd/{reading}",))
    os.close(reading)


def test_a_link_beside_the_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_text("port: 32500\n")
    (tmp_path / "x.yaml").symlink_to("real.yaml")
    assert extra_variables((f"@{tmp_path / 'x.yaml'}",))

"""A document that passed its schema is not judged again; one that changed by a letter is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from plexops.config.inventory import load_inventory
from plexops.config.remembered import digest_of, is_remembered, remember
from plexops.model.errors import PlexopsError

INVENTORY = """
sites:
  home:
    router: {profile: openwrt, address: 192.168.1.1, username: root}
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def loaded_libraries(inventory: Path) -> str:
    """Load an inventory in a process of its own and give which of the slow libraries it imported."""
    code = (
        "import sys; from pathlib import Path; from plexops.config.inventory import load_inventory;"
        f"load_inventory(Path({str(inventory)!r}));"
        "print(*(m for m in ('jsonschema', 'jinja2') if m in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    return done.stdout.strip()


def test_the_second_look_at_a_document_needs_no_schema_library(tmp_path: Path) -> None:
    file = tmp_path / "inventory.yaml"
    file.write_text(INVENTORY)
    assert loaded_libraries(file) == "jsonschema"
    assert loaded_libraries(file) == ""
    file.write_text(f"# a comment alone changes nothing\n{INVENTORY}")
    assert loaded_libraries(file) == ""
    file.write_text(INVENTORY.replace("192.168.1.1", "192.168.1.2"))
    assert loaded_libraries(file) == "jsonschema"


def test_a_document_with_problems_is_never_remembered(tmp_path: Path) -> None:
    file = tmp_path / "inventory.yaml"
    file.write_text(INVENTORY.replace("router:", "ruoter:"))
    said = set()
    for _ in range(2):
        with pytest.raises(PlexopsError) as refused:
            load_inventory(file)
        said.add(tuple(problem.reason for problem in refused.value.problems))
    assert len(said) == 1


def test_a_cache_that_cannot_be_written_costs_time_and_nothing_else(own_cache: Path, tmp_path: Path) -> None:
    own_cache.write_text("somebody's file")
    file = tmp_path / "inventory.yaml"
    file.write_text(INVENTORY)
    for _ in range(2):
        assert loaded_libraries(file) == "jsonschema"


def test_another_schema_or_type_is_another_digest() -> None:
    digests = {digest_of({"port": 1}, {}), digest_of({"port": "1"}, {}), digest_of({"port": 1}, {"a": 1})}
    digests.add(digest_of({"port": True}, {}))
    assert len(digests) == 4


def test_the_cache_is_private_and_bounded(own_cache: Path) -> None:
    for number in range(1005):
        remember(digest_of(number, {}))
    folder = own_cache / "plexops" / "passed"
    assert len(list(folder.iterdir())) <= 1000
    assert folder.stat().st_mode & 0o777 == 0o700
    assert is_remembered(digest_of(1004, {}))

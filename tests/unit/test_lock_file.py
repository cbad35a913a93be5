"""uv.lock: it fits pyproject.toml, and whoever installs from it asks the public index alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCK = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
[OURS] = [package for package in LOCK["package"] if package["name"] == "plexops"]

Wanted = set[tuple[str, SpecifierSet]]


def wanted(lines: Iterable[str]) -> Wanted:
    parsed = [Requirement(line) for line in lines]
    return {(canonicalize_name(each.name), each.specifier) for each in parsed}


def locked(rows: Iterable[Mapping[str, str]]) -> Wanted:
    return {(row["name"], SpecifierSet(row.get("specifier", ""))) for row in rows}


def test_the_lock_is_of_what_the_project_asks_for() -> None:
    project = PROJECT["project"]
    extras = [line for extra in project["optional-dependencies"].values() for line in extra]
    assert locked(OURS["metadata"]["requires-dist"]) == wanted([*project["dependencies"], *extras])
    groups = PROJECT["dependency-groups"]
    dev = set(groups["dev"])
    nightly = {line for line in groups["nightly"] if isinstance(line, str)}
    assert locked(OURS["metadata"]["requires-dev"]["dev"]) == wanted(dev)
    assert locked(OURS["metadata"]["requires-dev"]["nightly"]) == wanted(dev | nightly)
    assert LOCK["requires-python"] == project["requires-python"]


def test_only_the_public_index_is_named() -> None:
    others = [package for package in LOCK["package"] if package is not OURS]
    assert {package["source"].get("registry") for package in others} == {"https://pypi.org/simple"}
    files = [file for each in others for file in [*each.get("wheels", []), each.get("sdist")] if file]
    assert [file for file in files if not file["url"].startswith("https://files.pythonhosted.org/")] == []
    assert [file for file in files if not file["hash"].startswith("sha256:")] == []


def test_uv_finds_nothing_to_lock_anew(tmp_path: Path) -> None:
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not installed")
    said = subprocess.run(
        [uv, "lock", "--check", "--offline", "--cache-dir", str(tmp_path), "--project", str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr

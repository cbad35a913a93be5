"""The wheel: everything that a user gets is in it, and what is installed from it works without a checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel, without the network."""
    target = tmp_path_factory.mktemp("dist")
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    [made] = target.glob("*.whl")
    return made


def files_of(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.mark.parametrize("folder", ["router_profiles", "playbooks", "schemas"])
def test_the_wheel_holds_every_data_file(wheel: Path, folder: str) -> None:
    ours = {
        f"plexops/data/{path.relative_to(ROOT).as_posix()}"
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    }
    assert ours
    assert ours <= files_of(wheel)


def test_the_wheel_holds_every_module_and_nothing_else(wheel: Path) -> None:
    names = files_of(wheel)
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "plexops").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {"plexops/py.typed", "plexops/report/report.css"} <= package
    assert package <= names
    others = {name for name in names - package if not name.startswith("plexops/data/")}
    assert all(".dist-info/" in name for name in others), others
    assert "plexops/data/inventory.example.yaml" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in others)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into an environment of its own; the libraries come from the one that runs the tests."""
    place = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True, timeout=100)
    python = place / "bin" / "python"
    subprocess.run(
        [str(python), "-m", "pip", "install", "-q", "--no-deps", "--no-index", str(wheel)],
        check=True,
        timeout=100,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    site = place / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    # A path that a .pth adds is searched, but its own .pth files (that of the checkout) are not read.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return place


def plexops(installed: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(installed / "bin" / "plexops"), *arguments],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_installed_command_says_its_version(installed: Path, tmp_path: Path) -> None:
    done = plexops(installed, "--version", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "plexops 0.1.0\n"


def test_what_is_installed_is_not_the_checkout_and_finds_its_data(installed: Path, tmp_path: Path) -> None:
    script = (
        "import plexops, sys\n"
        "from pathlib import Path\n"
        "from plexops.config.files import shipped\n"
        "from plexops.config.profiles import load_profile, profile_names\n"
        "from plexops.config.playbook import load_playbooks\n"
        "print(plexops.__file__)\n"
        "print(*sorted(load_profile(name, Path('.')).name for name in profile_names()))\n"
        "print(len(load_playbooks((shipped('playbooks') / 'plex-remote-access.yaml',))))\n"
    )
    done = subprocess.run(
        [str(installed / "bin" / "python"), "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    where, profiles, playbooks = done.stdout.splitlines()
    assert Path(where).is_relative_to(installed)
    assert profiles.split() == sorted(path.stem for path in (ROOT / "router_profiles").glob("*.yaml"))
    assert playbooks == "1"

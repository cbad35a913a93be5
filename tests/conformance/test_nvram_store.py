"""Lists in one text of an nvram, edited by real shells: the text of others stays as it is, letter for letter."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from plexops.config.samples import load_samples
from plexops.drivers.router.compile import CompiledProfile
from plexops.drivers.router.profiled import ProfiledDriver
from plexops.engine.families import load_family
from plexops.engine.proving import _reply
from plexops.engine.proving_life import Answers, life
from plexops.model.change import Action, Change
from plexops.model.exchange import Command, Read, Reply, Write
from plexops.model.resources import PortForward
from plexops.model.snapshot import Kind, Role
from plexops.model.values import Ports

SHELLS = {"dash": ["dash"], "busybox": ["busybox", "sh"]}
#: Each value is a file; nothing is saved before `commit`.
NVRAM = """#!/bin/sh
case "$1" in
get) cat "$STORE/now/$2" 2>/dev/null; echo ;;
set) printf %s "${2#*=}" >"$STORE/now/${2%%=*}" ;;
commit) rm -rf "$STORE/saved" && cp -r "$STORE/now" "$STORE/saved" ;;
*) exit 1 ;;
esac
"""
LISTS = {"asuswrt-merlin": ("vts_rulelist", "vts_enable_x"), "ddwrt": ("forward_spec", "")}


class Router:
    """A real shell with an nvram of files."""

    def __init__(self, folder: Path, shell: Sequence[str], values: Mapping[str, str]) -> None:
        self.folder, self.shell = folder, shell
        (folder / "bin").mkdir(parents=True)
        for name in ("now", "saved"):
            (folder / name).mkdir()
            for key, value in values.items():
                (folder / name / key).write_text(value)
        programs = dict.fromkeys(("service", "stopservice", "startservice", "sleep"), "#!/bin/sh\nexit 0\n")
        for name, text in {"nvram": NVRAM, **programs}.items():
            (folder / "bin" / name).write_text(text)
            (folder / "bin" / name).chmod(0o755)
        self.names: dict[str, str] = {}

    def run(self, text: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        return subprocess.run(
            [*self.shell, "-c", text],
            env={"PATH": path, "STORE": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )

    def answer(self, read: Read) -> Reply | None:
        if not isinstance(read.ask, Command) or not read.ask.text.startswith("nvram get "):
            return None
        value = self.folder / "now" / read.ask.text.removeprefix("nvram get ")
        return Reply(read.id, 0, f"{value.read_text() if value.exists() else ''}\n")

    def send(self, write: Write) -> Reply:
        assert isinstance(write.ask, Command)
        ended = self.run(write.ask.text)
        return Reply("write", ended.returncode, ended.stdout, ended.stderr)

    def content(self) -> str:
        return repr({path.name: path.read_text() for path in sorted((self.folder / "saved").iterdir())})


def router_of(
    folder: Path, shell: str, profile: CompiledProfile, reads: Sequence[Read], answers: Answers
) -> Router:
    asked = {
        read.id: read.ask.text.removeprefix("nvram get ") for read in reads if isinstance(read.ask, Command)
    }
    values = {asked[name]: str(text) for name, text in answers.items() if name.startswith("nvram.")}
    for ways in profile.profile.resources.values():
        for write in (spec.write for spec in ways if spec.write is not None and spec.write.count):
            values[write.count] = str(len(values[write.nvram].split()))
    return Router(folder, SHELLS[shell], values)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("family", LISTS)
def test_entries_live_in_a_real_shell(family: str, shell: str, tmp_path: Path) -> None:
    if shutil.which(SHELLS[shell][0]) is None:
        pytest.fail(f"{shell} is not installed: scripts/setup.sh installs what the tests need")
    samples = load_samples(family, Path())
    assert samples is not None
    folders = iter(range(100))

    def devices(profile: CompiledProfile, reads: Sequence[Read], answers: Answers) -> Router:
        return router_of(tmp_path / str(next(folders)), shell, profile, reads, answers)

    looked, problems = life(load_family(family, Path()), samples, devices, _reply)
    assert looked >= 2
    assert list(problems) == []


def changed(router: Router, family: str, answers: Answers) -> tuple[int, str]:
    driver = ProfiledDriver(load_family(family, Path()))
    observation = driver.observe()
    reads = next(observation)
    try:
        observation.send([router.answer(read) or _reply(read, answers.get(read.id)) for read in reads])
    except StopIteration as done:
        now = done.value
    want = PortForward(Ports.of(54321), now.of(Kind.LEASE)[0].values.address, Ports.of(32400))
    script = driver.script(Change(Role.ROUTER, Kind.PORT_FORWARD, "plex", Action.CREATE, want=want), now)
    reply = router.send(script.writes[0])
    assert reply.status is not None
    return reply.status, reply.stderr


def test_a_switch_that_is_off_is_not_turned_on_for_the_items_of_others(tmp_path: Path) -> None:
    """They stand there and do nothing: turning it on for ours would open what its owner has closed."""
    samples = load_samples("asuswrt-merlin", Path())
    assert samples is not None
    answers = {**samples.answers("household"), "nvram.vts_enable_x": "0"}
    profile = load_family("asuswrt-merlin", Path())
    router = router_of(tmp_path, "dash", profile, next(ProfiledDriver(profile).observe()), answers)
    before = router.content()
    status, said = changed(router, "asuswrt-merlin", answers)
    assert (status, "vts_enable_x is off, and others would act with ours: nothing was written" in said) == (
        1,
        True,
    )
    assert router.content() == before


def test_what_somebody_wrote_meanwhile_stays(tmp_path: Path) -> None:
    """Between the look and the write another item came: it is kept, since only ours is put behind it."""
    samples = load_samples("ddwrt", Path())
    assert samples is not None
    answers = samples.answers("household")
    profile = load_family("ddwrt", Path())
    router = router_of(tmp_path, "busybox", profile, next(ProfiledDriver(profile).observe()), answers)
    router.run('nvram set "forward_spec=$(nvram get forward_spec) new:on:tcp:1>192.168.1.3:1"')
    assert changed(router, "ddwrt", answers)[0] == 0
    text = (tmp_path / "saved" / "forward_spec").read_text()
    assert text.endswith(" new:on:tcp:1>192.168.1.3:1 plexops_plex:on:tcp:54321>192.168.1.50:32400")
    assert (tmp_path / "saved" / "forwardspec_entries").read_text() == str(len(text.split()))

"""Lists in one text of an nvram, edited by real shells: the text of others stays as it is, letter for letter."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from plexops.config.samples import load_samples
from plexops.drivers.router.compile import CompiledProfile
from plexops.drivers.router.profiled import ProfiledDriver
from plexops.engine.families import load_family
from plexops.engine.proving import reply_of
from plexops.engine.proving_life import Answers, life
from plexops.model.change import Action, Change, inverse
from plexops.model.exchange import Command, Read, Reply, Write
from plexops.model.resources import PortForward
from plexops.model.snapshot import Kind, Role, Snapshot
from plexops.model.values import Ports
from plexops.structs import replace

SHELLS = {"dash": ["dash"], "busybox": ["busybox", "sh"]}
#: Each value is a file; nothing is saved before `commit`.
NVRAM = """#!/bin/sh
case "$1" in
get) cat "$STORE/now/$2" 2>/dev/null; echo ;;
set) printf %s "${2#*=}" >"$STORE/now/${2%%=*}" ;;
show) for f in "$STORE/now"/*; do echo "${f##*/}=$(cat "$f")"; done ;;
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

    looked, problems = life(load_family(family, Path()), samples, devices, reply_of)
    assert looked >= 2
    assert list(problems) == []


def seen(router: Router, family: str, answers: Answers) -> tuple[ProfiledDriver, Snapshot]:
    driver = ProfiledDriver(load_family(family, Path()))
    observation = driver.observe()
    reads = next(observation)
    try:
        observation.send([router.answer(read) or reply_of(read, answers.get(read.id)) for read in reads])
    except StopIteration as done:
        now: Snapshot = done.value
    return driver, now


def script(router: Router, family: str, answers: Answers, key: str = "plex") -> Write:
    """Render a new forward on what the router says now."""
    driver, now = seen(router, family, answers)
    want = PortForward(Ports.of(54321), IPv4Address("192.168.1.50"), Ports.of(32400))
    return driver.script(Change(Role.ROUTER, Kind.PORT_FORWARD, key, Action.CREATE, want=want), now).writes[0]


def sent(router: Router, write: Write) -> tuple[int, str]:
    reply = router.send(write)
    assert reply.status is not None
    return reply.status, reply.stderr


def changed(router: Router, family: str, answers: Answers) -> tuple[int, str]:
    return sent(router, script(router, family, answers))


def household(folder: Path, shell: str, **values: str) -> tuple[Router, Answers]:
    """Give a Merlin with its household's lists, and what else is said."""
    samples = load_samples("asuswrt-merlin", Path())
    assert samples is not None
    answers = {**samples.answers("household"), **{f"nvram.{name}": text for name, text in values.items()}}
    profile = load_family("asuswrt-merlin", Path())
    reads = next(ProfiledDriver(profile).observe())
    return router_of(folder, shell, profile, reads, answers), answers


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


#: What a router out of memory does, one whose nvram is not to be reached, and one whose nvram is full and says nothing.
BROKEN = {
    "cannot fork": ("get)", "get) exit 127 ;; off)"),
    "prints nothing": ('case "$1" in', 'case "$1" in get|show) exit 0 ;;'),
    "keeps nothing": ("set)", 'set) case "$2" in vts_rulelist=*) exit 0 ;; esac;'),
}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("theirs", ["", "<theirs>80>192.168.1.3>80>TCP>"])
def test_an_nvram_that_fails_costs_nobody_an_entry(how: str, theirs: str, shell: str, tmp_path: Path) -> None:
    """It looks like an empty list; and a switch does not stay behind on."""
    router, answers = household(tmp_path, shell, vts_rulelist=theirs, vts_enable_x="1" if theirs else "0")
    write, before = script(router, "asuswrt-merlin", answers), router.content()
    (tmp_path / "bin" / "nvram").write_text(NVRAM.replace(*BROKEN[how], 1))
    status, said = sent(router, write)
    assert (status, "nothing was written" in said) == (1, True)
    assert router.content() == before
    assert (tmp_path / "now" / "vts_enable_x").read_text() == ("1" if theirs else "0")


@pytest.mark.parametrize("shell", SHELLS)
def test_ours_goes_and_comes_back_though_the_list_was_switched_off(shell: str, tmp_path: Path) -> None:
    """You switch all forwards off: ours is taken away as ever, and put back it acts no more than before."""
    for number, theirs in enumerate(("", "<theirs>80>192.168.1.3>80>TCP>")):
        text = f"{theirs}<plexops_plex>54321>192.168.1.50>32400>TCP>"
        router, answers = household(tmp_path / str(number), shell, vts_rulelist=text, vts_enable_x="0")
        driver, now = seen(router, "asuswrt-merlin", answers)
        before = router.content()
        ours = next(entry for entry in now.of(Kind.PORT_FORWARD) if entry.owner.ours)
        away = Change(Role.ROUTER, Kind.PORT_FORWARD, "plex", Action.DELETE, before=ours)
        assert sent(router, driver.script(away, now).writes[0]) == (0, "")
        assert (router.folder / "saved" / "vts_rulelist").read_text() == theirs
        back = inverse(away)
        assert back is not None
        now = seen(router, "asuswrt-merlin", answers)[1]
        assert sent(router, driver.script(back, now).writes[0]) == (0, "")
        assert router.content() == before


ODD = (
    "*",
    "a*b",
    "?",
    "[x]",
    "a\\b",
    "a\\\\",
    "100%",
    "%s",
    "$HOME",
    "${v}",
    "`id`",
    "-n",
    "-e",
    "~",
    "#x",
    "'q'",
    '"d"',
    "a  b",
)


@pytest.mark.parametrize("shell", SHELLS)
def test_names_that_a_shell_would_read_as_patterns_name_their_own_entry(shell: str, tmp_path: Path) -> None:
    text = "".join(f"<{name}>{80 + at}>192.168.1.3>80>TCP>" for at, name in enumerate(ODD))
    router, answers = household(tmp_path, shell, vts_rulelist=text, vts_enable_x="1")
    for at, name in enumerate(ODD):
        driver, now = seen(router, "asuswrt-merlin", answers)
        entry = now.of(Kind.PORT_FORWARD)[at]
        assert isinstance(entry.values, PortForward)
        assert entry.label == name
        want = replace(entry.values, address=IPv4Address("192.168.1.4"))
        adopt = Change(
            Role.ROUTER, Kind.PORT_FORWARD, "plex", Action.ADOPT, before=entry, want=want, fields=("address",)
        )
        assert sent(router, driver.script(adopt, now).writes[0]) == (0, "")
        text = text.replace(f"<{name}>{80 + at}>192.168.1.3>", f"<{name}>{80 + at}>192.168.1.4>")
        assert (tmp_path / "saved" / "vts_rulelist").read_text() == text

"""What goes to a worker and comes back: everything of a home but its secrets, and nothing that is not understood."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import msgspec
import pytest

from plexops.cli.session import Files
from plexops.cluster import assignment as assignments
from plexops.cluster import controller, worker
from plexops.cluster.assignment import (
    Assignment,
    OtherVersion,
    Reply,
    assignment_for,
    decoded,
    encoded,
    placed_at,
)
from plexops.config.resolve import resolve_again
from plexops.engine.decide.offline_check import open_on_paper
from plexops.engine.look.site import Home
from plexops.engine.order import Order
from plexops.model.errors import PlexopsError, Problem
from plexops.structs import replace
from plexops.transport.trust.store import TrustStore
from plexops.transport.trust.verdict import OfferedKey
from tests.cli.process import plexops, python

ROOT = Path(__file__).resolve().parents[2]
HOME = """\
sites:
  home:
    vars: {port: 32500, label: "{{ site }} is no template here"}
    router: {profile: openwrt, address: 192.168.1.1, key_file: keys/router, via: {address: j, key_file: /etc/j}}
    server: {address: 192.168.1.50, mac: "52:54:00:12:34:56", username: me, password: {file: secrets/server}}
    plex: {url: "http://192.168.1.50:32400", token: {env: PLEX_TOKEN}}
"""
PLAYBOOK = """\
- sites: all
  tasks:
    - port_forward: {external_port: "{{ port }}", name: "{{ label }}"}
    - dhcp_reservation: {}
    - firewall_rule: {port: 32400}
    - plex_remote_access: {manual_port: "{{ port }}"}
    - upnp: {enabled: false}
    - wan: {}
    - reachability: {}
"""


def write(folder: Path, inventory: str = HOME, playbook: str = PLAYBOOK) -> Files:
    (folder / "playbook.yaml").write_text(playbook, encoding="utf-8")
    (folder / "inventory.yaml").write_text(inventory, encoding="utf-8")
    return Files(folder / "inventory.yaml", (folder / "playbook.yaml",))


def homes(files: Files) -> Iterator[Home]:
    return (open_on_paper(tasks, files.directory) for tasks in files.tasks())


def assigned(files: Files, store: TrustStore | None = None) -> Assignment:
    home = next(iter(homes(files)))
    return assignment_for(home, Order("audit"), store or TrustStore(Path("nowhere"), {}), files.directory)


@pytest.mark.parametrize("example", [True, False])
def test_a_worker_resolves_the_tasks_that_were_resolved_here(tmp_path: Path, example: bool) -> None:
    files = write(tmp_path)
    if example:
        text = (ROOT / "inventory.example.yaml").read_text(encoding="utf-8")
        files = write(tmp_path, text.replace("{ask: true}", "{env: PLEXOPS_SUDO}"))
        files = replace(files, playbooks=(ROOT / "playbooks",))
    for home in homes(files):
        made = assignment_for(home, Order("audit"), TrustStore(Path("nowhere"), {}), files.directory)
        there = decoded(encoded(made), Assignment)
        assert there == made
        assert home.tasks.tasks
        assert resolve_again(there.site, there.tasks).tasks == home.tasks.tasks


def test_files_start_at_the_workers_own_folder(tmp_path: Path) -> None:
    site = placed_at(assigned(write(tmp_path)).site, Path("/etc/plexops"))
    assert site.router is not None
    assert site.router.ssh.key_file == "/etc/plexops/keys/router"
    assert site.router.ssh.via is not None
    assert site.router.ssh.via.key_file == "/etc/j", "what is absolute is meant so"
    assert site.server is not None
    assert site.server.login is not None
    assert site.server.login.password is not None
    assert (site.server.login.password.directory, site.server.login.password.name) == (
        "/etc/plexops",
        "secrets/server",
    )


def test_pins_of_this_home_go_along_and_no_others(tmp_path: Path) -> None:
    store = TrustStore(tmp_path / "trust", {})
    for device in ("home/router", "cabin/router"):
        store = store.pin(device, OfferedKey("ssh-ed25519", "SHA256:x"), date(2026, 11, 29))
    assert set(assigned(write(tmp_path), store).pins) == {"home/router"}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("{file: secrets/server}", "{ask: true}", "is typed at a terminal"),
        ("username: me, password: {file: secrets/server}", "connection: local", "this computer"),
    ],
)
def test_what_only_this_machine_can_look_at_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in HOME
    with pytest.raises(PlexopsError, match=says) as refused:
        assigned(write(tmp_path, HOME.replace(old, new)))
    assert [problem.code for problem in refused.value.problems] == ["PLX-K109"]


def test_what_is_no_assignment_is_not_read(tmp_path: Path) -> None:
    data = encoded(assigned(write(tmp_path)))
    for bad in (
        data.replace(b'"profile"', b'"profil"', 1),
        data.replace(b"192.168.1.50", b"here"),
        data[:-1],
        b"\x80\x04",
    ):
        with pytest.raises(msgspec.MsgspecError):
            decoded(bad, Assignment)


def test_a_worker_of_another_version_refuses_and_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(replace(assigned(write(tmp_path)), version="9.9"))
    assert decoded(worker.look(data), Reply).report is None
    with monkeypatch.context() as patched:
        patched.setattr(assignments, "__version__", "9.9")
        from_another = worker.look(encoded(replace(assigned(write(tmp_path)), version="9.8")))
    with pytest.raises(OtherVersion, match=re.escape("9.9")):
        decoded(from_another, Reply)
    assert told(from_another).code == "PLX-K104"


class Ended:
    """A future that has ended."""

    status = "error"

    def __init__(self, ending: bytes | Exception) -> None:
        self.ending = ending

    def result(self, timeout: float) -> bytes:
        if isinstance(self.ending, bytes):
            return self.ending
        raise self.ending


def told(ending: bytes | Exception) -> Problem:
    found = controller._told(Ended(ending))
    assert isinstance(found, Problem)
    return found


def test_a_worker_without_plexops_and_one_that_talks_nonsense_are_told_apart_from_the_home() -> None:
    missing = told(ModuleNotFoundError("No module named 'plexops'"))
    assert missing.code == "PLX-K106"
    assert "No module named 'plexops'" in missing.reason
    assert told(b"[]").code == "PLX-K106"


def test_a_worker_that_lacks_a_secret_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    report = decoded(worker.look(encoded(assigned(write(tmp_path)))), Reply).report
    assert report is not None
    assert [problem.code for problem in report.sites[0].errors] == ["PLX-C302", "PLX-C301"]
    assert report.exit_status == 2


@pytest.mark.parametrize("command", ["apply", "recover", "rollback last"])
def test_what_writes_stays_on_one_machine_and_says_why(tmp_path: Path, command: str) -> None:
    ended = plexops(*command.split(), "--cluster", "tcp://127.0.0.1:1", directory=tmp_path)
    assert ended.status == 2
    assert "PLX-K108" in ended.err
    assert "a cluster may begin a home twice" in ended.said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("audit", "-k"), "no secret is sent to a worker"),
        (("audit", "--forks", "3"), "the workers' threads say"),
        (("diagnose", "--refresh"), "a home may be looked at twice"),
        (("diagnose", "--quick"), "has no use for --cluster"),
        (("audit", "--record", "x"), "--record keeps what this machine asks"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_makes_no_sense_on_a_cluster_is_refused(
    tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    write(tmp_path)
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "playbook.yaml").rename(tmp_path / "playbooks" / "playbook.yaml")
    ended = plexops(
        *words, "--cluster", "tcp://127.0.0.1:1", directory=tmp_path,
        variables={"XDG_STATE_HOME": str(tmp_path / "state")},
    )  # fmt: skip
    assert ended.status == 2
    assert says in ended.said


def test_an_address_has_its_scheme(tmp_path: Path) -> None:
    ended = plexops("audit", "--cluster", "scheduler:8786", directory=tmp_path)
    assert ended.status == 2
    assert "tcp://HOST:8786" in ended.said


RUN = """
import sys
if sys.argv[1] == "without":
    sys.modules["distributed"] = None
from plexops.cli.main import run
status = run(sys.argv[2:])
print(status, sorted({"distributed", "dask", "plexops.cluster"} & set(sys.modules)), file=sys.stderr)
"""


def test_distributed_is_loaded_for_a_cluster_alone_and_named_where_it_is_missing(tmp_path: Path) -> None:
    write(tmp_path, HOME.replace("192.168.1.1,", "127.0.0.1, port: 1,"))
    words = ("audit", "playbook.yaml")
    state = str(tmp_path / "state")
    plain = python(RUN, "with", *words, directory=tmp_path, XDG_STATE_HOME=state)
    assert plain.stderr.splitlines()[-1] == "2 []"
    missing = python(
        RUN, "without", *words, "--cluster", "tcp://127.0.0.1:1", directory=tmp_path, XDG_STATE_HOME=state
    )
    assert "PLX-K101" in missing.stderr
    assert 'pip install "plexops[cluster]"' in missing.stderr


OPTIONS = """
from distributed.cli import dask_scheduler, dask_worker
for name, module in (("scheduler", dask_scheduler), ("worker", dask_worker)):
    print(name, *(flag for option in module.main.params for flag in (*option.opts, *option.secondary_opts)))
"""


def test_every_option_of_dask_that_the_page_names_is_one(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    listed = dict(line.split(maxsplit=1) for line in python(OPTIONS, directory=tmp_path).stdout.splitlines())
    commands = re.findall(
        r"dask (scheduler|worker) ([^\n]*(?:\n +(?!volumes|environment)[^\n]*--[^\n]*)+)", page
    )
    assert [name for name, _ in commands] == ["scheduler", "worker"] * 2
    for name, words in commands:
        used = set(re.findall(r"--[a-z-]+", words))
        assert {"--tls-ca-file", "--no-dashboard"} < used
        assert used <= set(listed[name].split())


def test_a_profile_of_your_own_goes_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    own = (ROOT / "router_profiles" / "openwrt.yaml").read_text(encoding="utf-8") + "# and mine\n"
    (tmp_path / "mine.yaml").write_text(own, encoding="utf-8")
    site = "{profile: ./mine.yaml, address: 127.0.0.1, port: 1, username: root}"
    made = assigned(
        write(tmp_path, f"sites: {{home: {{router: {site}}}}}", "- {sites: all, tasks: [{wan: {}}]}")
    )
    (tmp_path / "mine.yaml").unlink()
    report = decoded(worker.look(encoded(made)), Reply).report
    assert report is not None
    assert "mine.yaml does not come with plexops" in report.sites[0].taught
    assert [problem.code for problem in report.sites[0].errors] == ["PLX-D102"]

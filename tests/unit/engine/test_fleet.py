"""Many homes in one run: what they share is prepared once, and none of them stays in memory when it is done."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from plexops.cli.session import Files, open_homes
from plexops.config.secrets import Secrets
from plexops.drivers.router.compile import CompiledProfile, compile_profile
from plexops.engine import runner
from plexops.engine.look.site import Home
from plexops.engine.order import Order
from plexops.engine.runner import run
from plexops.engine.save_result import Interrupted
from plexops.evidence import masking
from plexops.evidence.folder import Store
from plexops.model.errors import Place
from plexops.model.profile import Profile
from plexops.model.run import MaskedReport, RunReport, SiteReport
from plexops.model.site import SecretReference, SecretSource
from plexops.model.status import ExitStatus

HOMES = 20
SITE = """\
  home{number}:
    router: {{profile: openwrt, address: 127.0.0.1, port: 9, username: root, password: {{env: PLEXOPS_{number}}}}}
"""
PLAYBOOK = "- {name: No UPnP, sites: all, tasks: [{name: None, upnp: {enabled: false}}]}\n"


@pytest.fixture
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Home, ...]]:
    """Twenty homes of one family, none of which answers."""
    for number in range(HOMES):
        monkeypatch.setenv(f"PLEXOPS_{number}", f"a password {number}")
    (tmp_path / "plex.yaml").write_text(PLAYBOOK)
    (tmp_path / "inventory.yaml").write_text(
        "sites:\n" + "".join(SITE.format(number=number) for number in range(HOMES))
    )
    compiled: list[str] = []

    def counted(profile: Profile) -> CompiledProfile:
        compiled.append(profile.name)
        return compile_profile(profile)

    monkeypatch.setattr("plexops.engine.look.site.compile_profile", counted)
    files = Files(tmp_path / "inventory.yaml", (tmp_path / "plex.yaml",))
    yield open_homes(files, Store.open(tmp_path / "state"), {})
    assert compiled == ["openwrt"]


def test_a_profile_is_compiled_once_a_run(homes: tuple[Home, ...], tmp_path: Path) -> None:
    store = Store.open(tmp_path / "state")
    report, masked = run(homes, Order("audit"), store)
    assert [part.name for part in report.sites] == [f"home{number}" for number in range(HOMES)]
    assert [part.name for part in masked.sites] == [part.name for part in report.sites]
    assert report.exit_status == masked.exit_status == ExitStatus.INCOMPLETE
    for part in report.sites:
        kept = store.site(part.name).find(report.run_id)
        assert kept.private_result().sites == (part,)
        assert kept.result().exit_status == part.exit_status
        assert not store.site(part.name).verify(kept)


def test_homes_are_handed_on_one_by_one_and_let_go(homes: tuple[Home, ...], tmp_path: Path) -> None:
    """However many there were: what is in memory is what the forks are at."""
    alive: list[int] = []
    names: list[str] = []

    def take(report: RunReport, masked: MaskedReport) -> None:
        (part,) = report.sites
        assert masked.run_id == report.run_id
        names.append(part.name)
        gc.collect()
        alive.append(sum(type(one) is SiteReport for one in gc.get_objects()))

    report, masked = run(
        homes, Order("audit"), Store.open(tmp_path / "state"), forks=1, hand_on=take, gather=False
    )
    assert sorted(names) == sorted(home.view.name for home in homes)
    assert (report.sites, masked.sites) == ((), ())
    assert report.exit_status == ExitStatus.INCOMPLETE
    assert max(alive) <= alive[0] + 1


def test_a_home_is_told_nothing_of_anothers_secrets() -> None:
    """`known` is what goes into one home's scrubbing: the run's own secrets are resolved once all the same."""
    asked: list[str] = []

    def ask(what: str) -> str:
        asked.append(what)
        return f"secret-{len(asked)}"

    def reference(line: int) -> SecretReference:
        return SecretReference(SecretSource.ASK, "", Place("inventory.yaml", line, 1), "password")

    secrets = Secrets({}, ask)
    one, two = secrets.of_one_home(), secrets.of_one_home()
    shared, own = reference(1), reference(2)
    assert one.resolve(shared) == two.resolve(shared)
    two.resolve(own)
    assert [secret.reveal() for secret in one.known()] == ["secret-1"]
    assert sorted(secret.reveal() for secret in two.known()) == ["secret-1", "secret-2"]
    assert len(asked) == 2


def test_what_two_homes_have_in_common_is_masked_once(
    homes: tuple[Home, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes: list[str] = []
    by_shape = masking.Masker._by_shape

    def counted(self: masking.Masker, text: str) -> masking.Masked:
        shapes.append(text)
        return by_shape(self, text)

    monkeypatch.setattr(masking.Masker, "_by_shape", counted)
    report, _ = run(homes, Order("audit"), Store.open(tmp_path / "state"), forks=1)
    assert {part.access for part in report.sites} == {"forward"}
    assert shapes.count("forward") == 1


def test_a_home_that_is_silent_gives_its_place_to_the_next(
    homes: tuple[Home, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one fork and a first home that answers only when all others have been looked at."""
    done = _with_a_slow_first(homes, Store.open(tmp_path / "state"), monkeypatch, 60)
    assert done[-1] == "home0"


def test_while_this_process_is_busy_no_home_gives_its_place_to_the_next(
    homes: tuple[Home, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else ever more homes are looked at at once where the processor is what all wait for."""
    monkeypatch.setattr(time, "process_time", time.monotonic)
    done = _with_a_slow_first(homes, Store.open(tmp_path / "state"), monkeypatch, 0.5)
    assert done[0] == "home0"


def _with_a_slow_first(
    homes: tuple[Home, ...], store: Store, monkeypatch: pytest.MonkeyPatch, patience: float
) -> list[str]:
    """Audit one at a time, the first of which waits until all others are done; give them as they were done."""
    others_done = threading.Event()
    done: list[str] = []
    run_site = runner.run_site

    def slow_first(home: Home, order: Order, store: Store, run_id: str) -> SiteReport:
        if home.view.name == "home0":
            others_done.wait(patience)
        return run_site(home, order, store, run_id)

    def take(report: RunReport, _masked: MaskedReport) -> None:
        done.append(report.sites[0].name)
        if len(done) == HOMES - 1:
            others_done.set()

    monkeypatch.setattr(runner, "run_site", slow_first)
    monkeypatch.setattr(runner, "SLOW", 0.05)
    report, _ = run(homes, Order("audit"), store, forks=1, hand_on=take)
    assert not any(part.errors[0].code == "PLX-X001" for part in report.sites)
    return done


def test_interrupted_it_gives_what_is_known(
    homes: tuple[Home, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def take(report: RunReport, _masked: MaskedReport) -> None:
        done.append(report.sites[0].name)

    def interrupted(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "wait", interrupted)
    store = Store.open(tmp_path / "state")
    with pytest.raises(Interrupted) as stop:
        run(homes, Order("audit"), store, forks=1, hand_on=take)
    assert sorted(done) == sorted(home.view.name for home in homes)
    assert [part.name for part in stop.value.report.sites] == [home.view.name for home in homes]
    missing = [part for part in stop.value.masked.sites if part.errors[0].code == "PLX-R109"]
    assert missing
    assert set(store.failed()) >= {part.name for part in missing}

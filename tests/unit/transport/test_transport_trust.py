"""The verdict on a key, and the places where keys are pinned: known_hosts (ssh-keygen is the oracle) and our store."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from plexops.model.errors import PlexopsError
from plexops.model.status import ExitStatus
from plexops.transport.trust.known_hosts import known_hosts_keys
from plexops.transport.trust.store import TrustStore, ssh_trust, tls_trust
from plexops.transport.trust.verdict import OfferedKey, Source, Trust, TrustedKey, TrustedKeys, judge

INVENTORY, STORE, KNOWN_HOSTS = Source.INVENTORY, Source.STORE, Source.KNOWN_HOSTS


def key(name: str, source: Source) -> TrustedKey:
    return TrustedKey(f"SHA256:{name}", source, "somewhere", "ssh-ed25519")


@pytest.mark.parametrize(
    ("pinned", "offered", "verdict"),
    [
        ([], "A", Trust.UNKNOWN),
        ([("A", STORE)], "A", Trust.PINNED_OUTSIDE),
        ([("A", STORE)], "B", Trust.CHANGED),
        ([("A", KNOWN_HOSTS)], "A", Trust.PINNED_OUTSIDE),
        ([("A", KNOWN_HOSTS)], "B", Trust.CHANGED),
        ([("A", INVENTORY)], "A", Trust.PINNED_INSIDE),
        ([("A", INVENTORY)], "B", Trust.CHANGED),
        ([("A", INVENTORY), ("A", KNOWN_HOSTS)], "A", Trust.PINNED_OUTSIDE),
        # A pull request that edits host_key does not beat the store, and the other way round.
        ([("B", INVENTORY), ("A", STORE)], "B", Trust.CHANGED),
        ([("B", INVENTORY), ("A", STORE)], "A", Trust.CHANGED),
        # Another home's router has the same address: known_hosts is about that one, the store is about ours.
        ([("B", KNOWN_HOSTS), ("A", STORE)], "A", Trust.PINNED_OUTSIDE),
        ([("B", KNOWN_HOSTS), ("A", STORE)], "B", Trust.CHANGED),
        ([("B", KNOWN_HOSTS), ("A", INVENTORY)], "A", Trust.PINNED_INSIDE),
        ([("A", STORE), ("C", STORE)], "C", Trust.PINNED_OUTSIDE),
    ],
)
def test_the_verdict(pinned: list[tuple[str, Source]], offered: str, verdict: Trust) -> None:
    trusted = TrustedKeys(tuple(key(name, source) for name, source in pinned))
    assert judge(trusted, OfferedKey("ssh-ed25519", f"SHA256:{offered}")) is verdict


def test_a_revoked_key_is_revoked_wherever_else_it_is_pinned() -> None:
    trusted = TrustedKeys((key("A", STORE),), (key("A", KNOWN_HOSTS),))
    assert judge(trusted, OfferedKey("ssh-ed25519", "SHA256:A")) is Trust.REVOKED


# --- known_hosts ------------------------------------------------------------------------------------------------

keygen = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")


def made_key(folder: Path, name: str, kind: str = "ed25519") -> tuple[str, str]:
    """Let ssh-keygen make a key; give its public line without a comment and its fingerprint as ssh-keygen has it."""
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", str(path)], check=True)
    shown = subprocess.run(["ssh-keygen", "-lf", f"{path}.pub"], check=True, capture_output=True, text=True)
    return path.with_suffix(".pub").read_text().strip(), shown.stdout.split()[1]


@keygen
@pytest.mark.parametrize("hashed", [False, True])
def test_plain_and_hashed_entries_are_found_by_host_and_port(tmp_path: Path, hashed: bool) -> None:
    a, print_a = made_key(tmp_path, "a")
    b, print_b = made_key(tmp_path, "b", "ecdsa")
    file = tmp_path / "known_hosts"
    file.write_text(f"# mine\n192.168.1.1 {a}\n\n[192.168.1.1]:2222,[router.lan]:2222 {b}\n")
    if hashed:
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
        assert "192.168.1.1" not in file.read_text()
    with file.open("a") as more:
        more.write("broken line\n192.168.1.1 ssh-ed25519 !!!\n|1|x|y ssh-ed25519 AAAA\n")
    (found,) = known_hosts_keys((file,), "192.168.1.1", 22).keys
    assert (found.fingerprint, found.type, found.source) == (print_a, "ssh-ed25519", Source.KNOWN_HOSTS)
    assert [k.fingerprint for k in known_hosts_keys((file,), "router.lan", 2222).keys] == [print_b]
    assert [k.fingerprint for k in known_hosts_keys((file,), "Router.LAN", 2222).keys] == [print_b]
    assert known_hosts_keys((file,), "192.168.1.1", 23) == TrustedKeys()
    assert known_hosts_keys((file, tmp_path / "none"), "192.168.1.2", 22) == TrustedKeys()


@keygen
def test_marks_wildcards_and_negations(tmp_path: Path) -> None:
    a, print_a = made_key(tmp_path, "a")
    b, print_b = made_key(tmp_path, "b")
    file = tmp_path / "known_hosts"
    file.write_text(
        f"@revoked * {a}\n@cert-authority *.lan {b}\n*.home.lan,!guest.home.lan {b}\n192.168.1.? {a} comment\n"
    )
    nas = known_hosts_keys((file,), "nas.home.lan", 22)
    assert [k.fingerprint for k in nas.keys] == [print_b]
    assert [k.fingerprint for k in nas.revoked] == [print_a]
    assert known_hosts_keys((file,), "guest.home.lan", 22).keys == ()
    assert known_hosts_keys((file,), "192.168.1.7", 22).keys[0].shown == f"{file}:4"
    assert known_hosts_keys((file,), "192.168.1.77", 22).keys == ()


# --- our own store ----------------------------------------------------------------------------------------------

DAY = dt.date(2026, 3, 2)


def test_a_pin_survives_and_is_found_by_name_alone(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "plexops"
    store = TrustStore.load(folder)
    assert store.pins == {}
    store.pin("home.router", OfferedKey("ssh-ed25519", "SHA256:A"), DAY).save()
    again = TrustStore.load(folder)
    (found,) = ssh_trust(again, "home.router", "192.168.1.1", 22, known_hosts=()).keys
    assert (found.fingerprint, found.source, found.type) == ("SHA256:A", Source.STORE, "ssh-ed25519")
    assert "2026-03-02" in found.shown
    assert ssh_trust(again, "cabin.router", "192.168.1.1", 22, known_hosts=()).keys == ()
    assert stat.S_IMODE(again.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [path.name for path in folder.iterdir()] == [again.path.name]


def test_what_keeps_a_pin_from_being_written_is_said(tmp_path: Path) -> None:
    store = TrustStore.load(tmp_path).pin("home.router", OfferedKey("tls", "sha256//A"), DAY)
    (tmp_path / "trusted_keys.json" / "in-the-way").mkdir(parents=True)
    with pytest.raises(PlexopsError) as caught:
        store.save()
    assert [problem.code for problem in caught.value.problems] == ["PLX-R102"]
    assert [path.name for path in tmp_path.iterdir()] == ["trusted_keys.json"]


def test_a_new_pin_replaces_the_old_one_of_its_type_only(tmp_path: Path) -> None:
    store = TrustStore.load(tmp_path)
    for kind, name in (("ssh-ed25519", "A"), ("ssh-rsa", "R"), ("tls", "T"), ("ssh-ed25519", "B")):
        store = store.pin("home.router", OfferedKey(kind, name), DAY)
    assert {k.fingerprint for k in store.keys("home.router", tls=False)} == {"R", "B"}
    assert [k.fingerprint for k in tls_trust(store, "home.router").keys] == ["T"]
    assert store.remove("home.router").keys("home.router", tls=True) == ()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"schema": "other/1", "devices": {}}', '{"schema": "plexops.trust/1"}']
)
def test_a_damaged_store_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "trusted_keys.json").write_text(content)
    (tmp_path / "trusted_keys.json").chmod(0o600)
    with pytest.raises(PlexopsError) as caught:
        TrustStore.load(tmp_path)
    assert caught.value.problems[0].code == "PLX-D213"
    assert caught.value.status is ExitStatus.USAGE


@pytest.mark.skipif(os.name != "posix", reason="modes and links are of POSIX")
def test_a_store_that_others_may_write_or_that_is_a_link_is_refused(tmp_path: Path) -> None:
    TrustStore.load(tmp_path).pin("a", OfferedKey("tls", "T"), DAY).save()
    path = tmp_path / "trusted_keys.json"
    path.chmod(0o620)
    with pytest.raises(PlexopsError, match="others may write"):
        TrustStore.load(tmp_path)
    path.chmod(0o600)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PlexopsError) as caught:
        TrustStore.load(tmp_path)
    assert caught.value.problems[0].code == "PLX-D213"

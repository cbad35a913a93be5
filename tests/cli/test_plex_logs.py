"""Plex's log in a diagnosis, from Plex itself and from what a person downloaded: the right verdict, and no secret."""

from __future__ import annotations

import codecs
import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from plexops.lab.home import HomeOptions
from plexops.lab.plex_log import LogLine
from plexops.lab.plex_seed import PlexCondition, PlexSeed
from plexops.lab.scenarios import SCENARIOS
from plexops.report import FORMATS
from plexops.structs import replace
from tests.cli.process import Ended, House, house, plexops

SEED = PlexSeed()
SECRETS = (SEED.token, SEED.account_token, SEED.username)
NAME = "Plex Media Server.log"


def site(ended: Ended) -> Any:
    return json.loads(ended.out)["sites"][0]


def verdict(home: House, *words: str) -> str:
    found: str = site(home("diagnose", "--format", "json", *words))["verdict"]["id"]
    return found


# --- alone ------------------------------------------------------------------------------------------------

LOGS = Path(__file__).parents[1] / "unit" / "parsers" / "plex_log_excerpts"


@pytest.mark.parametrize(
    ("name", "said", "status"),
    [
        # Claimed a minute ago: the mapping failed, and the login is fine.
        ("claimed-then-422-1.32", "no router mapped a port", 1),
        ("never-claimed-1.41", "this Plex belongs to no account", 1),
        ("bind-failed-1.41-windows", "could not open port 32400", 1),
        ("sign-in-lost-1.33", "plex.tv does not accept this server's login", 1),
        ("timeout-1.41", "plex.tv did not get in", 1),
        ("offline-1.30", "Plex has no internet", 4),
        ("windows-offline-1.41", "Plex has no internet", 4),
        ("macos-refused-at-once-1.41", "plex.tv did not get in", 1),
        ("unraid-conflict-now-1.43", "no router mapped a port", 1),
    ],
)
def test_a_log_alone_tells_what_it_tells(name: str, said: str, status: int, tmp_path: Path) -> None:
    words = ("diagnose", "--plex-logs", str(LOGS / f"{name}.log"), "--format", "json")
    ended = plexops(*words, directory=tmp_path, variables={"XDG_STATE_HOME": str(tmp_path / "state")})
    assert ended.status == status, ended.said
    told = site(ended)
    texts = [*told["verdict"]["because"], *(one["says"] for one in told["verdict"]["candidates"])]
    assert any(said in text for text in texts), told["verdict"]
    assert told["verdict"]["confidence"] != "certain"
    assert told["log"], "the report says what the log tells"
    if name != "sign-in-lost-1.33":
        assert "sign-in-broken" not in {
            told["verdict"]["id"],
            *(also["id"] for also in told["verdict"]["also"]),
        }


# --- from Plex itself --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe\x00\x01", b"Jan 1 sshd: started\n" * 3], ids=["empty", "odd", "other"]
)
def test_a_file_without_a_line_of_plex_s_says_so(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "some.log").write_bytes(data)
    ended = plexops(
        "diagnose", "--plex-logs", "some.log", directory=tmp_path,
        variables={"XDG_STATE_HOME": str(tmp_path / "state")},
    )  # fmt: skip
    assert ended.status == 4, ended.said
    assert "no line of the log from the file tells of the way in: is it Plex's" in ended.said
    assert "debug logging" in ended.said


def test_without_a_login_to_the_server_plex_gives_its_log(tmp_path: Path) -> None:
    with house(tmp_path, "log-over-http") as home:
        before = home.exports()
        ended = home("diagnose", "--format", "json", "--record", "kept")
        assert ended.status == 1, ended.said
        said = site(ended)
        assert said["verdict"]["id"] == "upnp-conflict"
        (shown,) = [exhibit for exhibit in said["exhibits"] if "/diagnostics/logs" in exhibit["source"]]
        assert shown["id"] in said["verdict"]["exhibits"], "the log decided"
        assert shown["text"].startswith(f"{NAME}\n")
        assert "error mapping port 18444" in shown["text"]
        assert "Plex Tuner Service" not in shown["text"]
        assert home.home.log("server") == []
        assert home.exports() == before
        assert not [line for line in home.home.log("plex") if not line.startswith("GET ")]
        again = home("diagnose", "--format", "json", "--replay", "kept")
        assert site(again)["verdict"]["id"] == "upnp-conflict"
        recorded = b"".join(path.read_bytes() for path in (home.directory / "kept").iterdir())
        assert b"PK\\u0003" not in recorded
        assert b"error mapping port 18444" in recorded
        assert b'"date": "' in recorded, "ages are told by the home's clock, whenever it is replayed"


def test_nothing_of_the_account_leaves_with_the_log(tmp_path: Path) -> None:
    with house(tmp_path, "log-over-http") as home:
        outs = [home("diagnose", "-v")]
        outs += [home("diagnose", f"--format={name}:report.{name}") for name in FORMATS]
        assert {ended.status for ended in outs} == {1}
        for secret in SECRETS:
            assert not [ended for ended in outs if secret in ended.out + ended.err]
            assert not [p for p in home.directory.glob("report.*") if secret.encode() in p.read_bytes()]
        kept = [p for p in home.state.rglob("*") if p.is_file() and "private" not in p.parts]
        assert kept
        assert not [path for path in kept for secret in SECRETS if secret.encode() in path.read_bytes()]


def test_an_audit_never_asks_for_it(tmp_path: Path) -> None:
    with house(tmp_path, "log-over-http") as home:
        assert home("audit").status in (1, 4)
        assert home.home.log("plex")
        assert not [line for line in home.home.log("plex") if "diagnostics" in line]


def test_where_the_server_gives_it_plex_is_not_asked(tmp_path: Path) -> None:
    with house(tmp_path, "upnp-conflict") as home:
        assert verdict(home) == "upnp-conflict"
        assert not [line for line in home.home.log("plex") if "diagnostics" in line]


def test_where_the_server_may_not_read_it_plex_is_asked(tmp_path: Path) -> None:
    with house(tmp_path, "upnp-conflict") as home:
        files = home.home.server.files
        for path in files.glob(
            "/var/lib/plexmediaserver/Library/Application Support/Plex Media Server/Logs/*"
        ):
            files.remove(path, "root")
        assert verdict(home) == "upnp-conflict"
        assert [line for line in home.home.log("plex") if "GET /diagnostics/logs" in line]


def test_what_plex_gave_is_not_missing_because_the_server_refused_it(tmp_path: Path) -> None:
    with house(tmp_path, "upnp-conflict") as home:
        token = home.directory / "keys" / "token"
        token.write_text(SEED.token, encoding="utf-8")
        token.chmod(0o600)
        home.edit("inventory.yaml", 'token: {from: "server"}', 'token: {file: "keys/token"}')
        home.edit("inventory.yaml", ', become: {method: "sudo"}', "")
        files = home.home.server.files
        (path,) = files.glob(
            f"/var/lib/plexmediaserver/Library/Application Support/Plex Media Server/Logs/{NAME}"
        )
        files.stat(path).mode = 0o600
        ended = home("diagnose", "--format", "json")
        assert ended.status == 1, ended.said
        refused = site(ended)
        assert "Permission denied" in str([e["text"] for e in refused["exhibits"] if NAME in e["source"]])
        assert refused["verdict"]["id"] == "upnp-conflict"
        assert "firewall" in str(refused["verdict"]["missing"]), "what only root may read is missing"
        assert "Plex's log" not in str(refused["verdict"]["missing"])


def test_a_wrong_token_leaves_the_log_unknown(tmp_path: Path) -> None:
    with house(tmp_path, "log-over-http") as home:
        (home.directory / "keys" / "plex_token").write_text("somebody-else", encoding="utf-8")
        ended = home("diagnose", "--format", "json")
        assert ended.status in (1, 4), ended.said
        assert site(ended)["verdict"]["id"] != "upnp-conflict"
        assert "Traceback" not in ended.err


def test_an_old_conflict_decides_nothing(tmp_path: Path) -> None:
    """The clock is Plex's own, by the date of its answers and the zone that its log names."""
    old = LogLine(
        7 * 86_400,
        "NAT: UPnP, error mapping port 18444, error: The port mapping entry specified conflicts with a mapping.",
        "WARN",
    )
    scenario = replace(
        SCENARIOS["in-order"],
        name="old-conflict",
        server_login=False,
        condition=PlexCondition(history=(old,)),
    )
    with house(tmp_path, scenario, options=HomeOptions()) as home:
        said = site(home("diagnose", "--format", "json"))
        assert said["verdict"]["id"] == "in-order", said["verdict"]
        assert "upnp-conflict" not in {also["id"] for also in said["verdict"]["also"]}


def test_an_old_log_from_a_file_is_said_and_changes_nothing(tmp_path: Path) -> None:
    with house(tmp_path, "upnp-conflict") as home:
        old = re.sub(r"\b[A-Z][a-z]{2} [0-9]{2}, 20[0-9]{2}", "Jan 02, 2024", told(home))
        assert "Jan 02, 2024" in old
        (home.directory / "old.log").write_text(old, encoding="utf-8")
        without = home("diagnose", "--format", "json")
        ended = home("diagnose", "--plex-logs", "old.log", "--format", "json")
        assert ended.status == without.status == 1
        assert site(ended)["verdict"]["id"] == site(without)["verdict"]["id"] == "upnp-conflict"
        said = "Plex's log from the file does not count: its last line is of 2024-01-02"
        assert [text for text in site(ended)["verdict"]["missing"] if text.startswith(said)]


# --- from a file -------------------------------------------------------------------------------------


def told(home: House) -> str:
    return home.home.plex.log.text()


def packed(members: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def conflict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A home where the server's own log tells nothing: what is brought along decides."""
    with house(tmp_path_factory.mktemp("conflict"), "upnp-conflict") as home:
        home.home.plex.settle()
        yield home


def test_an_archive_as_plex_web_gives_it(conflict: House) -> None:
    (conflict.directory / "logs.zip").write_bytes(conflict.home.plex.log.zipped())
    assert verdict(conflict, "--plex-logs", "logs.zip") == "upnp-conflict"
    silent = "".join(line for line in told(conflict).splitlines(keepends=True) if "UPnP" not in line)
    (conflict.directory / "silent.zip").write_bytes(packed({f"Logs/{NAME}": silent}))
    assert verdict(conflict, "--plex-logs", "silent.zip") != "upnp-conflict", "it stands for the server's own"


@pytest.mark.parametrize(
    ("name", "encode"),
    [
        ("windows.log", lambda text: codecs.BOM_UTF8 + text.replace("\n", "\r\n").encode()),
        ("powershell.log", lambda text: codecs.BOM_UTF16_LE + text.replace("\n", "\r\n").encode("utf-16-le")),
        (
            "macos.zip",
            lambda text: packed({f"Plex Media Server/{NAME}": text, f"__MACOSX/._{NAME}": b"\0\5"}),
        ),
        (
            "windows.zip",
            lambda text: packed({f"Logs\\{NAME}": codecs.BOM_UTF8 + text.replace("\n", "\r\n").encode()}),
        ),
    ],
)
def test_as_other_platforms_write_it(name: str, encode: Any, conflict: House) -> None:
    (conflict.directory / name).write_bytes(encode(told(conflict)))
    assert verdict(conflict, "--plex-logs", name) == "upnp-conflict"


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("cut.zip", packed({NAME: "x" * 5000})[:-9], "the archive is damaged"),
        ("other.zip", packed({"Scanner.log": "x"}), "holds no log of Plex"),
        ("bomb.zip", packed({NAME: b"\0" * 30_000_000}), "larger than"),
        ("twice.zip", packed({f"a/{NAME}": "x", f"b/{NAME}": "y"}), "twice"),
    ],
)
def test_an_archive_that_is_none_is_2_and_nobody_is_asked(
    name: str, data: bytes, reason: str, conflict: House
) -> None:
    (conflict.directory / name).write_bytes(data)
    before = len(conflict.home.log("router"))
    ended = conflict("diagnose", "--plex-logs", name)
    assert (ended.status, ended.out) == (2, "")
    assert f"error[PLX-C704]: {name}" in ended.err
    assert reason in ended.said
    assert "Download logs" in ended.said
    assert len(conflict.home.log("router")) == before


def test_the_owner_s_name_is_in_no_excerpt(conflict: House) -> None:
    (conflict.directory / "logs.zip").write_bytes(conflict.home.plex.log.zipped())
    ended = conflict("diagnose", "--plex-logs", "logs.zip", "--format", "json")
    assert "Sending Server Info" in ended.out
    assert not [secret for secret in SECRETS if secret in ended.out]


def test_the_folders_of_every_platform_are_explained(tmp_path: Path) -> None:
    said = plexops("explain", "PLX-C704", directory=tmp_path).said
    for folder in (
        "%LOCALAPPDATA%\\Plex Media Server\\Logs",
        "~/Library/Logs/Plex Media Server",
        "/var/lib/plexmediaserver/Library/Application Support/Plex Media Server/Logs",
        "/config",
    ):
        assert folder in said


def test_the_log_of_a_container_is_found(tmp_path: Path) -> None:
    with house(tmp_path, "log-in-container") as home:
        said = site(home("diagnose", "--format", "json"))
        assert said["verdict"]["id"] == "upnp-conflict"
        shown = [e for e in said["exhibits"] if e["id"] in said["verdict"]["exhibits"]]
        assert [e for e in shown if e["text"].startswith("/srv/docker/plex media/Library/")]
        assert not [line for line in home.home.log("plex") if "diagnostics" in line]

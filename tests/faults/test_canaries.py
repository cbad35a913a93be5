"""Fourteen secrets through some seventy flows: commands that work, and commands that meet what goes wrong with a secret."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest

from plexops.lab.home import HomeOptions, Role
from plexops.lab.plex_seed import PlexSeed
from tests.faults.engine_bench import Bench, Homes, secrets_of, trust_plex, trust_ssh
from tests.faults.test_engine_secrets import every_format, everything_written, spellings

#: What is given by the environment; also what is wrong, or may not be used, is somebody's secret.
GIVEN: Mapping[str, str] = {
    "PLEXOPS_ROUTER": "Canary/router+01",
    "PLEXOPS_SERVER": "Canary server%02",
    "PLEXOPS_SUDO": "Canary=sudo&03",
    "PLEXOPS_VANTAGE": "Canary'vantage\"04",
    "PLEXOPS_WRONG": "Canary-wrong-05",
    "PLEX_TOKEN": "CanaryTokenOfEnvironment06",
    "PLEXOPS_CLAIM": "claim-CanaryClaim07",
    "AWS_SECRET": "CanaryOfAnotherProgram08",
}
IN_FILE = "CanaryTokenInAFile09"
TOKEN, ACCOUNT = "CanaryTokenOnTheServer10", "CanaryTokenOfTheAccount11"


@dataclass(frozen=True)
class Flow:
    """One command, and what is made wrong before it."""

    argv: tuple[str, ...]
    trouble: str = ""


TROUBLES: Mapping[str, Callable[[Bench], None]] = {
    "the server refuses the password": lambda bench: refuse(bench, "server"),
    "the router refuses the password": lambda bench: refuse(bench, "router"),
    "the vantage refuses the password": lambda bench: refuse(bench, "outside"),
    "a wrong password": lambda bench: reword(bench, "PLEXOPS_SERVER", "PLEXOPS_WRONG"),
    "a wrong sudo password": lambda bench: reword(bench, "PLEXOPS_SUDO", "PLEXOPS_WRONG"),
    "another token": lambda bench: token(bench, "{env: PLEX_TOKEN}"),
    "a token in a file": lambda bench: token(bench, "{file: keys/token}"),
    "a claim token": lambda bench: token(bench, "{env: PLEXOPS_CLAIM}"),
    "a variable that is not for plexops": lambda bench: token(bench, "{env: AWS_SECRET}"),
    "a password that is no key": lambda bench: reword(
        bench, "password: {env: PLEXOPS_ROUTER}", "key: {env: PLEXOPS_WRONG}"
    ),
    "a session that is cut": lambda bench: cut(bench, "router"),
    "an unset variable": lambda bench: reword(bench, "PLEXOPS_SERVER", "PLEXOPS_UNSET"),
}
LOOKS = (("audit",), ("diagnose",), ("apply", "--yes"))
WORKING = (
    ("check",),
    ("check", "-v"),
    ("audit",),
    ("audit", "-v"),
    ("audit", "-q"),
    ("audit", "--record", "recording"),
    ("audit", "--replay", "recording"),
    ("audit", "--offline"),
    ("diagnose",),
    ("diagnose", "-v"),
    ("diagnose", "--refresh"),
    ("diagnose", "--offline"),
    ("apply", "--dry-run", "--out", "plan.json"),
    ("apply", "--dry-run", "-v"),
    ("apply", "--yes"),
    ("rollback", "last", "--dry-run"),
    ("rollback", "last", "--yes"),
    ("apply", "plan.json", "--yes"),
    ("recover",),
    *(
        ("report", "last", "--format", name)
        for name in ("text", "json", "junit", "github", "html", "markdown")
    ),
    ("evidence", "verify", "--all"),
    ("evidence", "export", "last"),
    ("evidence", "prune", "--keep", "3"),
    ("explain", "PLX-D201"),
    ("schema", "inventory"),
    ("profiles", "list"),
    ("profiles", "show", "openwrt"),
    ("trust", "home/router"),
    ("trust", "home/server"),
    ("trust", "home/plex"),
    ("probe", "127.0.0.1:9"),
    ("no-such-command",),
)
FLOWS = [
    *(Flow(argv) for argv in WORKING),
    *(Flow(argv, trouble) for trouble in TROUBLES for argv in LOOKS),
]


def refuse(bench: Bench, role: Role) -> None:
    bench.home.ssh[role].options.refuse_logins = 99


def cut(bench: Bench, role: Role) -> None:
    bench.home.ssh[role].options.cut_after = "uci"


def reword(bench: Bench, old: str, new: str) -> None:
    text = bench.home.inventory.read_text("utf-8")
    assert old in text
    bench.home.inventory.write_text(text.replace(old, new), "utf-8")


def token(bench: Bench, reference: str) -> None:
    reword(bench, 'token: {from: "server"}', f"token: {reference}")


def with_passwords(bench: Bench) -> None:
    """Log in by passwords out of the environment, to hosts that were trusted by hand."""
    text = bench.home.inventory.read_text("utf-8")
    given: dict[Role, str] = {"router": "root", "server": "media"}
    for role, username in given.items():
        named = json.dumps(username)
        password = f"username: {named}, password: {{env: PLEXOPS_{role.upper()}}}"
        text = re.sub(rf"(    {role}: .*?)username: {named}", rf"\1{password}", text)
        trust_ssh(bench, role)
    text = text.replace('become: {method: "sudo"}', 'become: {method: "sudo", password: {env: PLEXOPS_SUDO}}')
    text = re.sub(r"(- ?\{|\[\{)ssh: ", r"\1password: {env: PLEXOPS_VANTAGE}, ssh: ", text)
    bench.home.inventory.write_text(text, "utf-8")
    trust_ssh(bench, "outside", "vantage me@198.51.100.77")
    trust_plex(bench)
    (bench.directory / "keys" / "token").write_text(IN_FILE + "\n", "utf-8")
    (bench.directory / "keys" / "token").chmod(0o600)
    bench.environment |= GIVEN


def leaks(bench: Bench) -> list[str]:
    """Name every secret that was written or printed, and where."""
    canaries = {**GIVEN, "file": IN_FILE, **secrets_of(bench)}
    found = {name: spellings(secret) for name, secret in canaries.items()}
    return [
        f"{name} in {where}"
        for where, text in everything_written(bench)
        for name, written in found.items()
        if where != "inventory.yaml" and any(spelling in text for spelling in written)
    ]


def options() -> HomeOptions:
    return HomeOptions(
        router_password=GIVEN["PLEXOPS_ROUTER"],
        server_password=GIVEN["PLEXOPS_SERVER"],
        sudo_password=GIVEN["PLEXOPS_SUDO"],
        password_only=frozenset({"router", "server"}),
        plex=PlexSeed(token=TOKEN, account_token=ACCOUNT),
    )


def run(bench: Bench, flow: Flow) -> int:
    shown = every_format(bench) if flow.argv[0] in ("audit", "diagnose", "apply", "rollback") else ()
    quiet = flow.argv[0] == "evidence" or "--format" in flow.argv or "-q" in flow.argv or "-v" in flow.argv
    return bench(*flow.argv, *(() if quiet else shown)).status


def test_there_are_enough() -> None:
    assert len(FLOWS) >= 60
    assert len({*GIVEN.values(), IN_FILE, TOKEN, ACCOUNT}) + 1 >= 12


@pytest.mark.timeout(240)
def test_no_canary_is_heard_where_all_works(homes: Homes) -> None:
    with homes("openwrt", "drifted", options()) as bench:
        with_passwords(bench)
        ended = {flow.argv: run(bench, flow) for flow in FLOWS if not flow.trouble}
        assert ended["audit",] == 1, ended
        assert ended["apply", "--yes"] == 0, ended
        assert 70 not in ended.values()
        assert leaks(bench) == []


@pytest.mark.timeout(240)
@pytest.mark.parametrize("trouble", TROUBLES)
def test_no_canary_is_heard_where_a_secret_is_the_trouble(trouble: str, homes: Homes) -> None:
    with homes("openwrt", "drifted", options()) as bench:
        with_passwords(bench)
        TROUBLES[trouble](bench)
        ended = [run(bench, flow) for flow in FLOWS if flow.trouble == trouble]
        assert 70 not in ended, ended
        assert leaks(bench) == []

"""Bad files: each is told with code, place and cure, ends with 2, and no device gets so much as a connection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct, field

from plexops.model.codes import CODES
from tests.cli.process import Ended, House, house

INVENTORY = "inventory.yaml"
PLAYBOOK = "playbooks/plex-remote-access.yaml"
TOKEN = 'token: {from: "server"}'
#: What the tests write where only a reference may stand. It must never be seen again.
CLEAR = "s3cr3t-in-clear-9471"
CLAIM = "claim-Qw3rTy9471zz"


class Bad(Struct, frozen=True):
    """One mistake: the text that is replaced, and what has to be said about it."""

    file: str
    old: str
    new: str
    code: str
    place: str
    says: str
    cure: str
    variables: dict[str, str] = field(default_factory=dict)


BAD = {
    "a typo in a key of the inventory": Bad(
        INVENTORY, "    router: {", "    routre: {", "PLX-C101",
        f"{INVENTORY}:5:5", "“routre” is not known", "mean router?"
    ),
    "a typo in a key of a task": Bad(
        PLAYBOOK, '{external_port: "', '{externl_port: "', "PLX-C101",
        f"{PLAYBOOK}:6:59", "externl_port", "mean external_port?"
    ),
    "a kind that there is not": Bad(
        PLAYBOOK, "dhcp_reservation: {}", "dhcp_reservatoin: {}", "PLX-C502",
        f"{PLAYBOOK}:4:42", "no kind of task",
        "mean dhcp_reservation?",
    ),
    "a word of another tool": Bad(
        PLAYBOOK, "  sites: all", "  hosts: all", "PLX-C105", f"{PLAYBOOK}:2:3", "hosts", "sites"
    ),
    "a key twice": Bad(
        INVENTORY, "  home:\n", "  home:\n    access: relay\n    access: vpn\n", "PLX-C007",
        f"{INVENTORY}:4:5",
        "“access” is here twice: first in line 3", "Keep one of them.",
    ),
    "a bomb of aliases": Bad(
        INVENTORY, "sites:", "a: &a [x, x]\nb: [*a, *a, *a, *a]\nsites:", "PLX-C005",
        f"{INVENTORY}:1:4", "anchors (&a)",
        "Take the anchor out.",
    ),
    "a group's MAC address": Bad(
        INVENTORY, '"52:54:00:12:34:56"', "53:54:00:12:34:56", "PLX-C202",
        f"{INVENTORY}:6:44", "a group of hosts",
        "show the host's own",
    ),
    "a MAC address that is too short": Bad(
        INVENTORY, '"52:54:00:12:34:56"', "52:54:00:12:34", "PLX-C202",
        f"{INVENTORY}:6:44", "52:54:00:12:34", ""
    ),
    "an impossible address": Bad(
        INVENTORY, '"192.168.1.50"', "192.168.1.500", "PLX-C203", f"{INVENTORY}:6:23", "not an IPv4 address",
        "four numbers from 0 to 255",
    ),
    "a variable that is not defined": Bad(
        PLAYBOOK, "{{ external_port }}", "{{ extrenal_port }}", "PLX-C402",
        f"{PLAYBOOK}:6:74", "no variable “extrenal_port”",
        "mean external_port?",
    ),
    "a template that computes": Bad(
        PLAYBOOK, "{{ external_port }}", "{{ 'a' * 10**9 }}", "PLX-C401",
        f"{PLAYBOOK}:6:74", "values are named, not computed",
        "Write a name",
    ),
    "a template that calls": Bad(
        PLAYBOOK, "{{ external_port }}", "{{ ''.__class__.mro() }}", "PLX-C401",
        f"{PLAYBOOK}:6:74", "", "Write a name"
    ),
    "a name that the router's firewall has no room for": Bad(
        PLAYBOOK, "port_forward: {", f'port_forward: {{name: "{"é" * 54}nn", ', "PLX-C512",
        f"{PLAYBOOK}:6:", "it has 110 bytes, and 109 fit: firewall4", "shorter"
    ),
    "a port that no port is": Bad(
        INVENTORY, "external_port: 32500", "external_port: 99999", "PLX-C104",
        f"{INVENTORY}:3:", "99999", "1 to 65535"
    ),
    "a profile that there is not": Bad(
        INVENTORY, 'profile: "openwrt"', "profile: openwrrt", "PLX-C601",
        f"{INVENTORY}:5:", "no profile 'openwrrt'",
        "mean openwrt?",
    ),
    "a secret in clear": Bad(
        INVENTORY, TOKEN, f"token: {CLEAR}", "PLX-C206",
        f"{INVENTORY}:7:53", "cannot stand in this file in clear",
        "{env: NAME}",
    ),
    "a claim token in clear": Bad(
        INVENTORY, TOKEN, f"token: {CLAIM}", "PLX-C207",
        f"{INVENTORY}:7:53", "a claim token", "{from: server}"
    ),
    "a secret behind a typo": Bad(
        INVENTORY, TOKEN, f"tokn: {CLEAR}", "PLX-C101", f"{INVENTORY}:7:", "tokn", "mean token?"
    ),
}  # fmt: skip

#: What guards would refuse: the file is sound, and `check` says it before a device is asked.
ON_PAPER = {
    "32400 to the internet": Bad(
        INVENTORY, "external_port: 32500", "external_port: 32400", "PLX-C511", f"{PLAYBOOK}:6:74",
        "would open 32400 itself to the internet", "never 32400",
    ),
    "a port of another service": Bad(
        INVENTORY, "external_port: 32500", "external_port: 8080", "PLX-C511", f"{PLAYBOOK}:6:74",
        "port 8080 belongs to a well-known service", "Choose another value",
    ),
}  # fmt: skip

#: What is only known when a secret is taken from its place, which `check` never does.
SECRETS = {
    "a variable of the environment that is not set": Bad(
        INVENTORY, TOKEN, "token: {env: PLEX_NO_SUCH_TOKEN}", "PLX-C301",
        f"{INVENTORY}:7:54", "PLEX_NO_SUCH_TOKEN is not set",
        "export PLEX_NO_SUCH_TOKEN",
    ),
    "a claim token in the environment": Bad(
        INVENTORY, TOKEN, "token: {env: PLEX_MY_TOKEN}", "PLX-C207",
        f"{INVENTORY}:7:54", "holds a claim token", "{from: server}", variables={"PLEX_MY_TOKEN": CLAIM},
    ),
    "a secret's file that is not there": Bad(
        INVENTORY, TOKEN, "token: {file: nowhere/token}", "PLX-C302",
        f"{INVENTORY}:7:54", "cannot be read", "looked for at",
    ),
    "a secret that nobody is here to type": Bad(
        INVENTORY, TOKEN, "token: {ask: true}", "PLX-C304",
        f"{INVENTORY}:7:54", "there is no terminal to ask at", "{env: NAME}",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A home whose devices must never be contacted."""
    with house(tmp_path_factory.mktemp("untouched")) as home:
        yield home


@pytest.fixture
def files(untouched: House) -> Iterator[House]:
    """The home's files, as they were again afterwards."""
    paths = [untouched.directory / INVENTORY, untouched.directory / PLAYBOOK]
    before = [path.read_bytes() for path in paths]
    yield untouched
    for path, content in zip(paths, before, strict=True):
        path.write_bytes(content)


def judge(bad: Bad, ended: Ended) -> None:
    """Code, place, cause, cure and status are right, and nothing of a secret is shown."""
    assert ended.status == 2
    assert ended.out == ""
    assert f"error[{bad.code}]" in ended.err
    assert f"--> {bad.place}" in ended.err
    assert bad.says in ended.said
    assert bad.cure in ended.said
    assert f"plexops explain {bad.code}" in ended.err
    assert bad.code in CODES
    assert CLEAR not in ended.err
    assert CLAIM not in ended.err


@pytest.mark.parametrize("command", ["check", "apply --yes"])
@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_told_and_nobody_is_contacted(name: str, command: str, files: House) -> None:
    bad = BAD[name]
    files.edit(bad.file, bad.old, bad.new)
    judge(bad, files(*command.split()))
    assert files.untouched()


def test_a_name_that_just_fits_is_a_sound_one(files: House) -> None:
    files.edit(PLAYBOOK, "port_forward: {", f'port_forward: {{name: "{"é" * 54}n", ')
    assert files("check").status == 0


@pytest.mark.parametrize("name", ON_PAPER)
def test_check_says_what_guards_would_refuse(name: str, files: House) -> None:
    bad = ON_PAPER[name]
    files.edit(bad.file, bad.old, bad.new)
    judge(bad, files("check"))
    assert files.untouched()


@pytest.mark.parametrize("command", ["audit", "apply --yes"])
@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_that_cannot_be_taken_is_told_before_anybody_is_contacted(
    name: str, command: str, files: House
) -> None:
    bad = SECRETS[name]
    files.edit(bad.file, bad.old, bad.new)
    assert files("check").status == 0
    judge(bad, files(*command.split(), **bad.variables))
    assert files.untouched()


def test_all_mistakes_of_both_files_are_told_at_once(files: House) -> None:
    files.edit(INVENTORY, '"192.168.1.50"', "192.168.1.500")
    files.edit(PLAYBOOK, '{external_port: "', '{externl_port: "')
    ended = files("check")
    assert ended.status == 2
    assert "PLX-C203" in ended.err
    assert "PLX-C101" in ended.err
    assert ended.err.rstrip().endswith("2 problems")


def test_what_an_apply_would_refuse_changes_nothing(files: House, tmp_path: Path) -> None:
    """The same as `check` says, said by the guards themselves with a home behind them."""
    with house(tmp_path) as home:
        home.edit(INVENTORY, "external_port: 32500", "external_port: 32400")
        before = home.exports()
        ended = home("apply", "--yes")
        assert ended.status == 3
        assert "refuses G1" in ended.said
        assert home.exports() == before

"""Pull requests of an attacker, who may edit every file of the repository and keeps all that his hosts receive.

He gets no secret, no command runs that the plan did not show, and no file outside is read. What is pinned, allowed and
approved outside stays as it was.
"""

from __future__ import annotations

import os
import shutil
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest
from msgspec import Struct

from plexops.config.files import shipped
from plexops.lab.routers import RouterName
from plexops.transport.trust.spki import pin_of
from tests.faults.engine_bench import Bench, Ended, Homes, is_write
from tests.faults.transport_servers import (
    Behaviour,
    Web,
    new_key,
    plain_answer,
    self_signed,
    ssh_server,
    web_server,
)

ROUTERS: tuple[RouterName, ...] = ("openwrt", "linux", "routeros", "opnsense")
SECRETS = {
    "PLEX_TOKEN": "canary-Plex-token-1",
    "PLEXOPS_PASSWORD": "canary-password-2",
    "AWS_SECRET_ACCESS_KEY": "canary-of-another-program-3",
}
OUTSIDE = "canary-in-a-file-4"


def keep(command: str, channel: paramiko.Channel) -> None:
    """Answer nothing, and take what is piped into it."""
    del command
    channel.settimeout(2)
    while data := channel.recv(4096):
        KEPT.append(data)
    channel.send_exit_status(0)


#: What came over the standard input of commands.
KEPT: list[bytes] = []


class Attacker(Struct, frozen=True):
    """His SSH server, which takes the user's key and forwards anywhere, and his web servers."""

    ssh: Behaviour
    ssh_port: int
    web: Web
    tls: Web
    outside: Path

    @property
    def host_key(self) -> str:
        """As the inventory wants it."""
        return f"{self.ssh.keys[0].get_name()} {b64encode(self.ssh.keys[0].asbytes()).decode()}"

    @property
    def login(self) -> str:
        """Address, port and key of his SSH server."""
        return f'address: 127.0.0.1, port: {self.ssh_port}, username: x, host_key: "{self.host_key}"'

    @property
    def pin(self) -> str:
        """The pin of his certificate."""
        assert self.tls.identity is not None
        return pin_of(self.tls.identity.der)

    def received(self) -> str:
        """Give all that reached him."""
        return "\n".join(
            [
                *(" ".join(event) for event in self.ssh.events),
                *self.web.requests,
                *self.tls.requests,
                *(data.decode(errors="replace") for data in KEPT),
            ]
        )


@pytest.fixture
def attacker(tmp_path: Path) -> Iterator[Attacker]:
    def respond(connection: object, _: str) -> None:
        connection.sendall(plain_answer(b'{"MediaContainer": {}}'))  # type: ignore[attr-defined]

    KEPT.clear()
    outside = tmp_path / "outside"
    outside.mkdir()
    for name, text in (("token", OUTSIDE), (".netrc", f"machine x login y password {OUTSIDE}\n")):
        (outside / name).write_text(text)
        (outside / name).chmod(0o600)
    behaviour = Behaviour([new_key()], execute=keep)
    identity = self_signed(tmp_path, "attacker")
    with ssh_server(behaviour) as port, web_server(respond) as web, web_server(respond, identity) as tls:
        yield Attacker(behaviour, port, web, tls, outside)


def site(attacker: Attacker, text: str) -> str:
    """Write an inventory of one site of his own."""
    filled = (
        text.replace("<LOGIN>", attacker.login)
        .replace("<HTTP>", f"http://127.0.0.1:{attacker.web.listener.port}")
        .replace("<HTTPS>", f"https://127.0.0.1:{attacker.tls.listener.port}")
        .replace("<TLS_PORT>", str(attacker.tls.listener.port))
        .replace("<PIN>", attacker.pin)
        .replace("<OUTSIDE>", str(attacker.outside))
    )
    return "sites:\n  attack:\n" + "".join(f"    {line}\n" for line in filled.strip().splitlines())


def run(bench: Bench, attacker: Attacker, *words: str) -> Ended:
    """Run a command with the user's secrets at hand, and see that none of them went anywhere."""
    bench.environment |= SECRETS
    ended = bench(*words)
    spread = attacker.received() + str(ended)
    own = {bench.directory / "log", bench.directory / "keys"}
    for folder, _, names in os.walk(bench.directory):
        if not any(Path(folder).is_relative_to(path) for path in own):
            files = [path for path in (Path(folder, name) for name in names) if not path.is_symlink()]
            spread += "".join(path.read_text("utf-8", "replace") for path in files)
    assert [name for name in (*SECRETS.values(), OUTSIDE) if name in spread] == []
    return ended


#: What the pull request makes of the inventory, the exit status of an audit, and what it says.
SITES: tuple[tuple[str, str, int, tuple[str, ...]], ...] = (
    (
        "a token by his jump host, with his key pinned in the repository",
        'plex: {url: "<HTTP>", token: {env: PLEX_TOKEN}, via: {<LOGIN>, key_file: keys/user}}',
        4,
        ("PLX-D203", "the key of attack/via is pinned in the repository only"),
    ),
    (
        "a token to his web server",
        'plex: {url: "<HTTP>", token: {env: PLEX_TOKEN}}',
        4,
        ("PLX-D215", "plexops trust attack/plex"),
    ),
    (
        "a token to his web server by TLS, with his certificate pinned in the repository",
        'plex: {url: "<HTTPS>", token: {env: PLEX_TOKEN}, tls_pin: "<PIN>"}',
        4,
        ("PLX-D203",),
    ),
    (
        "a token beside a server of his, whose key only the repository pins",
        (
            'server: {<LOGIN>, mac: "52:54:00:12:34:56", key_file: keys/user}\n'
            'plex: {url: "<HTTP>", token: {env: PLEX_TOKEN}}'
        ),
        4,
        ("PLX-D215",),
    ),
    (
        "the router's password",
        "router: {profile: openwrt, <LOGIN>, password: {env: PLEXOPS_PASSWORD}}",
        4,
        ("PLX-D203", "the key of attack/router is pinned in the repository only"),
    ),
    (
        "sudo's password, where the user's key lets him in",
        (
            'server: {<LOGIN>, mac: "52:54:00:12:34:56", key_file: keys/user, '
            "become: {method: sudo, password: {env: PLEXOPS_PASSWORD}}}"
        ),
        4,
        ("PLX-D203", "the sudo password was not sent"),
    ),
    (
        "an API key to his web interface",
        (
            "router: {profile: opnsense, address: 127.0.0.1, port: <TLS_PORT>, api_key: {env: PLEX_TOKEN}, "
            'api_secret: {env: PLEXOPS_PASSWORD}, tls_pin: "<PIN>"}'
        ),
        4,
        ("PLX-D203",),
    ),
    (
        "another program's secret",
        'plex: {url: "<HTTP>", token: {env: AWS_SECRET_ACCESS_KEY}}',
        2,
        ("PLX-C306", "AWS_SECRET_ACCESS_KEY"),
    ),
    (
        "a file outside",
        'plex: {url: "<HTTP>", token: {file: "<OUTSIDE>/token"}}',
        2,
        ("PLX-C307", "token"),
    ),
    (
        "a link to a file outside",
        'plex: {url: "<HTTP>", token: {file: link}}',
        2,
        ("PLX-C307", "which leads to"),
    ),
    (
        "a key file outside",
        'server: {<LOGIN>, mac: "52:54:00:12:34:56", key_file: "<OUTSIDE>/.netrc"}',
        4,
        ("PLX-C307",),
    ),
    (
        "a profile outside",
        'router: {profile: "<OUTSIDE>/.netrc.yaml", address: 192.168.1.1, username: root}',
        2,
        ("PLX-C307",),
    ),
    (
        "a simulated plex.tv of his",
        'plex: {url: "http://192.168.1.50:32400", token: {env: PLEX_TOKEN}}\nplex_tv: "<HTTP>"',
        4,
        (),
    ),
    (
        "a template in an address",
        'plex: {url: "<HTTP>/{{ plex.token }}", token: {env: PLEX_TOKEN}}',
        2,
        ("PLX-C107",),
    ),
    (
        "a vantage of his",
        (
            'vantages: [{ssh: "x@127.0.0.1", <VANTAGE>, password: {env: PLEXOPS_PASSWORD}}]\n'
            'router: {profile: manual}\nplex: {url: "http://192.168.1.50:32400"}'
        ),
        4,
        (),
    ),
)


@pytest.mark.parametrize(
    ("text", "status", "says"), [row[1:] for row in SITES], ids=[row[0] for row in SITES]
)
def test_an_inventory_of_his_collects_nothing(
    homes: Homes, attacker: Attacker, text: str, status: int, says: tuple[str, ...]
) -> None:
    with homes() as bench:
        user = bench.home.user_key.public.split()[1]
        attacker.ssh.public_keys = [b64decode(user)]
        (bench.directory / "link").symlink_to(attacker.outside / "token")
        vantage = attacker.login.partition("username")[0].partition("port")[2]
        text = text.replace("<VANTAGE>", f'port{vantage}host_key: "{attacker.host_key}"')
        bench.home.inventory.write_text(site(attacker, text), "utf-8")
        shutil.rmtree(bench.home.playbook_dir)
        ended = run(bench, attacker, "diagnose")
        assert ended.status == status, ended
        said = " ".join((ended.out + ended.err).split())
        assert [one for one in says if one not in said] == [], ended


def edited(bench: Bench, old: str, new: str) -> None:
    text = bench.home.inventory.read_text("utf-8")
    assert old in text
    bench.home.inventory.write_text(text.replace(old, new, 1), "utf-8")


@pytest.mark.parametrize("router", ROUTERS)
def test_in_the_home_itself_another_address_of_plex_gets_no_token(
    homes: Homes, attacker: Attacker, router: RouterName
) -> None:
    """The rest is looked at all the same, and what cures it shows where the token would go."""
    with homes(router, "in-order") as bench:
        assert run(bench, attacker, "audit").status == 0
        # Something listens there, and a token would be sent to it.
        port = 443 if router == "opnsense" else 22
        edited(bench, "http://192.168.1.50:32400", f"http://192.168.1.1:{port}")
        ended = run(bench, attacker, "audit", "--format", "json")
        assert ended.status == 4, ended
        (problem,) = ended.document["errors"]
        assert (problem["code"], problem["cure"].partition(" shows")[0]) == (
            "PLX-D215",
            "plexops trust home/plex",
        )
        seen = {exhibit["device"] for exhibit in ended.document["exhibits"]}
        assert {"router", "server"} <= seen
        applied = run(bench, attacker, "apply", "--yes")
        assert applied.status == 3, applied
        assert "Refused by G3, G9: nothing was sent" in applied.out, applied
        assert bench.writes() == []


def hostile(router: RouterName) -> str:
    """Give the family's shipped profile with one more request in what arms its undo, or in what is sent."""
    text = (shipped("router_profiles") / f"{router}.yaml").read_text("utf-8")
    before, extra = {
        "openwrt": ("\nfunctions: >-\n", "  b() { uci set firewall.@rule[0].target=ACCEPT; };\n"),
        "linux": ("\nfunctions: >-\n", "  b() { nft add rule inet filter input accept; };\n"),
        "routeros": ("\n  open: [", "{run: '/ip firewall filter remove [find]'}, "),
        "opnsense": ("noun: rule, wrap: rule, apply: ", "/api/core/system/reboot?"),
    }[router]
    assert before in text
    return text.replace(before, before + extra, 1)


@pytest.mark.parametrize("router", ROUTERS)
def test_a_profile_of_his_sends_nothing_before_its_digest_was_allowed(
    homes: Homes, attacker: Attacker, router: RouterName
) -> None:
    with homes(router, "drifted") as bench:
        path = bench.directory / "mine.yaml"
        edited(bench, f'profile: "{router}"', 'profile: "./mine.yaml"')
        path.write_text(hostile(router), "utf-8")
        looked = run(bench, attacker, "audit", "--format", "json")
        assert looked.status == 1, looked
        digest = looked.document["taught"].rpartition(" ")[2]
        assert len(digest) == 64
        planned = run(bench, attacker, "apply", "--dry-run")
        assert planned.status == 0, planned
        assert digest in "".join(planned.out.split())
        for words in (("apply", "--yes"), ("apply", "--yes", "--allow-profile", "0" * 64), ("recover",)):
            ended = run(bench, attacker, *words)
            assert (ended.status, "PLX-D410" in ended.err + ended.out) == (3, True), ended
            assert f"--allow-profile {digest}" in " ".join((ended.err + ended.out).split()), ended
        assert run(bench, attacker, "rollback", "last", "--yes").status == 3
        assert bench.writes() == []
        # A copy, word for word, of what comes with plexops needs no leave.
        path.write_text((shipped("router_profiles") / f"{router}.yaml").read_text("utf-8"), "utf-8")
        ended = run(bench, attacker, "apply", "--yes", "--format", "json")
        assert (ended.status, ended.document["taught"]) == (0, ""), ended


def test_a_profile_that_a_person_allowed_sends(homes: Homes, attacker: Attacker) -> None:
    with homes() as bench:
        edited(bench, 'profile: "openwrt"', 'profile: "./mine.yaml"')
        text = (shipped("router_profiles") / "openwrt.yaml").read_text("utf-8")
        (bench.directory / "mine.yaml").write_text(text + "# mine\n", "utf-8")
        digest = run(bench, attacker, "audit", "--format", "json").document["taught"].rpartition(" ")[2]
        assert run(bench, attacker, "apply", "--yes", "--allow-profile", digest).status == 0
        (bench.directory / "mine.yaml").write_text(text + "# mine, and changed\n", "utf-8")
        assert run(bench, attacker, "rollback", "last", "--yes", "--allow-profile", digest).status == 3
        assert any(map(is_write, bench.home.commands("router")))


def test_a_profile_of_his_reads_nothing_on_this_computer(homes: Homes, attacker: Attacker) -> None:
    with homes() as bench:
        text = (shipped("router_profiles") / "linux.yaml").read_text("utf-8")
        read = f"reads:\n  canary: {{run: cat {attacker.outside}/token, as: lines}}\n"
        (bench.directory / "mine.yaml").write_text(text.replace("reads:\n", read, 1), "utf-8")
        router = "router: {profile: ./mine.yaml, connection: local, params: {wan: lo, lan: lo}}"
        bench.home.inventory.write_text(site(attacker, router), "utf-8")
        shutil.rmtree(bench.home.playbook_dir)
        for words in (("diagnose", "-v"), ("diagnose", "--offline")):
            ended = run(bench, attacker, *words)
            assert (ended.status, "PLX-D410" in ended.err + ended.out) == (3, True), ended


@pytest.mark.parametrize("file", ["inventory.yaml", "playbooks/more.yaml", "mine.yaml"])
def test_a_link_in_place_of_a_file_shows_nothing_of_where_it_leads(
    homes: Homes, attacker: Attacker, file: str
) -> None:
    with homes() as bench:
        if file == "mine.yaml":
            edited(bench, 'profile: "openwrt"', 'profile: "./mine.yaml"')
        (bench.directory / file).unlink(missing_ok=True)
        for target in (".netrc", "token"):
            (bench.directory / file).symlink_to(attacker.outside / target)
            for words in (("check",), ("audit",), ("diagnose",)):
                assert run(bench, attacker, *words).status == 2
            (bench.directory / file).unlink()

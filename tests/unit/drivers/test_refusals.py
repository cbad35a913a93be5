"""A refused login or right is named as that, in the device's own words, with what it takes; nothing else is called so."""

from __future__ import annotations

import pytest

from plexops.drivers.answers import ROOT, failed, understand
from plexops.drivers.containers import container_facts
from plexops.drivers.plex.driver import PlexDriver
from plexops.drivers.plex.log import understand_logs
from plexops.model.exchange import Reply
from plexops.model.site import Container
from plexops.model.snapshot import Kind
from tests.unit.drivers.driver_bench import Said, observe

DOCKER = (
    "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"
)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        # iptables 1.8.9 and nft 1.0.6, asked by a user.
        (
            Reply("iptables", 4, "", "iptables-save v1.8.9 (nf_tables): Permission denied (you must be root)"),
            "iptables was refused (iptables-save v1.8.9 (nf_tables): Permission denied (you must be root)): it takes root",
        ),
        (Reply("nft", 1, "", "Operation not permitted (you must be root)\nnetlink: Error: cache"),
         "nft was refused (Operation not permitted (you must be root)): it takes root"),
        (Reply("conf", 1, "", "cat: /etc/ufw/user.rules: Permission denied"),
         "conf was refused (cat: /etc/ufw/user.rules: Permission denied): it takes root"),
        (Reply("nat", None, "not enough permissions (9)"), "nat was refused (not enough permissions (9)): it takes root"),
        (Reply("forwards", 401, '{"status":401,"message":"Authentication Failed"}'),
         "forwards was refused (status 401): a wrong login, or none: it takes root"),
        (Reply("forwards", 403, '{"status":403,"message":"Forbidden"}'),
         "forwards was refused (status 403): it takes root"),
        (Reply("nft", 1, "", "syntax error"), "nft failed with status 1: syntax error"),
        (Reply("nft", 3, ""), "nft failed with status 3"),
        (Reply("nft", 1, "", "Permission denied", whole=False), "the answer to nft was cut off"),
    ],
)  # fmt: skip
def test_a_refusal_names_what_it_takes(reply: Reply, words: str) -> None:
    assert failed(reply, "root") == words
    if reply.status is not None:
        assert understand(reply, "text", (), rights="root").problem == words


def test_a_container_engine_that_may_not_be_asked() -> None:
    _, reasons = container_facts({"docker.ps": Reply("docker.ps", 1, "", DOCKER)}, Container.DOCKER)
    assert "docker.ps was refused" in reasons["container.engine"]
    assert "it takes root, or the group docker" in reasons["container.engine"]


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    ("token", "words"),
    [(True, "Plex refused the token"), (False, "Plex wants the owner's token, and none was sent")],
)
def test_plex_refused_no_token_that_was_not_sent(status: int, token: bool, words: str) -> None:
    said: dict[str, Said] = {
        "identity": '<MediaContainer machineIdentifier="abc" claimed="1" version="1.43.0"/>',
        **dict.fromkeys(("root", "prefs", "account", "sessions"), (status, "<html/>")),
    }
    driver = PlexDriver(thorough=True, token=token)
    snapshot = observe(driver.observe(), said, missing=404)
    assert snapshot.text("plex.identifier") == "abc"
    assert snapshot.reasons[Kind.PLEX_REMOTE_ACCESS].startswith(words)
    assert understand_logs(Reply("logs", status, ""), token=token).reason.startswith(words)


def test_what_a_server_s_login_lacks_says_how_to_give_it() -> None:
    assert "become: {method: sudo}" in failed(Reply("nft", 1, "", "Operation not permitted"), ROOT)

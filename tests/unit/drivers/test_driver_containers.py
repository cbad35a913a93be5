"""Which container is Plex, in which network, and what it publishes: as docker and podman list it."""

from __future__ import annotations

import pytest

from plexops.drivers.server.driver import ServerDriver
from plexops.model.exchange import Reply
from plexops.model.site import Container, HostFirewall
from plexops.model.snapshot import Snapshot
from tests.unit.drivers.driver_bench import Said, observe

NETWORKS = "bridge|bridge\nhost|host\nnone|null\nplex_default|bridge\nlan|macvlan\n"
PORTS = "0.0.0.0:32400->32400/tcp, [::]:32400->32400/tcp, 1900/udp, 32410/udp"


def look(ps: Said | None, *, container: Container = Container.AUTO, **others: Said) -> Snapshot:
    driver = ServerDriver(firewall=HostFirewall.NONE, thorough=True, container=container)
    said: dict[str, Said] = {
        "docker.networks": NETWORKS,
        **{k.replace("_", "."): v for k, v in others.items()},
    }
    if ps is not None:
        said["docker.ps"] = ps
    return observe(driver.observe(), said)


def told(snapshot: Snapshot) -> tuple[str | None, str | None, object]:
    published = snapshot.facts.get("container.published")
    return (
        snapshot.text("container.engine"),
        snapshot.text("container.network"),
        None if published is None else published.value,
    )


@pytest.mark.parametrize(
    ("row", "network", "published"),
    [
        (f"plex|plexinc/pms-docker:latest|bridge|{PORTS}", "bridge",
         ("0.0.0.0:32400->32400/tcp", "[::]:32400->32400/tcp")),
        ("plex|lscr.io/linuxserver/plex:latest|plex_default|32400/tcp", "bridge", ()),
        ("media|linuxserver/plex@sha256:abc|host|", "host", ()),
        ("plex|linuxserver/plex|lan|", "macvlan", ()),
        ("plex|linuxserver/plex|bridge,lan|127.0.0.1:32400->32400/tcp", "macvlan", ("127.0.0.1:32400->32400/tcp",)),
        ("plex|linuxserver/plex|none|", "none", ()),
        ("plex|linuxserver/plex||", "container", ()),
        ("plex|linuxserver/plex|gone|127.0.0.1:32400->32400/tcp", None, ("127.0.0.1:32400->32400/tcp",)),
        ("plex|4f06b3e8f2a1|bridge|0.0.0.0:32400-32401->32400-32401/tcp", "bridge",
         ("0.0.0.0:32400-32401->32400-32401/tcp",)),
    ],
)  # fmt: skip
def test_one_container(row: str, network: str | None, published: tuple[str, ...]) -> None:
    snapshot = look(f"web|nginx:1|bridge|0.0.0.0:80->80/tcp\n{row}\n")
    assert told(snapshot) == ("docker", network, published)
    assert snapshot.facts["container.engine"].exhibit == "server.docker.ps"


def test_without_an_engine_there_is_no_container() -> None:
    assert told(look(None)) == ("", None, None)
    assert told(look("web|nginx:1|bridge|80/tcp\n")) == ("", None, None)


def test_without_its_daemon_an_engine_runs_nothing() -> None:
    said = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
    assert told(look((1, "", said))) == ("", None, None)


def test_tools_around_plex_are_not_plex() -> None:
    rows = "kometa|meisnate12/plex-meta-manager|bridge|\nplex|linuxserver/plex:1|host|\noverseerr|sctx/overseerr|bridge|\n"
    assert told(look(rows)) == ("docker", "host", ())


def test_of_several_the_one_that_publishes_the_port() -> None:
    rows = f"plex|linuxserver/plex|bridge|{PORTS}\nplex-test|linuxserver/plex|bridge|\n"
    assert told(look(rows))[0] == "docker"


@pytest.mark.parametrize(
    "ps",
    [
        (
            1,
            "",
            "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
        ),
        Reply("docker.ps", None, "plex|linuxserver/plex|host|\n", whole=False),
        "plex one line of something else\n",
        "plex|linuxserver/plex|host|\nplex2|linuxserver/plex|host|\n",
    ],
)
def test_what_could_not_be_listed_is_unknown(ps: Said) -> None:
    snapshot = look(ps)
    assert told(snapshot) == (None, None, None)
    assert snapshot.reasons["container.engine"]
    assert snapshot.reasons["container.network"]


def test_podman_is_asked_too() -> None:
    snapshot = look(
        None,
        podman_ps="plex|docker.io/plexinc/pms-docker:latest|podman|0.0.0.0:32400->32400/tcp\n",
        podman_networks="podman|bridge\n",
    )
    assert told(snapshot) == ("podman", "bridge", ("0.0.0.0:32400->32400/tcp",))


def test_podman_does_not_say_what_no_network_means() -> None:
    snapshot = look(
        None, podman_ps="plex|docker.io/plexinc/pms-docker||\n", podman_networks="podman|bridge\n"
    )
    assert told(snapshot) == ("podman", None, ())
    assert snapshot.reasons["container.network"]


def test_the_inventory_decides_whom_to_ask() -> None:
    def asked(container: Container) -> set[str]:
        reads = next(ServerDriver(thorough=True, container=container).observe())
        return {read.id.split(".")[0] for read in reads} & {"docker", "podman"}

    assert asked(Container.AUTO) == {"docker", "podman"}
    assert asked(Container.DOCKER) == {"docker"}
    assert asked(Container.PODMAN) == {"podman"}
    assert asked(Container.NONE) == set()
    none = look(None, container=Container.NONE)
    assert (told(none), none.facts["container.engine"].exhibit) == (("", None, None), "inventory")


def test_a_container_that_the_inventory_names_and_nobody_lists_is_unknown() -> None:
    snapshot = look("web|nginx:1|bridge|80/tcp\n", container=Container.DOCKER)
    assert "container.engine" not in snapshot.facts
    assert "docker" in snapshot.reasons["container.engine"]

"""However a port is written: what a playbook makes of it is the plain number that a person reads, or an error."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from plexops.config.inventory import read_inventory
from plexops.config.resolve import resolve
from plexops.config.yaml import parse_yaml
from plexops.engine.decide.offline_check import problems_on_paper
from plexops.model.errors import PlexopsError
from plexops.model.resources.port_forward import PortForward
from plexops.model.values import PLEX_PORT, Ports
from tests.unit.config.playbook_text import playbook_of

INVENTORY = """\
sites:
  home:
    router: {profile: openwrt, address: 192.168.1.1, username: root}
    server: {address: 192.168.1.50, mac: "52:54:00:12:34:56"}
    plex: {url: "http://192.168.1.50:32400"}
"""
PLAYBOOK = "- sites: all\n  tasks:\n    - port_forward:\n        external_port: {port}\n"
PLAIN = re.compile(r"0|[1-9][0-9]{0,4}")

NUMBERS = st.one_of(
    st.just(PLEX_PORT), st.integers(0, 99999), st.sampled_from([32399, 32401, 1023, 1024, 65535])
)
SPELLINGS = st.one_of(
    NUMBERS.map(str),
    NUMBERS.map(hex),
    NUMBERS.map(oct),
    NUMBERS.map(lambda n: f"0{n:o}"),
    NUMBERS.map(lambda n: f"{n:_}"),
    NUMBERS.map(lambda n: f"{n:,}"),
    NUMBERS.map(lambda n: f"{n:e}"),
    NUMBERS.map(lambda n: f"{n}.0"),
    NUMBERS.map(lambda n: f"+{n}"),
    NUMBERS.map(lambda n: f"0{n}"),
    NUMBERS.map(lambda n: f"{n // 3600}:{n // 60 % 60:02}:{n % 60:02}"),
    NUMBERS.map(lambda n: f"{n // 60}:{n % 60:02}"),
    NUMBERS.map(lambda n: f'"{n}"'),
    NUMBERS.map(lambda n: "".join(chr(0xFF10 + int(digit)) for digit in str(n))),
    st.tuples(NUMBERS, st.sampled_from("-:,; /"), NUMBERS).map(lambda parts: "".join(map(str, parts))),
    st.text("0123456789xobeE+-_.:, '\"", min_size=1, max_size=8),
)


def external_port(written: str, folder: Path = Path()) -> Ports | None:
    """What a playbook file makes of a text; None where it is rejected with its place."""
    path = Path("inventory.yaml")
    try:
        inventory = read_inventory(parse_yaml(INVENTORY, str(path)), path)
        playbook = playbook_of(PLAYBOOK.format(port=written))
        (site,) = resolve(inventory, [playbook])
    except PlexopsError as error:
        return None if all(problem.place is not None for problem in error.problems) else Ports.of(0)
    (task,) = site.tasks
    assert isinstance(task.want, PortForward)
    found = task.want.external_port
    port = found.single
    assert port is not None
    refused = problems_on_paper(site, folder)
    assert bool(refused) is (port == PLEX_PORT or port < 1024 or _is_well_known(refused)), refused
    assert all(problem.place is not None and problem.place.line == 4 for problem in refused)
    return found


def _is_well_known(refused: tuple[object, ...]) -> bool:
    return any("well-known service" in str(problem) for problem in refused)


@given(SPELLINGS)
def test_a_port_is_what_a_person_reads_or_an_error(written: str) -> None:
    found = external_port(written)
    plain = written.strip(" ")
    if PLAIN.fullmatch(plain) and 1 <= int(plain) <= 65535:
        assert found == Ports.of(int(plain))
    else:
        assert found is None


@given(st.text(max_size=12))
def test_no_text_of_a_device_is_read_as_another_port_than_it_says(text: str) -> None:
    """Devices write ranges and lists as well: `Ports.parse` reads digits, `-`, `:` and `,`, and nothing else."""
    try:
        found = Ports.parse(text)
    except ValueError:
        return
    assert re.fullmatch(r"\s*[0-9]{1,5}([-:][0-9]{1,5})?([,\s]+[0-9]{1,5}([-:][0-9]{1,5})?)*\s*", text)
    numbers = {int(number) for number in re.findall(r"[0-9]+", text)}
    assert all(number in found for number in numbers)
    assert (PLEX_PORT in found) is any(
        int(first) <= PLEX_PORT <= int(last or first)
        for first, last in re.findall(r"([0-9]+)(?:[-:]([0-9]+))?", text)
    )

"""The tables of router families in the documents are what the profiles say; python -m tests.docs.test_matrix writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from plexops.cli.matrix import as_markdown, as_text
from plexops.config.profiles import profile_names
from plexops.engine.families import matrix
from plexops.model.snapshot import Kind

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- matrix -->\n", "<!-- /matrix -->\n"
SHORT = (Kind.PORT_FORWARD, Kind.DHCP_RESERVATION, Kind.UPNP)
PAGES = {"README.md": as_markdown(matrix(), SHORT), "docs/matrix.md": as_markdown(matrix())}


def with_table(page: str) -> str:
    """Give a page with its table as the profiles say it now."""
    text = (ROOT / page).read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{PAGES[page]}\n{END}{rest.split(END)[1]}"


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_current(page: str) -> None:
    assert (ROOT / page).read_text(encoding="utf-8") == with_table(page)


def test_every_family_is_there_with_what_its_profile_says() -> None:
    lines = {line.name: line for line in matrix()}
    assert set(lines) == set(profile_names())
    can = {able.kind: able for able in lines["opnsense"].abilities}
    forward, upnp = can[Kind.PORT_FORWARD], can[Kind.UPNP]
    assert (forward.read, forward.written, forward.adopted, forward.by_hand) == (True, True, True, True)
    assert (upnp.read, upnp.written, upnp.by_hand) == (False, False, True)
    assert upnp.unseen
    assert lines["opnsense"].login == "basic"
    assert lines["openwrt"].window == "timer"
    assert lines["ddwrt"].verified == ("documents",)
    assert "ddwrt, upnp mapping: no file" in as_text(matrix())


if __name__ == "__main__":
    for written in PAGES:
        (ROOT / written).write_text(with_table(written), encoding="utf-8")

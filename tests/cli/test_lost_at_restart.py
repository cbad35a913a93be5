"""A Linux router that does not load at its start what plexops writes there: audit and dry run say so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.process import house

SAYS = "/etc/nftables.conf does not include /etc/nftables.d"


@pytest.mark.parametrize("command", [("audit",), ("apply", "--dry-run")])
@pytest.mark.parametrize(("scenario", "told"), [("not-persistent", True), ("in-order", False)])
def test_what_would_be_lost_at_the_next_restart_is_said(
    tmp_path: Path, command: tuple[str, ...], scenario: str, told: bool
) -> None:
    with house(tmp_path, scenario, "linux") as home:
        ended = home(*command, "--format", "json")
        findings = json.loads(ended.out)["sites"][0]["findings"]
    notes = [found for found in findings if SAYS in found["have"]]
    assert len(notes) == told, ended.said
    for note in notes:
        assert note["status"] == "drift"
        assert 'include "/etc/nftables.d/*.nft"' in " ".join(note["steps"])
        assert note["exhibits"]
    assert ended.status == (1 if told and command == ("audit",) else 0), ended.said

"""RouterOS exports on which earlier readings were wrong; what is right was decided by MikroTik's text or by people."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from pathlib import Path
from typing import cast

import pytest
import yaml

from tests.packets.routeros_home import announced, ask, home, rows

CASES = cast(
    list[dict[str, str]],
    list(yaml.safe_load_all((Path(__file__).parent / "data/routeros/found.yaml").read_text("utf-8"))),
)


#: Here the only forward is not for this packet, whatever else its row says.
UNTOUCHED = ("builtin-interface-word", "dst-address-of-another")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_found(case: dict[str, str]) -> None:
    answers = home(case["export"], addresses=rows(case["addresses"]))
    wan = IPv4Address("203.0.113.20")
    assert announced(answers) == wan
    right = case["right"]
    if right.startswith("WAN address"):
        assert right == f"WAN address {wan}"
        return
    to = re.fullmatch(r"(\S+) (\d+)", right)
    if to is None:
        assert right.split()[0] in ("none", "dropped")
        assert ask(answers, at=wan).kind == "nobody"
    else:
        assert ask(answers, at=wan, to=IPv4Address(to[1]), to_port=int(to[2])).kind == "everybody"


@pytest.mark.parametrize("word", ["something-new=1", "action=ponder"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_what_is_not_known_never_turns_an_answer(case: dict[str, str], word: str) -> None:
    """A field or an action that nobody knows, put into one row: the answer stays, or is not known."""
    wan = IPv4Address("203.0.113.20")
    whole = ask(home(case["export"], addresses=rows(case["addresses"])), at=wan).kind
    lines = [line for line in case["export"].splitlines() if line.strip()]
    kinds = []
    for at, line in enumerate(lines):
        if line.startswith("add"):
            changed = re.sub(r"action=\S+", word, line) if word.startswith("action") else f"{line} {word}"
            export = "\n".join([*lines[:at], changed, *lines[at + 1 :]])
            kinds.append(ask(home(export, addresses=rows(case["addresses"])), at=wan).kind)
    assert set(kinds) <= {whole, "not known"}
    assert ("not known" in kinds) is (case["case"] not in UNTOUCHED)


def test_all_of_them_are_asked() -> None:
    assert len(CASES) == 9

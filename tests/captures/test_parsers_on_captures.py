"""Every parser on real answers, against what a person read in them.

An expectation is a YAML file of documents: `source`, `parser`, perhaps `command`; then `equals` (the whole result),
`error: yes`, or `checks`. A check takes a part by JMESPath (`take`), and compares it whole (`equals`), or its
length (`count`). Scalars are text, but for JSON; `~` is what is absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jmespath
import pytest
import yaml

from plexops.parsers import PARSERS, ParseError
from tests.captures.capture_files import DATA, EXPECTED, answer

TYPED = {"json"}


@dataclass(frozen=True)
class Case:
    """One document of an expectation."""

    file: str
    number: int
    document: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.file}-{self.number}-{self.document['parser']}"


def cases() -> list[Case]:
    found = []
    for path in sorted(EXPECTED.glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        documents = zip(yaml.load_all(text, yaml.BaseLoader), yaml.safe_load_all(text), strict=True)
        for number, (texts, typed) in enumerate(documents, 1):
            found.append(Case(path.stem, number, typed if texts["parser"] in TYPED else absent(texts)))
    return found


def absent(value: Any) -> Any:
    """Put None where an expectation says `~`."""
    if isinstance(value, dict):
        return {key: absent(item) for key, item in value.items()}
    if isinstance(value, list):
        return [absent(item) for item in value]
    return None if value == "~" else value


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_a_capture_is_read_as_a_person_reads_it(case: Case) -> None:
    document = case.document
    text = answer(DATA / str(document["source"]), document.get("command"))
    if "error" in document:
        with pytest.raises(ParseError):
            PARSERS[document["parser"]](text)
        return
    result = PARSERS[document["parser"]](text)
    if "equals" in document:
        assert result == document["equals"]
    for check in document.get("checks", ()):
        part = jmespath.search(check["take"], result)
        if "count" in check:
            assert len(part) == int(check["count"]), check["take"]
        if "equals" in check:
            assert part == check["equals"], check["take"]
    assert "equals" in document or document["checks"]


def test_carriage_returns_change_nothing() -> None:
    """The same answers over a terminal: every line ends in CR LF."""
    for name, parser in (
        ("openwrt/uci_show_firewall_after.txt", "uci"),
        ("linux/dnsmasq_plexops.conf", "dnsmasq"),
        ("linux/dnsmasq.leases", "dnsmasq_leases"),
        ("firewall/ufw-user.rules", "ufw_rules"),
        ("upnp_igd/miniupnpd_upnp.leases", "miniupnpd_leases"),
    ):
        text = (DATA / name).read_text(encoding="utf-8")
        assert PARSERS[parser](text.replace("\n", " \r\n")) == PARSERS[parser](text), name

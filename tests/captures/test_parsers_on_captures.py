"""Every parser on real answers, against what a person read in them.

An expectation is a YAML file of documents: `source`, `parser`, perhaps `command`; then `equals` (the whole result),
`error: yes`, or `checks`. A check takes a part by JMESPath (`take`), and compares it whole (`equals`), or its
length (`count`). Scalars are text, but for JSON; `~` is what is absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jmespath
import pytest
import yaml

from plexops.parsers import PARSERS, ParseError
from tests.captures.capture_files import DATA, EXPECTED, FOREIGN, answer, find

TYPED = {"json", "ip_addr", "ip_route"}


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
    source = str(document["source"])
    path = find(source)
    if path is None:
        pytest.skip(f"{source} is not here: captures of others are looked for in {FOREIGN}")
    text = answer(path, document.get("command"))
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
        ("openwrt/uci_changes.txt", "uci_changes"),
        ("linux/dnsmasq_plexops.conf", "dnsmasq"),
        ("linux/dnsmasq.leases", "dnsmasq_leases"),
        ("firewall/ufw-user.rules", "ufw_rules"),
        ("upnp_igd/miniupnpd_upnp.leases", "miniupnpd_leases"),
    ):
        text = (DATA / name).read_text(encoding="utf-8")
        assert PARSERS[parser](text.replace("\n", " \r\n")) == PARSERS[parser](text), name


NTC = (
    ("ip_address_print", "routeros_print"),
    ("ip_dhcp-server_lease_print_terse_without-paging", "routeros_terse"),
    ("ip_firewall_filter_print_all_without-paging", "routeros_print"),
    ("ip_firewall_nat_print_all_without-paging", "routeros_print"),
    ("system_identity_print", "routeros_keyvalue"),
    ("system_resource_print_1", "routeros_keyvalue"),
)
#: Names that the templates of networktocode give to what RouterOS calls otherwise.
THEIR_NAMES = {"num": ".index", "index": ".index", "flag": ".flags", "flags": ".flags", "comment": ".comment"}


@pytest.mark.parametrize(("name", "parser"), NTC, ids=[name for name, _ in NTC])
def test_another_projects_reading_agrees(name: str, parser: str) -> None:
    """networktocode's templates were written by others; what both read must be the same."""
    raw = FOREIGN / f"mikrotik/ntc__mikrotik_routeros_{name}.raw"
    if not raw.is_file():
        pytest.skip(f"{raw.name} is not here: captures of others are looked for in {FOREIGN}")
    theirs = yaml.safe_load(raw.with_suffix(".yml").read_text(encoding="utf-8"))["parsed_sample"]
    result = PARSERS[parser](raw.read_text(encoding="utf-8"))
    ours = result if isinstance(result, list) else [result]
    assert len(ours) == len(theirs)
    for our, their in zip(ours, theirs, strict=True):
        assert isinstance(our, dict)
        assert without_empty(our) == their_words(their)


def without_empty(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value != ""}


def their_words(row: dict[str, str]) -> dict[str, str]:
    """Rename, leave out what is empty and what they computed, and put the address together again."""
    words = {key: value for key, value in row.items() if value and not key.startswith("uptime_")}
    if "ip" in words:
        words["address"] = f"{words.pop('ip')}/{words.pop('subnet')}"
    return {THEIR_NAMES.get(key, key.replace("_", "-")): value for key, value in words.items()}


def test_every_expectation_names_a_capture_that_exists_or_is_foreign() -> None:
    own = {str(path.relative_to(DATA)) for path in DATA.rglob("*") if path.is_file()}
    for case in cases():
        source = str(case.document["source"])
        assert (
            source in own
            or source.split("/", maxsplit=1)[0] in {"mikrotik", "plex"}
            or Path(source).name.startswith("fw4__")
        )

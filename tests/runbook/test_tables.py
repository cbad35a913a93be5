"""The runbook's tables are read without PyYAML's constructors: they come to the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from plexops.runbook import data

TABLES = sorted(Path(data.__file__).parent.glob("*.yaml"))


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.name)
def test_a_table_is_what_pyyaml_makes_of_it(path: Path) -> None:
    assert data.table(path.name) == yaml.safe_load(path.read_text(encoding="utf-8"))

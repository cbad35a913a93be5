"""The runbook's tables lie beside its code as YAML; each is read once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

try:  # libyaml, where PyYAML was built with it, is some forty times faster
    from yaml import CSafeLoader as Loader
except ImportError:
    from yaml import SafeLoader as Loader  # type: ignore[assignment]


def table(name: str) -> dict[str, Any]:
    """Give a table of ours by its file's name."""
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    found: dict[str, Any] = Loader(text).get_single_data()
    return found

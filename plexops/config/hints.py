"""Words that people bring along from other tools, and words that a file in a repository may not say: `hints.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

from plexops.config.yaml import yaml_loader

#: In which file a word stands, for which setting it is, or that it may stand in none.
Where = Literal["playbook", "inventory", "firewall", "refused"]


@cache
def hints(where: Where) -> Mapping[str, tuple[str, str]]:
    """Give by word what plexops says instead of it, and what to do. Read when the first word is not known."""
    text = Path(__file__).with_name("hints.yaml").read_text(encoding="utf-8")
    groups = yaml_loader()(text).get_single_data()[where]
    return {word: (group["why"], group["do"]) for group in groups for word in group["words"]}

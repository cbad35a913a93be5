"""What a person does on boxes without an API: the steps of `boxes.yaml`, for `router: {profile: manual, like: NAME}`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from msgspec import Struct, convert

from plexops.config.yaml import yaml_loader
from plexops.model.signs import Detect
from plexops.model.snapshot import Kind

#: How sure a step is, by the words of `boxes.yaml`: who says so.
SURE: Mapping[str, str] = {
    "vendor": "the vendor's page",
    "guide": "a guide",
    "forms": "the box's own forms",
    "owner": "an owner",
    "unconfirmed": "unconfirmed",
}
_SHARED = (
    "Look up first which ports this line has: of a shared address only those arrive. The outer port must be one of"
    " them; say them as `port_share:` under `router:`. [the vendor's page]"
)


class BoxByHand(Struct, frozen=True):
    """One box. `one_port`: a forward has one number for outside and inside. `shared`: perhaps only some ports arrive.

    `forwards`: it has forwards at all; else its step says what else there is.
    """

    name: str
    title: str
    steps: Mapping[Kind, tuple[str, ...]]
    ways_round: tuple[str, ...]
    always: tuple[str, ...]
    one_port: bool
    shared: bool
    forwards: bool
    detect: Detect | None
    sources: tuple[str, ...]

    def lines(self, kind: Kind, *, same_port: bool, share_known: bool) -> tuple[str, ...]:
        """Give the steps for a kind, each marked with how sure it is; none where the general ones hold.

        `same_port`: outside and inside are one number. `share_known`: the inventory says which ports arrive.
        """
        found = self.steps.get(kind, ())
        if kind is not Kind.PORT_FORWARD or not found:
            return found
        first = (_SHARED,) if self.shared and not share_known else ()
        round_it = self.ways_round if self.one_port and not same_port else ()
        return (*first, *round_it, *found, *(self.always if self.forwards else ()))


@cache
def boxes_by_hand() -> Mapping[str, BoxByHand]:
    """Give all boxes by name."""
    text = Path(__file__).with_name("boxes.yaml").read_text(encoding="utf-8")
    document: dict[str, Any] = yaml_loader()(text).get_single_data()
    always = marked(document["always"]["port_forward"])
    ways_round = marked(document["one-port"])
    return MappingProxyType(
        {
            name: BoxByHand(
                name=name,
                title=row["title"],
                steps=MappingProxyType({kind: marked(row[kind]) for kind in Kind if kind in row}),
                ways_round=ways_round,
                always=always,
                one_port=row.get("one-port", False),
                shared=row.get("shared", False),
                forwards=row.get("forwards", True),
                detect=convert(row["detect"], Detect) if "detect" in row else None,
                sources=tuple(row["sources"]),
            )
            for name, row in document["boxes"].items()
        }
    )


def marked(steps: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    """Give steps as they are said: each with how sure it is."""
    return tuple(f"{text} [{SURE[word]}]" for step in steps for word, text in step.items())

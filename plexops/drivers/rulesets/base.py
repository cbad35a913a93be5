"""What a front end gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from plexops.model.packets import Chain, NamedSet


@dataclass(frozen=True, slots=True)
class Part:
    """Chains and named sets out of one answer, and what was seen there that is not modelled."""

    chains: tuple[Chain, ...] = ()
    sets: Mapping[str, NamedSet] = field(default_factory=lambda: MappingProxyType({}))
    outside_model: tuple[str, ...] = ()


def merged(*parts: Part) -> Part:
    """Put several answers together. Chains that bear one id stay as they come: the assembly gives each its own."""
    sets: dict[str, NamedSet] = {}
    for part in parts:
        sets |= part.sets
    return Part(
        tuple(chain for part in parts for chain in part.chains),
        MappingProxyType(sets),
        tuple(dict.fromkeys(text for part in parts for text in part.outside_model)),
    )

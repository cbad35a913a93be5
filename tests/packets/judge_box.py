"""The router's answers as the product's front ends read them."""

from __future__ import annotations

import json
from collections.abc import Mapping

from plexops.drivers.answers import Answer
from plexops.model.packets import Box
from tests.packets.nft_home import answered


def box_of(reads: Mapping[str, str], internet_side: str) -> Box:
    """Make the box of what was read in the judge's world.

    nft 1.0.6 sometimes writes what is no JSON (a table's flag out of freed memory): then it is not read.
    """
    read: dict[str, object] = {name.replace("-", "_"): text for name, text in reads.items()}
    for name in ("nft", "addresses", "routes4", "routes6"):
        try:
            read[name] = json.loads(reads[name])
        except ValueError:
            read[name] = Answer(problem="what it answered is no JSON")
    return answered(internet_side, **read | {"routes": read["routes4"]})

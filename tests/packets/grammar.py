"""Random texts out of a grammar that is itself a text."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

#: Of each symbol its alternatives, each as often as it weighs.
Grammar = Mapping[str, tuple[str, ...]]
_SYMBOL = re.compile(r"<([a-z][a-z0-9_]*)>")
_WEIGHT = re.compile(r" \*(\d+)$")


def grammar(text: str) -> Grammar:
    """Read lines `symbol = alternative / alternative *3 / ~`: `*3` weighs three times, `~` is the empty text.

    An alternative may hold `<symbol>`. A line that starts with white space goes on with the one before.
    """
    found: dict[str, tuple[str, ...]] = {}
    joined = re.sub(r"\n[ \t]+", " ", text.strip())
    for line in joined.splitlines():
        symbol, _, alternatives = line.partition(" = ")
        weighed: list[str] = []
        for alternative in alternatives.split(" / "):
            one = alternative.strip()
            weight = _WEIGHT.search(one)
            plain = one[: weight.start()] if weight else one
            weighed += ["" if plain == "~" else plain] * (int(weight[1]) if weight else 1)
        found[symbol.strip()] = tuple(weighed)
    return found


def expand(rng: random.Random, text: str, rules: Grammar) -> str:
    """Replace every `<symbol>` by one of its alternatives, until none is left."""
    while _SYMBOL.search(text):
        text = _SYMBOL.sub(lambda symbol: rng.choice(rules[symbol[1]]), text)
    return text

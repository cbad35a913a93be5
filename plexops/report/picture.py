"""The path from the Internet to Plex as a picture: shape, word and colour say the same, so any one of them is enough."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from plexops.model.run import LayerMark, Mark
from plexops.report.terminal import one_line

BOX_WIDTH, BOX_HEIGHT = 92, 72
_STEP = 172
_MARGIN = 40
_MOST_LETTERS = 17

#: Line drawings in a field of 40 × 32, one per stop.
ICONS: dict[str, tuple[str, ...]] = {
    "internet": (
        "M20 3a13 13 0 1 0 0 26a13 13 0 1 0 0-26",
        "M20 3c-8 7-8 19 0 26M20 3c8 7 8 19 0 26M7.5 12h25M7.5 20h25",
    ),
    "isp": (
        "M20 14v15M13 29h14",
        "M20 10a2 2 0 1 0 0 4a2 2 0 1 0 0-4",
        "M14 6a9 9 0 0 0 0 12M26 6a9 9 0 0 1 0 12",
        "M9 3a15 15 0 0 0 0 18M31 3a15 15 0 0 1 0 18",
    ),
    "upstream": ("M6 18h28v9h-28z", "M12 22.5h1M17 22.5h1M28 22.5h1", "M20 18v-5M14 10a8 8 0 0 1 12 0"),
    "router": (
        "M5 18h30v10h-30z",
        "M10 23h1M15 23h1M27 23h3",
        "M11 18l-4-12M29 18l4-12",
        "M16 10a6 6 0 0 1 8 0M18.4 13.2a2.6 2.6 0 0 1 3.2 0",
    ),
    "server": (
        "M8 4h24v7h-24zM8 13h24v7h-24zM8 22h24v7h-24z",
        "M12 7.5h1M12 16.5h1M12 25.5h1M22 7.5h6M22 16.5h6M22 25.5h6",
    ),
    "plex": ("M7 4h26v24h-26z", "M16 9l9 7l-9 7z"),
    "outside": ("M20 3a13 13 0 1 0 0 26a13 13 0 1 0 0-26", "M20 9v7l5 4"),
}

_CIRCLE = "M0-13a13 13 0 1 0 0 26a13 13 0 1 0 0-26z"
_TICK = "M-5.5 0.5l4 4l7.5-8.5"
#: What surrounds a mark, centred at 0,0 with radius 13: a circle, a triangle, an octagon, a broken ring.
SHAPES: dict[Mark, str] = {
    "ok": _CIRCLE,
    "changed": _CIRCLE,
    "drift": "M0-14.5L15 11.5L-15 11.5z",
    "stop": "M-5.6-13.5h11.2l7.9 7.9v11.2l-7.9 7.9h-11.2l-7.9-7.9v-11.2z",
    "unknown": _CIRCLE,
    "not-asked": _CIRCLE,
}
SIGNS: dict[Mark, str] = {
    "ok": _TICK,
    "changed": _TICK,
    "drift": "M0-4.5v8M0 7v0.6",
    "stop": "M-6 0h12",
    "unknown": "M-3.6-3.4a3.6 3.6 0 1 1 5.4 3.2c-1.3 0.8-1.8 1.4-1.8 2.6M0 6.6v0.4",
    "not-asked": "M-6 0h0.8M-0.4 0h0.8M5.2 0h0.8",
}


def word_of(hop: LayerMark) -> str:
    """Give the word at a hop: its own, else that of its mark; what was not asked has none."""
    return one_line(hop.word) or ("" if hop.mark == "not-asked" else hop.mark)


class Wire(Struct, frozen=True):
    """What leads to a stop, as a path; `cut` are two strokes through it where nothing comes through."""

    mark: Mark
    line: str
    cut: str


class DrawnStop(Struct, frozen=True):
    """One stop: the upper left corner of its box, its middle, and its texts with their class and height."""

    hop: LayerMark
    label: str
    word: str
    x: int
    y: int
    middle: int
    text_x: int
    texts: tuple[tuple[str, str, int], ...]


class Drawing(Struct, frozen=True):
    """The path in one direction; `says` is for who hears it read."""

    width: int
    height: int
    says: str
    wires: tuple[Wire, ...]
    stops: tuple[DrawnStop, ...]


def drawing_of(hops: Sequence[LayerMark], standing: bool) -> Drawing:
    """Give the path, lying for wide pages or standing for narrow ones."""
    says = ", ".join(f"{one_line(hop.label)} {word_of(hop)}".strip() for hop in hops)
    if standing:
        width, height = 300, 24 + len(hops) * 108
    else:
        width, height = 2 * _MARGIN + BOX_WIDTH + (len(hops) - 1) * _STEP, 148
    places = [(16, 20 + n * 108) if standing else (_MARGIN + n * _STEP, 18) for n in range(len(hops))]
    wires = (
        _wire(start, end, hop, standing=standing)
        for start, end, hop in zip(places, places[1:], hops[1:], strict=False)
    )
    stops = (_stop(hop, x, y, standing=standing) for hop, (x, y) in zip(hops, places, strict=True))
    return Drawing(width, height, says, tuple(wires), tuple(stops))


def _wire(start: tuple[int, int], end: tuple[int, int], hop: LayerMark, *, standing: bool) -> Wire:
    if standing:
        x, y1, y2 = start[0] + BOX_WIDTH // 2, start[1] + BOX_HEIGHT, end[1]
        y = (y1 + y2) // 2
        line, cut = f"M{x} {y1 + 5}V{y2 - 5}", f"M{x - 9} {y + 1}l18-8M{x - 9} {y + 8}l18-8"
    else:
        y, x1, x2 = start[1] + BOX_HEIGHT // 2, start[0] + BOX_WIDTH, end[0]
        x = (x1 + x2) // 2
        line, cut = f"M{x1 + 7} {y}H{x2 - 7}", f"M{x - 7} {y + 9}l8-18M{x + 1} {y + 9}l8-18"
    return Wire(hop.mark, line, cut if hop.mark == "stop" else "")


def _stop(hop: LayerMark, x: int, y: int, *, standing: bool) -> DrawnStop:
    label, word, middle = one_line(hop.label), word_of(hop), x + BOX_WIDTH // 2
    below = (32, 54) if standing else (BOX_HEIGHT + 24, BOX_HEIGHT + 45)
    texts = ((_short(label), "label", y + below[0]), (_short(word), "word", y + below[1]))
    return DrawnStop(hop, label, word, x, y, middle, x + BOX_WIDTH + 24 if standing else middle, texts)


def _short(text: str) -> str:
    return text if len(text) <= _MOST_LETTERS else text[: _MOST_LETTERS - 1] + "…"

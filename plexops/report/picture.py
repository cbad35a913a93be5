"""The path from the Internet to Plex as a picture: shape, word and colour say the same, so any one of them is enough."""

from __future__ import annotations

from collections.abc import Sequence

from plexops.model.run import LayerMark, Mark
from plexops.report.markup import Html, tag
from plexops.report.terminal import one_line

_BOX_WIDTH, _BOX_HEIGHT = 92, 72
_STEP = 172
_MARGIN = 40
_MOST_LETTERS = 17

#: Line drawings in a field of 40 × 32, one per stop.
_ICONS: dict[str, tuple[str, ...]] = {
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

#: What surrounds a mark, centred at 0,0 with radius 13: a circle, a triangle, an octagon, a broken ring.
_SHAPES: dict[Mark, str] = {
    "ok": "M0-13a13 13 0 1 0 0 26a13 13 0 1 0 0-26z",
    "changed": "M0-13a13 13 0 1 0 0 26a13 13 0 1 0 0-26z",
    "drift": "M0-14.5L15 11.5L-15 11.5z",
    "stop": "M-5.6-13.5h11.2l7.9 7.9v11.2l-7.9 7.9h-11.2l-7.9-7.9v-11.2z",
    "unknown": "M0-13a13 13 0 1 0 0 26a13 13 0 1 0 0-26z",
    "not-asked": "M0-13a13 13 0 1 0 0 26a13 13 0 1 0 0-26z",
}
_SIGNS: dict[Mark, str] = {
    "ok": "M-5.5 0.5l4 4l7.5-8.5",
    "changed": "M-5.5 0.5l4 4l7.5-8.5",
    "drift": "M0-4.5v8M0 7v0.6",
    "stop": "M-6 0h12",
    "unknown": "M-3.6-3.4a3.6 3.6 0 1 1 5.4 3.2c-1.3 0.8-1.8 1.4-1.8 2.6M0 6.6v0.4",
    "not-asked": "M-6 0h0.8M-0.4 0h0.8M5.2 0h0.8",
}
_WORDS: dict[Mark, str] = {
    "ok": "ok",
    "changed": "changed",
    "drift": "drift",
    "stop": "stop",
    "unknown": "unknown",
    "not-asked": "",
}


def word_of(hop: LayerMark) -> str:
    """Give the word at a hop: its own, else that of its mark."""
    return one_line(hop.word) or _WORDS[hop.mark]


def mark(kind: Mark, class_: str = "mark") -> Html:
    """Give a mark alone, as beside a row of a table; the word stands next to it, so it says nothing itself."""
    return tag(
        "svg", _badge(kind, 16, 16), class_=f"{class_} is-{kind}", viewBox="0 0 32 32", aria_hidden="true"
    )


def picture(hops: Sequence[LayerMark], name: str) -> Html:
    """Give the path twice, lying for wide pages and standing for narrow ones; the style sheet shows one of them."""
    return tag(
        "figure",
        _drawing(hops, f"{name}-lying", standing=False),
        _drawing(hops, f"{name}-standing", standing=True),
        class_="path",
    )


def _drawing(hops: Sequence[LayerMark], name: str, *, standing: bool) -> Html:
    said = ", ".join(f"{one_line(hop.label)} {word_of(hop)}".strip() for hop in hops)
    if standing:
        width, height = 300, 24 + len(hops) * 108
    else:
        width, height = 2 * _MARGIN + _BOX_WIDTH + (len(hops) - 1) * _STEP, 148
    places = [_place(index, standing=standing) for index in range(len(hops))]
    wires = [_wire(places[i], places[i + 1], hops[i + 1], standing=standing) for i in range(len(hops) - 1)]
    stops = [_stop(hop, x, y, standing=standing) for hop, (x, y) in zip(hops, places, strict=True)]
    return tag(
        "svg",
        tag("title", "The path from the Internet to Plex", id=f"{name}-title"),
        tag("desc", said, id=f"{name}-desc"),
        *wires,
        *stops,
        class_="standing" if standing else "lying",
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )


def _place(index: int, *, standing: bool) -> tuple[int, int]:
    """The upper left corner of a stop's box."""
    return (16, 20 + index * 108) if standing else (_MARGIN + index * _STEP, 18)


def _wire(start: tuple[int, int], end: tuple[int, int], hop: LayerMark, *, standing: bool) -> Html:
    if standing:
        x, y1, y2 = start[0] + _BOX_WIDTH // 2, start[1] + _BOX_HEIGHT, end[1]
        line = f"M{x} {y1 + 5}V{y2 - 5}"
        middle = (x, (y1 + y2) // 2)
    else:
        y, x1, x2 = start[1] + _BOX_HEIGHT // 2, start[0] + _BOX_WIDTH, end[0]
        line = f"M{x1 + 7} {y}H{x2 - 7}"
        middle = ((x1 + x2) // 2, y)
    bar = _cut(middle, standing=standing) if hop.mark == "stop" else None
    return tag("g", tag("path", d=line, class_="wire"), bar, class_=f"is-{hop.mark}")


def _cut(middle: tuple[int, int], *, standing: bool) -> Html:
    """Two strokes through a wire: nothing comes through here."""
    x, y = middle
    strokes = (
        f"M{x - 9} {y + 1}l18-8M{x - 9} {y + 8}l18-8"
        if standing
        else f"M{x - 7} {y + 9}l8-18M{x + 1} {y + 9}l8-18"
    )
    return tag("path", d=strokes, class_="cut")


def _stop(hop: LayerMark, x: int, y: int, *, standing: bool) -> Html:
    label, word = one_line(hop.label), word_of(hop)
    middle = x + _BOX_WIDTH // 2
    if standing:
        texts = (
            _text(label, x + _BOX_WIDTH + 24, y + 32, "label", "start"),
            _text(word, x + _BOX_WIDTH + 24, y + 54, "word", "start"),
        )
    else:
        texts = (
            _text(label, middle, y + _BOX_HEIGHT + 24, "label", "middle"),
            _text(word, middle, y + _BOX_HEIGHT + 45, "word", "middle"),
        )
    icon = [tag("path", d=drawn) for drawn in _ICONS[hop.stop]]
    badge = None if hop.mark == "not-asked" and not word else _badge(hop.mark, x + _BOX_WIDTH - 2, y + 2)
    return tag(
        "g",
        tag("title", f"{label}: {word}" if word else label),
        tag("rect", x=x, y=y, width=_BOX_WIDTH, height=_BOX_HEIGHT, rx=14, class_="box"),
        tag("g", *icon, class_="icon", transform=f"translate({middle - 25} {y + 16}) scale(1.25)"),
        badge,
        *texts,
        class_=f"stop is-{hop.mark}",
    )


def _badge(kind: Mark, x: int, y: int) -> Html:
    return tag(
        "g",
        tag("path", d=_SHAPES[kind], class_="shape"),
        tag("path", d=_SIGNS[kind], class_="sign"),
        class_=f"badge badge-{kind}",
        transform=f"translate({x} {y})",
    )


def _text(text: str, x: int, y: int, class_: str, anchor: str) -> Html:
    shown = text if len(text) <= _MOST_LETTERS else text[: _MOST_LETTERS - 1] + "…"
    return tag("text", shown, x=x, y=y, class_=class_, text_anchor=anchor)

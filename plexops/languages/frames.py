"""The answer of an exec that carried many reads, taken apart by the markers that stand around each read's own."""

from __future__ import annotations

from msgspec import Struct

from plexops.pattern import Pattern


class Part(Struct, frozen=True):
    """What one stream holds for one read. `ended` is what the end marker says; it is there where the part is `whole`."""

    text: str
    ended: str = ""
    whole: bool = False


def parts(stream: str, nonce: str, count: int, gap: str, ending: Pattern, *, trusted: bool) -> list[Part]:
    """Take one stream apart: `gap` stands before each end marker, and `ending`, with one group, is how that ends.

    A part is whole when its end marker is there; unless the stream is `trusted`, also the marker behind that.
    """
    found: list[Part] = []
    at = 0
    for index in range(count):
        opening = f"{nonce} {index} start\n"
        start = stream.find(opening, at)
        if start < 0:
            found.append(Part(""))
            continue
        start += len(opening)
        closing = f"{gap}{nonce} {index} "
        until = stream.find(closing, start)
        while until >= 0 and not (end := ending.match(stream, until + len(closing))):
            until = stream.find(closing, until + 1)
        if until < 0 or end is None:
            found.append(Part(stream[start:]))
            at = len(stream)
            continue
        at = end.end()
        following = f"{nonce} {index + 1} start\n" if index + 1 < count else f"{nonce} closed\n"
        found.append(Part(stream[start:until], end[1], trusted or stream.find(following, at) >= 0))
    return found

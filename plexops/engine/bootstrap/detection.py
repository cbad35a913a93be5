"""Which family the gateway is of, by what it shows anybody: UPnP, its page, its SSH server, its MAC address."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

from msgspec import Struct

from plexops.config.boxes import boxes_by_hand
from plexops.config.profiles import load_profile, profile_names
from plexops.engine.bootstrap.discovery import Reach, neighbour
from plexops.model.quick import SeenGateway
from plexops.model.signs import Detect, Heard
from plexops.structs import replace
from plexops.transport.around.banners import ssh_version, web_page

#: The profile of a box that a person sets.
MANUAL = "manual"


class Family(Struct, frozen=True):
    """Which profile a gateway needs, `manual` where nothing decides, and why: what a comment may hold.

    `like` is which box it is, where a person sets it.
    """

    profile: str
    why: str = ""
    like: str = ""


#: What can be recognised, and by which signs.
Known = tuple[tuple[Family, Detect], ...]


def known_boxes() -> Known:
    """Give what comes with plexops. A box of which there is a profile is not one that a person has to set."""
    profiles = {name: load_profile(name, Path()).detect for name in profile_names()}
    families = [(Family(name), detect) for name, detect in profiles.items()]
    by_hand = [(Family(MANUAL, "", box.name), box.detect) for box in boxes_by_hand().values()]
    by_hand = [(family, detect) for family, detect in by_hand if family.like not in profiles]
    return tuple((family, detect) for family, detect in (*families, *by_hand) if detect is not None)


def recognise(router: IPv4Address | None, box: SeenGateway | None, reach: Reach, known: Known) -> Family:
    """Ask the gateway one thing after the other, until one family alone fits.

    Where several fit equally to the end, all are named and none is chosen; where none does, what was looked at is.
    """
    if router is None:
        return Family(MANUAL)
    left, why, looked = known, "", []
    for where, sure, heard in _heard(router, box, reach):
        said = next((text for text in next(iter(heard.values())) if text), "nothing")
        looked.append(f"{where}: {_comment(said)}")
        fits = [(one, text) for one in left if (text := one[1].fits(heard))]
        if fits:
            left, why = tuple(one for one, _ in fits), f"{sure} “{_comment(fits[0][1])}”"
        if len(fits) == 1:
            return replace(left[0][0], why=f"{why}: correct it if that is wrong")
    if why:
        names = " and ".join(
            f"{one.profile}, like: {one.like}" if one.like else one.profile for one, _ in left
        )
        return Family(MANUAL, f"to do: it may be {names} ({why}), which fit equally: write which it is")
    told = f"to do: not recognised ({'; '.join(looked)}): a person does there what plexops says"
    return Family(MANUAL, f"{told} (plexops profiles list)")


def _heard(router: IPv4Address, box: SeenGateway | None, reach: Reach) -> Iterator[tuple[str, str, Heard]]:
    """Ask what the next sign is held against: where it is found, how sure it makes, what was heard."""
    upnp = () if box is None else (box.title, box.maker, box.model, box.software)
    yield "UPnP", "it says by UPnP", {"ssdp": upnp}
    text, headers = web_page(str(router), seconds=reach.answer_seconds)
    yield "its page", "its page says", {"page": (text,), "header": headers}
    version = ssh_version(str(router), seconds=reach.answer_seconds)
    yield "SSH", "its SSH server says", {"ssh": (version,)}
    mac = neighbour(router, reach)
    yield "MAC address", "only the vendor of its MAC address speaks for it, which begins", {"mac": (mac[:8],)}


def _comment(text: str) -> str:
    """Make what a device says of itself fit for a comment: one line, cut, nothing that could end it."""
    return "".join(char if char.isprintable() else " " for char in text)[:80].strip()

"""Where apps are told to come in: a proxy's URL that Plex announces, and Plex's own addresses of IPv6."""

from __future__ import annotations

from urllib.parse import urlsplit

from msgspec import Struct

from plexops.model.snapshot import Role
from plexops.model.values import Endpoint
from plexops.runbook.view import SiteView


class CustomUrl(Struct, frozen=True):
    """One of Plex's “custom server access URLs”. `secure`: it begins with https."""

    at: Endpoint
    secure: bool


def custom_urls(view: SiteView) -> tuple[CustomUrl, ...]:
    """Give what an owner has Plex announce besides its own address; a text that is no URL is none."""
    written = (view.of(Role.PLEX).text("plex.custom_connections") or "").split(",")
    return tuple(found for text in written if (found := _custom_url(text.strip())) is not None)


def _custom_url(text: str) -> CustomUrl | None:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    secure = parts.scheme == "https"
    return CustomUrl(Endpoint(host, port or (443 if secure else 80)), secure) if host else None


def proxy(view: SiteView) -> CustomUrl | None:
    """Give the URL by which viewers come in with `access: proxy`: the first; None where that is not the way, or none is."""
    return next(iter(custom_urls(view)), None) if view.access == "proxy" else None


def over_ipv6(view: SiteView) -> tuple[Endpoint, ...] | None:
    """Give where plex.tv tells apps to come in over IPv6; None where its list was not read."""
    told = view.of(Role.OUTSIDE).texts("account.ipv6")
    return None if told is None else tuple(Endpoint.parse(text) for text in told)

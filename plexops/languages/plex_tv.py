"""The one request that plexops itself sends to plex.tv."""

from __future__ import annotations

from plexops.model.exchange import Call

#: Lists the servers that an account may use, and where apps are told to find each. It has a query, as requests have
#: that act; so it is known here by heart, whole: the query only says how much of the list is wanted.
RESOURCES = Call(
    "GET",
    "/api/v2/resources",
    query=(("includeHttps", "1"), ("includeRelay", "1"), ("includeIPv6", "1")),
)

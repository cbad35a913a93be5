"""What Plex Web shows under Settings, Remote Access, word for word (runbook M1): told, or inferred and said to be."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from plexops.model.answers import Topic
from plexops.runbook.situation import Situation

#: What it adds in red, by Plex's mappingError: the beginning, as Plex Web's own catalogue of texts has it.
_IN_RED: Mapping[str, str] = MappingProxyType(
    {
        "unreachable": "Your server is signed in to Plex, but is not reachable from outside your network.",
        "doublenat": "It looks like your server may be connected to the internet through multiple routers",
        "jumboframes": 'It looks like the devices between your server and the internet have "jumbo frames" enabled',
    }
)


def plex_web(situation: Situation) -> str:
    """Give the words of the status, and whence they are known; empty where they are not."""
    found = []
    heard = next((one for one in situation.heard if one.answer.topic is Topic.PLEX_WEB), None)
    if heard is not None:
        found.append(f"“{heard.answer.text}”, as you read there")
    if inferred := situation.plex_web_says:
        more = _IN_RED.get(situation.plex.text("plex.mapping_error") or "", "")
        more = f" “{more}”" if more and inferred.startswith("Not") else ""
        found.append(f"“{inferred}”{more}, inferred from Plex's own state")
    return "; ".join(found)

"""What a profile says of a device's SOAP services, and of tables that are asked place by place."""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from plexops.structs import says

#: What stands before the name of a service in the answers: where the device has it, as its type and its path.
SERVICE = "services."


def service_fact(name: str) -> str:
    """Give the fact that says where a service is, for what is written there."""
    return f"x.{SERVICE}{name}"


class Service(Struct, frozen=True, forbid_unknown_fields=True):
    """One service: its type, and where it is controlled: `at` a path, or where the device's description says.

    One that a description does not list is not there. A later version of a type does what an earlier one does (UPnP
    Device Architecture 1.1, 2.5), and is called by its own name.
    """

    type: Annotated[
        str,
        says(
            "Its type.",
            "urn:schemas-upnp-org:service:WANIPConnection:1",
            wants="like",
            pattern="^urn:[A-Za-z0-9.:_-]{1,100}:[0-9]$",
        ),
    ]
    at: Annotated[
        str,
        says(
            "The path of its control.",
            "/upnp/control/wanpppconn1",
            wants="like",
            pattern="^(?:/[A-Za-z0-9_.-]+)+$",
        ),
    ] = ""
    found: Annotated[
        str,
        says("The path of the description that lists it.", "/tr64desc.xml", wants="like", pattern="^/"),
    ] = ""


class Places(Struct, frozen=True, forbid_unknown_fields=True):
    """A table that is asked place by place, from 0, until a refusal out of `ends`; at most so many."""

    arg: Annotated[str, says("The argument that is the place.", "NewPortMappingIndex")]
    ends: Annotated[frozenset[int], says("Refusals that mean: there is no such place.", [713, 714])]
    most: Annotated[int, says("The most rows that are read.", 256, minimum=1, maximum=1000)] = 256

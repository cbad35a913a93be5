"""What UPnP's InternetGatewayDevice is asked: which services, and how much of their table."""

from __future__ import annotations

from enum import StrEnum

#: Where a search for a gateway is sent.
SSDP_GROUP = ("239.255.255.250", 1900)
#: So many mappings are read at most; the answer then says that there may be more.
MOST_MAPPINGS = 64


class Service(StrEnum):
    """The services that know a connection to the internet."""

    IP_1 = "urn:schemas-upnp-org:service:WANIPConnection:1"
    IP_2 = "urn:schemas-upnp-org:service:WANIPConnection:2"
    PPP_1 = "urn:schemas-upnp-org:service:WANPPPConnection:1"
    #: Not in the standard, but in the boxes of a large provider.
    PPP_2 = "urn:schemas-upnp-org:service:WANPPPConnection:2"

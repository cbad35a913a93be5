"""Forwards, filters and reservations on the router that do not fit."""

from __future__ import annotations

from plexops.lab.base import ForwardSeed, PinholeSeed, ReservationSeed
from plexops.lab.scenario import (
    EXTERNAL_PORT,
    FORWARD,
    NAS,
    OLD,
    PLEX_PORT,
    RESERVATION,
    RESERVED,
    Rival,
    Scenario,
    lan,
)
from plexops.lab.server import MAC
from plexops.lab.server_condition import ServerCondition
from plexops.structs import replace

_PRINTER = "3c:2a:f4:0d:0e:0f"
_STALE = ForwardSeed("Plex", str(EXTERNAL_PORT), OLD, str(PLEX_PORT), "tcp")
_WEB_CAM = ForwardSeed("Web cam", str(EXTERNAL_PORT), NAS, "443", "tcp")
_EXPOSED = ForwardSeed("Plex direct", str(PLEX_PORT), RESERVED, str(PLEX_PORT), "tcp")
_RANGE = ForwardSeed("NAS media services", "32000-33000", NAS, "", "both")
_NAS_DMZ = ForwardSeed("DMZ", "", NAS, "", "any")
_PLEX_DMZ = ForwardSeed("DMZ", "", RESERVED, "", "any")

ROUTER = (
    Scenario("no-forward", "everything but the router's forward", forwards=()),
    Scenario(
        "forward-disabled",
        "the forward is there and switched off",
        forwards=(replace(FORWARD, enabled=False),),
    ),
    Scenario(
        "forward-udp-only",
        "the forward carries UDP, and Plex speaks TCP",
        forwards=(replace(FORWARD, protocol="udp"),),
    ),
    Scenario(
        "forward-not-met",
        "the forward is for one friend's address only",
        forwards=(replace(FORWARD, source="192.0.2.9"),),
    ),
    Scenario("stale-forward", "the forward still leads to the server's old address", forwards=(_STALE,)),
    Scenario("foreign-rule", "the port is taken by a forward to another host", forwards=(_WEB_CAM,)),
    Scenario(
        "forward-wrong-port",
        "the forward leads to the server's port 8096, where nothing listens",
        forwards=(replace(FORWARD, port="8096"),),
    ),
    Scenario(
        "forward-shadowed",
        "an earlier forward of 32000-33000 to the NAS takes the port",
        earlier=(_RANGE,),
    ),
    Scenario(
        "forward-behind-dmz",
        "an earlier entry sends every port to the NAS",
        earlier=(_NAS_DMZ,),
    ),
    Scenario(
        "router-filter",
        "the forward is right, but the router's own filter drops what it translates",
        forwards=(replace(FORWARD, passage=False),),
        strict_filter=True,
        routers=("linux", "routeros"),
    ),
    Scenario(
        "router-other-filter",
        "the forward is right, but a chain of the owner's drops the port before it is forwarded",
        early_filter=("tcp dport 32500 drop",),
        routers=("openwrt", "linux"),
    ),
    Scenario(
        "router-other-filter-unclear",
        "as before, by a rule that plexops does not understand",
        early_filter=("ct status != dnat tcp dport 32500 drop",),
        routers=("linux", "openwrt"),
    ),
    Scenario(
        "four-addresses",
        "the reservation says .60, the host has .83, and the forward leads to .50",
        address=OLD,
        reservations=(ReservationSeed("media", (MAC,), lan(60)),),
    ),
    Scenario(
        "address-conflict",
        "the server's address was set on it by hand, and is since given to a printer, for which the router reserves it",
        reservations=(ReservationSeed("printer", (_PRINTER,), RESERVED),),
        server=ServerCondition(address_source="static"),
        earlier_lease=OLD,
        rival=Rival("printer", _PRINTER),
    ),
    Scenario(
        "address-conflict-by-hand",
        "a printer was given the server's reserved address by hand",
        rival=Rival("printer", _PRINTER, by_hand=True),
    ),
    Scenario(
        "two-reservations",
        "all in order, but a second reservation for the same MAC gives another address",
        reservations=(RESERVATION, ReservationSeed("media-old", (MAC,), lan(60))),
    ),
    Scenario(
        "not-persistent",
        "all in order, by a forward of plexops's own that the router does not load when it starts",
        forwards=(replace(FORWARD, name="plex", ours=True),),
        loads_at_start=False,
        routers=("linux",),
    ),
    Scenario(
        "no-reservation",
        "all in order, but nothing keeps the server's address",
        reservations=(),
    ),
    Scenario("exposed-32400", "a second forward exposes 32400", forwards=(FORWARD, _EXPOSED)),
    Scenario(
        "plex-dmz",
        "all in order, but the last entry sends every other port to the Plex host",
        forwards=(FORWARD, _PLEX_DMZ),
    ),
    Scenario(
        "ipv6-pinhole",
        "all in order, but the router lets the whole internet in to 32400 over IPv6",
        pinholes=(PinholeSeed("Plex over IPv6", PLEX_PORT),),
        server=ServerCondition(ipv6=True),
        routers=("openwrt", "linux"),
    ),
)

"""The table of causes: the words stand in `causes.yaml`, row by row; the reader that shows each cause is named here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from plexops.model.snapshot import Role
from plexops.runbook.attempts import Came
from plexops.runbook.causes import access, account, lan, outside, plex, router, server
from plexops.runbook.causes.cause import Cause, Layer, Look, StopName, Weight, by_observation, flagged
from plexops.runbook.condition import WanCause
from plexops.runbook.conditions import CARRIER_NAT_OPTIONS, PERSIST, SECOND_NAT_OPTIONS
from plexops.runbook.data import table

_REBINDING = "plex.tv found that the resolver at home keeps back private addresses (DNS rebinding protection)"
_LOOKS: Mapping[str, Look] = {
    "wan-down": partial(outside.of_wan, WanCause.DOWN),
    "carrier-nat": partial(outside.of_wan, WanCause.CARRIER_NAT),
    "ds-lite": partial(outside.of_wan, WanCause.TRANSITION),
    "port-outside-share": outside.port_outside_share,
    "double-nat": outside.double_nat,
    "vpn-egress": server.vpn_egress,
    "container-in-vpn": server.container_in_another,
    "wan-differs": outside.wan_differs,
    "other-way-out": outside.other_way_out,
    "upnp-off": plex.upnp_off,
    "no-igd": plex.no_igd,
    "upnp-conflict": plex.upnp_conflict,
    "upnp-old-address": plex.upnp_old_address,
    "upnp-stale": plex.upnp_stale,
    "mapping-failed": plex.mapping_failed,
    "forward-behind-dmz": partial(router.shadowed, True),
    "forward-shadowed": partial(router.shadowed, False),
    "forward-disabled": router.forward_disabled,
    "forward-udp-only": router.forward_udp_only,
    "forward-not-met": router.forward_not_met,
    "no-forward": router.no_forward,
    "forward-foreign": router.forward_foreign,
    "four-addresses": router.four_addresses,
    "forward-old-address": router.forward_old_address,
    "forward-wrong-port": router.forward_wrong_port,
    "router-filter": router.router_filter,
    "router-other-filter": router.other_filter_of_router,
    "address-conflict": lan.address_conflict,
    "plex-tv-blocked": server.plex_tv_blocked,
    "server-dns": partial(server.cut_off, "dns", "the server cannot look up names: plex.tv cannot be found"),
    "server-offline": server.server_offline,
    "docker-unpublished": server.docker_unpublished,
    "docker-loopback": server.docker_loopback,
    "port-taken": server.port_taken,
    "nothing-listens": server.nothing_listens,
    "loopback-only": server.loopback_only,
    "host-firewall-order": server.firewall_order,
    "host-firewall-blocks": partial(server.firewall_blocks, 4),
    "host-other-filter": server.other_filter_of_host,
    "not-claimed": plex.not_claimed,
    "sign-in-broken": plex.sign_in_broken,
    "not-online": account.not_online,
    "publishing-off": plex.publishing_off,
    "automatic-unmapped": plex.automatic_unmapped,
    "manual-off": plex.manual_off,
    "port-mismatch": plex.port_mismatch,
    "announces-other-way": plex.announces_other_way,
    "stale-announcement": account.stale_announcement,
    "proxy-no-name": access.proxy_no_name,
    "proxy-certificate": access.proxy_certificate,
    "proxy-broken": access.proxy_broken,
    "relay-off": flagged(
        Role.PLEX, "plex.relay", False, "`access: relay`, but the relay is switched off in Plex"
    ),
    "proxy-not-announced": access.proxy_not_announced,
    "exposed-32400": partial(router.exposed, False),
    "plex-dmz": partial(router.exposed, True),
    "ipv6-pinhole": router.ipv6_pinhole,
    "no-login-needed": plex.no_login,
    "host-firewall-off": server.firewall_off,
    "two-reservations": router.two_reservations,
    "no-reservation": router.no_reservation,
    "not-persistent": router.not_persistent,
    "plex-interface": plex.prefers_other_interface,
    "announces-other-address": plex.announces_other_address,
    "host-firewall-v6": server.firewall_blocks_v6,
    "vpn-provider": server.vpn_provider,
    "host-firewall-not-as-said": server.firewall_not_as_said,
    "entitlement": plex.entitlement,
    "relay-in-order": flagged(
        Role.PLEX, "plex.relay", True, "Plex Relay is allowed, as `access: relay` wants"
    ),
    "vpn-in-order": access.vpn_in_order,
    "proxy-in-order": access.proxy_in_order,
    "dns-rebinding": flagged(Role.OUTSIDE, "account.rebinding", True, _REBINDING),
}
#: Steps that a condition of an audit names too.
_SHARED: Mapping[str, tuple[str, ...]] = {
    "carrier-nat-options": CARRIER_NAT_OPTIONS,
    "second-nat-options": SECOND_NAT_OPTIONS,
    "persist": (PERSIST,),
}
_OPEN = "an attempt from outside that reaches Plex at this port"
_ANYTHING_BACK = "silence refused unreachable another"
_EVERY_ACCESS = "forward relay vpn proxy"


def _cause(identifier: str, row: Mapping[str, Any]) -> Cause:
    words = row["is"]
    ways_in = words.get("access", "forward")
    back = words.get("outside", _ANYTHING_BACK)
    return Cause(
        id=identifier,
        place=StopName(words["at"]),
        layer=Layer(words["layer"]),
        rows=tuple(words["rows"].split()),
        title=row["title"],
        look=_LOOKS.get(identifier, by_observation),
        action=tuple(step for written in row["do"] for step in _SHARED.get(written, (written,))),
        overturned_by=row.get("unless", _OPEN),
        weight=Weight(words.get("weight", "cause")),
        stop=words.get("stop", False),
        soft=words.get("soft", False),
        current=words.get("current", False),
        covers=frozenset(words.get("covers", "").split()),
        follows=frozenset(words.get("follows", "").split()),
        outside=frozenset(Came[word.upper().replace("-", "_")] for word in back.split()),
        access=frozenset((_EVERY_ACCESS if ways_in == "all" else ways_in).split()),
    )


#: From the outside in.
CAUSES = tuple(_cause(identifier, row) for identifier, row in table("causes.yaml")["causes"].items())
BY_ID: Mapping[str, Cause] = {cause.id: cause for cause in CAUSES}
#: What proves that the way in that is meant is open.
IN_ORDER = frozenset(
    {"in-order", "in-order-over-ipv6", "relay-in-order", "vpn-in-order", "proxy-in-order", "vpn-provider"}
)

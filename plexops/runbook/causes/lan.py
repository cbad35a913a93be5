"""Who answers at Plex's address in the LAN: the server, or another device too."""

from __future__ import annotations

from ipaddress import IPv4Address

from plexops.model.entries import Lease, Neighbour
from plexops.model.snapshot import Entry, Kind, KindState
from plexops.runbook.causes.cause import Sign, sign
from plexops.runbook.situation import Situation


def _plex_address(situation: Situation) -> IPv4Address | None:
    """Give the address to which the router sends viewers: the forward's, else the one that the inventory means.

    None where the server is known to have another one: then the forward, or the inventory, is what is wrong.
    """
    forward = situation.forwarded_to_plex
    meant = situation.view.plex_address or situation.view.server_address
    address = meant if forward is None else forward.values.address
    return address if address in situation.targets or not situation.targets else None


def who_holds(situation: Situation) -> Sign | None:
    """Say what was read of who holds Plex's address, a conflict apart; None where that does not suffice.

    `suspect`: another device may have answered there.
    """
    address = _plex_address(situation)
    own = frozenset[str]() if address is None else _own_macs(situation, address)
    if not own:
        return None
    found = _neighbours(situation, address)
    if any(entry.values.mac in own for entry in found):
        return sign(f"at {address} the router has the Plex host's MAC address", found[0])
    if found and _may_stand_for_others(situation, found[0].values.mac):
        says = f"{found[0].values.mac} answers at {address} and others: a repeater, or another device"
        return sign(says, found[0], suspect=True)
    told = situation.server.shows("host.macs")
    return sign(f"no other device has answered the router at {address}", told) if told else None


def _neighbours(situation: Situation, address: IPv4Address | None) -> tuple[Entry[Neighbour], ...]:
    """Give what the router's neighbour table holds at an address."""
    return tuple(entry for entry in situation.router.held(Neighbour) if entry.values.address == address)


def _own_macs(situation: Situation, address: IPv4Address) -> frozenset[str]:
    """Give the MAC addresses by which the Plex host may answer at an address; none where they, or who does, is not known.

    All that the server says it has: it may answer at each interface for the addresses of the others. Else the
    inventory's. A container with an address of its own has a MAC address of its own, which is not told.
    """
    read = situation.router.state(Kind.NEIGHBOUR) is KindState.PRESENT
    if not read or (address != situation.view.server_address and address not in situation.held):
        return frozenset()
    told = situation.server.texts("host.macs") or (situation.view.server_mac,)
    return frozenset(line.split()[0] for line in told if line)


def _may_stand_for_others(situation: Situation, mac: str) -> bool:
    """Whether a MAC address answers at several addresses: so does a repeater or proxy ARP, for whoever is behind it."""
    return (
        len({entry.values.address for entry in situation.router.held(Neighbour) if entry.values.mac == mac})
        > 1
    )


def address_conflict(situation: Situation) -> Sign | None:
    """Do two devices hold Plex's address?

    Shown, where the server says that it has the address, and another MAC address has just answered the router there,
    of which it is proven that it is none that a repeater gives the server. Else it is a suspicion.
    """
    address = _plex_address(situation)
    own = _own_macs(situation, address) if address is not None else frozenset()
    if address is None or not own:
        return None
    found = _neighbours(situation, address)
    others = [entry for entry in found if entry.values.mac not in own]
    given = [entry for entry in situation.router.held(Lease) if entry.values.address == address]
    lent = [entry for entry in given if entry.values.mac not in own]
    if others and len(others) == len(found):
        other = others[0].values
        if _may_stand_for_others(situation, other.mac):
            return None
        name = next((entry.values.name for entry in lent if entry.values.mac == other.mac), "")
        called = f"{name} ({other.mac})" if name else other.mac
        ours = min(own) if len(own) == 1 else "an interface of the server's"
        says = f"at {address}, the Plex host's address ({ours}), {called} answers the router"
        proven = other.current and _is_another(situation, address, lent, other)
        told = situation.server.shows("host.macs")
        return sign(says, others[0], *lent, told, suspect=not proven)
    if lent:
        to = lent[0].values
        called = f"{to.name} ({to.mac})" if to.name else to.mac
        says = f"the router has given {address}, the Plex host's address, to {called} too"
        return sign(says, lent[0], *found, suspect=True)
    return None


def _is_another(
    situation: Situation, address: IPv4Address, lent: list[Entry[Lease]], other: Neighbour
) -> bool:
    """Tell whether a MAC address is proven to be none that something on the way puts in place of the server's own.

    It is where the server says that it has the address, and the router sees the server's own MAC address as well: in its
    neighbour table at another address; or in its leases, where the other has one for this address.
    """
    told = [line.split() for line in situation.server.texts("host.macs") or ()]
    at = {mac for mac, *addresses in told if str(address) in addresses}
    seen = any(entry.values.mac in at for entry in situation.router.held(Neighbour))
    leased = any(entry.values.mac in at for entry in situation.router.held(Lease))
    return seen or (leased and any(entry.values.mac == other.mac for entry in lent))

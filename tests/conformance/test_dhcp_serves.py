"""A reservation counts only where its DHCP server is up and serves the home network."""

from __future__ import annotations

import pytest

from plexops.engine.change.sending import unexpected
from plexops.lab.routers.linux import LinuxRouter
from plexops.lab.routers.openwrt import OpenWrtRouter
from plexops.lab.routers.openwrt_dnsmasq import OWN_DNSMASQ
from plexops.model.change import Action, is_done
from plexops.model.exchange import Read, Reply
from plexops.model.finding import FindingStatus
from plexops.model.resources.dhcp_reservation import Reservation
from plexops.model.snapshot import Kind, KindState
from plexops.structs import replace
from tests.conformance.conformance_bench import (
    FAMILIES,
    HOUSEHOLD,
    MAC,
    RESERVATION,
    SHELLS,
    Bench,
    Family,
    bench,
    change,
    task,
)

SILENT = replace(HOUSEHOLD, serves_dhcp=False)
TASK = task(Kind.DHCP_RESERVATION, RESERVATION)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_serves_is_known_to(family: Family) -> None:
    with bench(family) as device:
        assert device.look().state(Kind.DHCP_RESERVATION) is KindState.PRESENT
        assert device.finding(TASK).status is FindingStatus.DRIFT


@pytest.mark.parametrize("family", FAMILIES)
def test_switched_off_in_the_lan_nothing_is_known_and_nothing_is_planned(family: Family) -> None:
    with bench(family, SILENT) as device:
        snapshot = device.look()
        assert snapshot.state(Kind.DHCP_RESERVATION) is KindState.UNKNOWN
        assert snapshot.of(Kind.DHCP_RESERVATION), "what stands there is still listed"
        found = device.finding(TASK)
        assert (found.status, found.changes) == (FindingStatus.UNKNOWN, ())
        assert "lan" in found.have or "defconf" in found.have


@pytest.mark.parametrize("family", FAMILIES)
def test_a_question_about_it_that_fails_leaves_it_unknown(family: Family) -> None:
    with bench(family) as device:
        spec = device.driver.profile.resources[Kind.DHCP_RESERVATION][
            -1 if family == "opnsense-kea" else 0
        ].spec
        assert spec.serves is not None
        fact = next(f for f in device.driver.profile.facts if f.spec.name == spec.serves.fact)
        for read in fact.take.reads:

            def fails(asked: Read, reply: Reply, read: str = read) -> Reply:
                return replace(reply, whole=False) if asked.id == read else reply

            device.distort = fails
            assert device.look().state(Kind.DHCP_RESERVATION) is KindState.UNKNOWN, read


@pytest.mark.parametrize("family", FAMILIES)
def test_a_server_for_another_network_does_not_serve_this_one(family: Family) -> None:
    """Its addresses are of 10.9.9.0/24 alone."""

    def elsewhere(asked: Read, reply: Reply) -> Reply:
        body = reply.body
        for mine in ("192.168.1.100", "192.168.1.199", "192.168.1.249", "192.168.1.0/24"):
            if asked.id in ("ranges", "dnsmasq", "pools", "dnsmasq_ranges", "kea_subnets"):
                body = body.replace(mine, mine.replace("192.168.1", "10.9.9"))
        return replace(reply, body=body)

    with bench(family) as device:
        device.distort = elsewhere
        snapshot = device.look()
        assert snapshot.state(Kind.DHCP_RESERVATION) is KindState.UNKNOWN
        assert "192.168.1.0/24" in snapshot.reasons[Kind.DHCP_RESERVATION]


def test_openwrt_goes_by_what_dnsmasq_was_started_with() -> None:
    """Its script leaves the range out where another server answered on the network, whatever uci says."""

    def without_range(asked: Read, reply: Reply) -> Reply:
        return Reply(reply.id, 1, "") if asked.id == "ranges" else reply

    with bench("openwrt") as device:
        device.distort = without_range
        assert device.look().state(Kind.DHCP_RESERVATION) is KindState.UNKNOWN


def test_openwrt_with_odhcpd_as_its_dhcp_server() -> None:
    with bench("openwrt") as device:
        device.run("uci set dhcp.odhcpd=odhcpd && uci set dhcp.odhcpd.maindhcp=1 && uci commit dhcp")
        snapshot = device.look()
        assert "odhcpd does not run" in snapshot.reasons[Kind.DHCP_RESERVATION]
        device.distort = lambda asked, reply: Reply(reply.id, 0, "2001\n") if asked.id == "odhcpd" else reply
        assert device.look().state(Kind.DHCP_RESERVATION) is KindState.PRESENT


@pytest.mark.parametrize("words", ["interface=lan0", "interface=wan0\nno-dhcp-interface=lan01"])
def test_linux_is_kept_off_only_by_its_own_interface(words: str) -> None:
    with bench("linux") as device:
        lines = "".join(f"/etc/dnsmasq.d/z.conf:{line}\n" for line in words.split("\n"))
        device.distort = lambda asked, reply: (
            replace(reply, body=reply.body + lines) if asked.id == "dnsmasq" else reply
        )
        assert device.look().state(Kind.DHCP_RESERVATION) is KindState.PRESENT


def break_at_the_next_start(device: Bench) -> None:
    """Let dnsmasq end right after it was started with our reservation."""
    if isinstance(device.router, OpenWrtRouter):
        own = f"dhcp-host=3c:2a:f4:0d:0e:0f,{RESERVATION.address}\n"
        device.router.files.install({OWN_DNSMASQ: own})
    else:
        assert isinstance(device.router, LinuxRouter)
        device.router.dnsmasq_dies = True


@pytest.mark.parametrize("family", SHELLS)
def test_a_server_that_died_of_a_write_does_not_show_it_as_made(family: Family) -> None:
    with bench(family) as device:
        break_at_the_next_start(device)
        create = change(Action.CREATE, Kind.DHCP_RESERVATION, RESERVATION)
        complaints = [unexpected(write.expect, device.send(write)) for write in device.script(create).writes]
        after = device.look()
        assert any(complaints), "the write itself says that its server did not stay up"
        assert not device.router.reservations()
        assert any(MAC in entry.values.macs for entry in after.held(Reservation))
        assert after.state(Kind.DHCP_RESERVATION) is KindState.UNKNOWN
        assert not is_done(create, after)
        assert device.undo(create).state(Kind.DHCP_RESERVATION) is KindState.PRESENT
        assert device.router.reservations()

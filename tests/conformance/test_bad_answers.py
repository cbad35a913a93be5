"""What is no answer is unknown, with a reason: never empty, never absent, never in order."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from plexops.model.exchange import Call, Expect, Json, Read, Reply, Write
from plexops.model.finding import FindingStatus
from plexops.model.site import State
from plexops.model.snapshot import Kind, KindState
from plexops.structs import replace
from tests.conformance.conformance_bench import FAMILIES, FORWARD, RESERVATION, Bench, Family, bench, task

SAVED = Expect(frozenset({200}), path="result", equals="saved")
Distortion = Callable[[Read, Reply], Reply]
WANTED = {Kind.DHCP_RESERVATION: RESERVATION, Kind.PORT_FORWARD: FORWARD}


def _half(_read: Read, reply: Reply) -> Reply:
    return replace(reply, body=reply.body[: len(reply.body) // 2], status=None, whole=False)


def _cut_but_called_whole(_read: Read, reply: Reply) -> Reply:
    """A proxy or a full disk in between: the end is missing, and nobody says so."""
    return replace(reply, body=reply.body[: len(reply.body) // 2])


#: How an answer goes wrong, by name. Each of them must make what depends on it unknown.
EVERYWHERE: dict[str, Distortion] = {
    "cut off": _half,
    "cut off before the first byte": lambda _r, reply: replace(reply, body="", status=None, whole=False),
}
SHELL: dict[str, Distortion] = EVERYWHERE | {
    "command not found": lambda _r, reply: replace(reply, body="", stderr="sh: uci: not found\n", status=127),
    "killed": lambda _r, reply: replace(reply, body="", stderr="Killed\n", status=137),
    "permission": lambda _r, reply: replace(
        reply, body="", stderr="Operation not permitted (you must be root)\n", status=1
    ),
    "a part, then an error": lambda _r, reply: replace(
        reply, body=reply.body[:200], stderr="I/O error\n", status=1
    ),
    "a page of HTML": lambda _r, reply: replace(reply, body="<html><body>Login</body></html>\n"),
    "a login banner": lambda _r, reply: replace(reply, body="\x1b[2J*** Maintenance until 6 ***\n"),
}
ROUTEROS: dict[str, Distortion] = EVERYWHERE | {
    "bad command": lambda _r, reply: replace(reply, body="bad command name nat (line 1 column 14)\n"),
    "syntax error": lambda _r, reply: replace(reply, body="syntax error (line 1 column 5)\n"),
    "failure": lambda _r, reply: replace(reply, body="failure: out of memory\n"),
    "no rights": lambda _r, reply: replace(reply, body="not enough permissions (9)\n"),
    "stopped": lambda _r, reply: replace(reply, body="", status=1),
    "a page of HTML": lambda _r, reply: replace(reply, body="<html><body>Login</body></html>\n"),
}
HTTP: dict[str, Distortion] = EVERYWHERE | {
    "login refused": lambda _r, reply: replace(
        reply, status=401, body='{"status":401,"message":"Authentication Failed"}'
    ),
    "forbidden": lambda _r, reply: replace(reply, status=403, body='{"status":403,"message":"Forbidden"}'),
    "server error": lambda _r, reply: replace(reply, status=500, body='{"errorMessage":"Unexpected error"}'),
    "gateway": lambda _r, reply: replace(reply, status=502, body="<html>Bad Gateway</html>"),
    "a page of HTML": lambda _r, reply: replace(reply, body="<html><body>Login</body></html>"),
    "empty": lambda _r, reply: replace(reply, body=""),
    "half the JSON": _cut_but_called_whole,
    "other JSON": lambda _r, reply: replace(reply, body='{"message": "update running"}'),
    "a list": lambda _r, reply: replace(reply, body="[]"),
    "null": lambda _r, reply: replace(reply, body="null"),
    "rows that are no list": lambda _r, reply: replace(reply, body='{"rows": {}, "total": 0}'),
}


def _of(family: Family) -> dict[str, Distortion]:
    if family == "routeros":
        return ROUTEROS
    return HTTP if family.startswith("opnsense") else SHELL


CASES = [
    pytest.param(family, kind, name, id=f"{family}-{kind}-{name}")
    for family in FAMILIES
    for kind in WANTED
    for name in _of(family)
]


@pytest.mark.parametrize(("family", "kind", "name"), CASES)
def test_what_is_no_answer_is_unknown_with_a_reason(family: Family, kind: Kind, name: str) -> None:
    with bench(family) as at:
        reads = _reads_of(family, kind)
        distort = _of(family)[name]
        at.distort = lambda read, reply: distort(read, reply) if read.id in reads else reply
        snapshot = at.look()
        assert snapshot.state(kind) is KindState.UNKNOWN, (snapshot.state(kind), snapshot.of(kind))
        assert snapshot.of(kind) == ()
        assert snapshot.reasons[kind]
        for state in State:
            finding = at.finding(task(kind, WANTED[kind], state=state))
            assert (finding.status, finding.changes) == (FindingStatus.UNKNOWN, ()), finding
            assert finding.have, "unknown without a reason"


def _reads_of(family: Family, kind: Kind) -> set[str]:
    """Name the reads that hold one kind; each family's own words, from its profile."""
    forwards = {"openwrt": "firewall", "linux": "nft", "routeros": "nat"}
    reservations = {"openwrt": "dhcp", "linux": "dnsmasq", "routeros": "leases"}
    if kind is Kind.PORT_FORWARD:
        return {forwards.get(family, "forwards")}
    return {reservations.get(family, "kea_reservations" if family.endswith("kea") else "dnsmasq_hosts")}


@pytest.mark.parametrize("kind", WANTED)
def test_ids_that_do_not_fit_the_export_make_it_unknown(kind: Kind) -> None:
    """Two reads of one menu, with an edit between them: no entry may get its neighbour's handle."""
    with bench("routeros") as at:
        ids = "nat_ids" if kind is Kind.PORT_FORWARD else "leases_ids"

        def one_less(read: Read, reply: Reply) -> Reply:
            return replace(reply, body=reply.body.partition(";")[2]) if read.id == ids else reply

        at.distort = one_less
        snapshot = at.look()
        assert snapshot.state(kind) is KindState.UNKNOWN
        assert snapshot.of(kind) == ()
        assert "same entries" in snapshot.reasons[kind]


@pytest.mark.parametrize("family", FAMILIES)
def test_silence_of_all_reads_leaves_no_fact_and_no_entry(family: Family) -> None:
    with bench(family) as at:
        at.distort = _half
        snapshot = at.look()
        assert (snapshot.entries, dict(snapshot.facts)) == ((), {})
        for kind in at.driver.profile.resources:
            assert snapshot.state(kind) in (KindState.UNKNOWN, KindState.UNSUPPORTED), kind
            assert snapshot.reasons[kind]


@pytest.mark.parametrize("family", ["openwrt", "linux"])
def test_a_broken_file_on_the_device_is_unknown(family: Family) -> None:
    """The device itself says it, not a distorted reply."""
    with bench(family) as at:
        if family == "openwrt":
            at.run("printf 'config redirect\\n\\toption name \\047broken\\n' > /etc/config/firewall")
            kind = Kind.PORT_FORWARD
        else:
            at.run("rm -r /etc/dnsmasq.d")
            kind = Kind.DHCP_RESERVATION
        snapshot = at.look()
        assert snapshot.state(kind) is KindState.UNKNOWN, snapshot.of(kind)
        assert snapshot.reasons[kind]


@pytest.mark.parametrize("family", FAMILIES)
def test_an_entry_that_cannot_be_understood_keeps_its_place(family: Family) -> None:
    """It may hold anything: so it is shown without values, and its neighbours stay as they are."""
    with bench(family) as at:
        before = at.look().of(Kind.PORT_FORWARD)
        _add_an_odd_forward(at)
        after = at.look().of(Kind.PORT_FORWARD)
        assert len(after) == len(before) + 1, [e.label for e in after]
        odd = [e for e in after if e.values is None]
        assert len(odd) == 1 + len([e for e in before if e.values is None])
        assert [e.values for e in after if e.values is not None] == [
            e.values for e in before if e.values is not None
        ]


#: Forwards as people make them which no PortForward can hold: a name for a port, a negation, several targets.
ODD = {
    "openwrt": "uci add firewall redirect >/dev/null && uci set firewall.@redirect[-1].src=wan "
    "&& uci set firewall.@redirect[-1].src_dport=http && uci set firewall.@redirect[-1].dest_ip=192.168.1.9 "
    "&& uci commit firewall",
    "linux": "nft add rule ip nat prerouting tcp dport != 9000 dnat to 192.168.1.2",
    "routeros": "/ip firewall nat add chain=dstnat action=dst-nat protocol=tcp dst-port=9000 "
    "to-addresses=192.168.1.2-192.168.1.9",
}


def _add_an_odd_forward(at: Bench) -> None:
    if at.family in ODD:
        at.run(ODD[at.family])
        return
    rule: dict[str, Json] = {
        "interface": "wan",
        "protocol": "tcp",
        "target": "192.168.1.0/28",
        "destination": {"network": "wanip", "port": "9000"},
    }
    add = Write(Call("POST", "/api/firewall/d_nat/add_rule", body={"rule": rule}), SAVED)
    at.send_all([add])

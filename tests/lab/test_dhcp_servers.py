"""ISC dhcpd and Kea, the real ones: what they reserve is read, and the steps that are said are a cure."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest

from plexops.model.entries import Lease
from plexops.model.finding import Finding, FindingStatus
from plexops.model.resources.dhcp_reservation import Reservation
from plexops.model.site import ResolvedTask
from plexops.model.snapshot import Kind, KindState
from plexops.structs import replace
from tests.conformance.conformance_bench import PLEX, task

from .linux_router import MAC, RouterHost, router_host
from .node import NODE_PATH
from .realhome import why_not

_LACKING = [name for name in ("dhcpd", "kea-dhcp4", "busybox") if not shutil.which(name, path=NODE_PATH)]
_MISSING = why_not() or (f"not installed: {', '.join(_LACKING)}" if _LACKING else "")
pytestmark = [pytest.mark.namespaces, pytest.mark.skipif(bool(_MISSING), reason=_MISSING or "can run here")]

OTHER = IPv4Address("192.168.1.51")


def reserved(address: IPv4Address) -> ResolvedTask:
    wanted = task(Kind.DHCP_RESERVATION, Reservation((MAC,), address, "plex"))
    return replace(wanted, values={"mac": MAC, "address": address})


WANTED = reserved(PLEX)
ISC_FILE, KEA_FILE = "/etc/dhcp/dhcpd.conf", "/etc/kea/kea-dhcp4.conf"

ISC = f"""
mkdir -p /etc/dhcp/more /var/lib/dhcp; touch /var/lib/dhcp/dhcpd.leases
cat >{ISC_FILE} <<'END'
# The home's.
option domain-name "home # and no comment";
key "ours" {{
	algorithm hmac-md5;
	secret "c2VjcmV0";
}};
include "/etc/dhcp/more/hosts.conf";
subnet 11.22.44.0 netmask 255.255.255.0 {{ }}
shared-network house {{
	subnet 192.168.1.0 netmask 255.255.255.0 {{
		option routers 192.168.1.1;
		pool {{ range 192.168.1.100 192.168.1.199; }}
	}}
}}
END
cat >/etc/dhcp/more/hosts.conf <<'END'
group {{
	filename "pxe";
	Host nas {{ hardware Ethernet 0:11:32:aa:bb:1; fixed-address 192.168.1.20; option host-name "nas"; }}
	host guest {{ hardware ethernet 00:11:32:aa:bb:02; ignore booting; fixed-address 192.168.1.21; }}
}}
END
"""
KEA = f"""
mkdir -p /etc/kea/more /var/lib/kea /run/kea /run/lock/kea
cat >{KEA_FILE} <<'END'
// The home's.
{{ "Dhcp4": {{
  "interfaces-config": {{ "interfaces": [ "lan0" ] }}, # the other side gets none
  "lease-database": {{ "type": "memfile" }},
  "subnet4": [
    {{ "id": 1, "subnet": "192.168.1.0/24",
       "pools": [ {{ "pool": "192.168.1.100-192.168.1.199" }} ],
       "reservations": [
      <?include "/etc/kea/more/nas.json"?>
       ]
    }}
  ],
  "shared-networks": [ {{ "name": "guests", "subnet4": [ {{ "id": 2, "subnet": "192.168.9.0/24" }} ] }} ],
  "loggers": [ {{ "name": "kea-dhcp4", "severity": "ERROR", "output_options": [ {{ "output": "/var/log/kea.log" }} ] }} ]
}} }}
END
echo '{{ "hw-address": "00:11:32:aa:bb:01", "ip-address": "192.168.1.20", "hostname": "nas" }}' >/etc/kea/more/nas.json
"""
START = {
    "isc": "dhcpd -q -cf /etc/dhcp/dhcpd.conf lan0 2>/var/log/dhcpd.log",
    "kea": "KEA_LOCKFILE_DIR=/run/lock/kea kea-dhcp4 -c /etc/kea/kea-dhcp4.conf >/dev/null 2>&1 </dev/null &",
}
PROGRAM = {"isc": "dhcpd", "kea": "kea-dhcp4"}


def restart(at: RouterHost, word: str) -> None:
    """What `systemctl restart` comes to, and wait until its sockets are there."""
    at.run(
        f"""
        p=$(pidof {PROGRAM[word]}) && kill $p && while kill -0 $p 2>/dev/null; do sleep 0.05; done
        {START[word]}
        i=0; until ss -Hulnp | grep -q ':67 .*{PROGRAM[word]}'; do i=$((i + 1)); [ $i -lt 200 ]; sleep 0.05; done
        """
    )


@pytest.fixture(params=["isc", "kea"])
def served(request: pytest.FixtureRequest) -> Iterator[tuple[str, RouterHost]]:
    word = request.param
    with router_host({"isc": ISC, "kea": KEA}[word]) as at:
        restart(at, word)
        yield word, at


def add(at: RouterHost, word: str, found: Finding) -> None:
    """Do the first step of a finding: put the line where it says, and prove the file by the command that it names."""
    file = ISC_FILE if word == "isc" else KEA_FILE
    text = at.node.read(file)
    if word == "isc":
        (line,) = re.findall(r": (host .* \})$", found.steps[0])
        text = f"{text}{line}\n"
    else:
        (line,) = re.findall(r'(\{ "hw-address".* \}),', found.steps[0])
        text = text.replace('"reservations": [', f'"reservations": [ {line},')
    at.node.write({file: text})
    (proof,) = re.findall(r"sudo (\S+ -t\S* .*?\.conf) says", " ".join(found.steps))
    at.run(f"export KEA_LOCKFILE_DIR=/run/lock/kea; {proof} 2>&1")
    restart(at, word)


def test_what_the_daemon_reserves_is_read(served: tuple[str, RouterHost]) -> None:
    word, at = served
    now = at.look()
    assert now.text("x.dhcp") == word
    assert (now.text("pool.first"), now.text("pool.last")) == ("192.168.1.100", "192.168.1.199")
    rows = {entry.label: entry.values for entry in now.of(Kind.DHCP_RESERVATION)}
    nas = rows.pop("nas")
    assert isinstance(nas, Reservation)
    assert (nas.macs, str(nas.address)) == (("00:11:32:aa:bb:01",), "192.168.1.20")
    # What keeps it from being served is not modelled: it is listed, and nothing is said of it.
    assert rows == ({"guest": None} if word == "isc" else {})


def test_the_steps_are_a_cure(served: tuple[str, RouterHost]) -> None:
    word, at = served
    found = at.finding(WANTED)
    assert (found.status, found.changes) == (FindingStatus.UNSUPPORTED, ())
    assert found.have == "there is none"
    given = at.leased()
    assert given != str(PLEX)
    leases = [(str(e.values.address), e.values.mac, e.values.name) for e in at.look().held(Lease)]
    assert leases == [(given, MAC, "mediabox")]
    add(at, word, found)
    assert at.finding(WANTED).status is FindingStatus.OK
    assert at.leased() == str(PLEX)


def test_a_reservation_of_another_address_is_found(served: tuple[str, RouterHost]) -> None:
    word, at = served
    add(at, word, at.finding(reserved(OTHER)))
    assert at.leased() == str(OTHER)
    found = at.finding(WANTED)
    assert (found.status, found.changes) == (FindingStatus.CONFLICT, ())
    assert str(OTHER) in found.have
    assert any("or changes" in step for step in found.steps)
    file = ISC_FILE if word == "isc" else KEA_FILE
    at.run(f"sed -i 's/{OTHER}/{PLEX}/g' {file}")
    restart(at, word)
    assert at.finding(WANTED).status is FindingStatus.OK
    assert at.leased() == str(PLEX)


def test_a_daemon_that_is_down_reserves_nothing(served: tuple[str, RouterHost]) -> None:
    word, at = served
    at.run(f"kill $(pidof {PROGRAM[word]}); sleep 0.3")
    assert at.look().state(Kind.DHCP_RESERVATION) is not KindState.PRESENT
    found = at.finding(WANTED)
    assert (found.status, found.changes) == (FindingStatus.UNKNOWN, ())


def test_no_secret_is_asked_for() -> None:
    with router_host(ISC) as at:
        asked = [read for reads in [at.driver.profile.profile.reads] for read in reads.values()]
        texts = [at.run(f"{read.run} 2>/dev/null || true") for read in asked if "/etc/" in read.run]
        assert "hmac-md5" in "".join(texts)
        assert "c2VjcmV0" not in "".join(texts)

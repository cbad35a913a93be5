"""A router whose rules are iptables', restored at a start: nothing is written, and the steps that are said are a cure."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from plexops.model.finding import Finding, FindingStatus
from plexops.model.resources.port_forward import PortForward
from plexops.model.snapshot import Kind
from plexops.model.values import Ports
from plexops.structs import replace
from tests.conformance.conformance_bench import PLEX, task

from .linux_router import RouterHost, router_host
from .realhome import why_not

pytestmark = [pytest.mark.namespaces, pytest.mark.skipif(bool(why_not()), reason=why_not() or "can run here")]

FORWARD = PortForward(Ports.parse("32500"), PLEX, Ports.parse("32400"), name="Plex")
WANTED = replace(
    task(Kind.PORT_FORWARD, FORWARD), values={"external_port": 32500, "address": PLEX, "port": 32400}
)
FILE = "/etc/iptables/rules.v4"
#: `@` is `iptables`, or its legacy twin.
PREPARE = f"""
mkdir -p /etc/iptables /usr/local/sbin
for one in "" -save -restore; do ln -sf $(command -v @$one) /usr/local/sbin/iptables$one; done
cat >{FILE} <<'END'
*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -i wan0 -p tcp -m tcp --dport 2222 -j DNAT --to-destination 192.168.1.20:22
-A POSTROUTING -o wan0 -j MASQUERADE
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i lan0 -o wan0 -j ACCEPT
-A FORWARD -i wan0 -j REJECT --reject-with icmp-port-unreachable
COMMIT
END
iptables-restore {FILE}
cat >/usr/local/sbin/systemctl <<'END'
#!/bin/sh
printf 'UnitFileState=enabled\\n\\nUnitFileState=\\n'
END
chmod 755 /usr/local/sbin/systemctl
"""


@pytest.fixture(params=["iptables-nft", "iptables-legacy"])
def at(request: pytest.FixtureRequest) -> Iterator[RouterHost]:
    with router_host(PREPARE.replace("@", request.param)) as router:
        yield router


def commands(found: Finding) -> tuple[str, str]:
    """Give the two commands of the steps, as a person types them."""
    said = [re.findall(r": sudo (iptables .*)$", step) for step in found.steps]
    (first,), (second,) = [one for one in said if one]
    return first, second


def test_forwards_of_iptables_are_read(at: RouterHost) -> None:
    (entry,) = at.look().of(Kind.PORT_FORWARD)
    values = entry.values
    assert isinstance(values, PortForward)
    assert (str(values.external_port), str(values.address), str(values.port)) == (
        "2222",
        "192.168.1.20",
        "22",
    )
    assert not entry.owner.ours
    assert at.look().text("x.filter") == "iptables"


def test_the_steps_are_a_cure(at: RouterHost) -> None:
    before = at.run("iptables-save | grep -v '^#'")
    found = at.finding(WANTED)
    assert (found.status, found.changes) == (FindingStatus.UNSUPPORTED, ())
    translate, accept = commands(found)
    assert at.run("iptables-save | grep -v '^#'") == before
    assert not at.arrives(32500, 32400)
    at.run(translate)
    half = at.finding(WANTED)
    assert half.status is FindingStatus.UNSUPPORTED
    assert "drops what " in half.why
    assert commands(half) == (translate, accept)
    assert not at.arrives(32500, 32400)
    at.run(accept)
    assert at.finding(WANTED).status is FindingStatus.OK
    assert at.arrives(32500, 32400)


def test_and_at_every_start(at: RouterHost) -> None:
    found = at.finding(WANTED)
    translate, accept = commands(found)
    text = at.node.read(FILE)
    first = translate[translate.index("-A") :]
    second = accept[accept.index("-I") :].replace("-I", "-A", 1)
    text = text.replace("-A POSTROUTING", f"{first}\n-A POSTROUTING", 1)
    at.node.write(
        {FILE: text.replace("-A FORWARD -i wan0 -j REJECT", f"{second}\n-A FORWARD -i wan0 -j REJECT")}
    )
    at.run(f"iptables-restore --test {FILE}")
    at.run(f"iptables-restore {FILE}")
    assert at.finding(WANTED).status is FindingStatus.OK
    assert at.arrives(32500, 32400)

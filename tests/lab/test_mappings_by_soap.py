"""Debian's miniupnpd judges what is read of a table of mappings by SOAP, and what is written: the kernel's rules tell."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .node import NODE_PATH
from .realhome import REPOSITORY, RealHome, real_home, why_not

pytestmark = [pytest.mark.namespaces, pytest.mark.skipif(bool(why_not()), reason=why_not() or "can run here")]

MAPPER = str(Path(__file__).with_name("mapper.py"))
IGD = "http://192.168.1.1:5000/rootDesc.xml"
#: What the shipped profile leaves to a person: it stands here for the store alone, and its daemon judges that.
WRITTEN = """\
kinds:
  port_forward:
    harmless: [NewLeaseDuration]
    label: NewPortMappingDescription
    owner: {NewPortMappingDescription: "plexops:{{ key }}"}
    fields: {external_port: NewExternalPort, address: NewInternalClient, port: NewInternalPort,
      protocol: {is: NewProtocol, words: PROTO}, enabled: {is: NewEnabled, words: one_zero},
      source: {is: NewRemoteHost, default: any}, name: NewPortMappingDescription}
    set: {NewRemoteHost: "", NewLeaseDuration: 0}
    rows: ip_mappings
    write: {soap: ip, add: AddPortMapping, delete: DeletePortMapping, by: [NewRemoteHost, NewExternalPort, NewProtocol]}
"""


def profile_of(home: RealHome) -> str:
    """Write the profile that also writes, out of the shipped one."""
    text = (
        (REPOSITORY / "router_profiles" / "igd.yaml")
        .read_text("utf-8")
        .replace("profile: igd", "profile: mapped")
    )
    before, _, after = text.partition("\nkinds:\n")
    file = home.directory / "mapped.yaml"
    file.write_text(f"{before}\n{WRITTEN}verified:{after.partition('verified:')[2]}", "utf-8")
    return str(file)


def at(home: RealHome, node: str, *words: str) -> Any:
    """Run the mapper on one of the home's computers."""
    done = subprocess.run(
        home.nodes[node].enter_network([sys.executable, MAPPER, *words]),
        env={"PATH": NODE_PATH, "PYTHONPATH": str(REPOSITORY), "HOME": str(home.directory)},
        cwd=home.directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def mapped(home: RealHome) -> list[str]:
    """Give the rules of miniupnpd's chain in the kernel that translate."""
    shown = home.exec(
        "router", ["nft", "-s", "list", "chain", "inet", "filter", "prerouting_miniupnpd"]
    ).stdout
    return [line.strip() for line in shown.splitlines() if "dnat" in line]


def others(home: RealHome, *words: str) -> str:
    """Let a program of the server map a port by UPnP itself."""
    done = home.exec("server", ["upnpc", "-u", IGD, *words])
    return done.stdout


def test_what_is_read_by_igd_is_what_the_kernel_does() -> None:
    with real_home() as home:
        assert "is redirected" in others(
            home, "-e", "it's mine; $(reboot)", "-a", "192.168.1.50", "9000", "9001", "UDP", "600"
        )
        told = at(home, "server", "igd")
        assert told["facts"] == home.public_address
        assert told["states"]["upnp_mapping"] == "present"
        assert "port_forward" not in told["states"]
        (row,) = told["rows"]
        assert (row["NewExternalPort"], row["NewInternalPort"], row["NewProtocol"]) == ("9001", "9000", "UDP")
        assert row["NewPortMappingDescription"] == "it's mine; $(reboot)"
        (rule,) = mapped(home)
        assert "9001" in rule
        assert "192.168.1.50:9000" in rule


def test_a_mapping_is_made_changed_and_taken_away_and_others_stay() -> None:
    with real_home() as home:
        profile = profile_of(home)
        assert "is redirected" in others(home, "-e", "game", "-a", "192.168.1.50", "9000", "9001", "UDP")
        before = mapped(home)
        home.start_plex()
        home.exec("server", ["ufw", "allow", "32400/tcp"])
        assert home.identity_from_outside(32500) is None
        made = at(home, "server", profile, "make", "32500", "192.168.1.50", "32400")
        assert made["why"] == ""
        assert len(mapped(home)) == 2
        assert home.machine_identifier in (home.identity_from_outside(32500) or "")
        changed = at(home, "server", profile, "change", "32469")
        assert changed["why"] == ""
        assert any("192.168.1.50:32469" in rule for rule in mapped(home))
        assert not any("192.168.1.50:32400" in rule for rule in mapped(home))
        gone = at(home, "server", profile, "take")
        assert gone["why"] == ""
        assert mapped(home) == before
        assert [row["NewPortMappingDescription"] for row in gone["rows"]] == ["game"]


def test_another_mapping_is_never_written_over() -> None:
    with real_home() as home:
        profile = profile_of(home)
        assert "is redirected" in others(home, "-e", "Plex", "-a", "192.168.1.50", "32400", "32500", "TCP")
        before = mapped(home)
        told = at(home, "server", profile, "make", "32500", "192.168.1.50", "32401")
        assert told["why"] == "not sent: “Plex” has 32500 TCP already"
        assert mapped(home) == before


def test_a_computer_opens_ports_to_itself_alone_and_that_is_said() -> None:
    with real_home() as home:
        profile = profile_of(home)
        told = at(home, "ctl", profile, "make", "32500", "192.168.1.50", "32400")
        assert told["why"].startswith(
            "it was refused: 718 ConflictInMappingEntry: another entry has that port, or "
        )
        assert mapped(home) == []
        low = at(home, "server", profile, "make", "443", "192.168.1.50", "32400")
        assert low["why"].startswith("it was refused: 606 Action not authorized: ")
        assert mapped(home) == []


def test_why_igd_writes_none() -> None:
    """By WANIPConnection:2, 2.3.3 what shall have no end ends after a week, and no answer says so."""
    with real_home() as home:
        profile = profile_of(home)
        assert at(home, "server", profile, "make", "32500", "192.168.1.50", "32400")["why"] == ""
        assert "32500->192.168.1.50:32400 'plexops:plex' '' 604800" in others(home, "-l")

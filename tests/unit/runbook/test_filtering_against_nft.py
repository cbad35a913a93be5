"""The walk against the kernel: real rule sets, read by the real nft, and a real connection that gets through or not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from plexops.config.profiles import load_profile
from plexops.drivers.compile import compile_profile
from plexops.drivers.rows import entry_of
from plexops.model.snapshot import Entry, Kind
from plexops.parsers.nft import parse_nft
from plexops.runbook.filtering import InboundPacket, Passes, walk

NFT = shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin")
pytestmark = [
    pytest.mark.namespaces,
    pytest.mark.skipif(
        NFT is None or os.geteuid() != 0 or sys.platform != "linux" or shutil.which("unshare") is None,
        reason="needs root, nft and network namespaces",
    ),
]

#: The whole life of one case: rules, what nft says of them, and whether a connection to our port is accepted.
SCRIPT = """
ip link set lo up
nft -f "$1" || exit 9
nft -j list ruleset
exec "$2" -c '
import socket
listener = socket.create_server(("127.0.0.1", 32400))
caller = socket.socket()
caller.settimeout(0.4)
try:
    caller.connect(("127.0.0.1", 32400))
    print("passed")
except OSError:
    print("stopped")
'
"""
PACKET = InboundPacket(IPv4Address("127.0.0.1"), 32400, frozenset({"lo"}), translated=False)

IN = "type filter hook input priority"
KNOWN = "ct state established,related accept"
#: Chains, one a line.
RULES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("an open policy", (f"chain a {{ {IN} 0; policy accept; }}",)),
    ("a closed policy", (f"chain a {{ {IN} 0; policy drop; }}",)),
    (
        "the reply gets back as well",
        (f"chain a {{ {IN} 0; policy drop; {KNOWN}; tcp dport 32400 accept; }}",),
    ),
    (
        "a later chain drops what an earlier one accepted",
        (
            f"chain a {{ {IN} 0; policy drop; iif lo accept; }}",
            f"chain b {{ {IN} 10; policy accept; tcp dport 32400 drop; }}",
        ),
    ),
    (
        "a return from a base chain meets its policy",
        (f"chain a {{ {IN} 0; policy drop; {KNOWN}; tcp dport 32400 return; accept; }}",),
    ),
    (
        "a jump comes back",
        (
            "chain s { tcp dport 22 drop; return; drop; }",
            f"chain a {{ {IN} 0; policy drop; jump s; accept; }}",
        ),
    ),
    (
        "a goto does not come back",
        ("chain s { tcp dport 22 accept; }", f"chain a {{ {IN} 0; policy drop; {KNOWN}; goto s; accept; }}"),
    ),
    (
        "a goto from a jumped chain comes back to the jump",
        (
            "chain g { tcp dport 22 drop; }",
            "chain s { goto g; drop; }",
            f"chain a {{ {IN} 0; policy drop; jump s; accept; }}",
        ),
    ),
    (
        "several protocols in one set",
        (f"chain a {{ {IN} 0; policy accept; meta l4proto {{ tcp, udp }} th dport 32400 drop; }}",),
    ),
    ("another protocol's drop", (f"chain a {{ {IN} 0; policy accept; udp dport 32400 drop; }}",)),
    (
        "a set with a range",
        (f"chain a {{ {IN} 0; policy accept; tcp dport {{ 22, 32000-33000 }} reject; }}",),
    ),
    (
        "a verdict map",
        (f"chain a {{ {IN} 0; policy accept; tcp dport vmap {{ 22 : accept, 32400 : drop }}; }}",),
    ),
    ("an interface by wildcard", (f'chain a {{ {IN} 0; policy accept; iifname "l*" drop; }}',)),
    ("another interface by wildcard", (f'chain a {{ {IN} 0; policy accept; iifname "wan*" drop; }}',)),
)


def entries_of(ruleset: str) -> list[Entry]:
    """As the profile of a Linux router makes them, of the chains of this hook."""
    profile = compile_profile(load_profile("linux", Path(), None, {}))
    (resource,) = profile.resources[Kind.FILTER_RULE]
    parsed = parse_nft(ruleset)
    assert isinstance(parsed, dict)
    rows = parsed["filter"]
    assert isinstance(rows, list)
    wanted = [row for row in rows if isinstance(row, dict) and row["hook"] in ("input", "")]
    return [entry_of(resource.spec, row, position, "x") for position, row in enumerate(wanted)]


@pytest.mark.parametrize("rules", [pytest.param(rules, id=name) for name, rules in RULES])
def test_the_walk_says_what_the_kernel_does(rules: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "rules.nft"
    file.write_text("table ip t {\n" + "\n".join(rules) + "\n}\n", encoding="utf-8")
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", SCRIPT, "sh", str(file), sys.executable],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    ruleset, _, fate = done.stdout.strip().rpartition("\n")
    expected = {"passed": Passes.YES, "stopped": Passes.NO}[fate]
    assert walk(entries_of(ruleset), PACKET).passes is expected

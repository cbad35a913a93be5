"""In a real home: a server whose forward works at the address that it holds is not moved for tidiness."""

from __future__ import annotations

import pytest

from .owner import PORT, plexops, state_of, without_vantage
from .realhome import real_home, why_not

pytestmark = [pytest.mark.namespaces, pytest.mark.skipif(bool(why_not()), reason=why_not() or "can run here")]

HELD = "192.168.1.104"
BY_HAND = f"""table inet mine {{
  chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    iifname "wan" tcp dport {PORT} counter dnat ip to {HELD}:32400 comment "mine"
  }}
}}
"""


def test_a_server_is_not_moved_away_from_the_forward_that_leads_to_it() -> None:
    with real_home(lease="moved") as made:
        home = without_vantage(made)
        home.nodes["router"].exec(["nft", "-f", "-"], BY_HAND, check=True)
        before = state_of(home)
        done = plexops(home, "apply --yes")
        assert done.returncode == 3, done.stdout + done.stderr
        assert "G8" in done.stdout
        assert f"server.address: {HELD}" in " ".join(done.stdout.split())
        assert home.address_of_server() == HELD
        assert state_of(home).differs(before) == []

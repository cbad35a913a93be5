"""In a real home: a server whose forward works is not moved for tidiness, and what nobody saw undone is not called so."""

from __future__ import annotations

from pathlib import Path

import pytest

from .owner import PORT, plexops, state_of, wait_until, without_vantage
from .realhome import real_home, why_not
from .test_plexops_windows import armed_for_router, started

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


#: From our forward on, the router's rules cannot be read any more, whether it stands or not.
HIDES = """
n=$(command -v nft) && mv $n $n.real && cat > $n <<'END'
#!/bin/sh
[ -e /etc/nftables.d/plexops_plex.nft ] && : > /run/hides
[ "$*" = "-j list ruleset" ] && [ -e /run/hides ] && exit 1
exec $0.real "$@"
END
chmod +x $n
"""


def test_what_the_router_does_not_show_is_not_called_undone() -> None:
    """Its own undo is left to fire, and takes the forward back; that is found out when it can be read again."""
    with real_home(lease="reserved") as made:
        home = without_vantage(made)
        home.nodes["router"].sh(HIDES)
        plexops(home, "audit")
        before = state_of(home)
        with started(home, "apply", "--yes") as pid:
            assert wait_until(lambda: not Path(f"/proc/{pid}").exists(), 80)
        said = " ".join((home.directory / "killed.log").read_text().split())
        assert "exit 6" in said
        assert "old state was read back" not in said, said
        assert "look: nft -j list ruleset" in said.lower(), said
        assert wait_until(lambda: not armed_for_router(home), 30)
        after = state_of(home)
        assert after.nft == before.nft
        assert after.nftables_files == before.nftables_files
        home.nodes["router"].sh("mv $(command -v nft).real $(command -v nft)")
        assert plexops(home, "apply --yes").returncode == 0
        assert home.connect_from_outside(PORT) == "open"

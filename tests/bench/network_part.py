"""One connection and one exec, as an audit makes them, timed without the start of the process.

`python -m tests.bench.network_part INVENTORY` prints seconds.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from plexops.config.inventory import load_inventory
from plexops.config.secrets import Secrets
from plexops.engine.look.access import Access
from plexops.model.exchange import Command, Read
from plexops.model.profile import Speaks
from plexops.transport.opening import open_read
from plexops.transport.trust.store import TrustStore


def main(inventory: str) -> None:
    """Connect to the router, run one script, close."""
    import paramiko  # noqa: F401 - the start of the process is not the network part

    [site] = load_inventory(Path(inventory)).sites.values()
    store = TrustStore.load(Path(os.environ["XDG_STATE_HOME"]))
    access = Access(site, Secrets(os.environ, None), store, (), speaks=Speaks.SHELL)
    begin = time.perf_counter()
    link = open_read(access.router())
    [reply] = link.ask((Read("true", Command("true")),))
    link.close()
    seconds = time.perf_counter() - begin
    if reply.status != 0:
        raise SystemExit(f"the router said {reply}")
    print(seconds)


if __name__ == "__main__":
    main(sys.argv[1])

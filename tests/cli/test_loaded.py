"""What a plain audit loads: each library and each part of plexops costs every run that loads it."""

from __future__ import annotations

from importlib.util import find_spec

from tests.cli.process import House, python

#: The program as it is started, which says at its end what it had loaded.
_PROGRAM = """
import os, sys
end = os._exit
def say(status):
    print("loaded", *sorted(sys.modules), file=sys.stderr, flush=True)
    end(status)
os._exit = say
from plexops.cli.main import main
main(sys.argv[1:])
"""
#: Libraries for what an audit does not do: schemas are judged where a document is new, plexapi reads before a change.
LIBRARIES = frozenset(
    {
        *("asyncio", "charset_normalizer", "distributed", "invoke", "jinja2", "jsonschema", "netmiko"),
        *("plexapi", "referencing", "requests", "rich", "urllib3"),
    }
)
#: What changes devices, other families, other commands, and the simulator.
PARTS = frozenset(
    {
        *("plexops.engine.change.apply", "plexops.engine.approved_plan", "plexops.engine.plan_run"),
        *("plexops.engine.change.recover", "plexops.engine.change.rollback", "plexops.engine.change.undo"),
        *("plexops.engine.diagnosing", "plexops.engine.questioning", "plexops.engine.bootstrap.quick"),
        *("plexops.drivers.rulesets.pf", "plexops.drivers.rulesets.routeros", "plexops.drivers.plex.log"),
        *("plexops.cluster", "plexops.lab", "plexops.report.html"),
    }
)


def test_a_plain_audit_loads_nothing_that_it_does_not_need(drifted: House) -> None:
    drifted("audit")  # the documents are judged once, and that is remembered
    state = str(drifted.directory / "state")
    done = python(_PROGRAM, "audit", directory=drifted.directory, XDG_STATE_HOME=state)
    assert done.returncode == 1, done.stderr
    loaded = set(done.stderr.splitlines()[-1].split())
    assert {"plexops.engine.runner", "paramiko", "msgspec"} <= loaded
    assert all(map(find_spec, PARTS)), "a name that is gone is never loaded"
    assert loaded & LIBRARIES == set()
    assert loaded & PARTS == set()

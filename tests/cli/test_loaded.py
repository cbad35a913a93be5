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
        # Python's own: a misspelt word looks for its like, and a host's address that is looked up as a text takes the
        # tables of all letters.
        *("difflib", "stringprep"),
    }
)
#: What changes devices, other families, other commands, the simulator, and what was not brought or did not happen.
PARTS = frozenset(
    {
        *("plexops.engine.change.apply", "plexops.engine.approved_plan", "plexops.engine.plan_run"),
        *("plexops.engine.change.recover", "plexops.engine.change.rollback", "plexops.engine.change.undo"),
        *("plexops.engine.diagnosing", "plexops.engine.questioning", "plexops.engine.bootstrap.quick"),
        *(
            "plexops.engine.decide.manual_router",
            "plexops.engine.look.checkers",
            "plexops.engine.look.own_view",
        ),
        *("plexops.drivers.rulesets.pf", "plexops.drivers.rulesets.routeros", "plexops.drivers.plex.log"),
        *("plexops.drivers.around.checkers",),
        *("plexops.config.probe_file", "plexops.config.answers_file", "plexops.cli.progress"),
        *("plexops.model.change_json", "plexops.model.codes", "plexops.model.run_json"),
        *("plexops.report.fleet", "plexops.report.problem"),
        *("plexops.transport.machine", "plexops.transport.record"),
        *("plexops.cluster", "plexops.lab", "plexops.report.html"),
    }
)
#: What a change takes that is only planned.
PLANS = frozenset(
    {
        *(
            "plexops.report.plan_text",
            "plexops.runbook.guards.circumstances",
            "plexops.runbook.guards.exposure",
        ),
        *(
            "plexops.runbook.guards.judge",
            "plexops.runbook.guards.address_change",
            "plexops.runbook.way_after",
        ),
    }
)


def loaded_by_an_audit(home: House, status: int) -> set[str]:
    return loaded_by(home, status, "audit")


def loaded_by(home: House, status: int, *command: str) -> set[str]:
    home("audit")  # the documents are judged once, and that is remembered
    state = str(home.directory / "state")
    done = python(_PROGRAM, *command, directory=home.directory, XDG_STATE_HOME=state)
    assert done.returncode == status, done.stderr
    loaded = set(done.stderr.splitlines()[-1].split())
    assert {"plexops.engine.runner", "paramiko", "msgspec"} <= loaded
    return loaded


def test_the_names_are_those_of_modules() -> None:
    assert all(map(find_spec, PARTS | PLANS)), "a name that is gone is never loaded"


def test_a_plain_audit_loads_nothing_that_it_does_not_need(drifted: House) -> None:
    assert loaded_by_an_audit(drifted, 1) & (LIBRARIES | PARTS) == set()


def test_an_audit_of_a_home_in_order_loads_nothing_of_plans(applied: House) -> None:
    assert loaded_by_an_audit(applied, 0) & (LIBRARIES | PARTS | PLANS) == set()


def test_a_second_apply_loads_no_library_but_those_of_an_audit(applied: House) -> None:
    assert loaded_by(applied, 0, "apply", "--yes") & LIBRARIES == set()

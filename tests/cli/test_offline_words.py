"""`explain`, `schema` and `profiles`: what plexops knows by itself."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from plexops.cli.commands.explain import spelled
from plexops.cli.commands.schema import NAMES
from plexops.model.codes import CODES
from plexops.model.status import ExitStatus
from tests.cli.process import House, plexops

ROOT = Path(__file__).parents[2]


def test_every_code_that_is_raised_is_explained() -> None:
    import re

    raised = {
        code
        for path in (ROOT / "plexops").rglob("*.py")
        for code in re.findall(r'"(PLX-[A-Z]\d{3})"', path.read_text(encoding="utf-8"))
    }
    assert raised - set(CODES) == set()
    assert all(len(code.explanation) > 40 for code in CODES.values())


def test_explain(tmp_path: Path) -> None:
    ended = plexops("explain", "PLX-D201", directory=tmp_path)
    assert ended.status == 0
    assert ended.out.startswith("PLX-D201: ")
    assert ended.out.endswith("exit status 4\n")
    listed = plexops("explain", directory=tmp_path).out.splitlines()
    assert [line.split()[0] for line in listed] == sorted(CODES)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("c101", "PLX-C101"),
        ("PLX-d204", "PLX-D204"),
        ("error[PLX-R110]", "PLX-R110"),
        ("nonsense", "NONSENSE"),
    ],
)
def test_a_code_may_be_written_as_people_do(given: str, meant: str) -> None:
    assert spelled(given) == meant


@pytest.mark.parametrize("name", NAMES)
def test_schema(name: str, tmp_path: Path) -> None:
    document = json.loads(plexops("schema", name, directory=tmp_path).out)
    if name == "exit-codes":
        assert {row["status"] for row in document["statuses"]} >= {int(status) for status in ExitStatus}
        assert len(document["statuses"]) == len(ExitStatus) + 2
        return
    jsonschema.validators.validator_for(document).check_schema(document)
    assert document["$schema"].startswith(
        ("http://json-schema.org/draft-07/", "https://json-schema.org/draft/2020-12/")
    )


@pytest.mark.parametrize("name", ["inventory", "playbook", "profile"])
def test_the_committed_schemas_are_those_that_are_printed(name: str, tmp_path: Path) -> None:
    printed = json.loads(plexops("schema", name, directory=tmp_path).out)
    assert printed == json.loads((ROOT / "schemas" / f"{name}.json").read_text(encoding="utf-8"))


def test_what_audit_prints_fits_the_schema_of_a_run(drifted: House) -> None:
    schema = json.loads(drifted("schema", "run").out)
    jsonschema.validate(json.loads(drifted("audit", "--format=json").out), schema)
    jsonschema.validate(json.loads(drifted("apply", "--dry-run", "--format=json").out), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"schema": "plexops.run/1"}, schema)


def test_profiles_are_listed_and_shown(tmp_path: Path) -> None:
    listed = plexops("profiles", "list", directory=tmp_path).out.splitlines()
    names = [line.split()[0] for line in listed[1:]]
    assert names == sorted(path.stem for path in (ROOT / "router_profiles").glob("*.yaml"))
    openwrt = next(line for line in listed if line.startswith("openwrt"))
    assert "dhcp_reservation, port_forward, upnp" in openwrt
    assert "timer" in openwrt
    manual = next(line for line in listed if line.startswith("manual"))
    assert manual.split()[1:3] == ["nothing", "none"]
    for name in names:
        shown = plexops("profiles", "show", name, directory=tmp_path)
        assert shown.status == 0
        assert shown.out.startswith(f"{name}  ")


def test_a_profile_is_run_over_a_recording(drifted: House) -> None:
    assert drifted("audit", "--record", "recorded").status == 1
    own = drifted.directory / "mine.yaml"
    source = (ROOT / "router_profiles" / "openwrt.yaml").read_text(encoding="utf-8")
    own.write_text(source, encoding="utf-8")
    before = drifted.home.log("jump")
    good = drifted("profiles", "test", "mine.yaml", "--replay", "recorded")
    assert good.status == 0
    assert "lan.network" in good.out
    assert "192.168.1.0/24" in good.out
    own.write_text(
        source.replace("dhcp: {uci: dhcp}", "dhcp: {run: uci show dhcp.lan, as: uci}"), encoding="utf-8"
    )
    other = drifted("profiles", "test", "mine.yaml", "--replay", "recorded")
    assert other.status == 4
    assert "error[PLX-D301]" in other.err
    assert drifted.home.log("jump") == before

"""Bytes of devices and files end no run: every seed and kept input each time, hundreds of thousands more by night."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.corpus import inputs_of
from tests.fuzz.devices import DEVICES
from tests.fuzz.targets import TARGETS, Target

#: How many inputs each is given by night. A whole device is some two hundred times slower than a parser.
EXECUTIONS, OF_DEVICES = 200_000, 2_000


@pytest.mark.parametrize("name", [*TARGETS, *DEVICES])
def test_seeds_and_what_once_violated(name: str) -> None:
    target = {**TARGETS, **DEVICES}[name]
    for data in inputs_of(name, target):
        target.read(data)


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_has_something_to_begin_with(name: str) -> None:
    assert any(inputs_of(name, TARGETS[name])), "mutation that begins with nothing reaches nothing"


def test_a_target_lets_a_violation_out() -> None:
    def read(data: bytes) -> None:
        raise RecursionError(data)

    with pytest.raises(RecursionError):
        Target(read, tuple).read(b"")


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", [*TARGETS, *DEVICES])
def test_by_coverage(name: str, tmp_path: Path) -> None:
    executions = OF_DEVICES if name in DEVICES else EXECUTIONS
    ended = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", name, str(executions)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-4000:] + "".join(path.name for path in tmp_path.iterdir())
    assert f"stat::number_of_executed_units: {executions}" in ended.stderr

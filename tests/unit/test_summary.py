"""The closing line of a test run: it must not say that all is well where it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.summary import main

PASSED = '<testcase classname="a" name="one"/>'
FAILED = '<testcase classname="a" name="two"><failure message="no"/></testcase>'
TORN = '<testcase classname="a" name="three"><error message="tear-down"/></testcase>'
SKIPPED = '<testcase classname="a" name="four"><skipped message="no root"/></testcase>'


def group(folder: Path, name: str, status: int, *cases: str) -> None:
    (folder / f"{name}.status").write_text(f"{status}\n")
    (folder / f"{name}.xml").write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>")


def ends(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    status = main(str(folder))
    return status, capsys.readouterr().out.splitlines()[1:]


def test_all_groups_and_checks_are_summed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mypy.check").write_text("passed\n")
    group(tmp_path, "main", 0, PASSED, PASSED, SKIPPED)
    group(tmp_path, "namespaces", 0, SKIPPED)
    assert ends(tmp_path, capsys) == (0, ["skipped 2: no root", "3 passed, 0 failed, 2 skipped"])


def test_failures_errors_and_failed_checks_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mypy.check").write_text("failed\n")
    group(tmp_path, "main", 1, PASSED, FAILED, TORN)
    status, lines = ends(tmp_path, capsys)
    assert status == 1
    assert lines == ["failed: mypy", "failed: a::two", "failed: a::three", "1 passed, 3 failed, 0 skipped"]


@pytest.mark.parametrize("ended", [1, 2, 3, 4, 137])
def test_a_run_that_broke_off_is_a_failure(
    ended: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    group(tmp_path, "main", ended, PASSED)
    status, lines = ends(tmp_path, capsys)
    assert (status, lines[-1]) == (1, "1 passed, 1 failed, 0 skipped")


def test_a_run_without_results_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "main.status").write_text("0\n")
    assert ends(tmp_path, capsys)[0] == 1


def test_a_run_of_no_test_at_all_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    group(tmp_path, "main", 5)
    group(tmp_path, "namespaces", 0, SKIPPED)
    assert ends(tmp_path, capsys) == (1, ["skipped 1: no root", "0 passed, 0 failed, 1 skipped"])

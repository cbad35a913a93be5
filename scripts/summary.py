"""Sum up a test run: which checks and tests failed, why tests were skipped, and one closing line.

`python -m scripts.summary DIRECTORY` reads NAME.check (a static check: passed or failed), NAME.xml (JUnit, as pytest
writes it) and NAME.status (how that pytest ended). The exit status is 0 only where something ran and nothing failed.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

#: pytest's own exit statuses: all passed, some failed, nothing was collected. Anything else is a broken run.
REGULAR = ("0", "1", "5")


@dataclass(slots=True)
class Sum:
    """What all groups come to."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: list[str] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)

    def fail(self, what: str) -> None:
        """Count one failure."""
        self.failed += 1
        self.failures.append(what)

    @property
    def line(self) -> str:
        """The closing line."""
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def sum_up(directory: Path) -> Sum:
    """Read the results of every check and group."""
    total = Sum()
    for check in sorted(directory.glob("*.check")):
        if check.read_text().strip() == "passed":
            total.passed += 1
        else:
            total.fail(check.stem)
    for status in sorted(directory.glob("*.status")):
        add_group(total, status.stem, status.read_text().strip(), status.with_suffix(".xml"))
    return total


def add_group(total: Sum, name: str, status: str, results: Path) -> None:
    """Add one run of pytest. A run that broke off counts as a failure, whatever its file says."""
    failed_before = total.failed
    if results.is_file():
        for case in ET.parse(results).iter("testcase"):  # noqa: S314 - our own file
            add_case(total, case)
    broke_off = status not in REGULAR or (status != "5" and not results.is_file())
    if broke_off or (status == "1" and total.failed == failed_before):
        total.fail(f"tests: {name} (pytest ended with status {status})")


def add_case(total: Sum, case: ET.Element) -> None:
    """Add one test. One whose body passed and whose tear-down failed is a failure."""
    name = f"{case.get('classname')}::{case.get('name')}"
    if case.find("failure") is not None or case.find("error") is not None:
        total.fail(name)
        return
    skipped = case.find("skipped")
    if skipped is None:
        total.passed += 1
    else:
        total.skipped += 1
        total.reasons[skipped.get("message") or "no reason given"] += 1


def main(directory: str) -> int:
    """Print the sum; give the exit status."""
    total = sum_up(Path(directory))
    print()
    for what in total.failures:
        print(f"failed: {what}")
    for reason, count in total.reasons.most_common():
        print(f"skipped {count}: {reason}")
    print(total.line)
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

"""Write docs/verdicts.md from the rules: python -m scripts.verdict_page"""

from __future__ import annotations

from pathlib import Path

from plexops.runbook.causes.page import verdict_page

PAGE = Path(__file__).resolve().parents[1] / "docs" / "verdicts.md"

if __name__ == "__main__":
    PAGE.write_text(verdict_page(), encoding="utf-8")

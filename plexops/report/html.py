"""One HTML file that explains a run: no scripts, nothing loaded, the same bytes for the same run.

The page is `report.html.j2`. Jinja2 escapes every text that it puts there; only the style sheet is marked as safe.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from plexops.model.run import DRY_RUNS, LayerMark, MaskedReport, SiteReport
from plexops.report import view
from plexops.report.diff import changed_lines
from plexops.report.fleet import groups, row_of
from plexops.report.terminal import one_line
from plexops.report.view import View, spaced, visible

if TYPE_CHECKING:
    from jinja2 import Template


def render(report: MaskedReport, view: View) -> str:  # noqa: ARG001 - one signature for all formats
    """Give the document. Texts that leave this machine were masked before; here they are made visible and escaped."""
    shown = visible(report)
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return _page().render(
        report=shown,
        style=style,
        # It lets in the one style sheet on the page, by its hash, and nothing else from anywhere.
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        command=DRY_RUNS.get(shown.command, shown.command),
        groups=groups([row_of(site) for site in shown.sites]),
        number_of={site.name: number for number, site in enumerate(shown.sites, 1)},
    )


@cache
def _page() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters |= {"line": one_line, "spaced": spaced, "moment": _moment, "word": _word}
    environment.globals |= {
        "view": view,
        "changed_lines": changed_lines,
        "place_of": _place_of,
        "pieces_of": _pieces_of,
    }
    source = Path(__file__).with_name("report.html.j2").read_text(encoding="utf-8")
    return environment.from_string("".join(line.strip() for line in source.splitlines()) + "\n")


def _moment(iso: str) -> str:
    """Give a UTC time as people read it."""
    return f"{one_line(iso)[:19].replace('T', ' ')} UTC"


def _word(hop: LayerMark) -> str:
    """Give the word at a hop: its own, else that of its mark; what was not asked has none."""
    return one_line(hop.word) or ("" if hop.mark == "not-asked" else hop.mark)


def _place_of(site: SiteReport, exhibit: str) -> int:
    """Give an exhibit's place among those of its site, from 1; 0 where it is none of them."""
    return next((number for number, one in enumerate(site.exhibits, 1) if one.id == exhibit), 0)


def _pieces_of(text: str) -> list[tuple[bool, str]]:
    """Give a sentence in pieces, and of each whether it stands between backticks: it is to be typed as it is."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:  # one is left over: it means itself
        return [(False, text)]
    return [(number % 2 == 1, piece) for number, piece in enumerate(pieces) if piece]

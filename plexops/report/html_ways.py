"""The three ways of a diagnosis as a table: the way in, the way back, and what is announced, stop by stop."""

from __future__ import annotations

from plexops.model.run import SiteReport
from plexops.report.html_parts import line, references, table
from plexops.report.markup import Html, tag
from plexops.report.view import ways


def three_ways(site: SiteReport, name: str) -> Html | None:
    """Give the table; None where no way was followed."""
    if not site.ways:
        return None
    rows = [
        tag(
            "tr",
            tag("td", line(way), data_label="Way"),
            tag("td", line(stop.label), data_label="Stop"),
            tag("td", line(stop.state), data_label="State"),
            tag("td", line(stop.says), data_label="Read"),
            tag("td", references(stop.exhibits, site, name), data_label="Seen in"),
        )
        for way, stops in ways(site)
        for stop in stops
    ]
    return table(("Way", "Stop", "State", "What was read", "Seen in"), rows, "checks")

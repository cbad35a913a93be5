"""A diagnosis on the page: the verdict with its candidates, and the three ways stop by stop."""

from __future__ import annotations

from plexops.model.run import SiteReport
from plexops.report.html_parts import items, line, references, table
from plexops.report.markup import Html, join, tag
from plexops.report.view import basis, candidates, ways


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


def verdict(site: SiteReport, name: str) -> Html | None:
    """Where it fails, why, what decided it and what would overturn it."""
    found = site.verdict
    if found is None:
        return None
    sure = basis(found, exhibits=False)
    return join(
        (
            tag("p", tag("strong", line(found.layer)), f": {line(found.cause)}", class_="lead")
            if found.layer
            else tag("p", line(found.cause), class_="lead"),
            items("Because", found.because),
            items("It may be", candidates(found)),
            items("Not known before it", found.before),
            items("Also seen", [f"{also.layer}: {also.says}" for also in found.also]),
            items("Not seen", found.missing),
            items("Says nothing", found.ignored),
            items("What Plex's log tells", site.log),
            items("This would overturn it", found.overturned_by),
            tag("p", "Seen in ", references(found.exhibits, site, name)) if found.exhibits else None,
            tag("p", line(sure), class_="muted") if sure else None,
        )
    )

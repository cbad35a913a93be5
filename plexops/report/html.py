"""One HTML file that explains a run to anybody: no scripts, nothing loaded, the same bytes for the same run."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from plexops.model.run import DRY_RUNS, MaskedReport, RunReport, SiteReport
from plexops.report import html_parts as parts
from plexops.report.fleet import Group, groups, row_of
from plexops.report.html_verdict import three_ways, verdict
from plexops.report.markup import Child, Html, join, tag
from plexops.report.picture import mark, picture
from plexops.report.view import View, counts, visible


def render(report: MaskedReport, view: View) -> str:  # noqa: ARG001 - one signature for all formats
    """Give the document. Texts that leave this machine were masked before; here they are made visible and escaped."""
    shown = visible(report)
    style = _style()
    page = tag("html", _head(shown, style), _body(shown), lang="en")
    return f"<!doctype html>\n{page.text}\n"


@cache
def _style() -> str:
    return Path(__file__).with_name("report.css").read_text(encoding="utf-8")


def _head(report: RunReport, style: str) -> Html:
    """The policy lets in the one style sheet below, by its hash, and nothing else from anywhere."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    names = ", ".join(parts.line(site.name) for site in report.sites)
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="generator", content=f"plexops {report.version}"),
        tag("title", f"plexops {report.command} · {names}"),
        # Our own file, with nothing of a report in it: the text of a style element must not be escaped.
        Html(f"<style>{style}</style>"),
    )


def _body(report: RunReport) -> Html:
    several = len(report.sites) > 1
    named = [(site, f"s{number}") for number, site in enumerate(report.sites, 1)]
    sections = [_folded(*one) if several else _site(*one, several=False) for one in named]
    return tag(
        "body",
        tag("a", "Skip to the report", class_="skip", href="#report"),
        _masthead(report),
        tag("main", _headline(report) if several else None, *sections, id="report"),
        parts.integrity(report),
    )


def _masthead(report: RunReport) -> Html:
    command = DRY_RUNS.get(report.command, report.command)
    return tag(
        "header",
        tag(
            "div",
            tag("span", "plexops", class_="brand"),
            tag("span", command, class_="command"),
            tag("span", "masked: may be shared", class_="chip"),
            class_="left",
        ),
        tag(
            "div",
            tag("span", parts.moment(report.started)),
            tag("span", f"{report.seconds:.1f} s"),
            tag("span", "run ", tag("code", parts.line(report.run_id))),
            class_="right",
        ),
        class_="masthead",
    )


def _headline(report: RunReport) -> Html:
    """How many homes ended how, and each with what it came to and the way to its part below."""
    diagnosis = report.command == "diagnose"  # it judges no task, so there is nothing to count
    found = groups([row_of(site) for site in report.sites])
    number_of = {site.name: number for number, site in enumerate(report.sites, 1)}
    rows = [
        tag(
            "tr",
            tag("td", str(len(group.homes)), data_label="Homes"),
            tag("td", parts.line(group.cause), data_label="Cause"),
            tag("td", str(group.exit_status), data_label="Exit"),
            tag("td", join(_links(group, number_of)), data_label="Which"),
        )
        for group in found
    ]
    return tag(
        "div",
        tag("h1", f"{len(report.sites)} sites" + ("" if diagnosis else f": {counts(report.sites)}")),
        parts.table(("Homes", "Cause", "Exit", "Which"), rows, "fleet"),
        class_="card",
    )


def _links(group: Group, number_of: Mapping[str, int]) -> Iterator[Child]:
    for name in group.homes:
        yield tag("a", parts.line(name), href=f"#s{number_of[name]}")
        yield " "


def _folded(site: SiteReport, name: str) -> Html:
    """One home of several, to be opened."""
    kind, word = parts.standing(site)
    title = tag("summary", mark(kind), tag("strong", parts.line(site.name)), tag("span", word),
                tag("span", parts.line(site.outcome)))  # fmt: skip
    return tag("details", title, _site(site, name, several=True))


def _site(site: SiteReport, name: str, *, several: bool) -> Html:
    title = tag("h2" if several else "h1", parts.line(site.outcome))
    blocks: list[Html | None] = [
        _banner(site, title),
        _card("Path", f"{name}-path", picture(site.hops, name), parts.hops(site.hops)) if site.hops else None,
        _optional("Verdict", f"{name}-verdict", verdict(site, name)),
        _optional("The three ways", f"{name}-ways", three_ways(site, name)),
        _optional("Checks", f"{name}-checks", parts.findings(site, name)),
        _optional("Changes", f"{name}-changes", parts.changes(site)),
        _optional("Proof", f"{name}-proof", parts.proofs(site)),
        _optional("Before and after", f"{name}-diff", parts.diffs(site)),
        _optional("Problems", f"{name}-problems", parts.problems(site)),
        _optional("Safety rules", f"{name}-guards", parts.guards(site)),
        _optional("Exhibits", f"{name}-exhibits", parts.exhibits(site, name)),
        _optional("Timeline", f"{name}-timeline", parts.timeline(site)),
    ]
    return tag("div", *blocks, id=name, class_="site")


def _banner(site: SiteReport, title: Html) -> Html:
    kind, word = parts.standing(site)
    aside = [f"Plex Web shows: {parts.line(site.plex_web)}"] if site.plex_web else []
    aside += [f"Profile: {parts.line(site.taught)}"] if site.taught else []
    aside += [f"Asked: {parts.line(told)}" for told in site.asked]
    aside += [f"Not asked: {parts.line(reason)}" for reason in site.not_asked]
    return tag(
        "section",
        mark(kind, "banner-mark"),
        tag(
            "div",
            tag(
                "p",
                tag("strong", word),
                tag("span", f"site {parts.line(site.name)}"),
                tag("span", f"access: {parts.line(site.access)}"),
                tag("span", f"exit {site.exit_status}"),
                class_="kicker",
            ),
            title,
            tag("p", tag("strong", "Safe stop. "), parts.line(site.safe_stop))
            if site.safe_stop is not None
            else None,
            *(tag("p", reason, class_="muted") for reason in aside),
            parts.next_steps(site),
        ),
        class_=f"banner is-{kind}",
    )


def _optional(title: str, name: str, content: Html | None) -> Html | None:
    return None if content is None else _card(title, name, content)


def _card(title: str, name: str, *content: Child) -> Html:
    return tag("section", tag("h2", title, id=name), join(content), class_="card", aria_labelledby=name)

"""The parts of the HTML report, each from one kind of content; None where there is nothing to show."""

from __future__ import annotations

from collections.abc import Sequence

from plexops.model.finding import FindingStatus
from plexops.model.run import (
    ChangeReport,
    DeviceDiff,
    Exhibit,
    FindingReport,
    LayerMark,
    Mark,
    RunReport,
    SiteReport,
)
from plexops.report.diff import changed_lines
from plexops.report.markup import Html, join, tag
from plexops.report.picture import mark, word_of
from plexops.report.terminal import one_line
from plexops.report.view import shortened, spaced
from plexops.report.view import word_of as status_word

#: Longer exhibits are cut, and say so: the whole text stays in the run folder.
_EXHIBIT_CHARACTERS = 4096

_STATUS_MARKS: dict[FindingStatus, Mark] = {
    FindingStatus.OK: "ok",
    FindingStatus.DRIFT: "drift",
    FindingStatus.CONFLICT: "drift",
    FindingStatus.STOPPED: "stop",
    FindingStatus.UNKNOWN: "unknown",
    FindingStatus.UNSUPPORTED: "unknown",
    FindingStatus.NOT_APPLICABLE: "not-asked",
    FindingStatus.NOTE: "not-asked",
}
_OUTCOME_MARKS: dict[str, Mark] = {
    "planned": "not-asked",
    "done": "ok",
    "kept": "unknown",
    "undone": "drift",
    "not-sent": "not-asked",
    "failed": "stop",
    "undo-failed": "stop",
    "stays": "drift",
}
_PROOF_MARKS: dict[str, Mark] = {"proven": "ok", "refuted": "stop", "unknown": "unknown"}
_GUARD_MARKS: dict[str, Mark] = {"holds": "ok", "refuses": "stop", "not-applicable": "not-asked"}
#: How a run ended, by its exit status.
_STANDINGS: dict[int, tuple[Mark, str]] = {
    0: ("ok", "In order"),
    1: ("drift", "Findings"),
    3: ("stop", "Safe stop"),
    4: ("unknown", "Incomplete"),
    5: ("drift", "Undone"),
    6: ("stop", "Undo not proven"),
    7: ("unknown", "Busy"),
    8: ("stop", "Integrity"),
}


def line(text: str) -> str:
    """Give a text on one line."""
    return one_line(text)


def moment(iso: str) -> str:
    """Give a UTC time as people read it."""
    return f"{line(iso)[:19].replace('T', ' ')} UTC"


def standing(site: SiteReport) -> tuple[Mark, str]:
    """Give the mark and the word for how a site's run ended."""
    if site.verdict is not None and site.exit_status == 1:
        return site.verdict.mark, "Cause found"
    return _STANDINGS.get(site.exit_status, ("stop", "Failed"))


def hops(path: Sequence[LayerMark]) -> Html:
    """The picture's content as a table."""
    rows = [
        tag(
            "tr",
            tag("th", line(hop.label), scope="row"),
            tag("td", state(hop.mark, word_of(hop) or "–")),
            tag("td", line(hop.detail), class_="muted"),
        )
        for hop in path
        if hop.detail or hop.mark != "not-asked"
    ]
    return table(("Stop", "State", "What was seen"), rows, "hops")


def state(kind: Mark, word: str) -> Html:
    """A mark with its word."""
    return tag("span", mark(kind), tag("span", word), class_=f"state is-{kind}")


def table(titles: Sequence[str], rows: Sequence[Html], class_: str) -> Html:
    """A table whose rows become blocks on narrow pages."""
    head = tag("thead", tag("tr", *(tag("th", title, scope="col") for title in titles)))
    return tag("table", head, tag("tbody", *rows), class_=class_)


def findings(site: SiteReport, name: str) -> Html | None:
    """The table of checks."""
    if not site.findings:
        return None
    rows = [_finding(finding, site, name) for finding in site.findings]
    return table(("", "Check", "Shall be", "Is", "Seen in"), rows, "checks")


def _finding(finding: FindingReport, site: SiteReport, name: str) -> Html:
    kind = _STATUS_MARKS[finding.status]
    where = f"{line(finding.role)} · {spaced(line(finding.kind))}"
    same = finding.status is FindingStatus.OK and finding.want == finding.have
    adopt = (
        f"Adopt it: plexops apply --adopt {line(finding.adoptable)}"
        if finding.adoptable is not None
        else None
    )
    return tag(
        "tr",
        tag("td", state(kind, status_word(finding.status)), data_label="State"),
        tag(
            "th",
            line(finding.title),
            tag("small", where),
            tag("small", tag("code", str(finding.place))) if finding.place is not None else None,
            scope="row",
        ),
        tag("td", _value(line(finding.want)), data_label="Shall be"),
        tag(
            "td",
            tag("span", "the same", class_="muted") if same else _value(line(finding.have)),
            tag("small", line(finding.why)) if finding.why else None,
            tag("ol", *(tag("li", line(step)) for step in finding.steps)) if finding.steps else None,
            tag("small", adopt) if adopt else None,
            data_label="Is",
        ),
        tag("td", references(finding.exhibits, site, name), data_label="Seen in"),
        class_=f"row-{kind}",
    )


def _value(text: str) -> Html:
    return tag("span", text, class_="value") if text else tag("span", "–", class_="muted none")


def references(ids: Sequence[str], site: SiteReport, name: str) -> Html:
    """Exhibits by name, each a link to where it stands on the page."""
    places = {exhibit.id: number for number, exhibit in enumerate(site.exhibits, 1)}
    pieces: list[Html] = []
    for exhibit in ids:
        shown = line(exhibit)
        known = exhibit in places
        pieces.append(tag("a", shown, href=f"#{name}-e{places[exhibit]}") if known else tag("span", shown))
    return tag("span", *pieces, class_="refs") if pieces else _value("")


def changes(site: SiteReport) -> Html | None:
    """Each change with its fields, its exact requests and its undo."""
    if not site.changes:
        return None
    return join([_change(change) for change in site.changes])


def _change(change: ChangeReport) -> Html:
    rows = [
        tag(
            "tr",
            tag("th", line(field.name), scope="row"),
            tag("td", line(field.before) or "–", data_label="Before", class_="value before"),
            tag("td", line(field.after) or "–", data_label="After", class_="value after"),
        )
        for field in change.fields
    ]
    requests = [tag("pre", command) for command in change.commands]
    undo = [tag("pre", command) for command in change.undo]
    window = [tag("pre", command) for command in change.window_commands]
    return tag(
        "article",
        tag(
            "h3",
            tag("span", change.symbol, class_="symbol", aria_hidden="true"),
            tag("span", f"{line(change.role)}: {line(change.action)} {line(change.title)}"),
            state(_OUTCOME_MARKS[change.outcome], change.outcome.replace("-", " ")),
        ),
        tag("p", line(change.detail)) if change.detail else None,
        tag("p", tag("strong", "Exposure: "), line(change.exposure)) if change.exposure is not None else None,
        table(("Field", "Before", "After"), rows, "fields") if rows else None,
        tag("p", tag("strong", "Window: "), line(change.window), class_="muted") if change.window else None,
        _fold(f"Exact requests ({len(requests)})", *requests) if requests else None,
        _fold(f"What undoes it ({len(undo)})", *undo) if undo else None,
        _fold(f"The device's own undo: armed, asked about, ended ({len(window)})", *window)
        if window
        else None,
        tag("p", tag("code", str(change.place)), class_="muted") if change.place is not None else None,
        class_="change",
    )


def proofs(site: SiteReport) -> Html | None:
    """Who said that it works, or does not."""
    if not site.proofs:
        return None
    items = [
        tag(
            "li",
            state(_PROOF_MARKS[proof.mark], proof.mark),
            tag("span", tag("strong", line(proof.source)), f": {line(proof.text)}"),
        )
        for proof in site.proofs
    ]
    return tag("ul", *items, class_="states")


def diffs(site: SiteReport) -> Html | None:
    """The changed lines of each device; equal ones are counted."""
    if not site.before_after:
        return None
    return join([_diff(diff) for diff in site.before_after])


def _diff(diff: DeviceDiff) -> Html:
    lines = changed_lines(diff.before, diff.after)
    added = sum(one.sign == "+" for one in lines)
    removed = sum(one.sign == "-" for one in lines)
    title = (
        f"{line(diff.device)}: {added} lines added, {removed} removed"
        if lines
        else f"{line(diff.device)}: no change"
    )
    body: list[Html] = []
    for one in lines:
        if one.sign == " ":
            body.append(tag("span", f"  … {one.skipped} unchanged\n", class_="skipped"))
        else:
            body.append(tag("ins" if one.sign == "+" else "del", f"{one.sign} {one.text}\n"))
    return tag(
        "details",
        tag("summary", title),
        tag("pre", *body, class_="diff", tabindex=0),
        open="open" if added + removed else None,
    )


def problems(site: SiteReport) -> Html | None:
    """What kept the run from knowing more."""
    if not site.errors:
        return None
    items = [
        tag(
            "li",
            state("unknown", problem.code),
            tag(
                "div",
                tag("p", line(problem.reason)),
                *(tag("p", line(detail), class_="muted") for detail in problem.detail),
                tag("p", tag("strong", "Cure: "), line(problem.cure)) if problem.cure else None,
                tag("p", tag("code", line(str(problem.place or problem.where))), class_="muted")
                if problem.place is not None or problem.where
                else None,
            ),
        )
        for problem in site.errors
    ]
    return tag("ul", *items, class_="states")


def guards(site: SiteReport) -> Html | None:
    """The safety rules and what each said."""
    if not site.guards:
        return None
    rows = [
        tag(
            "tr",
            tag(
                "td",
                state(_GUARD_MARKS[guard.verdict], guard.verdict.replace("-", " ")),
                data_label="Verdict",
            ),
            tag("th", f"{line(guard.id)} · {line(guard.title)}", scope="row"),
            tag("td", line(guard.reason), data_label="Reason", class_="muted"),
        )
        for guard in site.guards
    ]
    holding = sum(guard.verdict == "holds" for guard in site.guards)
    refusing = sum(guard.verdict == "refuses" for guard in site.guards)
    aside = len(rows) - holding - refusing
    title = f"{holding} hold, {refusing} refuse" + (f", {aside} not applicable" if aside else "")
    content = table(("Verdict", "Rule", "Reason"), rows, "guards")
    return tag("details", tag("summary", title), content, open="open" if refusing else None)


def exhibits(site: SiteReport, name: str) -> Html | None:
    """The devices' own words, masked."""
    if not site.exhibits:
        return None
    return join([_exhibit(exhibit, f"{name}-e{number}") for number, exhibit in enumerate(site.exhibits, 1)])


def _exhibit(exhibit: Exhibit, name: str) -> Html:
    text = exhibit.text[:_EXHIBIT_CHARACTERS]
    cut = exhibit.cut or len(text) < len(exhibit.text)
    digest = tag("code", line(exhibit.sha256_raw))
    source = line(exhibit.source)
    shown = shortened(source)
    return tag(
        "details",
        tag(
            "summary",
            tag("strong", line(exhibit.id)),
            tag("span", line(exhibit.device)),
            tag("code", shown),
        ),
        tag(
            "div",
            tag("p", "Asked: ", tag("code", source), class_="muted") if shown != source else None,
            tag("pre", text, tabindex=0),
            tag("p", "Cut here; the whole text stays in the run folder.", class_="muted") if cut else None,
            tag("p", f"Read {moment(exhibit.time)}. SHA-256 of the raw bytes: ", digest, class_="muted"),
            id=name,
        ),
        class_="exhibit",
    )


def timeline(site: SiteReport) -> Html | None:
    """What happened when, in seconds from the start."""
    if not site.timeline:
        return None
    items = [
        tag("li", tag("span", f"{step.offset:.1f} s", class_="offset"), tag("span", line(step.text)))
        for step in site.timeline
    ]
    return tag("ol", *items, class_="timeline")


def next_steps(site: SiteReport) -> Html | None:
    """What to do now: commands, or what a person has to do."""
    if not site.next_steps:
        return None
    if site.verdict is not None or site.safe_stop is not None:
        steps = [tag("li", *_prose(line(step))) for step in site.next_steps]
        return tag("div", tag("strong", "What to do"), tag("ul", *steps), class_="to-do")
    return tag(
        "p", tag("strong", "Next: "), *(tag("code", line(step)) for step in site.next_steps), class_="next"
    )


def _prose(text: str) -> list[Html]:
    """Give a sentence; what stands between backticks is to be typed as it is."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:  # one is left over: it means itself
        return [tag("span", text)]
    return [tag("code" if number % 2 else "span", piece) for number, piece in enumerate(pieces) if piece]


def integrity(report: RunReport) -> Html:
    """What binds this page to the run that it speaks of."""
    digests = [site.plan_digest for site in report.sites if site.plan_digest]
    rows = [("Plan", digest) for digest in digests] + (
        [("Journal", report.journal_head)] if report.journal_head else []
    )
    return tag(
        "footer",
        tag(
            "p", f"plexops {line(report.version)} · schema {line(report.schema)} · exit {report.exit_status}"
        ),
        *(tag("p", f"{label} ", tag("code", line(value))) for label, value in rows),
        tag("p", "Check it offline: ", tag("code", f"plexops evidence verify {line(report.run_id)}")),
    )


def items(title: str, texts: Sequence[str]) -> Html | None:
    """A list under its title; None where it is empty."""
    if not texts:
        return None
    return tag("div", tag("h3", title), tag("ul", *(tag("li", line(text)) for text in texts)))


def _fold(title: str, *content: Html) -> Html:
    return tag("details", tag("summary", title), *content)

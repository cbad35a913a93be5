"""JUnit XML: a site is a suite, a resource or condition is a test case."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping

from plexops.model.finding import FindingStatus
from plexops.model.run import FindingReport, MaskedReport, RunReport, SiteReport, VerdictReport
from plexops.report.view import View, visible

#: What a finding is to JUnit, and of which type.
_TROUBLES: Mapping[FindingStatus, tuple[str, str]] = {
    FindingStatus.DRIFT: ("failure", "drift"),
    FindingStatus.CONFLICT: ("failure", "drift"),
    FindingStatus.STOPPED: ("failure", "safe-stop"),
    FindingStatus.UNKNOWN: ("error", "unknown"),
    FindingStatus.UNSUPPORTED: ("skipped", ""),
    FindingStatus.NOT_APPLICABLE: ("skipped", ""),
}
_OUTPUT_CHARACTERS = 8192


def render(report: MaskedReport, view: View) -> str:  # noqa: ARG001 - one signature for all formats
    """Give the XML document.

    Drift and conflict are failures of type `drift`, a safe stop is a failure of type `safe-stop`, what could not be
    seen is an error, what was not judged is skipped. Notes are in the suite's output.
    """
    shown = visible(report, exhibits=False)
    root = ET.Element("testsuites", name="plexops", time=f"{shown.seconds:.3f}")
    for site in shown.sites:
        root.append(_suite(shown, site))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(report: RunReport, site: SiteReport) -> ET.Element:
    cases = [_finding_case(site, f) for f in site.findings if f.status is not FindingStatus.NOTE]
    cases += [_case(site, p.code, ("error", p.code), p.reason, p.cure) for p in site.errors]
    cases += [] if site.verdict is None else [_verdict_case(site, site.verdict)]
    suite = ET.Element(
        "testsuite",
        name=_flat(site.name),
        timestamp=report.started[:19],
        time=f"{report.seconds:.3f}",
        tests=str(len(cases)),
    )
    for counted, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(counted, str(sum(case.find(tag) is not None for case in cases)))
    properties = ET.SubElement(suite, "properties")
    told = {"run": report.run_id, "command": report.command, "exit": str(report.exit_status)}
    for name, value in told.items():
        ET.SubElement(properties, "property", name=name, value=value)
    suite.extend(cases)
    notes = [_flat(f.title) for f in site.findings if f.status is FindingStatus.NOTE]
    shown = [f"Plex Web shows: {site.plex_web}"] if site.plex_web else []
    stop = [site.safe_stop] if site.safe_stop is not None else []
    output = "\n".join(
        [site.outcome, *stop, *shown, *notes, *(f"Weak SSH: {text}" for text in site.weak_ssh)]
    )
    ET.SubElement(suite, "system-out").text = output[:_OUTPUT_CHARACTERS]
    return suite


def _case(
    site: SiteReport, name: str, trouble: tuple[str, str] | None, message: str, detail: str | None
) -> ET.Element:
    """Give a test case; `trouble` is what keeps it from passing, and of which type."""
    case = ET.Element("testcase", classname=_flat(site.name), name=_flat(name))
    if trouble is not None:
        tag, kind = trouble
        skipped = tag == "skipped"  # of which JUnit knows no types
        named = {} if skipped else {"type": _flat(kind)}
        ET.SubElement(case, tag, named, message=_flat(message)).text = None if skipped else detail
    return case


def _verdict_case(site: SiteReport, verdict: VerdictReport) -> ET.Element:
    message = f"{verdict.layer}: {verdict.cause}" if verdict.layer else verdict.cause
    detail = "\n".join([*verdict.because, *verdict.missing])[:_OUTPUT_CHARACTERS]
    tag = "failure" if verdict.mark in ("drift", "stop") else "error"
    return _case(site, "verdict", None if verdict.mark == "ok" else (tag, verdict.id), message, detail)


def _finding_case(site: SiteReport, finding: FindingReport) -> ET.Element:
    name = ".".join(part for part in (finding.role, finding.kind, finding.key) if part)
    message = finding.why or finding.have or finding.title
    case = _case(site, name, _TROUBLES.get(finding.status), message, _detail(finding))
    if finding.place is not None:
        case.set("file", _flat(finding.place.file))
        case.set("line", str(finding.place.line))
    return case


def _detail(finding: FindingReport) -> str:
    rows = [("", finding.title), ("want: ", finding.want), ("have: ", finding.have), ("why: ", finding.why)]
    lines = [label + text for label, text in rows if text]
    lines += [f"{number}. {step}" for number, step in enumerate(finding.steps, 1)]
    if finding.place is not None:
        lines.append(str(finding.place))
    return "\n".join(lines)


def _flat(text: str) -> str:
    return " ".join(text.split())

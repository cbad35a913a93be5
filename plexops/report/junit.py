"""JUnit XML: a site is a suite, a resource or condition is a test case."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from plexops.model.finding import FindingStatus
from plexops.model.run import FindingReport, MaskedReport, RunReport, SiteReport, VerdictReport
from plexops.report.view import View, visible

_DRIFT = {FindingStatus.DRIFT, FindingStatus.CONFLICT}
_SKIPPED = {FindingStatus.UNSUPPORTED, FindingStatus.NOT_APPLICABLE}
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
    cases = [_case(site, finding) for finding in site.findings if finding.status is not FindingStatus.NOTE]
    cases += [_error_case(site, problem.code, _flat(problem.reason), problem.cure) for problem in site.errors]
    cases += [] if site.verdict is None else [_verdict_case(site, site.verdict)]
    suite = ET.Element(
        "testsuite",
        name=_flat(site.name),
        timestamp=report.started[:19],
        time=f"{report.seconds:.3f}",
        tests=str(len(cases)),
        failures=str(sum(case.find("failure") is not None for case in cases)),
        errors=str(sum(case.find("error") is not None for case in cases)),
        skipped=str(sum(case.find("skipped") is not None for case in cases)),
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in (
        ("run", report.run_id),
        ("command", report.command),
        ("exit", str(report.exit_status)),
    ):
        ET.SubElement(properties, "property", name=name, value=value)
    suite.extend(cases)
    notes = [_flat(f.title) for f in site.findings if f.status is FindingStatus.NOTE]
    shown = [f"Plex Web shows: {site.plex_web}"] if site.plex_web else []
    stop = [site.safe_stop] if site.safe_stop is not None else []
    output = "\n".join([site.outcome, *stop, *shown, *notes])
    ET.SubElement(suite, "system-out").text = output[:_OUTPUT_CHARACTERS]
    return suite


def _verdict_case(site: SiteReport, verdict: VerdictReport) -> ET.Element:
    case = ET.Element("testcase", classname=_flat(site.name), name="verdict")
    message = _flat(f"{verdict.layer}: {verdict.cause}" if verdict.layer else verdict.cause)
    detail = "\n".join([*verdict.because, *verdict.missing])[:_OUTPUT_CHARACTERS]
    if verdict.mark in ("drift", "stop"):
        ET.SubElement(case, "failure", type=_flat(verdict.id), message=message).text = detail
    elif verdict.mark != "ok":
        ET.SubElement(case, "error", type=_flat(verdict.id), message=message).text = detail
    return case


def _case(site: SiteReport, finding: FindingReport) -> ET.Element:
    name = ".".join(part for part in (finding.role, finding.kind, finding.key) if part)
    case = ET.Element("testcase", classname=_flat(site.name), name=_flat(name))
    if finding.place is not None:
        case.set("file", _flat(finding.place.file))
        case.set("line", str(finding.place.line))
    detail = _detail(finding)
    message = _flat(finding.why or finding.have or finding.title)
    if finding.status in _DRIFT:
        ET.SubElement(case, "failure", type="drift", message=message).text = detail
    elif finding.status is FindingStatus.STOPPED:
        ET.SubElement(case, "failure", type="safe-stop", message=message).text = detail
    elif finding.status is FindingStatus.UNKNOWN:
        ET.SubElement(case, "error", type="unknown", message=message).text = detail
    elif finding.status in _SKIPPED:
        ET.SubElement(case, "skipped", message=message)
    return case


def _error_case(site: SiteReport, code: str, reason: str, cure: str) -> ET.Element:
    case = ET.Element("testcase", classname=_flat(site.name), name=_flat(code))
    ET.SubElement(case, "error", type=_flat(code), message=reason).text = cure
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

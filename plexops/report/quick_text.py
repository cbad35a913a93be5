"""A quick look, for people and for machines."""

from __future__ import annotations

import json

from msgspec import to_builtins

from plexops.model.entries import UpnpMapping
from plexops.model.exchange import Json
from plexops.model.quick import QuickReport, SeenGateway, SeenPlex
from plexops.model.snapshot import canonical
from plexops.report.terminal import Pen, Style, labelled, titled
from plexops.report.view import View
from plexops.structs import to_plain

SCHEMA = "plexops/quick/1"
_NAME = "plexops diagnose --quick"
_INDENT = 10
#: So many mappings are shown; the document for machines has all of them.
_SHOWN = 12


def render_quick(report: QuickReport, view: View) -> str:
    """Give the report as text that ends with a newline."""
    pen = Pen(view.colour, view.unicode)
    width = max(40, view.width)
    seconds = f"{report.seconds:.1f} s"
    lines = titled(pen, _NAME, f"from this computer · read-only · {seconds}", width, Style.PLAIN)
    for label, text in _seen(report):
        lines += labelled(pen, label, Style.FAINT, [text], width, _INDENT)
    lines += ["", *labelled(pen, "not seen", Style.UNKNOWN, report.unseen, width, _INDENT), ""]
    verdict = report.verdict
    style = Style.STOP if verdict.decided else Style.STRONG
    head = f"{'the ' + verdict.layer + ': ' if verdict.decided else ''}{verdict.cause}"
    lines += labelled(pen, "Verdict", style, [head], width, _INDENT)
    for label, texts in (("because", verdict.because), ("next", verdict.do)):
        lines += labelled(pen, label, Style.FAINT, texts, width, _INDENT)
    lines.append(" " * _INDENT + f"exit {int(report.exit_status)}")
    return pen.finish("\n".join(line.rstrip() for line in lines) + "\n")


def _seen(report: QuickReport) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    network = report.network
    if network is not None:
        rows.append(("here", f"{network.address} on {network.interface}, in {network.network}"))
        rows.append(("gateway", f"{network.gateway}{_described(report.router)}"))
    router = report.router
    if router is not None and router.wan is not None:
        rows.append(("WAN", f"{router.wan}, as the gateway says by {router.wan_by}"))
    mappings = router.mappings or () if router is not None else ()
    rows += [("public", f"{echo.address}, as {echo.source} sees it") for echo in report.echoes]
    rows += [("asked", told) for told in report.asked]
    rows += [("mapping", _mapping(mapping)) for mapping in mappings[:_SHOWN]]
    rows += [("other box", f"{box.address}{_described(box)}") for box in report.gateways if box is not router]
    rows += [("Plex", _plex(server)) for server in report.plex]
    return rows


def _described(box: SeenGateway | None) -> str:
    words = [] if box is None else [word for word in (box.title or box.model, box.software) if word]
    return f", {', '.join(words)}" if words else ""


def _mapping(mapping: UpnpMapping) -> str:
    name = f" “{mapping.name}”" if mapping.name else ""
    return f"{mapping.protocol} {mapping.external_port} → {mapping.address}:{mapping.port}{name}"


def _plex(server: SeenPlex) -> str:
    claimed = {True: "claimed", False: "not claimed", None: ""}[server.claimed]
    here = "on this computer" if server.local else ""
    parts = (f"{server.address}:{server.port}", server.name, server.version, claimed, here)
    return ", ".join(part for part in parts if part)


def quick_json(report: QuickReport) -> str:
    """Give the report as one JSON document that ends with a newline."""
    document = {
        "schema": SCHEMA,
        "network": canonical(report.network),
        "gateways": [_gateway_json(box) for box in report.gateways],
        "plex": canonical(report.plex),
        "public_addresses": [{"source": echo.source, "address": str(echo.address)} for echo in report.echoes],
        "probes": canonical(report.probes),
        "asked": report.asked,
        "offline": report.offline,
        "unseen": report.unseen,
        "verdict": canonical(report.verdict),
        "seconds": report.seconds,
        "exit_status": report.exit_status,
    }
    return json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n"


def _gateway_json(box: SeenGateway) -> dict[str, Json]:
    by = None if box.wan is None else box.wan_by
    mappings = box.mappings and [
        {
            **to_builtins(one, enc_hook=to_plain),
            "external_port": str(one.external_port),
            "port": str(one.port),
        }
        for one in box.mappings
    ]
    return {**to_builtins(box, enc_hook=to_plain), "wan_address_by": by, "mappings": mappings}

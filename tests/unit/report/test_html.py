"""The HTML report: one file that loads nothing, runs nothing, and can be read by everybody."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from plexops.model.run import Exhibit
from plexops.report import html
from plexops.report.diff import DiffLine, changed_lines
from plexops.report.html import render
from plexops.report.view import View
from plexops.structs import replace
from tests.unit.report.report_samples import (
    APPLIED,
    CGNAT,
    DRIFT,
    EXHIBITS,
    SAMPLES,
    everywhere,
    run_of,
    site_of,
)

VOID = {"meta", "br", "hr"}
#: All that a page may consist of.
ELEMENTS = """
html head meta title style body a header main footer section article div span p h1 h2 h3 ul ol li strong small code pre
ins del table thead tbody tr th td details summary figure svg desc g path rect text
"""
ATTRIBUTES = """
lang charset http-equiv content name class href id role aria-labelledby aria-hidden scope data-label open tabindex
viewbox d x y width height rx transform text-anchor
"""


class Page(HTMLParser):
    """Reads a page as a browser would, and keeps what a test asks about."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for element, attributes in self.elements if element == name]


def assert_harmless(text: str) -> Page:
    """Check what holds for every page, whatever was in the report."""
    page = Page(text)
    assert page.open == []
    assert {name for name, _ in page.elements} <= set(ELEMENTS.split())
    assert {key for _, attributes in page.elements for key in attributes} <= set(ATTRIBUTES.split())
    assert all((a["href"] or "").startswith("#") for _, a in page.elements if "href" in a)
    assert len(page.all("style")) == 1
    return page


@pytest.mark.parametrize("name", SAMPLES)
def test_structure(name: str) -> None:
    text = render(SAMPLES[name], View())
    page = assert_harmless(text)
    assert text.startswith('<!doctype html>\n<html lang="en">')
    assert (
        len(page.all("h1"))
        == len(page.all("main"))
        == len(page.all("header"))
        == len(page.all("footer"))
        == 1
    )
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    targets = {f"#{i}" for i in ids}
    assert {a["href"] for a in page.all("a")} <= targets
    assert {i for s in page.all("svg") for i in (s.get("aria-labelledby") or "").split()} <= set(ids)
    assert all("aria-labelledby" in s or s.get("aria-hidden") == "true" for s in page.all("svg"))
    assert all("scope" in th for th in page.all("th"))
    assert render(SAMPLES[name], View()) == text
    assert len(text.encode()) < 60_000


def test_policy_lets_in_the_one_style_sheet_and_nothing_else() -> None:
    text = render(DRIFT, View())
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = next(
        m["content"] for m in Page(text).all("meta") if m.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert not re.search(r"url\(|@import|expression|https?:", style[1])


def test_every_stop_has_a_shape_and_a_word() -> None:
    text = render(CGNAT, View())
    drawing = text[text.index('class="lying"') : text.index('class="standing"')]
    assert "<title>ISP: carrier NAT</title>" in drawing
    for badge in ("badge-stop", "badge-unknown", "badge-ok", "badge-not-asked"):
        assert badge in drawing
    assert 'class="cut"' in drawing, "the wire into the stop is cut"
    said = "Internet, ISP carrier NAT, ISP gateway unknown, router ok, server ok, Plex not asked"
    assert f"{said}</desc>" in drawing
    table = Page(text).texts
    assert "WAN 100.72.13.9 is in 100.64.0.0/10; the Internet sees 203.0.113.7" in table


def test_content() -> None:
    words = " ".join(Page(render(APPLIED, View())).texts)
    for text in (
        "Applied and proven: Plex is reachable from outside on port 32500.",
        "uci commit firewall && /etc/init.d/firewall reload",
        "a timer on the router undoes it after 180 s unless confirmed",
        "opens TCP 32500 to the Internet, towards Plex only",
        "mapped and published as 203.0.113.7:32500, 6 s after the forward",
        "router: 7 lines added, 0 removed",
        "… 4 unchanged",
        "- ManualPortMappingMode=0",
        "+ ManualPortMappingMode=1",
        "4 hold, 0 refuse, 1 not applicable",
        "preflight: host keys match, no other run",
        "7c41e09b52aa93d0",
        "plexops evidence verify 01kb3qy7c2v5n8r4t6w9x0z1ae",
        "exit 0",
    ):
        assert text in words
    stopped = " ".join(Page(render(CGNAT, View())).texts)
    assert "plexops will not change any forward while this holds, with any flag." in stopped
    assert "ask the ISP for a public IPv4 address (sometimes free)" in stopped


def test_the_checks_have_heads_that_a_person_reads() -> None:
    heads = ("Check", "Shall be", "Is", "Seen in")
    assert tuple(text for text in Page(render(DRIFT, View())).texts if text in heads)[:4] == heads


def test_several_sites_have_one_heading_and_links_of_their_own() -> None:
    other = replace(CGNAT.sites[0], name="grandma")
    both = replace(DRIFT, sites=(*DRIFT.sites, other))
    page = assert_harmless(render(both, View()))
    assert len(page.all("h1")) == 1
    assert {"#s1", "#s2", "#s1-e2", "#s2-e1"} <= {a["href"] for a in page.all("a")}
    assert not {"open"} & set().union(*page.all("details")[:1]), "each home is folded away below the table"


def test_long_exhibit_is_cut_and_says_so() -> None:
    exhibit = replace(EXHIBITS[0], text="x" * 9000)
    text = render(run_of(site_of(exhibits=(exhibit,))), View())
    assert "x" * 4096 in text
    assert "x" * 4097 not in text
    assert "Cut here" in text


def test_twenty_devices_stay_small() -> None:
    exhibits = tuple(
        Exhibit(f"E{n}", "router", "uci show", "2026-11-22T08:41:01Z", "y" * 9000, "ab" * 32)
        for n in range(60)
    )
    assert len(render(run_of(site_of(exhibits=exhibits)), View()).encode()) < 300_000


def test_the_template_marks_the_style_sheet_alone_as_safe_and_loads_nothing() -> None:
    source = (Path(html.__file__).with_name("report.html.j2")).read_text(encoding="utf-8")
    assert re.findall(r"[^{]*\bsafe\b *[|}]", source) == [" style | safe }"]
    assert not re.search(
        r"autoescape|\bsrc=|\bstyle=|\bon[a-z]+=|{% *(?:include|import|from|extends)", source
    )
    assert set(re.findall(r'href="(.)', source)) == {"#"}


def test_diff_folds_what_is_equal() -> None:
    assert changed_lines("a\nb\nc", "a\nx\nc") == (
        DiffLine(" ", "", 1),
        DiffLine("-", "b"),
        DiffLine("+", "x"),
        DiffLine(" ", "", 1),
    )
    assert changed_lines("", "") == ()
    long = "\n".join(f"line {n}" for n in range(9000))
    assert changed_lines(long, long.replace("line 5000", "other")) == (
        DiffLine(" ", "", 5000),
        DiffLine("-", "line 5000"),
        DiffLine("+", "other"),
        DiffLine(" ", "", 3999),
    )


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_contrast(scheme: int) -> None:
    text = render(DRIFT, View())
    block = re.findall(r":root \{(.*?)\}", text, re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))

    def contrast(one: str, two: str) -> float:
        high, low = sorted((luminance(colours[one]), luminance(colours[two])), reverse=True)
        return (high + 0.05) / (low + 0.05)

    for name in ("text", "muted", "ok", "drift", "stop", "unknown", "info"):
        assert contrast(name, "card") >= 7, f"{name} on a card is not AAA"
    for name in ("ok", "drift", "stop", "unknown"):
        assert contrast(name, f"{name}-tint") >= 4.5
        assert contrast("muted", f"{name}-tint") >= 4.5
        assert contrast("text", f"{name}-tint") >= 7


def test_hostile_everywhere_is_harmless() -> None:
    assert_harmless(render(everywhere('"><script>alert(1)</script><img src=x onerror=alert(1)>'), View()))

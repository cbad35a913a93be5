"""Changes in the terminal's report: what would be sent, to the letter, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from os.path import commonprefix

from plexops.model.run import ChangeReport, GuardReport, SiteReport
from plexops.report.terminal import Pen, Style, apart, hanging, one_line, width_of
from plexops.report.view import MARK_STYLES, OUTCOME_MARKS, PROOF_MARKS

#: In place of a long beginning that several requests share.
_BEGINS, _LONG = "[…] ", 200
_SYMBOL_STYLES = {"+": Style.OK, "~": Style.DRIFT, "-": Style.STOP}


def change_lines(site: SiteReport, pen: Pen, width: int) -> list[str]:
    """Give the numbered plan: every field and every request, then how it would be undone."""
    number = f"{len(site.changes)} change" + ("s" if len(site.changes) > 1 else "")
    digest = f" {site.plan_digest[:12]}" if site.plan_digest else ""
    head = pen.paint(f"Plan{digest}", Style.STRONG) + " "
    lines = hanging(head, f"· {number}, in this order; nothing was sent", width)
    begins = _shared_beginning(site.changes)
    for index, change in enumerate(site.changes, 1):
        detail = _detail(change, pen, width, begins)
        lines += ["", *_head(f"{index:>3}  ", change, 0, pen, width), *detail]
    if begins:
        lines += [
            "",
            f"{_BEGINS.strip()}, in the requests above, stands for what they all begin with:",
            f"     {begins}",
        ]
    return lines


def _shared_beginning(changes: Sequence[ChangeReport]) -> str:
    """Give the shell functions with which requests of one router begin: people read them once."""
    requests = [text for change in changes for text in (*change.commands, *change.undo)]
    for first in requests:
        alike = [text for text in requests if text.startswith(first[:_LONG])]
        common = commonprefix(alike)  # noqa: RUF071 - character by character is meant
        if len(alike) > 1 and len(common) > _LONG and "; " in common:
            return common[: common.rindex("; ") + 2]
    return ""


def outcome_lines(site: SiteReport, pen: Pen, width: int, *, verbose: bool) -> list[str]:
    """Give one line for each change that was to be sent, and what proves or refutes the effect."""
    words = [change.outcome for change in site.changes] + [proof.mark for proof in site.proofs]
    column = max(width_of(word) for word in words) + 2
    roles = max(width_of(one_line(change.role)) for change in site.changes)
    lines: list[str] = []
    for change in site.changes:
        word = change.outcome.replace("-", " ")
        style = Style.PLAIN if word == "planned" else MARK_STYLES[OUTCOME_MARKS[change.outcome]]
        lead = pen.paint(word, style) + " " * (column - width_of(word))
        lines += _head(lead, change, roles, pen, width)
        if verbose:
            lines += _detail(change, pen, width, "")
    for proof in site.proofs:
        text = f"{one_line(proof.source)}: {one_line(proof.text)}"
        mark = pen.paint(proof.mark, MARK_STYLES[PROOF_MARKS[proof.mark]])
        lines += hanging(mark, text, width, column)
    return lines


def guard_lines(guards: Sequence[GuardReport], pen: Pen, width: int, *, verbose: bool) -> list[str]:
    """Give how the guards judged: those that refuse always, the others as a count unless `verbose`."""
    numbers: Counter[str] = Counter(guard.verdict for guard in guards)
    words = {"holds": "hold", "refuses": "refuse", "not-applicable": "not applicable"}
    parts = [f"{numbers[verdict]} {word}" for verdict, word in words.items() if verdict in numbers]
    lines = [f"guards: {' · '.join(parts)}"]
    for guard in (guard for guard in guards if verbose or guard.verdict == "refuses"):
        style = {"holds": Style.OK, "refuses": Style.STOP}.get(guard.verdict, Style.FAINT)
        reason = f": {one_line(guard.reason)}" if guard.reason else ""
        word = {"not-applicable": "n/a"}.get(guard.verdict, guard.verdict)
        label = pen.paint(f"  {word:<8} {one_line(guard.id):<3}", style)
        lines += hanging(f"{label} ", f"{one_line(guard.title)}{reason}", width)
    return lines


def _head(lead: str, change: ChangeReport, roles: int, pen: Pen, width: int) -> list[str]:
    """One change in a line; `roles` is the width of the column of roles."""
    indent = " " * width_of(lead)
    role = one_line(change.role)
    role += " " * max(0, roles - width_of(role))
    symbol = pen.paint(change.symbol, _SYMBOL_STYLES[change.symbol])
    lines = [f"{lead}{role}  {symbol} {one_line(change.title)}"]
    place = pen.paint(str(change.place) if change.place is not None else "", Style.FAINT)
    if place and width_of(lines[0]) + 2 + width_of(place) <= width:
        lines[0] = apart(lines[0], place, width)
    elif place:
        lines.append(indent + place)
    return [*lines, *(hanging(indent, change.detail, width) if change.detail else [])]


def _detail(change: ChangeReport, pen: Pen, width: int, begins: str) -> list[str]:
    lines = _fields(change, width)
    named = (("send", change.commands), ("undo", change.undo), ("window", change.window_commands))
    for label, commands in named:
        for command in commands:
            lines += _request(label, command.replace(begins, _BEGINS) if begins else command, pen)
    if change.window:
        lines += hanging(pen.paint("     window", Style.FAINT), change.window, width, 15)
    if change.exposure is not None:
        lines += hanging(pen.paint("     exposure", Style.DRIFT), change.exposure, width, 15)
    return lines


def _fields(change: ChangeReport, width: int) -> list[str]:
    if not change.fields:
        return []
    column = min(max(width_of(one_line(field.name)) for field in change.fields), 28) + 2
    lines: list[str] = []
    for field in change.fields:
        name, before, after = one_line(field.name), one_line(field.before), one_line(field.after)
        text = after if change.symbol == "+" and not before else f"{before or '–'} → {after or '–'}"
        lines += hanging(f"     {name} ", text, width, 5 + column)
    return lines


def _request(label: str, text: str, pen: Pen) -> list[str]:
    """A request is shown to the letter, so it is never wrapped."""
    first, *rest = text.split("\n")
    lead = pen.paint(f"     {label}", Style.FAINT) + " " * (10 - len(label))
    return [lead + first, *(" " * 15 + line for line in rest)]

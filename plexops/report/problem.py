"""One problem as a person reads it: what, where, the line itself, why, and what to do."""

from __future__ import annotations

from plexops.model.errors import Problem
from plexops.report.terminal import Pen, Style, hanging, one_line, safe_term, width_of
from plexops.report.view import View


def render_problem(problem: Problem, source_line: str | None = None, view: View | None = None) -> str:
    """Give a problem as a block of lines, without a newline at its end.

    `source_line` is the line of the file that the problem's place names, if it could be read.
    """
    view = view or View()
    pen = Pen(view.colour, view.unicode)
    title = f"{pen.paint(f'error[{_clean(problem.code)}]', Style.STOP)}: "
    lines = hanging(title, _clean(problem.reason), view.width)
    if problem.place is not None:
        lines.append(f"  --> {_clean(str(problem.place))}")
        lines += _excerpt(problem, source_line, pen)
    elif problem.where:
        lines.append(f"  --> {_clean(problem.where)}")
    lines += [f"   {_clean(detail)}" for detail in problem.detail]
    if problem.path:
        lines.append(f"   = path: {_clean(problem.path)}")
    if problem.cure:
        lines += hanging("   = cure: ", _clean(problem.cure), view.width)
    lines.append(f"   = more: plexops explain {_clean(problem.code)}")
    return pen.finish("\n".join(lines))


def _excerpt(problem: Problem, source_line: str | None, pen: Pen) -> list[str]:
    if source_line is None or problem.place is None:
        return []
    source = source_line.rstrip("\r\n").replace("\t", " ")
    before = safe_term(source[: max(0, problem.place.column - 1)])
    marked = _marked(source[max(0, problem.place.column - 1) :])
    number = str(problem.place.line)
    margin = " " * len(number)
    caret = pen.paint("^" * max(1, width_of(safe_term(marked))), Style.STOP)
    return [f"{margin} |", f"{number} | {safe_term(source)}", f"{margin} | {' ' * width_of(before)}{caret}"]


def _marked(rest: str) -> str:
    """Give the value that begins at the place: up to a comment, a closing sign or the end of the line."""
    if rest[:1] in {'"', "'"}:
        end = rest.find(rest[0], 1)
        return rest if end < 0 else rest[: end + 1]
    for sign in (" #", ", ", "}", "]"):
        rest = rest.split(sign, 1)[0]
    return rest.rstrip()


def _clean(text: str) -> str:
    return safe_term(one_line(text.replace("\r", "\n")))

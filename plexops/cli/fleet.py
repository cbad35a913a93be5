"""Carry out a look and show it: as soon as each home is done where the format allows it, and all of it at the end."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from plexops.cli.output import emit, evidence_of, note, open_report, view_for, write_reports
from plexops.structs import replace

if TYPE_CHECKING:
    from plexops.cli.session import Files
    from plexops.engine.look.site import Home
    from plexops.engine.order import Order
    from plexops.engine.save_result import HandOn
    from plexops.evidence.folder import Store
    from plexops.model.run import MaskedReport, RunReport
    from plexops.report.fleet import Row

    #: Gets what takes each home that is done, and whether all of them are wanted at the end.
    CarryOut: TypeAlias = Callable[[HandOn | None, bool], tuple[RunReport, MaskedReport]]

#: Python's own. The short one with which a single home's handshakes wait for no import costs 16 homes, in as many threads
#: as they have devices, a third of their CPU time in changing between threads (audits of 48 homes, 40 ms away, two cores:
#: 10.4 s for 15.2 s).
_SWITCH_SECONDS = 0.005
#: After so many homes what they left in circles is swept up: by itself Python would let it grow by 0.4 MB a home.
_SWEEP_EVERY = 16

#: M_ARENA_MAX of glibc's mallopt(3).
_ARENAS = -8

Formats = Sequence[tuple[str, Path | None]]


def homes_to_look_at(files: Files, store: Store, options: Mapping[str, Any]) -> tuple[Home, ...]:
    """Make every site ready for a look: with its secrets, or with `--cluster` without, as the workers have them."""
    if options["cluster"]:
        from plexops.cli.on_cluster import homes_on_paper

        return homes_on_paper(files)
    from plexops.cli.session import open_homes

    return open_homes(files, store, options)


def carrying(
    homes: Sequence[Home], order: Order, store: Store, files: Files, options: Mapping[str, Any]
) -> CarryOut:
    """Give what carries out a look: this machine, or with `--cluster` its workers."""
    if address := options.get("cluster"):
        from plexops.cluster.controller import run_on_cluster

        there = address, files.directory, note
        return lambda hand_on, gather: run_on_cluster(homes, order, store, *there, hand_on, gather=gather)
    from plexops.engine.runner import run

    return lambda hand_on, gather: run(homes, order, store, options["forks"], hand_on, gather=gather)


def carried(carry_out: CarryOut, formats: Formats, verbose: int) -> tuple[RunReport, MaskedReport]:
    """Carry out a look and give all of it. After Ctrl-C what is known is shown before it is raised."""
    from plexops.engine.save_result import Interrupted

    try:
        return carry_out(None, True)
    except Interrupted as stop:
        write_reports(stop.report, stop.masked, formats, verbose)
        raise


def look(homes: Sequence[Home], order: Order, formats: Formats, verbose: int, carry_out: CarryOut) -> int:
    """Carry out a look, show it, and give its exit status. After Ctrl-C what is known is shown before it is raised."""
    if len(homes) == 1:
        return write_reports(*carried(carry_out, formats, verbose), formats, verbose)
    from plexops.cli.progress import homes_done
    from plexops.engine.save_result import Interrupted

    sys.setswitchinterval(_SWITCH_SECONDS)
    _share_memory()
    gc.freeze()  # what is there before the first home stays, and need not be looked through again
    fleet = _Fleet(homes, order, formats, verbose)
    try:
        with homes_done(0 if fleet.prints else len(homes)) as done:

            def take(report: RunReport, masked: MaskedReport) -> None:
                fleet.take(report, masked)
                done(report.exit_status)

            report, masked = carry_out(take, bool(fleet.whole))
    except Interrupted as stop:
        fleet.end(stop.report, stop.masked)
        raise
    fleet.end(report, masked)
    return report.exit_status


def _share_memory() -> None:
    """Let glibc keep what threads have freed for all of them: with a store for each it grows by a tenth (400 homes)."""
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(AttributeError):  # musl's library has no such thing
            ctypes.CDLL(None).mallopt(_ARENAS, 1)


class _Fleet:
    """Shows several homes. Of those that are done only a row stays, unless a format wants all of them at once."""

    def __init__(self, homes: Sequence[Home], order: Order, formats: Formats, verbose: int) -> None:
        from plexops.report.view import FEW

        many = len(homes) > FEW
        self._formats = formats
        self._verbose = verbose
        self._text = many and ("text", None) in formats
        #: A plan is shown whole: a person approves it.
        self._details = self._text and (verbose > 0 or order.command == "dry-run")
        self._lines = [open_report(path) for name, path in formats if name == "jsonl"]
        self._view = view_for(sys.stdout, verbose)
        self._rows: list[Row] = []
        self._masked_rows: list[Row] = []
        #: The formats that are one document of all homes.
        self.whole = [
            (name, path)
            for name, path in formats
            if name != "jsonl" and not (self._text and (name, path) == ("text", None))
        ]

    @property
    def prints(self) -> bool:
        """Whether homes are printed while others are asked: then a bar would be in the way."""
        return self._details or ("jsonl", None) in self._formats

    def take(self, report: RunReport, masked: MaskedReport) -> None:
        """Show one home that is done."""
        from plexops.report.fleet import document_line, row_of

        shown = report if sys.stdout.isatty() else masked
        self._rows.append(row_of(shown.sites[0]))
        self._masked_rows.append(row_of(masked.sites[0]))
        if len(self._rows) % _SWEEP_EVERY == 0:
            gc.collect()
        for write in self._lines:
            write(document_line(masked))
        if self._details:
            from plexops.report.text import render_part

            emit(render_part(shown, self._view))

    def end(self, report: RunReport, masked: MaskedReport) -> None:
        """Show what is about all homes."""
        from plexops.report.fleet import summary_line, summary_text

        for write in self._lines:
            write(summary_line(masked, self._masked_rows))
        if self._text:
            view = replace(self._view, evidence=evidence_of(report))
            emit(summary_text(report, self._rows, view))
        write_reports(report, masked, self.whole, self._verbose)

"""A marker that exists at most once on a device: two runs that know nothing of each other do not write there at once.

POSIX: `mkdir` makes a directory or fails, whoever else tries at that moment. It lies in memory, so that a restart takes it
away. RouterOS: a disabled entry of the scheduler, which never runs; its manual calls names there unique. Where a second
one of that name is taken all the same, each of the two sees the other, and neither has it.
"""

from __future__ import annotations

import re

from plexops.languages.base import bare
from plexops.languages.routeros import quote_text
from plexops.model.exchange import Command, Expect, Marker, Read, Write
from plexops.model.fields import FieldType, Typed
from plexops.pattern import Pattern

#: Stands in a plan where the run's own word will stand.
RUN = "RUN"
#: What a run writes there: its id, and the name of the machine that it runs on.
_HOLDER = Pattern(r"\b([0-9a-hjkmnp-tv-z]{26})\.([A-Za-z0-9][A-Za-z0-9-]{0,35})\b")
_NAME = "plexops_run"
_ANY = Expect(statuses=frozenset())
_SECONDS = 20.0


def holder_word(run_id: str, machine: str) -> str:
    """Give what a run writes into its marker. ValueError for what is no run id."""
    name = re.sub(r"[^A-Za-z0-9-]", "-", machine.partition(".")[0])[:36].strip("-") or "unknown"
    word = f"{run_id}.{name}"
    if _HOLDER.fullmatch(word) is None:
        raise ValueError(f"{run_id!r} is no run id")
    return word


def holders_in(said: str) -> tuple[tuple[str, str], ...]:
    """Give run id and machine of everyone whom a device names as holder of the marker."""
    return tuple((match[1], match[2]) for match in _HOLDER.finditer(said))


def posix(directory: str, holder: str) -> Marker:
    """Give the marker of a shell, in a directory of the device's memory."""
    path, word = f"{directory}/plexops.run", bare(Typed(FieldType.WORD, holder))
    take = f"w={path}; mkdir -m 700 $w && {{ echo {word} >$w/holder || {{ rm -rf $w; false; }}; }}"
    drop = f'w={path}; read -r h <$w/holder && [ "$h" = {word} ] && rm -rf $w'
    return Marker(
        take=Write(Command(take), _ANY, _SECONDS),
        holders=Read("holders", Command(f"cat {path}/holder"), seconds=_SECONDS),
        drop=Write(Command(drop), _ANY, _SECONDS),
        by_hand=f"rm -r {path}",
    )


def routeros(holder: str) -> Marker:
    """Give the marker of a RouterOS device."""
    word = quote_text(bare(Typed(FieldType.WORD, holder)))
    menu = "/system scheduler"
    return Marker(
        take=Write(Command(f"{menu} add name={_NAME} disabled=yes comment={word}"), _ANY, _SECONDS),
        holders=Read(
            "holders", Command(f"{menu} print terse without-paging where name={_NAME}"), seconds=_SECONDS
        ),
        drop=Write(Command(f"{menu} remove [find where name={_NAME} comment={word}]"), _ANY, _SECONDS),
        by_hand=f"{menu} remove [find where name={_NAME}]",
    )

"""A timer on a POSIX device that undoes a change unless it is ended in time.

It is a process of its own in the background, without `setsid`, which busybox has not everywhere: no terminal is given to
the session that starts it, so nothing ends it with that session, and a hangup is ignored. It looks at its mark every few
seconds and ends by itself when that is gone or another's. The mark holds the process's number and a number of this arming;
its name is the state: `armed`, then `fired` while and if the way back is not through, then `undone`. A rename decides who
wins, the timer or the one who ends it. All of it lies in one directory of root's alone, which a restart empties.
"""

from __future__ import annotations

import re

from plexops.pattern import Pattern

#: How often the timer looks whether it is still wanted, in seconds.
STEP_SECONDS = 5

_ARM = (
    "w={path}; rm -rf $w; mkdir -m 700 $w && n=$$.$(date +%s) && {{ ( trap '' HUP; s={seconds}; "
    'while [ $s -gt 0 ]; do sleep {step}; s=$((s-{step})); read -r p m <$w/armed; [ "$m" = $n ] || exit; done; '
    "mv $w/armed $w/fired && ( {undo} ) && rm -f $w/before && mv $w/fired $w/undone ) >/dev/null 2>&1 </dev/null & "
    'echo "$! $n" >$w/mark && mv $w/mark $w/armed; }}'
)
_ASK = (
    "w={path}; for s in armed fired undone; do [ -e $w/$s ] || continue; read -r p n <$w/$s; a=dead; "
    'grep -q $w /proc/$p/cmdline 2>/dev/null && a=alive; echo "$s $a"; [ "$s $a" = "armed alive" ]; exit; done; '
    "echo none; exit 1"
)
_END = (
    "w={path}; read -r p n <$w/armed && mv $w/armed $w/ended "
    "&& {{ grep -q $w /proc/$p/cmdline 2>/dev/null && kill $p; rm -rf $w; }}"
)
_PATH = Pattern(r"(?:/[A-Za-z0-9_-]+)+")
_ASKED = Pattern(re.escape(_ASK).replace(re.escape("{path}"), f"(?:{_PATH.source})"))


def arm(path: str, seconds: int, undo: str) -> str:
    """Give the command that starts the timer; `undo` is the way back, whose status says whether it is through."""
    return _ARM.format(path=_checked(path), seconds=seconds, step=STEP_SECONDS, undo=undo)


def ask(path: str) -> str:
    """Give the command that prints state and life of a timer (`armed alive`); its status is 0 only where that stands."""
    return _ASK.format(path=_checked(path))


def end(path: str) -> str:
    """Give the command that ends a timer and removes what belongs to it; it fails where the timer has fired."""
    return _END.format(path=_checked(path))


def only_asks(text: str) -> bool:
    """Tell whether a command is one that `ask` gave."""
    return _ASKED.fullmatch(text) is not None


def _checked(path: str) -> str:
    if _PATH.fullmatch(path) is None:
        raise ValueError(f"{path!r} is no path of a timer")
    return path

"""The site's lock, held by real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from plexops.evidence.lock import site_lock
from plexops.model.errors import PlexopsError
from plexops.model.status import ExitStatus

HOLDER = """
import sys, time
from pathlib import Path
from plexops.evidence.lock import site_lock
with site_lock(Path(sys.argv[1]), "home", "plexops apply"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_second_holder_is_told_who_has_it_and_a_killed_one_frees_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(PlexopsError) as caught, site_lock(path, "home", "plexops audit"):
            pytest.fail("the lock was given twice")
        assert caught.value.status is ExitStatus.BUSY
        reason = caught.value.problems[0].reason
        assert f"process {holder.pid} " in reason
        assert "`plexops apply`" in reason
        assert "site home" in reason
        os.kill(holder.pid, signal.SIGKILL)
    with site_lock(path, "home", "plexops audit"):
        assert str(os.getpid()) in path.read_text()
    with site_lock(path, "home", "plexops audit"):
        pass
    assert path.stat().st_mode & 0o777 == 0o600


def test_lock_that_was_replaced_by_a_link_is_refused_and_its_target_kept(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "lock").symlink_to(victim)
    with pytest.raises(PlexopsError) as caught, site_lock(tmp_path / "lock", "home", "plexops audit"):
        pytest.fail("a link was followed")
    assert caught.value.problems[0].code == "PLX-R101"
    assert victim.read_text() == "precious"

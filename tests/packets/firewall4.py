"""The real firewall4, run from a checkout of openwrt/firewall4 in its own test bench; nothing of it is in this project.

`PLEXOPS_FIREWALL4` names the checkout, `PLEXOPS_UCODE` the interpreter (jow-/ucode); its modules lie beside it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from plexops.model.exchange import Json
from plexops.parsers.base import Row
from tests.lab.node import NODE_PATH

CHECKOUT = os.environ.get("PLEXOPS_FIREWALL4", "")
UCODE = os.environ.get("PLEXOPS_UCODE", "")
_PRINT = """{%% include("%s/root/usr/share/firewall4/main.uc", { getenv: (name) => name == "ACTION" ? "print" : null }) %%}
"""
#: A router's interfaces, then what firewall4 made, and what the kernel says that it holds.
_LOAD = "ip link add eth1 type veth peer name br-lan && nft -f - && nft -j list ruleset"


def missing() -> str:
    """Say what is missing for running it; empty where nothing is."""
    return (
        "" if CHECKOUT and UCODE else "PLEXOPS_FIREWALL4 and PLEXOPS_UCODE name no checkout and interpreter"
    )


def rendered(rows: Sequence[Row], dump: Json) -> tuple[str, list[str]]:
    """Give the text for nft that firewall4 makes of a configuration (empty where it stops), and its warnings."""
    with tempfile.TemporaryDirectory() as folder:
        _answers(Path(folder), rows, dump)
        paths = (f"{CHECKOUT}/tests/lib", f"{CHECKOUT}/root/usr/share/ucode", str(Path(UCODE).parent))
        searched = ["-D", f'MOCK_SEARCH_PATH=["{folder}"]']
        ran = subprocess.run(
            [UCODE, "-S", "-T,", *(f"-L{path}" for path in paths), *searched, "-lmocklib", "-lfw4", "-"],
            input=_PRINT % CHECKOUT,
            text=True,
            capture_output=True,
            check=False,
            env=os.environ | {"LD_LIBRARY_PATH": str(Path(UCODE).parent)},
        )
    said = [line[4:] for line in ran.stderr.splitlines() if line.startswith("[!] Section ")]
    return (ran.stdout if ran.returncode == 0 else ""), said


def listed(text: str) -> list[Json]:
    """Load a text into an empty kernel of its own, and give what nft lists then. Raises CalledProcessError."""
    ran = subprocess.run(
        ["unshare", "-n", "sh", "-c", _LOAD],
        input=text,
        text=True,
        capture_output=True,
        check=True,
        env={"PATH": NODE_PATH},
    )
    found: list[Json] = json.loads(ran.stdout)["nftables"]
    return found[1:]  # without nft's own version


def _answers(folder: Path, rows: Sequence[Row], dump: Json) -> None:
    """Write what firewall4's bench shall answer: configuration, networks, and a system that has nothing else."""
    sections: dict[str, list[Row]] = {}
    for row in rows:
        options = {key: value for key, value in row.items() if not key.startswith(".")}
        named: Row = {} if row[".anonymous"] == "1" else {".name": row[".name"]}
        sections.setdefault(str(row[".type"]), []).append(named | options)
    helpers: list[dict[str, str]] = []
    for line in Path(CHECKOUT, "root/usr/share/firewall4/helpers").read_text("utf-8").splitlines():
        word, *rest = line.split(None, 2)[:3] or [""]
        if word == "config":
            helpers.append({})
        elif word == "option":
            helpers[-1][rest[0]] = rest[1].strip("'")
    answers: dict[str, object] = {
        "uci/firewall": sections,
        "uci/helpers": {"helper": helpers},
        "ubus/network.interface~dump": dump,
        "ubus/service~get_data~type-firewall": {},
        **{f"fs/opendir~_usr_share_nftables_d_chain-{place}": [] for place in ("pre", "post")},
        **{f"fs/glob~_usr_share_nftables_d_{place}_nft": [] for place in _PLACES},
    }
    for name, answer in answers.items():
        path = folder / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(answer), "utf-8")
    (folder / "fs/open~_proc_version.txt").write_text("Linux version 6.6.1\n", "utf-8")
    tables = re.sub(r"[^A-Za-z0-9_-]+", "_", "/usr/sbin/nft --terse --json list flowtables inet")
    (folder / f"fs/popen~{tables}.txt").write_text('{"nftables": []}', "utf-8")


_PLACES = ("ruleset-pre", "ruleset-post", "table-pre", "table-post")

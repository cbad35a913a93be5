"""A run as one file to hand on: what is masked already, and masked copies of what is not. Never `private/`."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

from plexops.evidence.masking import Masker
from plexops.evidence.run_folder import EXHIBITS, JOURNAL, PLAN, RESULT, RunFolder

#: The earliest time that a ZIP can hold: two bundles of one run are the same bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)
MANIFEST = "manifest.json"
#: Words of our own making, which masking could only damage.
_OURS = frozenset({"h", "prev", "kind", "t", "digest", "checksum", "schema", "head", "sha256", "files"})


def bundle(run: RunFolder, masker: Masker, more: Mapping[str, str]) -> bytes:
    """Give a ZIP of one run. `more` are further files that are masked already, such as its report.

    Raises PlexopsError PLX-R105 or PLX-R110 for damaged evidence.
    """
    files = {RESULT: run.read(RESULT).decode(), **more}
    files |= {name: run.read(name).decode() for name in run.names() if name.startswith(f"{EXHIBITS}/")}
    if PLAN in run.names():
        files[f"masked-{PLAN}"] = _masked_json(run.read(PLAN).decode(), masker)
    lines = run.read(JOURNAL).decode().splitlines()
    files[f"masked-{JOURNAL}"] = "".join(_masked_line(line, masker) + "\n" for line in lines)
    files[MANIFEST] = _manifest(run, files)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in sorted(files.items()):
            entry = zipfile.ZipInfo(f"plexops-{run.id}/{name}", _EPOCH)
            entry.external_attr = 0o600 << 16
            archive.writestr(entry, text.encode(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _manifest(run: RunFolder, files: Mapping[str, str]) -> str:
    hashes = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in sorted(files.items())}
    document = {
        "run": run.id,
        "journal_head": run.journal().head,
        "masked": "addresses, names and serials are pseudonyms; the truth stays on the machine that ran it",
        "sha256": hashes,
    }
    return json.dumps(document, indent=1) + "\n"


def _masked_json(text: str, masker: Masker) -> str:
    return json.dumps(_walk("", json.loads(text), masker), indent=1, sort_keys=True) + "\n"


def _masked_line(line: str, masker: Masker) -> str:
    return json.dumps(_walk("", json.loads(line), masker), sort_keys=True, separators=(",", ":"))


def _walk(name: str, value: Any, masker: Masker) -> Any:
    """Mask each text on its own, so that what comes out is JSON again. A name may tell what its value is."""
    if isinstance(value, str):
        return value if name in _OURS else str(masker.value(name, value) if name else masker.mask(value))
    if isinstance(value, dict):
        return {
            key if name in _OURS else str(masker.mask(key)): item
            if name in _OURS
            else _walk(key, item, masker)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_walk(name, item, masker) for item in value]
    return value

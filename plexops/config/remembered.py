"""Which documents have passed their schema before, so that the same text is not judged at every start.

Loading the schema library and judging takes longer than all else that an audit does before it connects. What is kept
is a digest of the document and of the schema, as the name of an empty file in the user's cache folder: a document that
changed by one letter, or a schema that did, is judged anew. Only documents without any problem are remembered.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from plexops import __version__

#: More than these are not kept; then the cache starts over.
_MOST = 1000


def digest_of(document: object, schema: object) -> str:
    """Give the name under which a plain document and its schema are remembered."""
    text = msgspec.json.encode([__version__, document, schema], enc_hook=repr, order="deterministic")
    return hashlib.sha256(text).hexdigest()


def is_remembered(digest: str) -> bool:
    """Tell whether a document passed its schema before."""
    return (_folder() / digest).is_file()


def remember(digest: str) -> None:
    """Keep that a document passed. Where the cache cannot be written, it is judged again next time."""
    folder = _folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = list(folder.iterdir())
        if len(kept) >= _MOST:
            for file in kept:
                file.unlink(missing_ok=True)
        (folder / digest).touch(mode=0o600)
    except OSError:
        return


def _folder() -> Path:
    given = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(given) if given.startswith("/") else Path.home() / ".cache"
    return root / "plexops" / "passed"

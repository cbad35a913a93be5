"""What a family's answers are wrapped in: how they say that they are one, where the content is, and why there is none."""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from plexops.structs import says


class Envelope(Struct, frozen=True, forbid_unknown_fields=True):
    """Every answer in JSON is one alone where `ok` holds; its content is at `data`. All are JMESPath expressions."""

    ok: Annotated[str, says("What holds in an answer that is one.", "meta.rc=='ok'")]
    data: Annotated[str, says("Where the content is; without it, the whole answer.", "data")] = ""
    says: Annotated[str, says("Where the reason stands in one that is none.", "meta.msg")] = ""

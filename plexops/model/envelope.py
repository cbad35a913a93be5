"""What a family's answers are wrapped in: how they say that they are one, where the content is, and why there is none."""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from plexops.structs import says


class Envelope(Struct, frozen=True, forbid_unknown_fields=True):
    """Every answer in JSON is one alone where `ok` holds; its content is at `data`. All are JMESPath expressions.

    `status` is a number of the family's own, which `absent` of a read means besides HTTP's.
    """

    ok: Annotated[str, says("What holds in an answer that is one.", "meta.rc=='ok'")]
    data: Annotated[str, says("Where the content is; without it, the whole answer.", "data")] = ""
    says: Annotated[str, says("Where the reason stands in one that is none.", "meta.msg")] = ""
    status: Annotated[str, says("Where a status of the family's own stands.", "result[0]")] = ""

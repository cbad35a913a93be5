"""The catalogue of problem codes: one module per room, merged here by name."""

from __future__ import annotations

from collections.abc import Mapping

from plexops.model.codes import beginning, cluster, config, devices, runs, secrets
from plexops.model.status import Code

CODES: Mapping[str, Code] = {
    code.code: code for room in (config, secrets, beginning, devices, runs, cluster) for code in room.CODES
}

"""What a profile says of a collection and cannot be meant is refused when it is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from plexops.config.files import shipped
from plexops.config.profiles import load_profile
from plexops.drivers.router.compile import compile_profile
from plexops.model.errors import PlexopsError

PATH = "/proxy/network/api/s/{{ site }}/rest/portforward"


@pytest.mark.parametrize(
    ("family", "old", "new", "reason"),
    [
        ("unifi", f"forwards: {PATH}", f'forwards: {{get: "{PATH}", hides: [x_*]}}', "hides nothing"),
        (
            "openwrt-ubus",
            "    rows: dhcp\n",
            "    rows: dhcp\n    write: {rest: /ubus}\n",
            "has no store `rest`",
        ),
        ("unifi", "rows: forwards", "rows: \"forwards[].merge(@, {made: 'up'})\"", "`whole` sends back"),
    ],
)
def test_what_would_lose_or_make_up_members_is_refused(
    family: str, old: str, new: str, reason: str, tmp_path: Path
) -> None:
    text = (shipped("router_profiles") / f"{family}.yaml").read_text()
    assert old in text
    (tmp_path / "mine.yaml").write_text(text.replace(old, new))
    with pytest.raises(PlexopsError, match=reason):
        compile_profile(load_profile("./mine.yaml", tmp_path))

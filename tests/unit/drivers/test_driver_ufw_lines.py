"""ufw's own file: its lines in their order, and which of them are rules like ours. What packets meet is the kernel's."""

from __future__ import annotations

import pytest

from plexops.drivers.server.driver import ServerDriver
from plexops.model.entries import HostRule
from plexops.model.exchange import Reply
from plexops.model.resources.firewall_rule import FirewallRule
from plexops.model.site import HostFirewall
from plexops.model.snapshot import Kind, KindState, Snapshot
from tests.captures.capture_files import DATA
from tests.unit.drivers.driver_bench import Said, observe

HEAD = "*filter\n### RULES ###\n\n"
ANY = "0.0.0.0/0"


def look(
    rules: Said, default: Said = 'IPV6=yes\nDEFAULT_INPUT_POLICY="DROP"\n', *, rules6: Said = HEAD
) -> Snapshot:
    said: dict[str, Said] = {"ufw.conf": "ENABLED=yes\n", "ufw.default": default}
    said |= {"ufw.rules": rules, "ufw.rules6": rules6}
    return observe(ServerDriver(firewall=HostFirewall.UFW).observe(), said)


def lines(snapshot: Snapshot) -> list[tuple[str, int | None]]:
    assert snapshot.state(Kind.HOST_RULE) is KindState.PRESENT
    return [(entry.values.action, entry.values.port) for entry in snapshot.held(HostRule)]


@pytest.mark.parametrize(
    ("row", "line", "like_ours"),
    [
        (f"allow tcp 32400 {ANY} any {ANY} in", ("allow", 32400), True),
        (f"deny tcp 32400 {ANY} any {ANY} in", ("deny", 32400), False),
        (f"limit tcp 32400 {ANY} any {ANY} in", ("limit", 32400), False),
        # for some only, or not only Plex's port
        (f"allow tcp 32400 {ANY} any 192.168.1.0/24 in", ("allow", None), False),
        (f"allow tcp 32400 192.168.1.50 any {ANY} in", ("allow", None), False),
        (f"allow tcp 32400 {ANY} 1024 {ANY} in", ("allow", None), False),
        (f"allow tcp 32400 {ANY} any {ANY} in_eth0", ("allow", None), False),
        (f"allow any 32400 {ANY} any {ANY} in", ("allow", None), False),
        (f"allow tcp 32400,32469 {ANY} any {ANY} in", ("allow", None), False),
        (f"allow tcp 32000:33000 {ANY} any {ANY} in", ("allow", None), False),
        (f"deny any any {ANY} any {ANY} in", ("deny", None), False),
        # for other ways
        (f"allow tcp 32400 {ANY} any {ANY} out", ("allow", None), False),
        (f"route:allow tcp 32400 {ANY} any {ANY} in", ("allow", None), False),
    ],
)
def test_a_line(row: str, line: tuple[str, int | None], like_ours: bool) -> None:
    snapshot = look(f"{HEAD}### tuple ### {row}\n")
    assert lines(snapshot) == [line]
    assert [entry.values.port for entry in snapshot.held(FirewallRule)] == ([32400] if like_ours else [])


def test_whose_a_line_is_and_where_it_stands() -> None:
    ours, odd = b"plexops:plex".hex(), b"plexops:No Key".hex()
    rows = [f"deny tcp 22 {ANY} any {ANY} in", f"allow tcp 32400 {ANY} any {ANY} in comment={ours}",
            f"allow tcp 8096 {ANY} any {ANY} in comment={odd}"]  # fmt: skip
    snapshot = look(HEAD + "".join(f"### tuple ### {row}\n" for row in rows))
    assert [(e.owner.key, e.position, e.handle) for e in snapshot.held(HostRule)] == [
        ("", 0, "0"), ("plex", 1, "1"), ("", 2, "2"),
    ]  # fmt: skip
    assert [(e.owner.key, e.position) for e in snapshot.held(FirewallRule)] == [("plex", 1), ("", 2)]


def test_a_real_file() -> None:
    """As ufw 0.36.2 wrote it: Plex's port for everybody, and SSH for the LAN."""
    path = DATA / "firewall/ufw-user.rules"
    snapshot = look(path.read_text(encoding="utf-8"))
    assert lines(snapshot) == [("allow", 32400), ("allow", None)]
    assert snapshot.text("firewall.kind") == "ufw"
    assert snapshot.flag("firewall.active") is True


@pytest.mark.parametrize(
    "said", [(1, "", "cat: Permission denied"), Reply("ufw.rules", None, HEAD, whole=False), "", "x"]
)
def test_a_file_that_was_not_read_is_unknown(said: Said) -> None:
    snapshot = look(said)
    for kind in (Kind.HOST_RULE, Kind.FIREWALL_RULE):
        assert snapshot.state(kind) is KindState.UNKNOWN
    assert snapshot.reasons[Kind.FIREWALL_RULE]
    assert look(HEAD, default="IPV6=yes\n").state(Kind.HOST_RULE) is KindState.UNKNOWN


def test_a_person_is_shown_where_the_rules_of_both_families_are() -> None:
    shown = ServerDriver(firewall=HostFirewall.UFW).look_by_hand(Kind.FIREWALL_RULE)
    assert shown == "cat /etc/ufw/user.rules ; cat /etc/ufw/user6.rules"

"""Reading cannot write: by content, when a profile is loaded; and by type, in what audit and dry-run hold."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from plexops.config.files import shipped
from plexops.config.inventory import load_inventory
from plexops.config.profiles import load_profile
from plexops.drivers.base import Observation
from plexops.drivers.router.compile import compile_profile
from plexops.drivers.server.driver import ServerDriver
from plexops.languages import LANGUAGES
from plexops.model.errors import Place, PlexopsError
from plexops.model.exchange import Call, Command, Read, Script, Write
from plexops.model.plan import GUARD_NAMES, Authorized, GuardVerdict, Step, authorize
from plexops.model.site import HostFirewall
from plexops.model.snapshot import Kind, Role, Snapshot
from plexops.structs import replace
from plexops.transport.http_settings import HttpSettings
from plexops.transport.opening import open_read, open_write
from plexops.transport.ssh_settings import SshSettings
from tests.conformance.conformance_bench import FORWARD, bench, task

#: The read that is replaced in a copy of each profile.
VICTIMS = {
    "openwrt": r"  firewall: \{uci: .*\}",
    "linux": r"  routes6: \{run: .*\}",
    "routeros": r"  nat: \{menu: .*\}",
    "opnsense": r"  aliases: \{post: .*\}",
}
SHELL_WRITES = (
    "uci set firewall.x=redirect",
    "uci add firewall redirect",
    "uci delete firewall.@redirect[0]",
    "uci commit",
    "uci revert firewall",
    "uci batch",
    "uci import firewall",
    "uci show firewall; reboot",
    "uci show firewall && reboot",
    "uci show firewall | sh",
    "uci show firewall & reboot",
    "uci show firewall > /etc/config/firewall",
    "uci show $(reboot)",
    "uci show `reboot`",
    "uci show firewall\nreboot",
    "nft -f /tmp/x",
    "nft flush ruleset",
    "nft -j flush ruleset",
    "nft add table inet x",
    "nft delete table inet plexops_plex",
    "nft list ruleset; nft flush ruleset",
    "sh -c 'uci show firewall'",
    "eval uci show firewall",
    "exec reboot",
    "/etc/init.d/firewall reload",
    "service dnsmasq restart",
    "systemctl stop nftables",
    "rm /etc/config/firewall",
    "mv /etc/config/firewall /tmp/",
    "cp /tmp/x /etc/config/firewall",
    "tee /etc/config/firewall",
    "dd of=/dev/sda",
    "touch /tmp/x",
    "sed -i s/a/b/ /etc/config/firewall",
    "sed -n w/etc/config/firewall /etc/passwd",
    "awk 'BEGIN{system(\"reboot\")}'",
    "find / -delete",
    "find / -exec reboot ;",
    "xargs reboot",
    "env reboot",
    "nohup reboot",
    "busybox reboot",
    "ip addr add 10.0.0.1/8 dev lan0",
    "ip -j link set lan0 down",
    "ip route flush table main",
    "ubus call network.interface.wan down",
    "ubus call uci set '{}'",
    "curl -X POST http://192.168.1.1/",
    "curl -o /etc/config/firewall http://192.168.1.1/",
    "wget http://192.168.1.1/",
    "kill -9 1",
    "sysctl -w net.ipv4.ip_forward=0",
    "iptables -F",
    "ufw disable",
    "reboot",
    "PATH=/tmp uci show firewall",
    "{{ wan }}",
    "../../bin/reboot",
)
WRITES = {
    "openwrt": SHELL_WRITES,
    "linux": SHELL_WRITES,
    "routeros": (
        "/ip firewall nat add chain=dstnat action=accept",
        "/ip firewall nat set [find] disabled=yes",
        "/ip firewall nat remove [find]",
        "/ip firewall nat disable [find]",
        "/ip firewall nat move 0 1",
        "/ip firewall nat export terse file=x",
        "/ip firewall nat print file=x",
        "/ip firewall nat print; /system reboot",
        "/ip firewall nat print\n/system reboot",
        "/ip firewall nat print where [/system reboot]",
        ":put [/system reboot]",
        ":put [/ip firewall nat remove [find]]",
        ':execute "/system reboot"',
        ':parse "/system reboot"',
        "/import x",
        "/tool fetch url=http://192.168.1.9/",
        "/system reset-configuration",
        "/system script run x",
        "/system scheduler add name=x on-event=y",
        "/ip upnp set enabled=yes",
        "/user add name=x group=full",
        "/file remove [find]",
        "/undo",
        ":global x 1",
        "{/system reboot}",
        "$x",
    ),
    "opnsense": (
        "POST /api/firewall/d_nat/add_rule",
        "POST /api/firewall/d_nat/set_rule/1",
        "POST /api/firewall/d_nat/del_rule/1",
        "POST /api/firewall/d_nat/del_rule/get",
        "POST /api/firewall/d_nat/toggle_rule/status",
        "POST /api/firewall/d_nat/apply",
        "GET /api/firewall/d_nat/apply",
        "POST /api/firewall/filter/savepoint",
        "POST /api/firewall/filter/revert/info",
        "POST /api/dnsmasq/service/reconfigure",
        "POST /api/dnsmasq/service/restart/status",
        "GET /api/core/system/reboot",
        "POST /api/core/system/halt",
        "POST /api/core/firmware/upgrade",
        "POST /api/core/firmware/update/status",
        "POST /api/core/backup/revertBackup/x",
        "DELETE /api/firewall/d_nat/search_rule",
        "PUT /api/firewall/d_nat/search_rule",
        "POST /api/firewall/d_nat/../d_nat/add_rule/search",
        "POST /api/firewall/d_nat/add_rule/search_rule",
        "POST /api/firewall/d_nat/addRule",
    ),
}
CASES = [
    pytest.param(name, write, id=f"{name}-{write!r}") for name, writes in WRITES.items() for write in writes
]


def hostile_copy(name: str, write: str, folder: Path) -> Path:
    """Write a copy of a profile in which one read is a write, and give it."""
    text = (shipped("router_profiles") / f"{name}.yaml").read_text(encoding="utf-8")
    how, asked = "run", write
    if name == "opnsense":
        how, _, asked = write.partition(" ")
    quoted = '"' + asked.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    victim = re.search(VICTIMS[name], text)
    assert victim is not None
    replaced = f"  {victim[0].split(':')[0].strip()}: {{{how.lower()}: {quoted}}}"
    copy = folder / f"{name}.yaml"
    copy.write_text(text.replace(victim[0], replaced), encoding="utf-8")
    return copy


def test_a_profile_may_not_hide_that_a_read_failed(tmp_path: Path) -> None:
    """Behind a pipe a failed command ends with status 0, and nothing would be taken for an empty answer."""
    copy = hostile_copy("openwrt", "cat /etc/nowhere | tail -c 9", tmp_path)
    with pytest.raises(PlexopsError) as caught:
        compile_profile(load_profile(str(copy), tmp_path))
    (problem,) = caught.value.problems
    assert problem.code == "PLX-D401"
    assert "status is lost" in problem.reason


@pytest.mark.parametrize(("name", "write"), CASES)
def test_a_profile_whose_read_writes_is_refused(name: str, write: str, tmp_path: Path) -> None:
    copy = hostile_copy(name, write, tmp_path)
    with pytest.raises(PlexopsError) as caught:
        compile_profile(load_profile(str(copy), tmp_path))
    problem = caught.value.problems[0]
    victim = VICTIMS[name].partition(":")[0] + ": {"
    lines = copy.read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, 1) if text.startswith(victim))
    assert problem.place is not None
    assert (problem.place.file, problem.place.line) == (str(copy), line)
    assert problem.reason
    # A schema may refuse first (a method that no read has); what gets past it, the allow-list refuses.
    assert problem.code == "PLX-D401" or problem.code.startswith("PLX-C")


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("openwrt", "curl -s http://203.0.113.9/collects"),
        ("openwrt", "ping -c 1 203.0.113.9"),
        ("openwrt", "getent hosts collects.example"),
        ("linux", "printenv AWS_SECRET_ACCESS_KEY"),
        ("linux", "cat /root/.netrc"),
        ("linux", "cat /home/me/notes"),
        ("linux", "cat /srv/.secret"),
        ("linux", "head -n 9 /opt/x.key"),
        ("linux", "cat /etc/wireguard/wg0.conf"),
        ("linux", "grep -r password /srv"),
        ("linux", "grep -i -hr password /srv"),
        ("opnsense", "POST /api/core/snapshots/activate/get"),
        ("opnsense", "POST /api/core/snapshots/promote/get"),
    ],
)
def test_a_profile_s_read_stays_on_the_device_and_away_from_what_is_a_person_s(
    name: str, read: str, tmp_path: Path
) -> None:
    with pytest.raises(PlexopsError) as caught:
        compile_profile(load_profile(str(hostile_copy(name, read, tmp_path)), tmp_path))
    assert caught.value.problems[0].code == "PLX-D401"


def test_the_question_whether_a_window_stands_is_a_read_too(tmp_path: Path) -> None:
    name = "routeros"
    text = (shipped("router_profiles") / f"{name}.yaml").read_text(encoding="utf-8")
    changed = re.sub(r"\n  armed: .*", "\n  armed: /system scheduler remove plexops_{{ name }}", text)
    assert changed != text
    copy = tmp_path / f"{name}.yaml"
    copy.write_text(changed, encoding="utf-8")
    with pytest.raises(PlexopsError) as caught:
        compile_profile(load_profile(str(copy), tmp_path))
    assert [(p.code, p.path) for p in caught.value.problems] == [("PLX-D401", "window.armed")]


@pytest.mark.parametrize("name", sorted(VICTIMS))
def test_every_shipped_read_is_on_the_allow_list(name: str) -> None:
    profile = compile_profile(load_profile(name, Path()))
    assert profile.profile.reads


@pytest.mark.parametrize(
    "word", ["a; reboot", "$(reboot)", "`x`", "a b", "a'b", 'a"b', "[find]", "a\nb", "", "é"]
)
def test_a_param_of_the_inventory_is_one_plain_word(word: str, tmp_path: Path) -> None:
    """Params are the only thing of a user's that stands in reads: the inventory's reader lets nothing else in."""
    inventory = tmp_path / "inventory.yaml"
    router = {"profile": "openwrt", "address": "192.168.1.1", "params": {"wan": word}}
    inventory.write_text(json.dumps({"sites": {"home": {"router": router}}}), encoding="utf-8")
    with pytest.raises(PlexopsError) as caught:
        load_inventory(inventory)
    (problem,) = caught.value.problems
    assert (problem.code, problem.path) == ("PLX-C108", "sites.home.router.params.wan")


def test_the_reads_of_drivers_in_python_are_on_the_same_list() -> None:
    observation = ServerDriver(firewall=HostFirewall.UFW).observe()
    reads = next(observation)
    refused = {
        read.id: LANGUAGES["posix"].refuse_read(read.ask.text)
        for read in reads
        if isinstance(read.ask, Command)
    }
    assert len(refused) == len(reads) > 5
    assert {name: why for name, why in refused.items() if why} == {}


class HostileDriver:
    """A driver that calls a write a read."""

    kinds = frozenset({Kind.PORT_FORWARD})

    def observe(self) -> Observation:
        """Yield a write among the questions."""
        yield [Read("harmless", Command("uci delete firewall")), Write(Command("reboot"))]  # type: ignore[list-item]
        return Snapshot(Role.ROUTER)


SSH = SshSettings(device="home/router", host="127.0.0.1", port=1)
HTTP = HttpSettings(device="home/router", base_url="https://127.0.0.1:1")


@pytest.mark.parametrize("settings", [SSH, HTTP], ids=["ssh", "http"])
def test_what_audit_holds_cannot_send(settings: SshSettings | HttpSettings) -> None:
    link = open_read(settings)
    try:
        assert not hasattr(link, "send")
        public = {name for name in dir(link) if not name.startswith("_")}
        assert public == {"ask", "close", "identity"}
    finally:
        link.close()


@pytest.mark.parametrize("settings", [SSH, HTTP], ids=["ssh", "http"])
def test_a_write_among_the_reads_is_not_asked(settings: SshSettings | HttpSettings) -> None:
    """Before anybody is called: port 1 of this machine would answer with a refusal."""
    questions = next(HostileDriver().observe())
    link = open_read(settings)
    try:
        with pytest.raises((TypeError, ValueError), match="is no read"):
            link.ask(questions)
    finally:
        link.close()


@pytest.mark.parametrize("settings", [SSH, HTTP], ids=["ssh", "http"])
@pytest.mark.parametrize("leave", [None, False, True, object(), "authorized"])
def test_without_leave_there_is_no_way_to_write(settings: SshSettings | HttpSettings, leave: object) -> None:
    with pytest.raises(TypeError, match="only an authorized step may be sent"):
        open_write(settings, leave)  # type: ignore[arg-type]


def test_leave_cannot_be_made_by_hand() -> None:
    script = Script((Write(Command("reboot")),))
    for token in (None, object(), True, Authorized):
        with pytest.raises(TypeError, match="gives leave to write"):
            Authorized(token, "home", Role.ROUTER, script)


def _step() -> Step:
    with bench("openwrt") as at:
        change = at.finding(task(Kind.PORT_FORWARD, FORWARD)).changes[0]
        return Step(change, at.script(change))


#: What every guard says of a step that may go out.
HOLD = tuple(GuardVerdict(name, "", holds=True, reason="") for name in GUARD_NAMES)


def test_one_guard_that_refuses_or_none_at_all_gives_no_leave() -> None:
    step = _step()
    assert authorize("home", step, ()) is False
    assert authorize("home", step, HOLD[1:]) is False
    for at, verdict in enumerate(HOLD):
        refusing = (*HOLD[:at], replace(verdict, holds=False), *HOLD[at + 1 :])
        assert authorize("home", step, refusing) is False, verdict.guard
    assert authorize("home", step, HOLD)


@pytest.mark.parametrize("settings", [SSH, HTTP], ids=["ssh", "http"])
def test_leave_for_one_step_is_leave_for_nothing_else(settings: SshSettings | HttpSettings) -> None:
    step = _step()
    leave = authorize("home", step, HOLD)
    assert leave
    own = step.script.writes[0]
    assert isinstance(own.ask, Command)
    longer = replace(own, ask=Command(own.ask.text + "; reboot"))
    others = (longer, replace(own, seconds=1.0), Write(Command("reboot")), Write(Call("POST", "/api/x")))
    link = open_write(settings, leave)
    try:
        for other in others:
            assert not leave.covers(other)
            with pytest.raises(ValueError, match="no part of the authorized step"):
                link.send(other)
    finally:
        link.close()
    assert leave.covers(own)
    assert all(leave.covers(write) for write in (*step.script.window.open, *step.script.window.confirm))


def test_a_place_says_where_a_wrong_read_stands(tmp_path: Path) -> None:
    copy = hostile_copy("openwrt", "uci set firewall.x=redirect", tmp_path)
    with pytest.raises(PlexopsError) as caught:
        compile_profile(load_profile(str(copy), tmp_path))
    (problem,) = caught.value.problems
    assert problem.code == "PLX-D401"
    assert problem.path == "reads.firewall"
    assert isinstance(problem.place, Place)
    assert "uci set" in copy.read_text(encoding="utf-8").splitlines()[problem.place.line - 1]

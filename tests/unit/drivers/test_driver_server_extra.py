"""The server's thorough look: clock, way out, hops, how it came by its address, and Plex's log."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from plexops.drivers.plex.log import LOG_FILES, LOG_READ, log_excerpt
from plexops.drivers.server.driver import ServerDriver
from plexops.languages import LANGUAGES
from plexops.languages.posix import Posix
from plexops.model.entries import LogEvent, LogWord
from plexops.model.exchange import Command, Read, Reply
from plexops.model.secret import Secret
from plexops.model.site import HostFirewall
from plexops.model.snapshot import Kind, KindState, Snapshot
from plexops.transport.shell import _MAX_COMMAND_BYTES, _parts
from plexops.transport.ssh_settings import Become, SshSettings
from tests.unit.drivers.driver_bench import Said, observe

ADDRESSES = (
    '[{"ifname":"lo","addr_info":[{"family":"inet","local":"127.0.0.1","scope":"host"}]},'
    '{"ifname":"eth0","addr_info":[{"family":"inet","local":"192.168.1.50","scope":"global"%s}]}]'
)
ROUTE = '[{"dst":"default","gateway":"192.168.1.1","dev":"eth0"}]'
EGRESS = (
    '[{"dst":"1.1.1.1","gateway":"10.8.0.1","dev":"tun0","prefsrc":"10.8.0.2","flags":[],"uid":0,"cache":[]}]'
)
#: As iputils 20221126 prints it, with -n.
HOP = """PING 1.1.1.1 (1.1.1.1) 56(84) bytes of data.
From {address} icmp_seq=1 Time to live exceeded

--- 1.1.1.1 ping statistics ---
1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 0ms

"""
SILENT = """PING 1.1.1.1 (1.1.1.1) 56(84) bytes of data.

--- 1.1.1.1 ping statistics ---
1 packets transmitted, 0 received, 100% packet loss, time 0ms

"""
REACHED = """PING 1.1.1.1 (1.1.1.1) 56(84) bytes of data.
64 bytes from 1.1.1.1: icmp_seq=1 ttl=62 time=9.91 ms

--- 1.1.1.1 ping statistics ---
1 packets transmitted, 1 received, 0% packet loss, time 0ms
rtt min/avg/max/mdev = 9.910/9.910/9.910/0.000 ms
"""
DEB = "/var/lib/plexmediaserver/Library/Application Support/Plex Media Server/Logs/Plex Media Server.log"
SNAP = "/var/snap/plexmediaserver/common/Library/Application Support/Plex Media Server/Logs/Plex Media Server.log"
MAPPED = "Nov 22, 2025 17:00:{second:02d}.000 [140213] DEBUG - MyPlex: mapping state set to '{state}'."
SENT = (
    "Nov 22, 2025 17:00:09.000 [140213] DEBUG - MyPlex: Sending Server Info to myPlex "
    "(user=jane.doe, ip=203.0.113.7, port=32500)"
)


def look(said: dict[str, Said], *, thorough: bool = True) -> Snapshot:
    return observe(ServerDriver(firewall=HostFirewall.NONE, thorough=thorough).observe(), said)


def test_an_audit_asks_nothing_of_it() -> None:
    plain = {read.id for read in next(ServerDriver().observe())}
    thorough = {read.id for read in next(ServerDriver(thorough=True).observe())}
    assert thorough - plain == {
        *("time", "egress", "resolver", "hop.2", "hop.3", "plex_tv", "log"),
        *("docker.ps", "docker.networks", "podman.ps", "podman.networks"),
    }
    assert plain < thorough
    assert look({"addresses": ADDRESSES % ""}, thorough=False).state(Kind.LOG_EVENT) is KindState.UNSUPPORTED


def test_all_of_it_is_a_read_and_goes_in_one_exec() -> None:
    """With sudo's password and the read of Plex's token beside it."""
    token = Read("token", Command("cat '/var/lib/plexmediaserver/" + "x" * 80 + "'"))
    reads = (*next(ServerDriver(thorough=True).observe()), token)
    for read in reads:
        assert isinstance(read.ask, Command)
        assert LANGUAGES["posix"].refuse_read(read.ask.text) is None, read.id
    settings = SshSettings(
        device="home/server", host="127.0.0.1", become=Become("sudo", Secret("pw", "env:PW"))
    )
    assert len(_parts(reads, settings)) == 1, f"more than {_MAX_COMMAND_BYTES} bytes"


@pytest.mark.parametrize(
    ("flag", "client", "source"),
    [
        (',"dynamic":true', "", "dhcp"),
        (',"dynamic":true', "udhcpc", "dhcp"),
        ("", "", "static"),
        ("", "systemd-networkd", "static"),
        ("", "udhcpc", None),
        ("", "dhclient", None),
        (',"dynamic":true},{"family":"inet","local":"192.168.1.83","scope":"global"', "", None),
    ],
)
def test_how_it_came_by_its_address(flag: str, client: str, source: str | None) -> None:
    said: dict[str, Said] = {"addresses": ADDRESSES % flag, "routes": ROUTE}
    if client:
        said[f"pid.{client}"] = "301\n"
    snapshot = look(said, thorough=False)
    assert snapshot.text("host.address_source") == source
    assert (source is None) is ("host.address_source" in snapshot.reasons)


def test_clock_way_out_and_hops() -> None:
    snapshot = look(
        {
            "time": "2025-11-22T17:53:01\n",
            "egress": EGRESS,
            "hop.2": (1, HOP.format(address="100.64.0.1")),
            "hop.3": (1, SILENT),
        }
    )
    assert snapshot.text("host.time") == "2025-11-22T17:53:01"
    assert snapshot.text("host.egress") == "tun0"
    assert snapshot.facts["host.hops"].value == ("100.64.0.1", "-")
    assert snapshot.facts["host.hops"].exhibit == "server.hop.2"


def test_the_far_address_itself_may_be_that_near() -> None:
    snapshot = look({"hop.2": REACHED, "hop.3": REACHED})
    assert snapshot.facts["host.hops"].value == ("1.1.1.1", "1.1.1.1")


@pytest.mark.parametrize(
    "said",
    [
        (127, "", "sh: ping: not found"),
        (2, "", "ping: connect: Network is unreachable"),
        (2, "", "ping: socket: Operation not permitted"),
        # An old busybox knows no -n: nothing was sent, so nobody kept silent.
        (1, "", "ping: invalid option -- 'n'\nBusyBox v1.30.1 multi-call binary."),
        (1, "", ""),
        Reply("hop.2", None, HOP, whole=False),
    ],
)
def test_a_ping_that_did_not_run_met_no_silent_hop(said: Said) -> None:
    snapshot = look({"hop.2": said, "hop.3": (1, SILENT)})
    assert "host.hops" not in snapshot.facts
    assert snapshot.reasons["host.hops"]


#: As glibc 2.36 prints them: the name stands behind the first alone, and two blanks end the other lines.
_KINDS = ("STREAM {}\n", "DGRAM  \n", "RAW    \n")
FOUND = "".join(
    f"{address:<15} {kind.format(name)}"
    for address, name in (("99.81.213.198", "plex.tv"), ("3.250.241.18", ""))
    for kind in _KINDS
)


@pytest.mark.parametrize(
    ("said", "addresses"),
    [
        (FOUND, ("99.81.213.198", "3.250.241.18")),
        ("0.0.0.0         STREAM plex.tv\n0.0.0.0         DGRAM  \n", ("0.0.0.0",)),
        ((2, ""), ()),
        # A name that was not found has no words with it; what failed otherwise has.
        ((2, "", "sh: 1: Cannot fork"), None),
        ((127, "", "sh: getent: not found"), None),
        ((1, "", "Unknown database: ahostsv4"), None),
        ("", None),
        ("plex.tv is alive\n", None),
        (Reply("plex_tv", None, FOUND, whole=False), None),
    ],
)
def test_where_plex_tv_is_for_the_server(said: Said, addresses: tuple[str, ...] | None) -> None:
    snapshot = look({"plex_tv": said, "resolver": "# made by hand\nsearch lan\n nameserver 192.168.1.21\n"})
    fact = snapshot.facts.get("host.plex_tv")
    assert (None if fact is None else fact.value) == addresses
    assert (addresses is None) is ("host.plex_tv" in snapshot.reasons)
    assert snapshot.facts["host.resolvers"].value == ("192.168.1.21",)


def test_offline_no_name_is_looked_up() -> None:
    driver = ServerDriver(firewall=HostFirewall.NONE, thorough=True, offline=True)
    assert "plex_tv" not in {read.id for read in next(driver.observe())}
    assert observe(driver.observe(), {}).reasons["host.plex_tv"] == "no packet was to be sent to the internet"


@pytest.mark.parametrize(
    ("name", "fact", "said"),
    [
        ("time", "host.time", "Sat Nov 22 17:53:01 CET 2025"),
        ("time", "host.time", "2025-11-22T17:53:01+01:00"),
        ("time", "host.time", "2025-13-22T17:53:01"),
        ("time", "host.time", Reply("time", None, "2025-11-22T17:53:01", whole=False)),
        ("egress", "host.egress", (2, "", "RTNETLINK answers: Network is unreachable")),
        ("egress", "host.egress", "[]"),
        ("egress", "host.egress", "[{}]"),
        ("egress", "host.egress", "{"),
        ("egress", "host.egress", "null"),
    ],
)
def test_what_is_not_understood_is_unknown(name: str, fact: str, said: Said) -> None:
    snapshot = look({name: said})
    assert fact not in snapshot.facts
    assert snapshot.reasons[fact]


# --- the log -----------------------------------------------------------------------------------------


def grepped(root: Path) -> Reply:
    """Let the real grep read the files below a folder as if it were the whole system."""
    assert isinstance(LOG_READ.ask, Command)
    text = LOG_READ.ask.text
    for path in LOG_FILES:
        assert f"'{path}'" in text
        text = text.replace(f"'{path}'", f"'{root}{path}'")
    environment = {"LC_ALL": "C", "PATH": os.environ["PATH"]}
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False, env=environment)
    out, errors = (text.replace(str(root), "") for text in (done.stdout, done.stderr))
    return Reply("log", done.returncode, out, errors)


def write(root: Path, path: str, *lines: str) -> None:
    file = Path(f"{root}{path}")
    file.parent.mkdir(parents=True)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def words(snapshot: Snapshot) -> list[LogWord]:
    entries = snapshot.held(LogEvent)
    assert all(entry.exhibit == "server.log" for entry in entries)
    return [entry.values.word for entry in entries]


def test_the_log_is_found_where_it_lies(tmp_path: Path) -> None:
    noise = "Nov 22, 2025 17:00:02.000 [140213] DEBUG - Library: scanning"
    write(tmp_path, DEB, MAPPED.format(second=1, state="Mapped"), noise, SENT)
    reply = grepped(tmp_path)
    assert reply.stderr.count("No such file") == len(LOG_FILES) - 1, "the other folders do not exist"
    snapshot = look({"log": reply})
    assert snapshot.state(Kind.LOG_EVENT) is KindState.PRESENT
    assert words(snapshot) == [LogWord.STATE, LogWord.ANNOUNCED]
    assert [entry.position for entry in snapshot.of(Kind.LOG_EVENT)] == [0, 1]
    assert snapshot.held(LogEvent)[1].values.port == 32500


def test_no_log_anywhere_is_absent(tmp_path: Path) -> None:
    snapshot = look({"log": grepped(tmp_path)})
    assert snapshot.state(Kind.LOG_EVENT) is KindState.ABSENT
    assert snapshot.reasons[Kind.LOG_EVENT]


def test_a_log_without_such_lines_was_read_all_the_same(tmp_path: Path) -> None:
    write(tmp_path, DEB, "Nov 22, 2025 17:00:02.000 [140213] DEBUG - Library: scanning")
    snapshot = look({"log": grepped(tmp_path)})
    assert snapshot.state(Kind.LOG_EVENT) is KindState.PRESENT
    assert words(snapshot) == []


def test_of_two_installations_the_living_one_counts(tmp_path: Path) -> None:
    write(tmp_path, DEB, MAPPED.format(second=1, state="Not Mapped"))
    write(tmp_path, SNAP, MAPPED.format(second=2, state="Mapped"))
    snapshot = look({"log": grepped(tmp_path)})
    assert [entry.values.text for entry in snapshot.held(LogEvent)] == ["Mapped"]


@pytest.mark.parametrize(
    "said",
    [
        (2, "", f"grep: {DEB}: Permission denied"),
        (2, f"{SNAP}:{SENT}\n", f"grep: {DEB}: Permission denied"),
        (2, "", ""),
        (127, "", "sh: grep: not found"),
        (0, f"{SENT}\n", ""),
        Reply("log", None, f"{DEB}:{SENT}\n", whole=False),
    ],
)
def test_a_log_that_could_not_be_read_is_unknown(said: Said) -> None:
    snapshot = look({"log": said})
    assert snapshot.state(Kind.LOG_EVENT) is KindState.UNKNOWN
    assert snapshot.of(Kind.LOG_EVENT) == ()
    assert snapshot.reasons[Kind.LOG_EVENT]


def test_the_exhibit_of_the_log_names_the_file_and_not_the_owner() -> None:
    shown = log_excerpt(f"{DEB}:{SENT}\n{DEB}:{MAPPED.format(second=10, state='Mapped')}\n")
    assert shown.splitlines()[0] == DEB
    assert "port=32500" in shown
    assert "state set to 'Mapped'" in shown
    assert "jane" not in shown


def test_the_framed_round_gives_every_read_its_own_answer() -> None:
    """On this very host, by its own shell: what is missing here fails alone."""
    reads = next(ServerDriver(thorough=True, firewall=HostFirewall.NONE).observe())
    quick = tuple(read for read in reads if not read.id.startswith(("hop.", "docker.", "podman.")))
    script = Posix().frame(quick, "nonce0nonce")
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    replies = {
        reply.id: reply for reply in Posix().split(quick, "nonce0nonce", done.stdout, done.stderr, whole=True)
    }
    assert replies["time"].status == 0
    assert len(replies["time"].body.strip()) == 19
    assert replies["log"].status in (0, 1, 2)
    assert all(reply.whole for reply in replies.values())


@pytest.mark.parametrize(
    ("said", "state"),
    [("", KindState.PRESENT), ("ss: a line of another kind\n", KindState.UNKNOWN)],
)
def test_sockets_that_are_not_understood_are_not_known_and_not_none(said: str, state: KindState) -> None:
    seen = observe(ServerDriver().observe(), {"listeners": said})
    assert (seen.state(Kind.LISTENER), seen.of(Kind.LISTENER)) == (state, ())

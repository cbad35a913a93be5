from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plexops.lab.base import (
    DeviceLog,
    ForwardSeed,
    Lease,
    MappingSeed,
    Packet,
    ReservationSeed,
    RouterHooks,
    Seed,
)
from plexops.lab.clock import ScaledClock
from plexops.lab.routers.routeros import RouterOsRouter
from tests.waiting import wait_until

PLEX = IPv4Address("192.168.1.50")
STRANGER = IPv4Address("198.51.100.20")


def host(number: int) -> IPv4Address:
    return IPv4Address(f"192.168.1.{number}")


LIVED_IN = Seed(
    forwards=(
        ForwardSeed('Büro "NAS"', "8443", host(10), "443"),
        ForwardSeed("Spiele; 50% \\ $x", "27000-27050", host(20), protocol="udp"),
        ForwardSeed("alte Kamera", "8080", host(30), "80", enabled=False),
        ForwardSeed("VPN", "51820", host(10), protocol="udp"),
        ForwardSeed("Firma", "2222", host(10), "22", source="203.0.113.0/24"),
        ForwardSeed("torrent", "51413", host(12), protocol="both"),
    ),
    reservations=tuple(
        ReservationSeed(f"host{n}", (f"f8:25:51:09:38:{n:02x}",), host(n)) for n in (10, 12, 20, 30, 40, 41)
    ),
    mappings=(
        MappingSeed(3074, host(83), 3074, "udp", "Xbox"),
        MappingSeed(9308, host(84), 9308, "tcp", "PS5: remote play"),
    ),
)


class Console:
    """A person at an SSH prompt of the router."""

    def __init__(self, router: RouterOsRouter, log: DeviceLog, clock: ScaledClock) -> None:
        self.router, self.log, self.clock = router, log, clock

    def __call__(self, command: str) -> str:
        answer = self.router.execute(command, b"", "admin")
        assert (answer.status, answer.stderr) == (0, b"")
        text = answer.stdout.decode()
        assert text.count("\n") == text.count("\r\n")
        return text.replace("\r\n", "\n")

    def try_port(self, port: int, protocol: str = "tcp", source: IPv4Address = STRANGER) -> object:
        packet = Packet(source, LIVED_IN.wan_address, port, "udp" if protocol == "udp" else "tcp")
        fate = self.router.inbound(packet)
        return fate if isinstance(fate, str) else (str(fate.destination), fate.port)


Make = Callable[..., Console]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Console] = []

    def begin(seed: Seed = LIVED_IN, *, strict_forward: bool = False, scale: float = 1.0) -> Console:
        log, clock = DeviceLog(), ScaledClock(scale)
        console = Console(
            RouterOsRouter(seed, RouterHooks(log, clock), strict_forward=strict_forward), log, clock
        )
        made.append(console)
        return console

    yield begin
    for console in made:
        console.router.stop()
        console.clock.stop()


@pytest.fixture
def console(make: Make) -> Console:
    return make()


ADD = (
    "/ip firewall nat add chain=dstnat action=dst-nat in-interface-list=WAN protocol=tcp dst-port=32500"
    ' to-addresses=192.168.1.50 to-ports=32400 comment="plexops:plex"'
)


# --- the language -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "shown"),
    [
        (':put "a"; :put "b"', "a\nb\n"),
        (':put "a"\n:put "b"\n# nothing\n', "a\nb\n"),
        (':local x 5; :put ("<" . $x . ">")', "<5>\n"),
        (':local x "q"; :put "value: $x!"', "value: q!\n"),
        (':put "$[/system identity get name]"', "router\n"),
        (":local x 1; :set x ($x + 2 * 3); :put $x", "7\n"),
        (':if (1 = 1 && "a" != "b") do={:put yes} else={:put no}', "yes\n"),
        (':if (1 = 2 or !(3 = 3)) do={:put yes} else={:put no}', "no\n"),
        (':if ([:len [/ip pool find]] = 1) do={:put "one pool"}', "one pool\n"),
        (":foreach x in={1;2;3} do={:put $x}", "1\n2\n3\n"),
        (":for i from=1 to=3 do={:put ($i * $i)}", "1\n4\n9\n"),
        (':do {:error "broken"} on-error={:put "caught"}', "caught\n"),
        (':onerror e in={:error "broken"} do={:put "got $e"}', "got broken\n"),
        (':do {[[:parse "/ip nonsense"]]} on-error={:put "caught"}', "caught\n"),
        (':local f [:parse ":put inside"]; $f; [$f]', "inside\ninside\n"),
        (":local f do={:return ($a . $1)}; :put [$f x a=y]", "yx\n"),
        (":global g 7; :put $g", "7\n"),
        (':put [:typeof $unknown]; :put [:len "four"]; :nothing', "nothing\n4\n"),
        (r':put "\"\\ \$x \?\_tab\ttwo\r\nlines \C3\BC"', '"\\ $x ? tab\ttwo\nlines ü\n'),
        (':put [:pick "abcdef" 1 3]', "bc\n"),
        (":put [:tostr true]", "true\n"),
        (':put ("plexops:plex" ~ "^plexops:")', "true\n"),
        (':do {:do {:put "in"; :error x} on-error={:put "once"; :error y}} on-error={:put "twice"}', "in\nonce\ntwice\n"),
        (':if (true) do={:local x "}"; :put "{$x]"}', "{}]\n"),
    ],
)  # fmt: skip
def test_scripts_do_what_the_manual_says(console: Console, script: str, shown: str) -> None:
    assert console(script) == shown


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("/ip foo", "bad command name foo (line 1 column 5)"),
        (':put "a"; :putt "b"', "bad command name putt (line 1 column 12)"),
        (':put "a"\n/ip firewall nat ad', "bad command name ad (line 2 column 18)"),
        ("/ip firewall nat add chan=dstnat", "expected end of command (line 1 column 22)"),
        ('/ip firewall nat add chain=dstnat comment="a" b"', "expected end of command (line 1 column 47)"),
        ('/ip firewall nat add comment=a"b', "syntax error (line 1 column 31)"),
        (':put "open', "syntax error (line 1 column 11)"),
        ("/ip firewall nat add comment=a[b", "syntax error (line 1 column 31)"),
        (":if (1=1) do={:put x", "syntax error (line 1 column 21)"),
        (r':put "\q"', r"syntax error (line 1 column 7)"),
        (":put x}", "syntax error (line 1 column 7)"),
        (":local x {1;2", "syntax error (line 1 column 14)"),
        (r":put a\b", "expected end of command (line 1 column 7)"),
    ],
)
def test_one_syntax_error_stops_the_whole_exec_before_anything_ran(
    console: Console, script: str, error: str
) -> None:
    before = console.router.export()
    words = error[: error.index(" (line")]
    assert console(f"/ip firewall nat remove [find]; {script}").startswith(words)
    assert console(script) == f"{error}\n"
    assert console.router.export() == before


TOKENS = [
    "/ip",
    "firewall",
    "nat",
    "find",
    "where",
    "comment=",
    "$x",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    ";",
    ":put",
    ":if",
    ":do",
    "on-error=",
    "do={",
    "=",
    "!",
    "~",
    "and",
    "\\",
    '"',
    "*1",
    "1",
    "->",
    ".",
    ",",
    "<",
    ":local",
    "f",
    ":foreach",
    "in=",
    ":parse",
    "get",
    "#",
    ":len",
    "\n",
    "\t",
    "x",
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(TOKENS), max_size=12), st.sampled_from(["", " "]))
def test_any_text_is_answered_and_reading_words_change_nothing(tokens: list[str], between: str) -> None:
    clock = ScaledClock()
    router = RouterOsRouter(Seed(), RouterHooks(DeviceLog(), clock))
    before = router.export()
    assert router.execute(between.join(tokens), b"", "admin").status == 0
    assert router.export() == before
    clock.stop()


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("/ip firewall nat remove *FF", "no such item"),
        ("/ip firewall nat get [find where comment=nobody] dst-port", "no such item"),
        (f"{ADD} ; {ADD}".replace("32500", "99999"), "value of dst-port expects range of integer numbers"),
        (ADD.replace("protocol=tcp", "protocol=plex"), "input does not match any value of protocol"),
        (ADD.replace("=WAN", "=WLAN"), "input does not match any value of interface-list"),
        (ADD.replace("192.168.1.50", "192.168.1.500"), "invalid value for argument to-addresses"),
        (ADD.replace("chain=dstnat", ""), "missing value(s) of argument(s) chain"),
        (ADD.replace("protocol=tcp", ""), "failure: ports can be specified if proto is tcp,udp,udp-lite,dccp,sctp"),
        ("/ip firewall nat set [find where dynamic] dst-port=1", "failure: can not change dynamic item"),
        ("/ip dhcp-server lease add address=192.168.1.10 mac-address=02:00:00:00:00:01 server=defconf",
         "failure: already have static lease with this IP address"),
        ("/ip dhcp-server lease add address=192.168.1.77 mac-address=f8:25:51:09:38:0a server=defconf",
         "failure: already have static lease for this client"),
        ("/ip dhcp-server lease add address=192.168.1.77 mac-address=zz server=defconf",
         "invalid value for argument mac-address"),
        (':error "by hand"', "by hand"),
    ],
)  # fmt: skip
def test_errors_are_the_devices_words_on_stdout_and_change_nothing(
    console: Console, command: str, error: str
) -> None:
    before = console.router.export()
    assert console(command) == f"{error}\n"
    assert console.router.export() == before


# --- reading ------------------------------------------------------------------------------------------


def test_export_terse_is_one_rerunnable_line_per_item(console: Console) -> None:
    text = console("/export terse")
    assert text.startswith("# 20")
    assert console.router.export() == "".join(
        f"{line}\n" for line in text.splitlines() if not line.startswith("#")
    )
    assert (
        '/ip firewall nat add action=dst-nat chain=dstnat comment="B\\C3\\BCro \\"NAS\\"" dst-port=8443'
        " in-interface-list=WAN protocol=tcp to-addresses=192.168.1.10 to-ports=443\n"
    ) in text
    assert 'comment="Spiele; 50% \\\\ \\$x"' in text
    assert 'comment="alte Kamera" disabled=yes dst-port=8080' in text
    assert "upnp 192.168.1.83" not in text


def test_an_export_run_on_an_empty_router_gives_the_same_export(make: Make) -> None:
    full, other = make(), make(Seed(hostname="x", upnp=False))
    for path in ("ip firewall nat", "ip firewall filter", "ip dhcp-server lease"):
        assert other(f"/{path} remove [find]") == ""
        for line in full(f"/{path} export terse").splitlines():
            assert other(line) == ""
        wanted = [x for x in full.router.export().splitlines() if x.startswith(f"/{path} ")]
        assert [x for x in other.router.export().splitlines() if x.startswith(f"/{path} ")] == wanted
        assert wanted


def test_print_terse_is_unquoted_and_flags_what_is_off_or_dynamic(console: Console) -> None:
    lines = console("/ip firewall nat print terse without-paging").splitlines()
    camera = next(line for line in lines if "alte Kamera" in line)
    assert camera.startswith(" 3 X comment=alte Kamera chain=dstnat action=dst-nat ")
    assert [line[:5] for line in lines if "upnp" in line] == [" 8 D ", " 9 D "]


def test_where_in_its_forms(console: Console) -> None:
    def found(condition: str) -> list[str]:
        script = f"/ip firewall nat; :foreach i in=[find {condition}] do={{:put [get $i dst-port]}}"
        return console(script).split()

    assert found('where comment="VPN"') == ["51820"]
    assert found('comment="VPN"') == ["51820"]
    assert found('where comment~"^(VPN|Firma)\\$"') == ["51820", "2222"]
    assert found("where dst-port=51413 protocol=udp") == ["51413"]
    assert found('where comment="VPN" or comment="Firma"') == ["51820", "2222"]
    assert found('where chain=dstnat and !dynamic and (protocol=udp && comment!="torrent")') == [
        "27000-27050",
        "51820",
    ]
    assert found("where disabled=yes") == found("where disabled") == ["8080"]
    assert found("where dynamic") == ["3074", "9308"]
    assert console(":put [/ip firewall nat find where dst-port=51413]") == "*7;*8\n"


def test_reads_that_a_driver_needs(console: Console) -> None:
    assert console("/system identity print") == "  name: router\n"
    assert console(":put [/system resource get version]") == "7.23.7 (long-term)\n"
    assert console(":put [/ip upnp get enabled]") == "true\n"
    assert console("/ip/firewall/nat/print count-only where chain=dstnat dynamic") == "2\n"
    assert console(":put [/ip dhcp-client get [find] address]") == "62.155.240.55/24\n"
    assert "defconf  bridge     default-dhcp" in console("/ip dhcp-server print")
    shown = console(
        ":put [:serialize to=json value=[/ip dhcp-server lease print as-value where address=192.168.1.12]]"
    )
    (lease,) = json.loads(shown)
    assert (lease["mac-address"], lease["comment"], lease["dynamic"]) == (
        "F8:25:51:09:38:0C",
        "host12",
        False,
    )


def test_every_exec_is_logged(console: Console) -> None:
    console("/ip upnp print")
    console(":put x")
    assert console.log.lines == ["/ip upnp print", ":put x"]


# --- writing ------------------------------------------------------------------------------------------


def test_a_forward_works_from_the_moment_it_is_added_until_it_is_removed(console: Console) -> None:
    before = console.router.export()
    assert console.try_port(32500) == "dropped"
    assert console(ADD) == ""
    assert console.try_port(32500) == ("192.168.1.50", 32400)
    assert console.try_port(32500, "udp") == "dropped"
    console('/ip firewall nat disable [find where comment="plexops:plex"]')
    assert console.try_port(32500) == "dropped"
    console('/ip firewall nat enable [find where comment="plexops:plex"]')
    assert console.try_port(32500) == ("192.168.1.50", 32400)
    console('/ip firewall nat remove [find where comment="plexops:plex"]')
    assert console.try_port(32500) == "dropped"
    assert console.router.export() == before


def test_what_was_there_from_the_start_works_as_configured(console: Console) -> None:
    assert console.try_port(8443) == ("192.168.1.10", 443)
    assert console.try_port(27010, "udp") == ("192.168.1.20", 27010)
    assert console.try_port(27010) == "dropped"
    assert console.try_port(8080) == "dropped"
    assert console.try_port(2222) == "dropped"
    assert console.try_port(2222, source=IPv4Address("203.0.113.9")) == ("192.168.1.10", 22)
    assert console.try_port(51413) == ("192.168.1.12", 51413)
    assert console.try_port(3074, "udp") == ("192.168.1.83", 3074)


def test_duplicates_are_accepted_and_the_first_wins(console: Console) -> None:
    console(ADD)
    console(ADD.replace("192.168.1.50", "192.168.1.99"))
    assert console.try_port(32500) == ("192.168.1.50", 32400)
    console(ADD.replace("192.168.1.50", "192.168.1.98") + ' place-before=[find where comment="plexops:plex"]')
    assert console.try_port(32500) == ("192.168.1.98", 32400)


def test_order_by_place_before_number_and_move(console: Console) -> None:
    console(f"{ADD} place-before=0")
    assert console(":put [/ip firewall nat get 0 comment]") == "plexops:plex\n"
    console("/ip firewall nat move 0 2; :put [/ip firewall nat get 1 comment]")
    assert console(":put [/ip firewall nat get 1 comment]") == "plexops:plex\n"
    console("/ip firewall nat move numbers=1")
    assert console('/ip firewall nat print terse where comment="plexops:plex"').split()[0] == "10"


def test_set_by_id_changes_one_field_and_a_bang_unsets(console: Console) -> None:
    console(f"{ADD} dst-address=62.155.240.55")
    identifier = console(':put [/ip firewall nat find where comment="plexops:plex"]').strip()
    console(f"/ip firewall nat set {identifier} dst-port=32501")
    assert console.try_port(32501) == ("192.168.1.50", 32400)
    console(f"/ip firewall nat set {identifier} !dst-address to-ports=32401")
    assert "dst-address=62" not in console.router.export()
    assert console.try_port(32501) == ("192.168.1.50", 32401)


def test_a_hostile_comment_stays_a_comment(console: Console) -> None:
    hostile = 'x"; /ip firewall nat remove [find]; $y \\ {[( ü \n z'
    quoted = hostile.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("\n", "\\n")
    before = console.router.export().splitlines()
    console(ADD.replace("plexops:plex", quoted))
    after = console.router.export().splitlines()
    expected = (
        '/ip firewall nat add action=dst-nat chain=dstnat comment="x\\"; /ip firewall nat remove [find]; \\$y'
        ' \\\\ {[( \\C3\\BC \\n z" dst-port=32500 in-interface-list=WAN protocol=tcp'
        " to-addresses=192.168.1.50 to-ports=32400"
    )
    assert [line for line in after if line not in before] == [expected]
    assert len(after) == len(before) + 1


def test_a_strict_forward_chain_needs_an_accept_before_its_drop(make: Make) -> None:
    console = make(strict_forward=True)
    assert console.try_port(8443) == ("192.168.1.10", 443)
    console(ADD)
    assert console.try_port(32500) == "dropped"
    passage = (
        "/ip firewall filter add chain=forward action=accept connection-nat-state=dstnat in-interface-list=WAN"
        ' protocol=tcp dst-address=192.168.1.50 dst-port=32400 comment="plexops:plex"'
    )
    console(passage)
    assert console.try_port(32500) == "dropped"
    console('/ip firewall filter remove [find where comment="plexops:plex"]')
    console(
        ":local drop [/ip firewall filter find where chain=forward action=drop connection-state=new];"
        f" {passage} place-before=($drop->0)"
    )
    assert console.try_port(32500) == ("192.168.1.50", 32400)


def test_an_accept_in_front_of_nat_hides_a_forward(console: Console) -> None:
    console(ADD)
    console(
        "/ip firewall nat add chain=dstnat action=accept protocol=tcp dst-port=32000-33000 place-before=0"
    )
    assert console.try_port(32500) == "dropped"


def test_upnp_off_takes_its_mappings(console: Console) -> None:
    assert console.try_port(9308) == ("192.168.1.84", 9308)
    console("/ip upnp set enabled=no")
    assert console.try_port(9308) == "dropped"
    assert "/ip upnp set" not in console.router.export()


def test_reservations_and_leases(console: Console) -> None:
    mac = "3c:ec:ef:12:34:56"
    console.router.set_leases((Lease(mac, host(150), "plex"), Lease("f8:25:51:09:38:0a", host(10), "nas")))
    lines = console("/ip dhcp-server lease print terse without-paging").splitlines()
    (dynamic,) = [line for line in lines if " D " in line]
    assert "address=192.168.1.150 mac-address=3C:EC:EF:12:34:56" in dynamic
    assert "status=bound" in lines[0]
    assert mac not in console.router.reservations()
    before = console.router.export()
    console(
        f'/ip dhcp-server lease add address=192.168.1.50 mac-address={mac} server=defconf comment="plexops:plex"'
    )
    assert console.router.reservations()[mac] == PLEX
    console('/ip dhcp-server lease remove [find where comment="plexops:plex"]')
    assert console.router.export() == before
    console(f'/ip dhcp-server lease make-static [find where mac-address="{mac.upper()}" dynamic=yes]')
    assert console.router.reservations()[mac] == host(150)
    assert console.router.pool() == (LIVED_IN.pool_first, LIVED_IN.pool_last)
    console("/ip pool set default-dhcp ranges=192.168.1.60-192.168.1.99")
    assert console.router.pool() == (host(60), host(99))


def test_double_addresses_of_dynamic_leases_do_not_count(console: Console) -> None:
    console.router.set_leases((Lease("3c:ec:ef:12:34:56", host(150), "plex"),))
    assert (
        console(
            "/ip dhcp-server lease add address=192.168.1.150 mac-address=02:00:00:00:00:05 server=defconf"
        )
        == ""
    )


# --- timers -------------------------------------------------------------------------------------------


UNDO = (
    '/system scheduler add name=plexops-undo interval=5m on-event="/ip firewall nat remove'
    ' [find where comment=\\"plexops:plex\\"]; /system scheduler remove plexops-undo"'
)


def test_a_dead_man_timer_undoes_and_removes_itself(make: Make) -> None:
    console = make(scale=1000.0)
    before = console.router.export()
    console(f"{UNDO}; {ADD}")
    assert console.try_port(32500) == ("192.168.1.50", 32400)
    wait_until(lambda: console.router.export() == before)
    assert console.try_port(32500) == "dropped"


def test_a_removed_timer_does_not_fire(make: Make) -> None:
    console = make(scale=2000.0)
    console(f"{UNDO}; {ADD}")
    console("/system scheduler remove [find where name=plexops-undo]")
    time.sleep(0.4)
    assert console.try_port(32500) == ("192.168.1.50", 32400)


def test_a_timer_repeats_and_survives_a_failing_event(make: Make) -> None:
    console = make(scale=1000.0)
    console('/system scheduler add name=tick interval=30s on-event=":nonsense"')
    wait_until(lambda: int(console(":put [/system scheduler get tick run-count]")) >= 3)
    assert (
        console('/system scheduler add name=tick interval=1m on-event=""')
        == "failure: already have such name\n"
    )


def test_delay_waits_simulated_seconds(make: Make) -> None:
    console = make(scale=100.0)
    begun = console.clock.time()
    assert console(":delay 10s; :put done") == "done\n"
    assert console.clock.time() - begun >= 10


def test_after_the_home_stops_no_timer_fires(make: Make) -> None:
    console = make(scale=1.0)
    console(f"{UNDO}; {ADD}")
    console.clock.stop()
    time.sleep(0.1)
    assert console.try_port(32500) == ("192.168.1.50", 32400)

"""dnsmasq, ufw, and plain files."""

from __future__ import annotations

import pytest

from plexops.parsers import PARSERS, ParseError

dnsmasq = PARSERS["dnsmasq"]

GREP = """\
/etc/dnsmasq.conf:# Configuration file for dnsmasq.
/etc/dnsmasq.conf:
/etc/dnsmasq.conf:interface=lan0 # the bridge
/etc/dnsmasq.conf:dhcp-range=set:lan,192.168.1.100,192.168.1.249,255.255.255.0,192.168.1.255,12h
/etc/dnsmasq.conf:dhcp-range=::1,::400,constructor:lan0,ra-names,64,infinite
/etc/dnsmasq.conf:dhcp-range=192.168.2.0,static
/etc/dnsmasq.conf:# the printer
/etc/dnsmasq.d/plexops.conf:# plexops:plex
/etc/dnsmasq.d/plexops.conf:dhcp-host=3c:ec:ef:12:34:56,192.168.1.50,plex
/etc/dnsmasq.d/plexops.conf:dhcp-host = aa:bb:cc:dd:ee:ff,11:22:33:44:55:66,set:known,tag:a,laptop,192.168.1.51,45m
/etc/dnsmasq.d/plexops.conf:#
/etc/dnsmasq.d/plexops.conf:dhcp-host=06-00:11:22:33:44:55,ignore
/etc/dnsmasq.d/plexops.conf:dhcp-host=id:01:02,[fd00::5],infinite
/etc/dnsmasq.d/plexops.conf:txt-record=a,"b # c"
/etc/dnsmasq.d/plexops.conf:log-dhcp
"""


def row(file: str, line: str, option: str, value: str, **more: str | list[str]) -> dict[str, str | list[str]]:
    comment = more.pop("comment", "")
    return {".file": file, ".line": line, ".comment": comment, "option": option, "value": value, **more}


def test_dnsmasq_from_several_files() -> None:
    main, ours = "/etc/dnsmasq.conf", "/etc/dnsmasq.d/plexops.conf"
    v4 = "set:lan,192.168.1.100,192.168.1.249,255.255.255.0,192.168.1.255,12h"
    hosts = "aa:bb:cc:dd:ee:ff,11:22:33:44:55:66,set:known,tag:a,laptop,192.168.1.51,45m"
    assert dnsmasq(GREP) == [
        row(main, "3", "interface", "lan0"),
        row(
            main,
            "4",
            "dhcp-range",
            v4,
            first="192.168.1.100",
            last="192.168.1.249",
            netmask="255.255.255.0",
            broadcast="192.168.1.255",
            lease="12h",
            tags="lan",
        ),
        row(
            main,
            "5",
            "dhcp-range",
            "::1,::400,constructor:lan0,ra-names,64,infinite",
            first="::1",
            last="::400",
            constructor="lan0",
            mode="ra-names",
            prefix="64",
            lease="infinite",
        ),
        row(main, "6", "dhcp-range", "192.168.2.0,static", first="192.168.2.0", mode="static"),
        row(
            ours,
            "2",
            "dhcp-host",
            "3c:ec:ef:12:34:56,192.168.1.50,plex",
            comment="plexops:plex",
            mac="3c:ec:ef:12:34:56",
            address="192.168.1.50",
            name="plex",
        ),
        row(
            ours,
            "3",
            "dhcp-host",
            hosts,
            mac=["aa:bb:cc:dd:ee:ff", "11:22:33:44:55:66"],
            tags="known",
            only="a",
            name="laptop",
            address="192.168.1.51",
            lease="45m",
        ),
        row(ours, "5", "dhcp-host", "06-00:11:22:33:44:55,ignore", mac="06-00:11:22:33:44:55", ignore="1"),
        row(
            ours,
            "6",
            "dhcp-host",
            "id:01:02,[fd00::5],infinite",
            id="01:02",
            address6="[fd00::5]",
            lease="infinite",
        ),
        row(ours, "7", "txt-record", "a,b # c"),
        row(ours, "8", "log-dhcp", ""),
    ]


def test_a_comment_belongs_to_the_next_line_of_its_own_file_only() -> None:
    """A tag that ends one file must not make the first entry of the next one ours."""
    for between in ("/etc/b.conf:", "/etc/a.conf:\n/etc/a.conf:", "/etc/a.conf:log-dhcp\n/etc/a.conf:"):
        rows = dnsmasq(f"/etc/a.conf:# plexops:plex\n{between}dhcp-host=aa:bb:cc:dd:ee:ff,192.168.1.9\n")
        assert isinstance(rows, list)
        assert rows[-1][".comment"] == ""


@pytest.mark.parametrize(
    "text",
    [
        "dhcp-host=3c:ec:ef:12:34:56,192.168.1.50,a b\n",
        "dhcp-host=192.168.1.50,192.168.1.51\n",
        "dhcp-host=\n",
        "dhcp-range=lan,x y\n",
        "dhcp-range=12h\n",
        "grep: /etc/dnsmasq.conf: Permission denied\n",
        'txt-record="a\n',
    ],
)
def test_what_dnsmasq_would_not_read_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        dnsmasq(text)


def test_leases_without_a_name_and_leases_of_ipv6() -> None:
    text = (
        "0 06-3c:ec:ef:12:34:56 192.168.1.50 * *\n"
        "1795380440 3c:ec:ef:12:34:57 192.168.1.51 plex 01:3c\n"
        "duid 00:01\n"
        "1795380440 1 fd00::5 plex 00:01\n"
    )
    assert PARSERS["dnsmasq_leases"](text) == [
        {
            "expiry": "0",
            "mac": "06-3c:ec:ef:12:34:56",
            "address": "192.168.1.50",
            "name": "",
            "client_id": "",
        },
        {
            "expiry": "1795380440",
            "mac": "3c:ec:ef:12:34:57",
            "address": "192.168.1.51",
            "name": "plex",
            "client_id": "01:3c",
        },
    ]
    with pytest.raises(ParseError):
        PARSERS["dnsmasq_leases"]("cat: can't open '/tmp/dhcp.leases': No such file or directory\n")


UFW = """\
### RULES ###

### tuple ### route:allow_log tcp 32400 192.168.1.50 any 0.0.0.0/0 in_eth0!out_eth1 comment=6974277320c3a4
### tuple ### deny any any 0.0.0.0/0 any 10.0.0.0/8 out
### tuple ### limit tcp 22 0.0.0.0/0 any 0.0.0.0/0 OpenSSH - in_eth0
### tuple ### reject_log-all udp 1900,5353 ::/0 any ::/0 Big%20App - in
### tuple ### allow tcp 1 0.0.0.0/0 any 0.0.0.0/0 out_wg0

### END RULES ###
"""


def test_ufw_rules_of_every_form() -> None:
    rows = PARSERS["ufw_rules"](UFW)
    assert rows == [
        ufw(
            "allow",
            "tcp",
            "32400",
            dst="192.168.1.50",
            interface_in="eth0",
            interface_out="eth1",
            route="1",
            log="log",
            comment="it's ä",
        ),
        ufw("deny", "any", "any", src="10.0.0.0/8", direction="out"),
        ufw("limit", "tcp", "22", dapp="OpenSSH", interface_in="eth0"),
        ufw(
            "reject", "udp", "1900,5353", dst="::/0", src="::/0", dapp="Big App", log="log-all", family="ipv6"
        ),
        ufw("allow", "tcp", "1", direction="out", interface_out="wg0"),
    ]


def ufw(action: str, protocol: str, dport: str, **more: str) -> dict[str, str]:
    base = {"dst": "0.0.0.0/0", "sport": "any", "src": "0.0.0.0/0", "dapp": "", "sapp": "", "direction": "in"}
    rest = {"interface_in": "", "interface_out": "", "route": "0", "log": "", "comment": "", "family": "ipv4"}
    return {"action": action, "protocol": protocol, "dport": dport, **base, **rest, **more}


@pytest.mark.parametrize(
    "text",
    [
        "ERROR: You need to be root to run this script\n",
        "### tuple ### allow tcp 32400 0.0.0.0/0 any 0.0.0.0/0\n",
        "### tuple ### permit tcp 32400 0.0.0.0/0 any 0.0.0.0/0 in\n",
        "### tuple ### allow tcp 32400 0.0.0.0/0 any 0.0.0.0/0 in comment=6\n",
        "### tuple ### allow tcp 32400 0.0.0.0/0 any 0.0.0.0/0 in comment=ff\n",
        "### tuple ### allow tcp 32400 0.0.0.0/0 any 0.0.0.0/0 sideways\n",
    ],
)
def test_what_ufw_does_not_write_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        PARSERS["ufw_rules"](text)


def test_shell_like_files() -> None:
    text = (
        "# comment\n"
        "\n"
        'NAME="Debian \\"12\\" \\$x"\r\n'
        "ID=debian\n"
        "WEIRD='it'\\''s' # note\n"
        "export LANG=C\n"
        "ext_ifname=eth0\n"
        "listening_ip = 192.168.1.1/24\n"
        "listening_ip=192.168.2.1/24\n"
        "allow 1024-65535 0.0.0.0/0 1024-65535\n"
        "deny 0-65535 0.0.0.0/0 0-65535\n"
        "allow 80 10.0.0.2/32 80\n"
        "EMPTY=\n"
    )
    assert PARSERS["keyvalue"](text) == {
        "NAME": 'Debian "12" $x',
        "ID": "debian",
        "WEIRD": "it's",
        "LANG": "C",
        "ext_ifname": "eth0",
        "listening_ip": ["192.168.1.1/24", "192.168.2.1/24"],
        "allow": ["1024-65535 0.0.0.0/0 1024-65535", "80 10.0.0.2/32 80"],
        "deny": "0-65535 0.0.0.0/0 0-65535",
        "EMPTY": "",
    }


@pytest.mark.parametrize(
    "text", ["cat: /x: No such file\n", "Permission denied\n", "A='open\n", "A='a' b\n", "=x\n"]
)
def test_what_is_no_assignment_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        PARSERS["keyvalue"](text)


def test_sockets() -> None:
    text = (
        'LISTEN 0      4096         0.0.0.0:32400      0.0.0.0:*    users:(("Plex Media Serv",pid=1,fd=7))\n'
        "LISTEN 0      511             [::]:32400         [::]:*          \n"
        "LISTEN 0      128  127.0.0.53%lo:53         0.0.0.0:*\n"
        "tcp   LISTEN 0      4096               *:8443             *:*\n"
    )
    keys = ("protocol", "state", "address", "port", "peer_address", "peer_port", "process")
    expected = [
        ("", "LISTEN", "0.0.0.0", "32400", "0.0.0.0", "*", 'users:(("Plex Media Serv",pid=1,fd=7))'),
        ("", "LISTEN", "::", "32400", "::", "*", ""),
        ("", "LISTEN", "127.0.0.53%lo", "53", "0.0.0.0", "*", ""),
        ("tcp", "LISTEN", "*", "8443", "*", "*", ""),
    ]
    assert PARSERS["ss"](text) == [dict(zip(keys, line, strict=True)) for line in expected]
    with pytest.raises(ParseError):
        PARSERS["ss"]("ss: command not found\n")


def test_json() -> None:
    assert PARSERS["json"](' {"a": [1, true, null, "x"]}\r\n') == {"a": [1, True, None, "x"]}
    for text in ("", "{", "NaN", "[" * 100_000, '{"a": 1} x', "1" * 5000):
        with pytest.raises(ParseError):
            PARSERS["json"](text)


def test_text_and_lines() -> None:
    assert PARSERS["text"](" 7.16.1 \r\n") == "7.16.1"
    assert PARSERS["lines"]("a \r\n\r\n b\x0cc\u2028d\n") == ["a", " b\x0cc\u2028d"]


def test_neighbours_as_iproute2_and_busybox_print_them() -> None:
    # iproute2 6.1 and busybox 1.36, of the same table; what BusyBox says where nobody answers stands in the third line.
    printed = (
        "192.0.2.1 dev eth0 lladdr 02:fc:00:00:00:05 STALE \n"
        "192.0.2.1 dev eth0 lladdr 02:fc:00:00:00:05 used 0/0/0 probes 4 STALE\n"
        "192.0.2.9 dev eth0  used 0/0/0 probes 6 FAILED\n"
        "192.168.1.50 dev br-lan lladdr 3c:2a:f4:0d:0e:0f extern_learn REACHABLE proto zebra \n"
    )
    rows = [(row["address"], row["mac"], row["state"]) for row in PARSERS["ip_neigh"](printed)]  # type: ignore[index, union-attr, call-overload]
    assert rows == [
        ("192.0.2.1", "02:fc:00:00:00:05", "STALE"),
        ("192.0.2.1", "02:fc:00:00:00:05", "STALE"),
        ("192.0.2.9", "", "FAILED"),
        ("192.168.1.50", "3c:2a:f4:0d:0e:0f", "REACHABLE"),
    ]
    with pytest.raises(ParseError):
        PARSERS["ip_neigh"]("ip: invalid argument 'neigh' to 'ip'")

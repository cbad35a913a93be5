"""ISC dhcpd's and Kea's own files: what the daemons take is read, what they refuse is refused."""

from __future__ import annotations

import pytest

from plexops.parsers import ParseError
from plexops.parsers.dhcpd import parse_dhcpd as dhcpd
from plexops.parsers.kea import parse_kea as kea
from plexops.parsers.kea import parse_kea_leases as leases

#: The answer of `grep -Hrvi -e password -e secret /etc/dhcp/`: the key's secret is not there.
DHCPD = r"""/etc/dhcp/dhclient.conf:send host-name = gethostname();
/etc/dhcp/dhcpd.conf:# the home's }
/etc/dhcp/dhcpd.conf:option domain-name "a; \"b\" } # c";
/etc/dhcp/dhcpd.conf:key "ours" {
/etc/dhcp/dhcpd.conf:	algorithm hmac-md5;
/etc/dhcp/dhcpd.conf:};
/etc/dhcp/dhcpd.conf:subnet 192.168.1.0 netmask 255.255.255.0 {
/etc/dhcp/dhcpd.conf:	pool { range 192.168.1.100 192.168.1.149; range 192.168.1.160 192.168.1.199; deny unknown-clients; }
/etc/dhcp/dhcpd.conf:	INCLUDE "/etc/dhcp/hosts";
/etc/dhcp/dhcpd.conf:	if option arch = 00:07 { filename "a"; } else { filename "b"; }
/etc/dhcp/dhcpd.conf:}
/etc/dhcp/hosts:Host plex { Hardware Ethernet 52:54:0:12:34:56; fixed-address
/etc/dhcp/hosts:  192.168.1.50, 192.168.1.51; option host-name "plex"; } # one
"""
#: As dhcpd 4.4.3 writes it.
LEASES = r"""# The format of this file is documented in the dhcpd.leases(5) manual page.
authoring-byte-order little-endian;

lease 192.168.1.100 {
  starts 2 2026/12/01 05:10:00;
  ends never;
  binding state active;
  next binding state free;
  hardware ethernet 52:54:00:12:34:56;
  uid "\001RT\000\0224V";
  client-hostname "plex";
}
lease 192.168.1.100 {
  binding state free;
  hardware ethernet 52:54:00:12:34:56;
}
host omapi {
  dynamic;
  hardware ethernet 52:54:00:12:34:57;
  fixed-address 192.168.1.60;
}
host omapi {
  dynamic;
  deleted;
}
"""


def test_dhcpd_with_what_it_includes() -> None:
    rows = dhcpd(DHCPD)
    assert [(row[".block"], row[".called"]) for row in rows] == [
        ("", ""),
        ("key", "ours"),
        ("subnet", "192.168.1.0 netmask 255.255.255.0"),
        ("pool", ""),
        ("host", "plex"),
        ("if", "option arch = 00:07"),
        ("else", ""),
    ]
    top, _, subnet, pool, host, *_ = rows
    assert top["option domain-name"] == r"a; \"b\" } # c"
    assert pool == {
        ".block": "pool",
        ".called": "",
        ".within": "subnet 192.168.1.0 netmask 255.255.255.0",
        "range": ["192.168.1.100 192.168.1.149", "192.168.1.160 192.168.1.199"],
        "deny": "unknown-clients",
    }
    assert "range" not in subnet
    assert host == {
        ".block": "host",
        ".called": "plex",
        ".within": "subnet 192.168.1.0 netmask 255.255.255.0",
        "hardware ethernet": "52:54:00:12:34:56",
        "fixed-address": "192.168.1.50, 192.168.1.51",
        "option host-name": "plex",
    }


def test_of_a_lease_and_of_a_host_the_last_counts() -> None:
    _, lease, host = dhcpd(LEASES)
    assert lease == {
        ".block": "lease",
        ".called": "192.168.1.100",
        ".within": "",
        "binding state": "free",
        "hardware ethernet": "52:54:00:12:34:56",
    }
    assert host == {".block": "host", ".called": "omapi", ".within": "", "dynamic": "", "deleted": ""}


def test_a_folder_without_the_file_holds_nothing() -> None:
    text = "/etc/dhcp/dhclient.conf:timeout 300;\n"
    assert (dhcpd(text), kea(text)) == ([], {})


@pytest.mark.parametrize(
    "text",
    [
        "host a {",
        "host a { fixed-address 192.168.1.50 }",
        "}",
        "a",
        'option domain-name "a;',
        'include "/etc/dhcp/elsewhere";',
        '/etc/dhcp/dhcpd.conf:include "/etc/dhcp/dhcpd.conf";',
        "Permission denied",
    ],
)
def test_what_dhcpd_would_not_read_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        dhcpd(text)


KEA = """/etc/kea/kea-dhcp4.conf:// "Dhcp4"
/etc/kea/kea-dhcp4.conf:{ "Dhcp4": { # {
/etc/kea/kea-dhcp4.conf:  /* several
/etc/kea/kea-dhcp4.conf:     lines */ "boot-file-name": "http://home/# /* a */",
/etc/kea/kea-dhcp4.conf:  "subnet4": <?include "/etc/kea/subnets.json"?>, // ]
/etc/kea/kea-dhcp4.conf:} }
/etc/kea/subnets.json:[ { "subnet": "192.168.1.0/24", "comment": "a, ] b", }, # one
/etc/kea/subnets.json:]
/etc/kea/kea-ctrl-agent.conf:{ "Control-agent": {
"""


def test_kea_with_what_it_includes() -> None:
    assert kea(KEA) == {
        "boot-file-name": "http://home/# /* a */",
        "subnet4": [{"subnet": "192.168.1.0/24", "comment": "a, ] b"}],
    }


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        '{ "Dhcp4": [] }',
        '{ "Dhcp4": { "a": "b }',
        '{ "Dhcp4": { "a": NaN } }',
        '{ "Dhcp4": { <?include "/etc/kea/elsewhere"?> } }',
        '/etc/kea/kea-dhcp4.conf:<?include "/etc/kea/kea-dhcp4.conf"?>',
        "Permission denied",
    ],
)
def test_what_kea_would_not_read_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        kea(text)


#: As Kea 2.2 writes them.
COLUMNS = (
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context"
)
NEW, OLD = "/var/lib/kea/kea-leases4.csv", "/var/lib/kea/kea-leases4.csv.2"


def test_of_keas_leases_the_last_of_an_address_counts() -> None:
    text = (
        f"{NEW}:{COLUMNS}\n{NEW}:192.168.1.9,02:00:00:00:00:09,,3600,1796101937,1,0,0,tv,0,\n"
        f"{OLD}:{COLUMNS}\n{OLD}:192.168.1.9,02:00:00:00:00:08,,3600,1796101000,1,0,0,old,0,\n"
        f"{OLD}:192.168.1.8,02:00:00:00:00:07,,0,1796101000,1,0,0,,0,\n"
    )
    found = {row["address"]: (row["hwaddr"], row["hostname"], row["valid_lifetime"]) for row in leases(text)}
    assert found == {
        "192.168.1.9": ("02:00:00:00:00:09", "tv", "3600"),
        "192.168.1.8": ("02:00:00:00:00:07", "", "0"),
    }


@pytest.mark.parametrize("text", [f"{NEW}:{COLUMNS}\n{NEW}:192.168.1.9,02:00\n", f"{NEW}:a,b\n", "<html>\n"])
def test_what_is_no_lease_file_of_keas_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        leases(text)

"""Labelled excerpts: what devices, tools and logs write, what of it must go, and what must stay readable.

`secret` must vanish from every excerpt, `identifier` must not be readable any more, `keep` must survive. Each is
judged by a person; all names, keys and addresses are made up.
"""

from __future__ import annotations

from typing import NamedTuple


class Excerpt(NamedTuple):
    """One text with its labels."""

    text: str
    secret: tuple[str, ...] = ()
    identifier: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()


TOKEN = "xKz9vQ2mB7tRw4LpYs8N"
MACHINE = "3f9b8c1d2e4a5f60718293a4b5c6d7e8f9012345"
CERT = "0123456789abcdef0123456789abcdef"

PLEX = (
    Excerpt(f"GET http://192.168.1.50:32400/?X-Plex-Token={TOKEN}", (TOKEN,), (), ("192.168.1.50:32400",)),
    Excerpt(
        f"GET /library?X-Plex-Token={TOKEN}&X-Plex-Platform=Linux", (TOKEN,), (), ("X-Plex-Platform=Linux",)
    ),
    Excerpt(f"X-Plex-Token: {TOKEN}", (TOKEN,)),
    Excerpt(
        f"> x-plex-token: {TOKEN}\n> Accept: application/json", (TOKEN,), (), ("Accept: application/json",)
    ),
    Excerpt(
        f'{{"X-Plex-Token": "{TOKEN}", "X-Plex-Version": "4.18"}}',
        (TOKEN,),
        (),
        ('"X-Plex-Version": "4.18"',),
    ),
    Excerpt(f"X-Plex-Token%3D{TOKEN}%26a%3D1", (TOKEN,)),
    Excerpt(
        f'<Preferences MachineIdentifier="a6e40e8f-1b1e-4cb5-9e4e-0d1cbbd8b2ad" PlexOnlineToken="{TOKEN}" '
        f'ManualPortMappingPort="32500" PlexOnlineMail="anna@example.org" PlexOnlineUsername="anna_k"/>',
        (TOKEN,),
        ("a6e40e8f-1b1e-4cb5-9e4e-0d1cbbd8b2ad", "anna@example.org", "anna_k"),
        ('ManualPortMappingPort="32500"',),
    ),
    Excerpt(f"PlexOnlineToken='{TOKEN}'", (TOKEN,)),
    Excerpt(f"PlexOnlineToken    REG_SZ    {TOKEN}", (TOKEN,)),
    Excerpt(
        f'<MyPlex authToken="{TOKEN}" username="anna@example.org" mappingState="mapped" mappingError="" '
        'publicAddress="62.155.13.7" publicPort="32500" privateAddress="192.168.1.50"/>',
        (TOKEN,),
        ("anna@example.org", "62.155.13.7"),
        ('mappingState="mapped"', 'mappingError=""', 'publicPort="32500"', "192.168.1.50"),
    ),
    Excerpt(
        f'<Setting id="PlexOnlineToken" label="" type="text" default="" value="{TOKEN}" hidden="1"/>'
        '<Setting id="ManualPortMappingMode" label="" type="bool" default="false" value="true"/>',
        (TOKEN,),
        (),
        ('id="ManualPortMappingMode"', 'value="true"'),
    ),
    Excerpt(
        f'{{\n "id": "PlexOnlineToken",\n "label": "",\n "type": "text",\n "default": "",\n "value": "{TOKEN}"\n}}',
        (TOKEN,),
        (),
        ('"type": "text"',),
    ),
    Excerpt(f'{{"name": "Box", "accessToken": "{TOKEN}", "owned": true}}', (TOKEN,), (), ('"owned": true',)),
    Excerpt(f'{{\\"authToken\\":\\"{TOKEN}\\",\\"port\\":32400}}', (TOKEN,), (), ("32400",)),
    Excerpt(
        f"plexapi.exceptions.BadRequest: (429) http://nas:32400/myplex/account?X-Plex-Token={TOKEN} too many",
        (TOKEN,),
        (),
        ("(429)", "too many"),
    ),
    Excerpt(
        f'<MediaContainer size="0" claimed="1" machineIdentifier="{MACHINE}" version="1.43.0.10389-be1a1e2f0"/>',
        (),
        (MACHINE,),
        ('claimed="1"', "1.43.0.10389-be1a1e2f0"),
    ),
    Excerpt(
        f'{{"clientIdentifier": "{MACHINE}", "provides": "server"}}',
        (),
        (MACHINE,),
        ('"provides": "server"',),
    ),
    Excerpt(
        f"https://62-155-13-7.{CERT}.plex.direct:32500/identity",
        (),
        ("62-155-13-7", CERT),
        (":32500/identity",),
    ),
    Excerpt(f"https://192-168-1-50.{CERT}.plex.direct:32400", (), (CERT,), (":32400",)),
    Excerpt(
        f"[Req#11a2] PublicAddressManager: custom cert for *.{CERT}.plex.direct",
        (),
        (CERT,),
        ("PublicAddressManager",),
    ),
    Excerpt(
        f'CertificateUUID="{CERT}" PublishServerOnPlexOnlineKey="1"',
        (),
        (CERT,),
        ('PublishServerOnPlexOnlineKey="1"',),
    ),
    Excerpt(
        'friendlyName="Annas Wohnzimmer" platform="Linux"', (), ("Annas Wohnzimmer",), ('platform="Linux"',)
    ),
    Excerpt(
        "PublicAddressManager: Mapped to 62.155.13.7:32500, mapping state is Mapped - Published.",
        (),
        ("62.155.13.7",),
        ("Mapped - Published", ":32500"),
    ),
    Excerpt(
        "MyPlex: reachability check - current mapping state: 'Mapped - Publishing'.",
        (),
        (),
        ("current mapping state: 'Mapped - Publishing'",),
    ),
    Excerpt("MyPlex: we appear to have a private WAN IP 100.72.13.9.", (), (), ("100.72.13.9",)),
    Excerpt("claim token claim-Yx7kQp2LmN8vRtWz3SbC used", ("claim-Yx7kQp2LmN8vRtWz3SbC",)),
    Excerpt("PLEX_CLAIM=claim-Yx7kQp2LmN8vRtWz3SbC", ("Yx7kQp2LmN8vRtWz3SbC",)),
    Excerpt(f"PLEX_TOKEN={TOKEN}", (TOKEN,), (), ("PLEX_TOKEN=",)),
    Excerpt(
        "CrashUploader --userId=anna@example.org --version=1.43.0",
        (),
        ("anna@example.org",),
        ("--version=1.43.0",),
    ),
)

HTTP = (
    Excerpt("Authorization: Basic cm9vdDpodW50ZXIy", ("cm9vdDpodW50ZXIy",)),
    Excerpt(
        "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        ("eyJhbGciOiJIUzI1NiJ9", "c2lnbmF0dXJl"),
    ),
    Excerpt('Authorization: Digest username="fritz1234", response="9f8e7d6c5b4a"', ("9f8e7d6c5b4a",)),
    Excerpt(
        "< Set-Cookie: sysauth=5d41402abc4b2a76b9719d911017c592; path=/; HttpOnly",
        ("5d41402abc4b2a76b9719d911017c592",),
    ),
    Excerpt("Cookie: TOKEN=abc.def; csrf_token=zzz999", ("abc.def", "zzz999")),
    Excerpt(
        "{'Cookie': 'PHPSESSID=ab12cd34ef56', 'Host': '192.168.1.1'}", ("ab12cd34ef56",), (), ("192.168.1.1",)
    ),
    Excerpt(
        '{"jsonrpc":"2.0","result":[0,{"ubus_rpc_session":"c1ed6c7b025d0caca723a816fa61b668","timeout":300}]}',
        ("c1ed6c7b025d0caca723a816fa61b668",),
        (),
        ('"timeout":300',),
    ),
    Excerpt("X-CSRF-Token: 8f14e45fceea167a", ("8f14e45fceea167a",)),
    Excerpt("http://root:hunter2@192.168.1.1/ubus", ("hunter2",), (), ("192.168.1.1/ubus",)),
    Excerpt("https://api:s3cr3t%21@router.lan:8443/rest", ("s3cr3t",), (), ("router.lan:8443/rest",)),
    Excerpt(
        "<SessionInfo><SID>9c977765016899f8</SID><Challenge>2$60000$f1a2b3$6000$9c8d7e</Challenge></SessionInfo>",
        ("9c977765016899f8", "f1a2b3", "9c8d7e"),
    ),
    Excerpt("/login_sid.lua?version=2&sid=9c977765016899f8", ("9c977765016899f8",), (), ("version=2",)),
    Excerpt("user=root&password=hunter2&submit=1", ("hunter2",), (), ("submit=1",)),
    Excerpt(
        '{"username": "media", "password": "p\\"q;r s"}', ('p\\"q;r s', ";r s"), (), ('"username": "media"',)
    ),
    Excerpt('{"passwords": ["alpha1", "beta22"]}', ("alpha1", "beta22")),
    Excerpt("eyJ0eXAiOiJKV1QifQ.eyJ1c2VyIjoxfQ.AbCdEf_-12 expired", ("eyJ1c2VyIjoxfQ",), (), ("expired",)),
    Excerpt("api_key=ZkT9a/b+c==&api_secret=q8Wm", ("ZkT9a/b+c", "q8Wm")),
    Excerpt(
        'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="opnsense"',
        (),
        (),
        ("401 Unauthorized", 'realm="opnsense"'),
    ),
)

ROUTERS = (
    Excerpt("wireless.default_radio0.key='correct horse battery'", ("correct horse", "battery")),
    Excerpt("wireless.default_radio0.ssid='Casa Anna'", (), ("Casa Anna",), ("default_radio0.ssid",)),
    Excerpt("wireless.guest.key='it'\\''s open'", ("s open",)),
    Excerpt("\toption key 'geheim 123'", ("geheim 123",)),
    Excerpt("\toption ssid 'Nachbar WLAN'", (), ("Nachbar WLAN",)),
    Excerpt(
        "\toption encryption 'psk2'\n\toption mode 'ap'",
        (),
        (),
        ("option encryption 'psk2'", "option mode 'ap'"),
    ),
    Excerpt(
        "network.wan.proto='pppoe'\nnetwork.wan.username='0028123456#0001@t-online.de'\nnetwork.wan.password='87654321'",
        ("87654321",),
        ("0028123456",),
        ("network.wan.proto='pppoe'",),
    ),
    Excerpt("network.wg0.private_key='yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk='", ("yAnz5TF",)),
    Excerpt(
        "network.wgserver.preshared_key='zMbGh2k0Fj8='\nnetwork.wg0.listen_port='51820'",
        ("zMbGh2k0Fj8",),
        (),
        ("listen_port='51820'",),
    ),
    Excerpt(
        "firewall.plexops_plex.src_dport='32500'\nfirewall.plexops_plex.dest_ip='192.168.1.50'",
        (),
        (),
        ("src_dport='32500'", "dest_ip='192.168.1.50'"),
    ),
    Excerpt(
        "dhcp.plexops_nas.mac='52:54:00:12:34:56'\ndhcp.plexops_nas.ip='192.168.1.50'",
        (),
        ("12:34:56",),
        ("52:54:00:", "ip='192.168.1.50'", "plexops_nas"),
    ),
    Excerpt("rpcd.@login[0].password='$p$root'", ("$p$root",)),
    Excerpt(
        "root:$1$Wp2kQ1rT$9mF3bX0eYtGd5hJkLzVcU1:19000:0:99999:7:::",
        ("9mF3bX0eYtGd5hJkLzVcU1",),
        (),
        ("19000:0:99999",),
    ),
    Excerpt("root:$6$rounds=5000$saltsalt$J9qXzYb.KwE/3:19000::", ("J9qXzYb.KwE/3",)),
    Excerpt(
        "media:$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7:19000:",
        ("X3DX6M94c7o",),
    ),
    Excerpt(
        "1763829999 52:54:00:12:34:56 192.168.1.50 plex-nas 01:52:54:00:12:34:56",
        (),
        ("12:34:56",),
        ("192.168.1.50", "plex-nas", "1763829999"),
    ),
    Excerpt("duid 00:01:00:01:2c:9f:aa:bb:52:54:00:12:34:56", (), ("2c:9f:aa:bb", "12:34:56")),
    Excerpt(
        '/interface wireless security-profiles set default wpa2-pre-shared-key="hunter two" mode=dynamic-keys',
        ("hunter two",),
        (),
        ("mode=dynamic-keys",),
    ),
    Excerpt("/interface wifi set wifi1 .ssid=Casa .passphrase=hunter22", ("hunter22",), ("Casa",)),
    Excerpt("add name=ppp1 password=geheim service=pppoe", ("geheim",), (), ("service=pppoe", "name=ppp1")),
    Excerpt(
        '/interface pppoe-client add interface=ether1 name=pppoe-out1 user=anna123 password="x y"',
        ("x y",),
        ("anna123",),
        ("interface=ether1", "name=pppoe-out1"),
    ),
    Excerpt(
        ".id=*3;chain=dstnat;action=dst-nat;to-addresses=192.168.1.50;dst-port=32500;protocol=tcp",
        (),
        (),
        ("to-addresses=192.168.1.50", "dst-port=32500", "action=dst-nat"),
    ),
    Excerpt(
        " 0 D 192.168.88.254 48:A9:8A:01:02:03 bound",
        (),
        ("01:02:03",),
        ("192.168.88.254", "48:A9:8A", "bound"),
    ),
    Excerpt("serial-number: HGC09XYZ1AB\n model: RB5009", (), ("HGC09XYZ1AB",), ("model: RB5009",)),
    Excerpt("/ip ipsec identity add peer=p1 secret=topS3cret!", ("topS3cret",), (), ("peer=p1",)),
    Excerpt("/snmp community set [ find default=yes ] name=geheimwort", ("geheimwort",), (), ("/snmp",)),
    Excerpt("set interfaces pppoe pppoe0 authentication password 'pw 17'", ("pw 17",)),
    Excerpt(
        "set system login user vyos authentication plaintext-password 'hunter2'",
        ("hunter2",),
        (),
        ("user vyos",),
    ),
    Excerpt("set service snmp community s3kret authorization ro", ("s3kret",)),
    Excerpt(
        "        encrypted-password $6$QxPS.uk6wfo$9QBSo8u1FkH16gMyAVhus6fU3LOzvLR9Z9.82m3tiHFAx/q11h/",
        ("9QBSo8u1FkH16gMyAVhus6fU3LOzvLR9Z9",),
    ),
    Excerpt('            plaintext-password ""', (), (), ("plaintext-password",)),
    Excerpt('            pre-shared-secret "a b c"', ("a b c",)),
    Excerpt(
        "set nat destination rule 10 destination port '32500'\nset nat … rule 10 translation address '192.168.1.50'",
        (),
        (),
        ("destination port '32500'", "address '192.168.1.50'"),
    ),
    Excerpt(
        "http_username=admin\nhttp_passwd=pa&ss;word 1\nlan_ipaddr=192.168.50.1",
        ("pa&ss", "word 1"),
        (),
        ("lan_ipaddr=192.168.50.1",),
    ),
    Excerpt(
        "wl0_ssid=Anna Heim 5G\nwl0_wpa_psk=geheim geheim\nwl0_key1=A1B2C3D4E5",
        ("geheim", "A1B2C3D4E5"),
        ("Anna Heim",),
        ("wl0_ssid=",),
    ),
    Excerpt("acc_list=admin>pwd123<anna>pwd456", ("pwd123", "pwd456")),
    Excerpt(
        "vts_rulelist=<Plex>32500>192.168.50.10>32400>TCP>", (), (), ("<Plex>32500>192.168.50.10>32400>TCP>",)
    ),
    Excerpt(
        "dhcp_staticlist=<52:54:00:12:34:56>192.168.50.10>>nas", (), ("12:34:56",), ("192.168.50.10", "nas")
    ),
    Excerpt("ddns_passwd_x=abcDEF\nddns_hostname_x=anna.asuscomm.com", ("abcDEF",)),
    Excerpt("wps_device_pin=12345670", ("12345670",)),
    Excerpt(
        '{"x_passphrase": "wlan geheim", "name": "Heim", "security": "wpapsk"}',
        ("wlan geheim",),
        (),
        ('"security": "wpapsk"',),
    ),
    Excerpt(
        '{"x_authkey":"f00dfeed","x_ssh_password":"q1w2","inform_ip":"192.168.1.2"}',
        ("f00dfeed", "q1w2"),
        (),
        ('"inform_ip":"192.168.1.2"',),
    ),
    Excerpt(
        '{"mac":"74:ac:b9:a1:b2:c3","ip":"192.168.1.9","name":"UDM","serial":"74ACB9A1B2C3"}',
        (),
        ("a1:b2:c3", "74ACB9A1B2C3"),
        ('"ip":"192.168.1.9"', '"name":"UDM"'),
    ),
    Excerpt(
        "<NewSerialNumber>989BCB2B93B0</NewSerialNumber><NewManufacturerName>AVM</NewManufacturerName>",
        (),
        ("989BCB2B93B0",),
        ("<NewManufacturerName>AVM<",),
    ),
    Excerpt(
        "<NewSSID>FRITZ!Box Anna</NewSSID><NewKeyPassphrase>12345678901234567890</NewKeyPassphrase>",
        ("12345678901234567890",),
        ("FRITZ!Box Anna",),
    ),
    Excerpt(
        "<NewExternalIPAddress>62.155.13.7</NewExternalIPAddress>",
        (),
        ("62.155.13.7",),
        ("NewExternalIPAddress",),
    ),
    Excerpt(
        "<NewMACAddress>98:9B:CB:2B:93:B0</NewMACAddress><NewIPAddress>192.168.178.20</NewIPAddress>",
        (),
        ("2B:93:B0",),
        ("192.168.178.20", "98:9B:CB"),
    ),
    Excerpt("<NewUserName>t-online/anna</NewUserName>", (), ("t-online/anna",)),
    Excerpt(
        "<friendlyName>FRITZ!Box 7590</friendlyName><UDN>uuid:739f2409-bccb-40e7-8e6c-989BCB2B93B0</UDN>",
        (),
        ("739f2409", "989BCB2B93B0"),
        ("<UDN>",),
    ),
    Excerpt(
        "USN: uuid:87895a19-50f9-3736-a87f-115c230155f8::upnp:rootdevice",
        (),
        ("87895a19",),
        ("upnp:rootdevice",),
    ),
    Excerpt(
        "<serialNumber>LK14129DP441489</serialNumber><modelNumber>3</modelNumber>",
        (),
        ("LK14129DP441489",),
        ("<modelNumber>3<",),
    ),
    Excerpt('"client": {"wpa_key": "abcd efgh", "channel": 36}', ("abcd efgh",), (), ('"channel": 36',)),
    Excerpt(
        "ssid=Heimnetz\nwpa_passphrase=ganz geheim\nchannel=6",
        ("ganz geheim",),
        ("Heimnetz",),
        ("channel=6",),
    ),
    Excerpt(
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXkt\nQyNTUxOQ==\n-----END OPENSSH PRIVATE KEY-----\ndone",
        ("b3BlbnNzaC1rZXkt", "QyNTUxOQ"),
        (),
        ("done",),
    ),
    Excerpt("-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA1234\n(cut)", ("MIIEowIBAAKCAQEA1234",)),
    Excerpt("<prv>x</prv><authentication-token>tok-99-zz</authentication-token>", ("tok-99-zz",)),
    Excerpt(
        '{"status":"ok","uuid":"8b1d7d10-6d5f-4c0c-9f6f-1f2e3d4c5b6a"}', (), ("8b1d7d10",), ('"status":"ok"',)
    ),
)

NETWORK = (
    Excerpt(
        "    inet 62.155.13.7/24 brd 62.155.13.255 scope global wan0",
        (),
        ("62.155.13.7",),
        ("/24", "scope global wan0"),
    ),
    Excerpt(
        "    inet 192.168.1.50/24 brd 192.168.1.255 scope global eth0",
        (),
        (),
        ("192.168.1.50/24", "192.168.1.255"),
    ),
    Excerpt("    inet 100.72.13.9/10 scope global wan0", (), (), ("100.72.13.9/10",)),
    Excerpt(
        "    inet6 2003:e1:af12:3400:5054:ff:fe12:3456/64 scope global dynamic",
        (),
        ("af12", "fe12:3456"),
        ("/64", "scope global dynamic"),
    ),
    Excerpt("    inet6 fe80::5054:ff:fe12:3456/64 scope link", (), ("fe12:3456",), ("scope link",)),
    Excerpt("    inet6 fe80::1/64 scope link", (), (), ("fe80::1/64",)),
    Excerpt("    inet6 fd00:1234::50/64 scope global", (), (), ("fd00:1234::50/64",)),
    Excerpt("    inet6 ::1/128 scope host", (), (), ("::1/128",)),
    Excerpt("ff02::fb and 2001:db8::1 stay", (), (), ("ff02::fb", "2001:db8::1")),
    Excerpt("tcp [2a02:810a:8c0:1::5]:32400 LISTEN", (), ("8c0:1::5",), ("]:32400 LISTEN",)),
    Excerpt("peer ::ffff:62.155.13.7 connected", (), ("62.155.13.7",), ("connected",)),
    Excerpt(
        "public 203.0.113.7, 198.51.100.2 and 192.0.2.1 are examples",
        (),
        (),
        ("203.0.113.7", "198.51.100.2", "192.0.2.1"),
    ),
    Excerpt("nameserver 1.1.1.1\nnameserver 8.8.8.8", (), (), ("1.1.1.1", "8.8.8.8")),
    Excerpt("netmask 255.255.255.0 gateway 192.168.1.1", (), (), ("255.255.255.0", "192.168.1.1")),
    Excerpt(
        "link/ether 52:54:00:12:34:56 brd ff:ff:ff:ff:ff:ff",
        (),
        ("12:34:56",),
        ("ff:ff:ff:ff:ff:ff", "52:54:00"),
    ),
    Excerpt("link/loopback 00:00:00:00:00:00", (), (), ("00:00:00:00:00:00",)),
    Excerpt("01:00:5e:00:00:fb is multicast", (), (), ("01:00:5e:00:00:fb",)),
    Excerpt("Physical Address: 52-54-00-12-34-56", (), ("12-34-56",), ("52-54-00",)),
    Excerpt("Internet 192.168.1.50 5254.0012.3456 ARPA", (), ("0012.3456",), ("192.168.1.50",)),
    Excerpt("mac=525400123456 ip=192.168.1.50", (), ("123456",), ("ip=192.168.1.50",)),
    Excerpt(
        "0 packets from 81.2.69.142 to 192.168.1.50 dpt:32500",
        (),
        ("81.2.69.142",),
        ("192.168.1.50", "dpt:32500"),
    ),
    Excerpt("p3e9b0d07.dip0.t-ipconnect.de has address 62.155.13.7", (), ("62.155.13.7",)),
    Excerpt("ip-62-155-13-7.dyn.example.net", (), ("62-155-13-7",), ("dyn.example.net",)),
    Excerpt("7.13.155.62.in-addr.arpa domain name pointer", (), ("7.13.155.62",), ("in-addr.arpa",)),
    Excerpt(
        'dnat ip to 192.168.1.50:32400 comment "plexops plex"', (), (), ("192.168.1.50:32400", "plexops plex")
    ),
    Excerpt(
        "tcp dport 32500 counter packets 12 bytes 720",
        (),
        (),
        ("tcp dport 32500 counter packets 12 bytes 720",),
    ),
    Excerpt(
        "1 192.168.1.1 0.4 ms\n2 62.155.240.1 8.1 ms", (), ("62.155.240.1",), ("192.168.1.1 0.4 ms", "8.1 ms")
    ),
    Excerpt('"latitude": 52.520008, "longitude": 13.404954', (), ("52.520008", "13.404954")),
    Excerpt(
        "2026-11-22 08:41:07 +00:00 timeout after 12:34:56",
        (),
        (),
        ("2026-11-22 08:41:07 +00:00", "12:34:56"),
    ),
    Excerpt(
        "OpenWrt 24.10.2 r28739-d9340319c6, kernel 6.6.93", (), (), ("24.10.2 r28739-d9340319c6", "6.6.93")
    ),
    Excerpt("RouterOS version 7.15.3.1 and v1.2.3.4", (), (), ("7.15.3.1", "v1.2.3.4")),
    Excerpt("std::vector<int>::end() and foo::bar", (), (), ("std::vector<int>::end()", "foo::bar")),
    Excerpt(
        "sha256 9c1e5f2a9c1e5f2a9c1e5f2a9c1e5f2a9c1e5f2a9c1e5f2a9c1e5f2a9c1e5f2a",
        (),
        (),
        ("9c1e5f2a9c1e5f2a9c1e5f2a9c1e5f2a9c1e5f2a9c1e5f2a9c1e5f2a9c1e5f2a",),
    ),
    Excerpt("SHA256:Jq0uZ3fE1c9xTv1A ssh-ed25519", (), (), ("SHA256:Jq0uZ3fE1c9xTv1A",)),
    Excerpt("mail to root@nas.example.org failed", (), ("root@nas.example.org",), ("failed",)),
    Excerpt("ssh root@192.168.1.1", (), (), ("root@192.168.1.1",)),
)

FILES = (
    Excerpt("become: {method: sudo, password: {ask: true}}", (), (), ("password: {ask: true}",)),
    Excerpt(
        "plex: {url: http://192.168.1.50:32400, token: {from: server}}",
        (),
        (),
        ("token: {from: server}", "192.168.1.50:32400"),
    ),
    Excerpt("    token: {env: PLEX_TOKEN}  # never in clear", (), (), ("token: {env: PLEX_TOKEN}",)),
    Excerpt("password: correct horse: battery # staple", ("correct horse", "battery", "staple")),
    Excerpt("  - password: 'hunter2'", ("hunter2",)),
    Excerpt("token: Secret(env:PLEX_TOKEN)", (), (), ("Secret(env:PLEX_TOKEN)",)),
    Excerpt('manual_port: "{{ external_port }}"', (), (), ("{{ external_port }}",)),
    Excerpt('password: "{{ router_password }}"', (), (), ("{{ router_password }}",)),
    Excerpt("curl --token abc123xyz https://example.org/", ("abc123xyz",), (), ("https://example.org/",)),
    Excerpt("sshpass --password hunter2 ssh root@192.168.1.1", ("hunter2",), (), ("root@192.168.1.1",)),
    Excerpt(
        "PasswordAuthentication no\nPermitRootLogin prohibit-password",
        (),
        (),
        ("PasswordAuthentication no", "prohibit-password"),
    ),
    Excerpt("Permission denied (publickey,password).", (), (), ("Permission denied (publickey,password).",)),
    Excerpt(
        "the password was refused; no other was tried",
        (),
        (),
        ("the password was refused; no other was tried",),
    ),
    Excerpt("hide-ssid=no band=5ghz", (), (), ("hide-ssid=no", "band=5ghz")),
    Excerpt("WLAN SSID: Villa Kunterbunt", (), ("Villa", "Kunterbunt")),
    Excerpt("Serial Number: C02XL0AAJGH5", (), ("C02XL0AAJGH5",)),
    Excerpt(
        "smtp_pass = aB3$ x\nsmtp_host = mail.example.org", ("aB3$ x",), (), ("smtp_host = mail.example.org",)
    ),
    Excerpt(
        "PrivateKey = yAnz5TF+lXXJte14tji3zlMNq\nListenPort = 51820",
        ("yAnz5TF",),
        (),
        ("ListenPort = 51820",),
    ),
    Excerpt('password="cut in the mid', ("cut in the mid",)),
    Excerpt("&lt;x password=&quot;a b&quot; port=&quot;1&quot;", ("a b",), (), ("port=&quot;1&quot;",)),
    Excerpt('args = ["--psk=kurz1"]', ("kurz1",)),
    Excerpt("+ password: neu geheim\n- password: alt geheim", ("neu geheim", "alt geheim")),
    Excerpt("bytes token=\\x22", (), (), ("bytes",)),
)

ALL = (*PLEX, *HTTP, *ROUTERS, *NETWORK, *FILES)

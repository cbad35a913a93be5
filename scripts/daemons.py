"""Print the Debian packages that the real home needs and this machine lacks, in one line."""

from __future__ import annotations

import shutil

from tests.lab.daemons import PROGRAMS
from tests.lab.node import NODE_PATH

#: What single tests use besides the home's own daemons.
ALSO = {
    "ssh": "openssh-client",
    "ssh-agent": "openssh-client",
    "ip": "iproute2",
    "iptables": "iptables",
    "sysctl": "procps",
    "conntrack": "conntrack",
    "ipset": "ipset",
    "busybox": "busybox",
    "dash": "dash",
    "openssl": "openssl",
    "dropbear": "dropbear-bin",
    "/usr/lib/frr/zebra": "frr",
    "dhcpd": "isc-dhcp-server",
    "kea-dhcp4": "kea-dhcp4-server",
}


def missing() -> list[str]:
    """Give the packages, each once."""
    wanted = {**PROGRAMS, **ALSO}
    return sorted({package for name, package in wanted.items() if not shutil.which(name, path=NODE_PATH)})


if __name__ == "__main__":
    print(*missing())

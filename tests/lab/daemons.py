"""What runs on the machines of the home: sshd, dnsmasq, nftables, miniupnpd, ufw, a DHCP client. All of it real."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from .node import Node

#: What must be installed; Debian's names are in the second column.
PROGRAMS: Mapping[str, str] = {
    "/usr/sbin/sshd": "openssh-server",
    "nft": "nftables",
    "dnsmasq": "dnsmasq-base",
    "miniupnpd": "miniupnpd-nftables",
    "upnpc": "miniupnpc",
    "ufw": "ufw",
    "udhcpc": "udhcpc",
    "sudo": "sudo",
    "service": "init-system-helpers",
    "nsenter": "util-linux",
    "ip": "iproute2",
    "ss": "iproute2",
    "curl": "curl",
}

EXEC_LOG = "/var/log/ssh-exec"
PLEX_HOME = "/var/lib/plexmediaserver/Library/Application Support/Plex Media Server"
PREFERENCES = f"{PLEX_HOME}/Preferences.xml"

SSHD_CONFIG = """Port 22
HostKey /etc/ssh/lab_host_key
AuthorizedKeysFile /etc/ssh/lab_authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
StrictModes no
PrintMotd no
AcceptEnv LANG LC_*
MaxStartups 50:30:200
Subsystem sftp /usr/lib/openssh/sftp-server
ForceCommand /usr/local/lib/logged-exec
"""

#: Keeps every exec request, and the script where a shell is fed through its standard input. One file per
#: request, so that commands of several lines and side by side stay apart.
LOGGED_EXEC = f"""#!/bin/sh
here={EXEC_LOG}/$(date +%s%N)-$$
if [ -z "$SSH_ORIGINAL_COMMAND" ]; then
	echo "(interactive shell)" > "$here"
	exec "$SHELL" -l
fi
printf '%s' "$SSH_ORIGINAL_COMMAND" > "$here"
case "$SSH_ORIGINAL_COMMAND" in
sh | bash | "sh -s"* | "bash -s"* | "sh -e"* | *" sh" | *" sh -s"* | *" bash -s"* | *"/bin/sh" | *"/bin/sh -s"*)
	status=$(mktemp)
	printf '\\n' >> "$here"
	tee -a "$here" | {{ sh -c "$SSH_ORIGINAL_COMMAND"; echo $? > "$status"; }}
	code=$(cat "$status"); rm -f "$status"
	exit "$code"
	;;
esac
exec sh -c "$SSH_ORIGINAL_COMMAND"
"""

#: As Debian's, in short: no systemd here, so `service dnsmasq …` comes to this.
DNSMASQ_INIT = """#!/bin/sh
### BEGIN INIT INFO
# Provides:          dnsmasq
# Required-Start:    $network $remote_fs
# Required-Stop:     $network $remote_fs
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Description:       DHCP for the home
### END INIT INFO
PATH=/usr/sbin:/usr/bin:/sbin:/bin
pidfile=/run/dnsmasq/dnsmasq.pid

start() {
	mkdir -p /run/dnsmasq
	dnsmasq -x "$pidfile" --log-facility=/var/log/dnsmasq.log
}

stop() {
	pid=$(cat "$pidfile" 2>/dev/null) || return 0
	kill "$pid" 2>/dev/null || { rm -f "$pidfile"; return 0; }
	for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.05
	done
	rm -f "$pidfile"
}

running() { kill -0 "$(cat "$pidfile" 2>/dev/null)" 2>/dev/null; }

case "$1" in
start) running || start ;;
stop) stop ;;
restart | force-reload)
	# As Debian's: a configuration that does not pass leaves the old process alone.
	dnsmasq --test 2>/dev/null || exit 2
	stop && start
	;;
status) if running; then echo "dnsmasq is running."; else echo "dnsmasq is not running."; exit 3; fi ;;
*) echo "Usage: /etc/init.d/dnsmasq {start|stop|restart|force-reload|status}" >&2; exit 3 ;;
esac
"""


class Identity(Struct, frozen=True):
    """A key pair: the private half as a file, the public half as one line."""

    file: Path
    public: str


def make_identity(directory: Path, name: str) -> Identity:
    """Make an ed25519 key pair in OpenSSH's format."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    file = directory / name
    file.write_bytes(key.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption()))
    file.chmod(0o600)
    public = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
    return Identity(file, public.decode())


def missing_programs() -> list[str]:
    """Name the Debian packages of the programs that are not installed here."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return sorted({package for name, package in PROGRAMS.items() if shutil.which(name, path=path) is None})


def start_sshd(node: Node, host: Identity, client: Identity) -> None:
    """Start sshd for one client key, with a log of every exec request."""
    node.write({"/etc/ssh/sshd_config": SSHD_CONFIG, "/etc/ssh/lab_authorized_keys": f"{client.public}\n"})
    node.write({"/etc/ssh/lab_host_key": host.file.read_text()}, mode=0o600)
    node.write({"/usr/local/lib/logged-exec": LOGGED_EXEC}, mode=0o755)
    node.sh(f"mkdir -p -m 1777 {EXEC_LOG}; chmod 1777 {EXEC_LOG}; /usr/sbin/sshd -E /var/log/sshd.log")


def exec_log(node: Node) -> list[str]:
    """Give what sshd was asked to execute, in order."""
    listing = node.exec(["ls", "-1", EXEC_LOG], check=True).stdout.split()
    return [node.read(f"{EXEC_LOG}/{name}") for name in sorted(listing, key=lambda n: int(n.split("-")[0]))]


def add_user(node: Node, name: str, number: int, *, sudo: bool) -> None:
    """Add a person with a home directory and, if asked, sudo without a password."""
    entries = {
        "/etc/passwd": f"{name}:x:{number}:{number}:{name}:/home/{name}:/bin/sh\n",
        "/etc/group": f"{name}:x:{number}:\n",
        "/etc/shadow": f"{name}:*:20000:0:99999:7:::\n",
    }
    for path, line in entries.items():
        node.exec(["tee", "-a", path], line, check=True)
    node.sh(f"mkdir -p /home/{name} && chown {number}:{number} /home/{name}")
    if sudo:
        node.write({f"/etc/sudoers.d/{name}": f"{name} ALL=(ALL) NOPASSWD: ALL\n"}, mode=0o440)


def start_router(node: Node, files: Mapping[str, str], lease: str) -> None:
    """Load the packet filter and start dnsmasq and miniupnpd from the router's files."""
    node.write({**files, "/var/lib/misc/dnsmasq.leases": lease})
    node.write({"/etc/init.d/dnsmasq": DNSMASQ_INIT}, mode=0o755)
    # Frames between LAN ports must not meet the forward chain: bridge netfilter is on in a new namespace.
    node.sh(
        """
        mkdir -p /etc/nftables.d /etc/dnsmasq.d
        echo 1 > /proc/sys/net/ipv4/ip_forward
        for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done
        if [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ]; then
            echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables
        fi
        nft -f /etc/nftables.conf
        service dnsmasq start
        miniupnpd -f /etc/miniupnpd/miniupnpd.conf -P /run/miniupnpd.pid >/var/log/miniupnpd.log 2>&1 </dev/null
        i=0
        until grep -q ':0043 ' /proc/net/udp; do i=$((i + 1)); [ $i -lt 100 ]; sleep 0.02; done
        """
    )


#: Lets a resident udhcpc take a new reservation. A renewal (USR1 alone) is refused by the server and leaves the
#: host without an address for about four seconds; a release (USR2) and then USR1 has the new address at once.
#: It must run detached: the change cuts the SSH connection that asked for it. Measured with udhcpc 1.35.
RENEW = (
    "setsid sh -c 'sleep 0.3; p=$(cat /run/udhcpc.eth0.pid); kill -USR2 $p; kill -USR1 $p' "
    ">/dev/null 2>&1 </dev/null &"
)


def start_dhcp_client(node: Node) -> None:
    """Let the server get its address, and stay so that the lease is renewed. Needs the router's DHCP."""
    node.sh(
        "udhcpc -i eth0 -b -x hostname:mediabox -p /run/udhcpc.eth0.pid >/var/log/udhcpc.log 2>&1 </dev/null"
    )


def raise_firewall(node: Node, rules: Sequence[str]) -> None:
    """Switch ufw on with these rules, each as words behind `ufw`."""
    node.sh("\n".join([*(f"ufw {rule} >/dev/null" for rule in rules), "ufw --force enable >/dev/null"]))


def preferences_xml(attributes: Mapping[str, str]) -> str:
    """Give Plex's own settings file, as it writes it: one element, all settings as attributes."""
    from xml.sax.saxutils import quoteattr

    inner = " ".join(f"{name}={quoteattr(value)}" for name, value in attributes.items())
    return f'<?xml version="1.0" encoding="utf-8"?>\n<Preferences {inner}/>\n'

"""The same states, as users of Ansible and pyinfra would write them down. Nothing to change: both only look."""

from __future__ import annotations

import textwrap
from pathlib import Path

from tests.lab.links import LAN_ROUTER, SERVER_MAC

SERVER = "192.168.1.50"
RESERVATION = f"dhcp-host={SERVER_MAC},{SERVER},plex"
RESERVATION_FILE = "/etc/dnsmasq.d/plexops_plex.conf"
FORWARD = f"dnat ip to {SERVER}:32400"
PASSAGE = f"ct status dnat ip daddr {SERVER} tcp dport 32400"
UFW_RULE = "-A ufw-user-input -p tcp --dport 32400 -j ACCEPT"
PREFERENCES = f"http://{SERVER}:32400/:/prefs"
PORT_SETTING = 'id="ManualPortMappingPort"'


def ssh_options(known_hosts: Path, key: Path) -> list[str]:
    """Give OpenSSH's options: this key, strict host keys, no question, its default key exchange."""
    options = ("BatchMode=yes", "StrictHostKeyChecking=yes", f"UserKnownHostsFile={known_hosts}")
    return ["-F", "none", "-i", str(key), *(word for option in options for word in ("-o", option))]


def write_ansible(folder: Path, known_hosts: Path, key: Path, token: str) -> None:
    """Write an inventory, a playbook without fact gathering, and a configuration with pipelining."""
    options = f"-o StrictHostKeyChecking=yes -o UserKnownHostsFile={known_hosts}"
    (folder / "hosts.ini").write_text(
        textwrap.dedent(f"""\
        router ansible_host={LAN_ROUTER} ansible_user=root
        server ansible_host={SERVER} ansible_user=media
        [all:vars]
        ansible_ssh_private_key_file={key}
        ansible_ssh_common_args={options}
        ansible_python_interpreter=/usr/bin/python3
        """)
    )
    (folder / "ansible.cfg").write_text(
        "[defaults]\nretry_files_enabled = false\n[ssh_connection]\npipelining = true\n"
    )
    (folder / "site.yml").write_text(
        textwrap.dedent(f"""\
        - hosts: router
          gather_facts: false
          tasks:
            - name: Reservation
              lineinfile: {{path: {RESERVATION_FILE}, line: "{RESERVATION}"}}
            - name: Packet filter
              command: nft list ruleset
              check_mode: false
              changed_when: false
              register: rules
            - name: Forward and passage
              assert: {{that: ['"{FORWARD}" in rules.stdout', '"{PASSAGE}" in rules.stdout']}}
        - hosts: server
          gather_facts: false
          tasks:
            - name: Host firewall
              become: true
              lineinfile: {{path: /etc/ufw/user.rules, line: "{UFW_RULE}"}}
            - name: Plex
              delegate_to: localhost
              check_mode: false
              uri: {{url: "{PREFERENCES}", headers: {{X-Plex-Token: "{token}"}}, return_content: true}}
              register: prefs
            - name: Manual port
              assert: {{that: ['"ManualPortMappingPort" in prefs.content']}}
        """)
    )


def write_pyinfra(folder: Path, known_hosts: Path, key: Path, token: str) -> None:
    """Write an inventory and a deploy of the same looks."""
    login = {
        "ssh_key": str(key),
        "ssh_known_hosts_file": str(known_hosts),
        "ssh_strict_host_key_checking": "yes",
    }
    hosts = [
        (LAN_ROUTER, {**login, "ssh_user": "root"}),
        (SERVER, {**login, "ssh_user": "media"}),
    ]
    (folder / "hosts.py").write_text(f"home = {hosts!r}\n")
    (folder / "deploy.py").write_text(
        textwrap.dedent(f"""\
        from pyinfra import host
        from pyinfra.facts.server import Command
        from pyinfra.operations import files

        if host.name == "{LAN_ROUTER}":
            rules = host.get_fact(Command, "nft list ruleset")
            assert "{FORWARD}" in rules and "{PASSAGE}" in rules
            files.line(path="{RESERVATION_FILE}", line="{RESERVATION}")
        else:
            files.line(path="/etc/ufw/user.rules", line="{UFW_RULE}", _sudo=True)
            asked = "curl -s -H 'X-Plex-Token: {token}' {PREFERENCES.replace(SERVER, "127.0.0.1")}"
            assert '{PORT_SETTING}' in host.get_fact(Command, asked)
        """)
    )

"""What tests of plexops in a real home share: the owner's commands, the devices' own state, the sorting of requests."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from .node import NODE_PATH
from .realhome import REPOSITORY, RealHome

PLAYBOOK = REPOSITORY / "playbooks/plex-remote-access.yaml"
PORT = 32500
#: The stops that can be changed over SSH.
MACHINES = ("router", "server")
#: What differs from one look to the next.
MOVING = ("host.time",)

#: What the tool may ask when it only looks, read by a person. Everything else counts as a write.
READ = re.compile(
    r"(nft -j list ruleset|ip6?tables(-legacy)?-save$|ipset save$|ip -j (-[46] )?(addr|route) show\b"
    r"|ip -4 neigh show$|ss -H(tln|ulnp|0lnp)$|nmcli -t -f GENERAL.DEVICE,DHCP4 device show$|pidof \w"
    r"|ls /usr/bin/firewall-cmd$|systemctl (show -p|is-enabled )|test -d "
    r"|hostname$|ls /run/plexops_|grep -|cat ['/]|curl -s )"
)
#: Who gave this host its address: its pattern has bars of its own, and nothing but files of leases is read.
LEASE = re.compile(r"grep -EHrs '[^']*'(?: /(?:run|var)/[\w/]+)+")
#: With one of these a line of shell could do more than its first word says.
DOING_MORE = re.compile(r"[;&|<>`$\n]|-o |-X ")

#: Plex's log, of before and after an apply, and where a container keeps it: whole requests that only look.
LOG = re.compile(
    r"grep -aH?E (?:-m 1000 )?'[^']*'(?: '[^']*'(?:\*log)?)+(?: \| tail -c \d+)?"
    r"|(?:docker|podman) (?:(?:ps|network ls) --format '[^']*'|inspect --type container --format '[^']*' [\w.-]+)"
)


def plexops(
    home: RealHome, command: str, *words: str, timeout: float = 110
) -> subprocess.CompletedProcess[str]:
    """Run one command of plexops in the owner's folder: the home's inventory, and the playbook that is shipped."""
    playbooks = home.directory / "playbooks"
    if not playbooks.exists():
        playbooks.mkdir()
        shutil.copy(PLAYBOOK, playbooks)
    return home.run(["plexops", *command.split(), *words], timeout=timeout)


def on_the_machine(home: RealHome, node: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run plexops as root on one of the machines themselves, with that machine's files, in its /srv."""
    return subprocess.run(
        home.nodes[node].enter([sys.executable, "-m", "plexops", *words], directory="/srv"),
        env={
            "PATH": NODE_PATH,
            "PYTHONPATH": str(REPOSITORY),
            "HOME": "/root",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def snapshot_of(text: str, role: str) -> Any:
    """Read what a run kept of a device, without what differs from one look to the next."""
    snapshot = json.loads(text)["snapshots"][role]
    snapshot["facts"] = {name: fact for name, fact in snapshot["facts"].items() if name not in MOVING}
    for entry in snapshot["entries"]:
        if entry["kind"] == "neighbour":  # whether it answered within the last minute
            entry["values"].pop("current")
            entry["raw"].pop("state", None)
    return snapshot


def without_vantage(home: RealHome) -> RealHome:
    """Take the vantage out of the inventory: a closed port costs it five seconds at every look."""
    text = home.inventory.read_text()
    head, tail = text.index("    vantages:"), text.index("    echoes:")
    home.inventory.write_text(text[:head] + text[tail:])
    return home


def run_id(done: subprocess.CompletedProcess[str]) -> str:
    """Give the id of the run whose report was printed."""
    found = re.search(r"^evidence: \S+/runs/(\w+)$", done.stdout, re.MULTILINE)
    assert found, done.stdout + done.stderr
    return found[1]


class State(Struct, frozen=True):
    """Everything that plexops may change, in the devices' own words."""

    nft: str
    nftables_files: dict[str, str]
    dnsmasq_files: dict[str, str]
    ufw_files: dict[str, str]
    server_filter: str
    plex: dict[str, str]

    def differs(self, other: State) -> list[str]:
        """Name the parts that are not the same bytes."""
        return [name for name in self.__struct_fields__ if getattr(self, name) != getattr(other, name)]


def state_of(home: RealHome) -> State:
    """Read the state by root on the machines, past plexops."""
    return State(
        home.nft("router"),
        home.nftables_files(),
        home.dnsmasq_files(),
        home.ufw_files(),
        # As iptables writes them: it renames handles, which nft shows nowhere, and keeps the order of rules.
        home.exec("server", ["iptables-save", "-t", "filter"])
        .stdout.split("*filter", 1)[-1]
        .split("# Com")[0],
        plex_settings(home),
    )


def plex_settings(home: RealHome) -> dict[str, str]:
    """Give Plex's own settings of remote access, asked on the server itself."""
    url = "http://127.0.0.1:32400/:/prefs"
    body = home.exec("server", ["curl", "-s", "-m", "5", "-H", f"X-Plex-Token: {home.token}", url]).stdout
    found = {}
    for setting in re.findall(r"<Setting [^>]*>", body):
        words = dict(re.findall(r'(\w+)="([^"]*)"', setting))
        if words["id"] in ("ManualPortMappingMode", "ManualPortMappingPort", "PublishServerOnPlexOnlineKey"):
            found[words["id"]] = words["value"]
    assert len(found) == 3, body[:300]
    return found


def mark(home: RealHome) -> dict[str, int]:
    """Remember how many requests every machine has had."""
    return {name: len(home.commands(name)) for name in MACHINES}


def requests_since(home: RealHome, marked: dict[str, int]) -> dict[str, list[str]]:
    """Give the single requests that reached the machines since, unpacked from sudo, shell and frame."""
    return {
        name: [request for sent in home.commands(name)[marked[name] :] for request in unpack(sent)]
        for name in MACHINES
    }


#: What the frame writes its markers with, and its first one.
MARKING = (
    "N=$(echo; echo .); N=${N%.}; "
    'm() { echo "$1$n $3"; echo "$2$n $3" >&2; }; z() { m "$N$n $1 end $2$N" "$N$n $1 end$N" "$3"; }; '
    'm "" "" "0 start"; '
)
FRAMED = re.compile(r'\( eval (.*?) \) </dev/null; z \d+ \$\? (?:"\d+ start"|closed)(?:; |$)', re.DOTALL)


def unpack(sent: str) -> list[str]:
    """Give the commands inside one exec request: the framed reads one by one, anything else as a whole."""
    words = shlex.split(sent)
    if "sh" not in words or words[-2] != "-c":
        return [sent]
    script = words[-1]
    framed = FRAMED.findall(script)
    if not framed:
        # Under sudo a mark in stderr tells the answer of the command from complaints of sudo.
        return [re.sub(r'^echo "[0-9a-f]+" >&2; ', "", script.partition("export PATH LC_ALL; ")[2]) or script]
    # What is left when the frames are taken out may only be the frame itself.
    rest = FRAMED.sub("", script).replace(MARKING, "", 1)
    alone = re.sub(r"n=[0-9a-f]+(; |$)", "", rest)
    left = alone.partition("export PATH LC_ALL; ")[2]
    return [*(shlex.split(text)[0] for text in framed), *([left] if left else [])]


def writes_since(home: RealHome, marked: dict[str, int]) -> dict[str, list[str]]:
    """Give by machine what is no plain read, of the requests since."""
    sent = requests_since(home, marked)
    assert any(sent.values()), "nothing at all arrived: the sorting has nothing to sort"
    found = {
        name: [
            r
            for r in requests
            if not (LOG.fullmatch(r) or LEASE.fullmatch(r)) and (not READ.match(r) or DOING_MORE.search(r))
        ]
        for name, requests in sent.items()
    }
    return {name: requests for name, requests in found.items() if requests}


def armed_windows(home: RealHome) -> list[str]:
    """Give what windows have left on the devices: their marks, of armed ones and of those that fired, and copies."""
    script = "find /run -path '/run/plexops_*' -type f"
    return [f"{name} {path}" for name in MACHINES for path in home.nodes[name].sh(script).split()]


def wait_until(holds: Callable[[], bool], seconds: float, every: float = 0.05) -> bool:
    """Look until something holds; tells whether it came to hold."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True


def say_how_long(what: str, started: float) -> None:
    """Print a duration: measured here, judged by nobody."""
    print(f"{what}: {time.monotonic() - started:.1f} s")  # noqa: T201

"""Problem codes of what a person brings along, and of the commands that need no inventory: logs, probe files, `init`."""

from __future__ import annotations

from plexops.model.status import Code, ExitStatus

CODES: tuple[Code, ...] = (
    Code("PLX-C704", "No log of Plex there", ExitStatus.USAGE,
        "`plexops diagnose --plex-logs` takes a file “Plex Media Server.log”, the folder “Logs” that holds it and its older "
        "parts, or the zip archive that Plex Web gives under Settings, Troubleshooting, Download logs. The folder is, on "
        "Windows, %LOCALAPPDATA%\\Plex Media Server\\Logs; on macOS, ~/Library/Logs/Plex Media Server; on Debian, Ubuntu "
        "and Fedora, /var/lib/plexmediaserver/Library/Application Support/Plex Media Server/Logs; in a container, "
        "Library/Application Support/Plex Media Server/Logs or Plex Media Server/Logs below the folder that is mounted as "
        "/config; on a Synology, /volume1/PlexMediaServer/AppData/Plex Media Server/Logs."),
    Code("PLX-C801", "This is no probe file", ExitStatus.USAGE,
        "A probe file is what `plexops probe HOST:PORT --out FILE` writes: one JSON object whose schema is "
        "plexops/probe/1, of a few hundred bytes. The file that was given is something else, was cut off on its way, "
        "or comes from a newer plexops. Make it again on the computer outside, and copy it as it is."),
    Code("PLX-C802", "A value of a probe file cannot be used", ExitStatus.USAGE,
        "The file is a probe file, but one of its values is missing, of another type, or impossible: an address that is "
        "no address, a port beyond 65535, an answer that is none, a time that is no time in UTC. Since a "
        "verdict would rest on it, plexops takes none of it. Make it again with `plexops probe`."),
    Code("PLX-C803", "An answer cannot be used", ExitStatus.USAGE,
        "A file of answers (--told FILE) says what a person knows of one home: each answer with the time, in UTC, at which "
        "it was said. The one that is named is none that the question can have, or its time is no time or still to come. "
        "Since a verdict would rest on it, plexops takes none of the file. docs/asking.md lists every answer; "
        "`plexops schema told` gives the file's shape to an editor."),
    Code("PLX-C804", "The answers are about another site", ExitStatus.USAGE,
        "A file of answers names the site of the inventory that it is about, and no other is judged by it: two homes have "
        "two routers. Name that site with -l, or give the file that is about this one."),
    Code("PLX-C811", "There is an inventory or playbook already", ExitStatus.USAGE,
        "`plexops init` writes inventory.yaml and playbooks/plex-remote-access.yaml, and never over something that is "
        "there. Name another folder (plexops init FOLDER), or move the old file away first. Nothing was written."),
    Code("PLX-C812", "Nothing was found to begin with", ExitStatus.INCOMPLETE,
        "`plexops init` looks for the gateway of this computer and for Plex servers in its network, and found what it "
        "needs neither here nor there. Run it on the Plex host or on a computer in the same network, not in a "
        "container and not through a VPN; or name what you know: --router ADDRESS, --plex ADDRESS. "
        "inventory.example.yaml shows what an inventory holds."),
)  # fmt: skip

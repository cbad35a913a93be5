"""Problem codes of runs: evidence, journal, lock. PLX-R…."""

from __future__ import annotations

from plexops.model.status import Code, ExitStatus

CODES: tuple[Code, ...] = (
    Code("PLX-R101", "the state folder is not safe", ExitStatus.TAMPERED,
        "The folder in which plexops keeps its runs holds a map of your home and what is needed to undo a change. "
        "Every part of it must be a real folder (no symbolic link), belong to you, and be writable by you alone. "
        "Look who changed it; then `chmod go-w` or move it away and let plexops make a new one."),
    Code("PLX-R102", "evidence could not be written", ExitStatus.INCOMPLETE,
        "A full disk, a read-only file system or an input/output error stopped plexops from writing into its state "
        "folder. Without a written record nothing is sent to a device. Make room, or set XDG_STATE_HOME elsewhere."),
    Code("PLX-R103", "there is no such run", ExitStatus.USAGE,
        "A run is named by its id, by the beginning of it, or by `last`. `plexops evidence list` shows them."),
    Code("PLX-R104", "several runs begin like that", ExitStatus.USAGE,
        "The beginning of a run id fits more than one run. Give more of it."),
    Code("PLX-R105", "a stored file is damaged", ExitStatus.TAMPERED,
        "A file of a run folder is not what plexops wrote there: it was cut off, edited or replaced. "
        "`plexops evidence verify` says which. Don't rely on that run's report."),
    Code("PLX-R106", "written by another version", ExitStatus.USAGE,
        "The stored file has a shape that this plexops does not know. Nothing was changed. "
        "Use the version that wrote it, or a newer one."),
    Code("PLX-R110", "the journal's chain is broken", ExitStatus.TAMPERED,
        "Each record of a journal carries the hash of the one before. A record was edited, removed, inserted or "
        "reordered. A tail cut off by a crash is something else: it is tolerated and counted. The chain shows later "
        "edits by whoever can't recompute it; it is no proof against the administrator of this machine."),
    Code("PLX-R111", "a finished run is not what it was", ExitStatus.TAMPERED,
        "The site's chain.jsonl holds, for each finished run, the hash of its last journal record and of its files. "
        "This run's folder differs from that: records at the end were removed, or a file was edited or deleted. A run that "
        "was killed while it ended is something else: the chain knows that it was about to end, and the next run of the "
        "site, or `plexops recover`, completes it."),
    Code("PLX-R120", "another run holds this site", ExitStatus.BUSY,
        "Only one plexops works on a site at a time. The message names the process that holds it. The lock ends with "
        "that process, even if it is killed, so there is never a file to delete."),
    Code("PLX-R122", "another run is at work on a device", ExitStatus.BUSY,
        "A run that writes to a router or a server leaves a marker there until it has ended or is put back, so that "
        "plexops on another machine, or for another site with the same router, does not write at the same time. The "
        "message names the run and its machine. Let it end; if it was interrupted, run `plexops recover` on that machine; "
        "if that machine is gone for good, the message has the command that takes the marker away. On Linux and OpenWrt a "
        "restart of the device takes it away, too."),
    Code("PLX-R123", "a device does not take the marker of a run", ExitStatus.SAFE_STOP,
        "Before anything is written to a router or a server, a marker is set there that keeps other runs out "
        "(`/tmp/plexops.run`, `/run/plexops.run`, or a disabled scheduler entry `plexops_run`). It could not be set or "
        "not be read back, so nothing was changed. See whether the login may write there and whether memory is full."),
    Code("PLX-R107", "a run has no result yet", ExitStatus.BUSY,
        "The run was interrupted before it could write its report, or it is still at work. `plexops recover` settles an "
        "interrupted run by what the devices say."),
    Code("PLX-R108", "evidence could not be read", ExitStatus.INCOMPLETE,
        "An input/output error or a file's rights kept plexops from reading what an earlier run left. Nothing says that it "
        "was changed. See the disk's health; what plexops cannot read it does not decide from."),
    Code("PLX-R109", "a site had not answered when it was interrupted", ExitStatus.INCOMPLETE,
        "Ctrl-C or SIGTERM ended a look at several sites. Those that had answered are in the report; nothing is said of "
        "this one. A look changes nothing."),
    Code("PLX-R112", "there is nothing to repeat", ExitStatus.USAGE,
        "“--limit @failed” takes the sites that did not end with status 0 in the last run over several sites, of any "
        "command. A run over a single site leaves that list as it is. Where there was no such run, or all of it ended in "
        "order, there is nothing to take."),
    Code("PLX-R201", "a change cannot be written for this device", ExitStatus.SAFE_STOP,
        "The playbook wants what this device cannot be made to do, or the way back could not be derived from what it "
        "holds now. What cannot be undone is not begun: nothing was sent. Do it by hand; plexops verifies the effect."),
    Code("PLX-R210", "a plan file is not what plexops wrote", ExitStatus.TAMPERED,
        "A plan file bears a checksum over all that it says. This one cannot be read, or it was edited. A plan is a "
        "claim that is checked, never an input that is carried out: make a new one with `plexops apply --dry-run --out`."),
    Code("PLX-R211", "a plan file is too old", ExitStatus.USAGE,
        "A plan is good for one day, because homes change. Make a new one and review that."),
    Code("PLX-R212", "another plan was approved", ExitStatus.USAGE,
        "--approve takes the digest of the plan that was reviewed, and the file holds another plan. Nothing was sent."),
    Code("PLX-R220", "a run cannot be put back as a whole", ExitStatus.SAFE_STOP,
        "What the run had left was changed since, so putting the old state back would undo that work as well. Nothing "
        "was sent. Put that entry back by hand, or let the playbook say what shall be."),
    Code("PLX-R221", "what a run left is not seen", ExitStatus.INCOMPLETE,
        "A device failed to say what it holds, said it in part, or said nothing where it always says something. What is not "
        "seen counts neither as back nor as standing. Nothing was sent: look at the device, and run it again."),
    Code("PLX-X001", "a bug of plexops", ExitStatus.BUG,
        "Something happened that plexops was not written for. The crash report names the place in the program and holds "
        "no value of yours. If a change was under way, `plexops recover` settles it by what the devices say."),
)  # fmt: skip

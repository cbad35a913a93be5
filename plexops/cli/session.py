"""From options to homes that can be looked at: files, secrets, trust, recordings."""

from __future__ import annotations

import os
import sys
from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import click
from msgspec import Struct

from plexops.config.allowed import Allowed, allowed_by
from plexops.config.inventory import load_inventory
from plexops.config.playbook import DEFAULT_FOLDER, load_playbooks
from plexops.config.resolve import resolve
from plexops.config.secrets import Secrets
from plexops.config.variables import extra_variables
from plexops.engine.look.access import LiveLinks, ReplayedLinks
from plexops.engine.look.site import (
    Home,
    Setting,
    compiled_profile,
    known_hosts_files,
    open_home,
    ssh_config_file,
)
from plexops.engine.look.wanted_secrets import take_secrets
from plexops.evidence.folder import Store, state_root
from plexops.model.errors import PlexopsError, Problem
from plexops.model.secret import Secret
from plexops.model.site import Checker, Inventory, RouterDevice, Site, SiteTasks
from plexops.structs import replace
from plexops.transport.trust.store import ORIGIN, TrustStore
from plexops.transport.trust.verdict import OfferedKey, fingerprint

#: What `--limit` takes for the sites that did not end in order in the last run over several.
FAILED = "@failed"


class Files(Struct, frozen=True):
    """Which files, sites and tasks a command is about."""

    inventory: Path | None
    playbooks: Sequence[Path]
    limit: Sequence[str] = ()
    tags: Sequence[str] = ()
    skip_tags: Sequence[str] = ()
    extra_vars: Sequence[str] = ()
    #: Playbooks may be missing, and sites without a task count: a diagnosis asks what is, not what shall be.
    for_diagnosis: bool = False
    #: No service on the internet is asked for our public address, or to try the port.
    offline: bool = False
    #: What stands for an inventory where there is none.
    stand_in: Inventory | None = None
    #: Services that try the port, besides those of the inventory.
    checkers: tuple[Checker, ...] = ()

    @property
    def directory(self) -> Path:
        """Where relative files start: beside the inventory."""
        return (self.inventory or Path("inventory.yaml")).absolute().parent

    def tasks(self) -> tuple[SiteTasks, ...]:
        """Load and resolve. Raises PlexopsError with every problem; nothing is contacted."""
        inventory = self.stand_in or load_inventory(self.inventory)
        own = bool(self.playbooks) or (self.stand_in is None and Path(DEFAULT_FOLDER).is_dir())
        none = self.for_diagnosis and not own
        playbooks = () if none else load_playbooks(tuple(self.playbooks))
        found = resolve(
            inventory,
            playbooks,
            limit=self._limit(),
            tags=self.tags,
            skip_tags=self.skip_tags,
            extra=extra_variables(self.extra_vars),
            keep_all=self.for_diagnosis,
        )
        return tuple(self._who_is_asked(tasks) for tasks in found)

    def _limit(self) -> tuple[str, ...]:
        """Put the names that `@failed` stands for in its place. Raises PlexopsError PLX-R112."""
        words = [word.strip() for text in self.limit for word in text.split(",")]
        return tuple(
            name for word in words for name in (open_store().failed() if word == FAILED else (word,))
        )

    def _who_is_asked(self, tasks: SiteTasks) -> SiteTasks:
        if self.offline:
            return replace(tasks, site=replace(tasks.site, echoes=(), checkers=()))
        checkers = {checker.where: checker for checker in (*tasks.site.checkers, *self.checkers)}
        return replace(tasks, site=replace(tasks.site, checkers=tuple(checkers.values())))


def files_from(options: Mapping[str, Any]) -> Files:
    """Take the options of `with_files`."""
    names = ("inventory", "playbooks", "limit", "tags", "skip_tags", "extra_vars")
    return Files(**{name: options[name] for name in names})


def open_store() -> Store:
    """Open the folder of runs."""
    return Store.open(state_root(os.environ, sys.platform))


def open_homes(
    files: Files, store: Store, options: Mapping[str, Any], *, sends: str = ""
) -> tuple[Home, ...]:
    """Make every site ready, by the options of `with_run`, RECORD and REPLAY. Raises PlexopsError; nothing is contacted.

    Every secret that may be needed is taken from its place now: one that is missing is told before the first device
    is asked, and a person is asked for all of them at once. A replay needs none. `sends` is the command, where it may
    write: then a profile that does not come with plexops is one that `allow_profile` names, or refused.
    """
    tasks = files.tasks()
    record, replay = options.get("record"), options.get("replay")
    setting = _setting(files.directory, store, options, sends=sends)
    homes = tuple(open_home(site, setting) for site in tasks)
    if replay is None:
        take_secrets(homes, setting)
    if record is not None:
        from plexops.transport.record import new_recording

        new_recording(record)
    return homes


def open_router(
    site: Site, router: RouterDevice, profile: Path, store: Store, options: Mapping[str, Any]
) -> Home:
    """Make a site ready whose router is asked by a profile that a person named, not the inventory.

    Raises PlexopsError; nothing is contacted.
    """
    named = replace(router, profile=str(profile))
    family = compiled_profile(named, profile.parent, Allowed(folders=(profile.parent,)))
    files = Files(options.get("inventory"), ())
    setting = replace(
        _setting(files.directory, store, options),
        allowed_profiles=frozenset({family.profile.digest}),
        profiles={(named.profile, tuple(sorted(named.params.items()))): family},
    )
    home = open_home(SiteTasks(replace(site, router=named), ()), setting)
    if options.get("replay") is None:
        take_secrets((home,), setting)
    return home


def _setting(directory: Path, store: Store, options: Mapping[str, Any], *, sends: str = "") -> Setting:
    record, replay = options.get("record"), options.get("replay")
    return Setting(
        directory=directory,
        secrets=secrets_here(),
        store=TrustStore.load(store.root),
        links=ReplayedLinks(replay) if replay is not None else LiveLinks(record),
        known_hosts=known_hosts_files(os.environ),
        ssh_config=ssh_config_file(os.environ) if replay is None else None,
        sends=sends,
        allowed_profiles=frozenset(options.get("allow_profile", ())),
        login_password=_prompt("login password") if options.get("ask_pass") else None,
        sudo_password=_prompt("sudo password") if options.get("ask_become_pass") else None,
    )


def secrets_here() -> Secrets:
    """Give what takes secrets from this process's environment, from files, and from a person if one is here."""
    return Secrets(os.environ, _ask if sys.stdin.isatty() else None, allowed_by(os.environ))


def _ask(what: str) -> str:
    answer: str = click.prompt(what, hide_input=True, default="", show_default=False, err=True)
    return answer


def _prompt(what: str) -> Secret:
    if not sys.stdin.isatty():
        reason = f"the {what} is asked for, and there is no terminal to ask at"
        raise PlexopsError(Problem("PLX-C304", reason, "Use {env: NAME} or {file: PATH} in the inventory."))
    return Secret(_ask(what), what)


def pinned_store(
    root: Path, host_keys: Mapping[str, str], pins: Mapping[str, str], origins: Mapping[str, str], today: date
) -> TrustStore:
    """Give a store in which devices have these SSH host keys (`ssh-ed25519 AAAA…`), TLS pins and approved origins."""
    store = TrustStore.load(root)
    for device, key in host_keys.items():
        kind, encoded = key.split()[:2]
        store = store.pin(device, OfferedKey(kind, fingerprint(b64decode(encoded))), today)
    for device, pin in pins.items():
        store = store.pin(device, OfferedKey("tls", pin), today)
    for device, origin in origins.items():
        store = store.pin(device, OfferedKey(ORIGIN, origin), today)
    return store

"""From a reference to the secret itself, at the moment when a device is about to be asked. `check` never comes here."""

from __future__ import annotations

import copy
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock

from plexops.config.allowed import NO_MORE, Allowed
from plexops.config.problems import shown
from plexops.model.errors import Place, PlexopsError, Problem
from plexops.model.paths import from_home
from plexops.model.secret import Secret
from plexops.model.site import SecretReference, SecretSource

MAX_BYTES = 8 * 1024

#: Asks the person at the terminal. Gets what the secret is for, gives what was typed.
Ask = Callable[[str], str]


class Secrets:
    """All secrets of one run. Each reference is resolved once, so a person is asked once. Safe between threads."""

    def __init__(self, environment: Mapping[str, str], ask: Ask | None, allowed: Allowed = NO_MORE) -> None:
        self.allowed = allowed
        self._environment = environment
        self._ask = ask
        self._found: dict[tuple[str, Place], Secret] = {}
        self._everything: set[Secret] = set()
        self._met = self._everything
        self._lock = Lock()

    def of_one_home(self) -> Secrets:
        """Give the same secrets for one home: `known` tells those alone that this home meets.

        What a home's devices were never given they cannot tell, and a thousand homes' secrets in one expression would
        take longer to look for than the home takes to answer.
        """
        mine = copy.copy(self)
        mine._met = set()
        return mine

    def resolve(self, reference: SecretReference) -> Secret:
        """Give the secret. Raises PlexopsError, whose texts never hold it.

        ValueError for `from: server`: only the engine can read that one.
        """
        with self._lock:
            # The place tells `{ask: true}` of two devices apart; one in `defaults:` is one question for all.
            identity = (reference.label, reference.place)
            if identity not in self._found:
                self._found[identity] = resolve(reference, self._environment, self._ask, self.allowed)
            self._note(self._found[identity])
            return self._found[identity]

    def learn(self, secret: Secret) -> None:
        """Take in a secret that was read from a device, so that it is kept out of everything written."""
        with self._lock:
            self._note(secret)

    def _note(self, secret: Secret) -> None:
        self._met.add(secret)
        self._everything.add(secret)

    def known(self) -> tuple[Secret, ...]:
        """Give every secret that was met so far: what must appear in nothing that is written."""
        with self._lock:
            return tuple(self._met)


def resolve(
    reference: SecretReference, environment: Mapping[str, str], ask: Ask | None, allowed: Allowed = NO_MORE
) -> Secret:
    """Give one secret, asking anew each time. Raises as `Secrets.resolve` does."""
    refused = allowed.refusal(reference)
    if refused is not None:
        raise PlexopsError(refused)
    match reference.source:
        case SecretSource.ENVIRONMENT:
            text = _from_environment(reference, environment)
        case SecretSource.FILE:
            text = _from_file(reference)
        case SecretSource.ASK:
            text = _from_person(reference, ask)
        case SecretSource.SERVER:
            raise ValueError("a token on the server is read by the engine")
    _refuse_odd(reference, text)
    return Secret(text, reference.label)


def refuse_claim_token(text: str, reference: SecretReference) -> None:
    """Raise PlexopsError where Plex's access token is wanted and a claim token was given."""
    if text.startswith("claim-"):
        reason = (
            f"{reference.label} holds a claim token: it is for claiming a new server and lives four minutes"
        )
        cure = "Use the access token: “token: {from: server}” reads it where Plex keeps it."
        raise _error(reference, "PLX-C207", reason, cure)


def _from_environment(reference: SecretReference, environment: Mapping[str, str]) -> str:
    text = environment.get(reference.name)
    named = f"the environment variable {reference.name}"
    if text is None:
        cure = f"Set it for this run, for example: read -rs {reference.name}; export {reference.name}"
        raise _error(reference, "PLX-C301", f"{named} is not set", cure)
    if not text:
        raise _error(reference, "PLX-C305", f"{named} is empty", "Give it a value.")
    return text


def _from_person(reference: SecretReference, ask: Ask | None) -> str:
    if ask is None:
        cure = "Run it on a terminal, or use {env: NAME} or {file: PATH} in the inventory."
        reason = "this secret is asked for, and there is no terminal to ask at"
        raise _error(reference, "PLX-C304", reason, cure)
    text = ask(f"{reference.wanted} ({reference.place})")
    if not text:
        raise _error(reference, "PLX-C305", "nothing was typed", "Run it again and type the secret.")
    return text


def _from_file(reference: SecretReference) -> str:
    path = Path(reference.directory, from_home(reference.name))
    try:
        # A pipe in place of the file must not hold the run up. Links were followed when it was judged, and not again.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(path.resolve(), flags)
    except (OSError, RuntimeError, ValueError) as error:
        cause = error.strerror if isinstance(error, OSError) and error.strerror else "not a path"
        reason = f"the file {shown(reference.name)} cannot be read: {cause}"
        cure = f"It was looked for at {path}. Relative paths start at the inventory."
        raise _error(reference, "PLX-C302", reason, cure) from error
    try:
        _refuse_shared(reference, os.fstat(descriptor))
        data = os.read(descriptor, MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > MAX_BYTES:
        reason = f"the file {shown(reference.name)} is larger than 8 KB"
        raise _error(reference, "PLX-C302", reason, "It may hold only the secret.")
    return _text_of(reference, data)


def _refuse_shared(reference: SecretReference, status: os.stat_result) -> None:
    name = shown(reference.name)
    if not stat.S_ISREG(status.st_mode):
        raise _error(
            reference, "PLX-C302", f"{name} is not a file", "Name a file that holds only the secret."
        )
    # Windows reports rights that mean nothing there.
    if os.name == "posix" and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO) & ~(stat.S_IXGRP | stat.S_IXOTH):
        mode = stat.S_IMODE(status.st_mode)
        reason = f"others than you may read or write the file {name} (mode {mode:04o})"
        raise _error(reference, "PLX-C303", reason, f"chmod 600 {reference.name}")


def _text_of(reference: SecretReference, data: bytes) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        # The error itself would carry the secret: it is neither chained nor shown.
        text = None
    if text is None:
        reason = f"the file {shown(reference.name)} is not text (UTF-8)"
        raise _error(reference, "PLX-C302", reason, "Save it as UTF-8.")
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        reason = f"the file {shown(reference.name)} is empty"
        raise _error(reference, "PLX-C305", reason, "Write the secret into it, and nothing else.")
    return text


def _refuse_odd(reference: SecretReference, text: str) -> None:
    field = reference.wanted.rpartition(".")[2]
    if field == "token":
        refuse_claim_token(text, reference)
    allowed = "\n\r\t" if field == "key" else ""
    if any((ord(c) < 0x20 or ord(c) == 0x7F) and c not in allowed for c in text):
        reason = f"the secret from {reference.label} has several lines or control characters"
        raise _error(reference, "PLX-C305", reason, "Keep one secret on one line, and nothing else.")


def _error(reference: SecretReference, code: str, reason: str, cure: str) -> PlexopsError:
    reason = f"{reason}; it is wanted for {reference.wanted}"
    return PlexopsError(Problem(code, reason, cure, reference.place, reference.wanted))

"""Logging in over SSH. Imports paramiko: load this module only when a connection is made."""

from __future__ import annotations

import contextlib
import getpass
import time
from collections.abc import Callable, Sequence
from functools import partial

import paramiko
from msgspec import Struct, field

from plexops.model.errors import PlexopsError
from plexops.model.secret import Secret
from plexops.transport.problems import failure, quoted
from plexops.transport.secret_way import require_over_ssh
from plexops.transport.ssh.bridge import GONE
from plexops.transport.ssh.keys import Passed, candidates
from plexops.transport.ssh_settings import SshSettings
from plexops.transport.trust.verdict import Trust

_PASSWORD = "password"  # noqa: S105  the name of a login method (RFC 4252)
_INTERACTIVE = "keyboard-interactive"


class _Login(Struct):
    """One login under way: what was tried, what the device still accepts (None: it has not said)."""

    transport: paramiko.Transport
    settings: SshSettings
    verdict: Trust
    username: str
    accepts: tuple[str, ...] | None = None
    refused: list[str] = []
    passed: Passed = field(default_factory=Passed)


def log_in(transport: paramiko.Transport, settings: SshSettings, verdict: Trust) -> None:
    """Log in over a connection whose host key was judged: keys first, then the password, each at most once.

    Raises PlexopsError PLX-D203 (a password may not be sent), PLX-D204 (refused), PLX-D205 and PLX-D206 (keys),
    PLX-D106 and PLX-D107 (the connection).
    """
    login = _Login(transport, settings, verdict, settings.username or getpass.getuser())
    if _with_keys(login):
        return
    if settings.password is not None and _may(login, _PASSWORD, _INTERACTIVE):
        if _with_password(login, settings.password):
            return
    elif (
        not login.refused
        and login.accepts is None
        and _try(login, "no credentials", partial(transport.auth_none, login.username))
    ):
        return  # a router fresh from the factory lets root in without a password
    raise _refused(login)


def _with_keys(login: _Login) -> bool:
    with contextlib.closing(candidates(login.settings, login.passed)) as keys:
        for label, key in keys:
            if not _may(login, "publickey"):
                return False
            if _try(login, f"key {label}", partial(login.transport.auth_publickey, login.username, key)):
                return True
    return False


def _with_password(login: _Login, password: Secret) -> bool:
    require_over_ssh(login.settings, login.verdict, "the password")

    transport = login.transport

    def interactive() -> Sequence[str]:
        answers = _Answers(password)
        try:
            return transport.auth_interactive(login.username, answers)
        finally:
            if answers.more:
                login.refused.append(f"asked for more than a password: {quoted(answers.more)}")

    if _may(login, _PASSWORD):
        refused = len(login.refused)
        plain = partial(transport.auth_password, login.username, password.reveal(), fallback=False)
        if _try(login, "password", plain):
            return True
        if len(login.refused) > refused:
            return False  # the device looked at it and said no: asking again only counts towards a lock-out
    # It never looked at the password, or it wants a second step after a key.
    accepts = login.accepts or ()
    return _INTERACTIVE in accepts and _try(login, "password when asked", interactive)


class _Answers:
    """Answers keyboard-interactive: the password to the first single question, nothing to any other."""

    def __init__(self, password: Secret) -> None:
        self._password = password
        self._given = False
        self.more = ""

    def __call__(self, _title: str, _instructions: str, prompts: list[tuple[str, bool]]) -> list[str]:
        if not prompts:
            return []
        if len(prompts) == 1 and not self._given:
            self._given = True
            return [self._password.reveal()]
        self.more = " ".join(prompt for prompt, _ in prompts)
        return [""] * len(prompts)


def _may(login: _Login, *methods: str) -> bool:
    return login.accepts is None or any(method in login.accepts for method in methods)


def _try(login: _Login, label: str, attempt: Callable[[], Sequence[str]]) -> bool:
    """Make one attempt and give whether we are in. Notes a refusal, or what else the device accepts."""
    started = time.monotonic()
    login.transport.auth_timeout = login.settings.auth_seconds
    try:
        further = attempt()
    except paramiko.BadAuthenticationType as error:
        login.accepts = tuple(error.allowed_types)
        return False
    except paramiko.AuthenticationException:
        if time.monotonic() - started >= login.settings.auth_seconds:
            raise failure(
                "PLX-D107",
                f"{login.settings.device} did not answer the login within {login.settings.auth_seconds:g} s",
                "try again later; look at the load of the device",
                login.settings.where,
            ) from None
        if not login.transport.is_active():
            raise _closed(login, label) from None
        login.refused.append(label)
        return False
    except GONE:
        raise _closed(login, label) from None
    if further:
        login.accepts = tuple(further)
        return False
    return True


def _closed(login: _Login, label: str) -> PlexopsError:
    if login.refused:  # OpenSSH answers the last attempt that it allows by hanging up
        login.refused.append(f"{label}, and the device closed the connection")
        return _refused(login)
    return failure(
        "PLX-D106",
        f"{login.settings.device} closed the connection during the login",
        "try again later: after failed logins many devices turn an address away for some minutes",
        login.settings.where,
    )


def _refused(login: _Login) -> PlexopsError:
    settings, passed = login.settings, login.passed
    if passed.protected and settings.password is None:
        return failure(
            "PLX-D205",
            f"{settings.device} was not reached: the key {passed.protected[0]} is protected by a passphrase",
            f"ssh-add {passed.protected[0]}",
            settings.where,
            *(f"refused: {label}" for label in login.refused),
        )
    tried = [f"refused: {label}" for label in login.refused] or ["no key and no password to try"]
    accepts = [f"the device accepts: {quoted(', '.join(login.accepts))}"] if login.accepts else []
    unusable = [f"not usable: {name}" for name in passed.unusable]
    return failure(
        "PLX-D204",
        f"{settings.device} refused the login as {login.username}",
        "check the user name and which keys the device has; -k asks for a password",
        settings.where,
        *tried,
        *accepts,
        *unusable,
    )

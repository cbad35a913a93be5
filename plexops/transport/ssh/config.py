"""~/.ssh/config fills what the inventory leaves out: HostName, User, Port, IdentityFile, ProxyJump and what goes along."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from plexops.model.errors import PlexopsError
from plexops.model.paths import from_home
from plexops.pattern import Pattern
from plexops.structs import replace
from plexops.transport.problems import failure, quoted
from plexops.transport.ssh.config_file import SshConfigFile, UnusableConfigError, expanded
from plexops.transport.ssh_settings import SSH_PORT, SshSettings
from plexops.transport.trust.verdict import TrustedKeys

#: Gives what is known of a device's host key outside the inventory: device, and the host and port that ssh looks up.
Known = Callable[[str, str, int], TrustedKeys]
_Said = Mapping[str, tuple[str, ...]]

_MAX_JUMPS = 8
_HOP = Pattern(
    r"(?:ssh://)?(?:(?P<user>[^@\s]+)@)?(?P<host>\[[^\]\s]+\]|[^:\[\]\s]+)(?::(?P<port>[0-9]{1,5}))?/?"
)


def resolve(
    settings: SshSettings, config: SshConfigFile | None, known: Known, *, jumps: int = _MAX_JUMPS
) -> SshSettings:
    """Give settings with everything filled in, the host keys of the device and of all jump hosts included.

    What the inventory says wins; no file says nothing. A jump host of the file is called `SITE/via HOST`; there are at
    most `jumps` of them. Raises PlexopsError PLX-D112 for what cannot be used, for a Match that only a command decides,
    and for ProxyCommand: plexops starts no commands of its own accord.
    """
    said = _lookup(config, settings)
    if settings.via is not None:
        via: SshSettings | None = resolve(settings.via, config, known, jumps=jumps - 1)
    else:
        via = _jump(said, config, known, settings, jumps)
    return _filled(settings, said, known, via)


def _filled(settings: SshSettings, said: _Said, known: Known, via: SshSettings | None) -> SshSettings:
    try:
        host = expanded(said.get("hostname", (settings.host,))[0], {"h": settings.host})
        port = settings.port or _port(said)
        user = settings.username or said.get("user", ("",))[0]
        tokens = {"h": host, "n": settings.host, "p": str(port)} | ({"r": user} if user else {})
        alias = expanded(said.get("hostkeyalias", ("",))[0], tokens)
        files = settings.key_files or tuple(_files(said, tokens))
    except UnusableConfigError as error:
        raise _unusable(settings, str(error)) from None
    keys = known(settings.device, alias or host, SSH_PORT if alias else port)
    mine = settings.host_keys
    return replace(
        settings,
        host=host,
        port=port,
        username=user,
        key_files=files,
        use_agent=settings.use_agent and said.get("identityagent", ("",))[0].lower() != "none",
        only_key_files=said.get("identitiesonly", ("no",))[0].lower() == "yes",
        via=via,
        host_keys=TrustedKeys((*mine.keys, *keys.keys), (*mine.revoked, *keys.revoked)),
    )


def _files(said: _Said, tokens: Mapping[str, str]) -> list[Path]:
    """Give the key files that are there; ssh passes over the others too."""
    names = [expanded(name, tokens) for name in said.get("identityfile", ()) if name.lower() != "none"]
    return [path for path in (from_home(name) for name in names) if path.is_file()]


def _lookup(config: SshConfigFile | None, settings: SshSettings) -> _Said:
    """Look a host up. What the inventory gives is no question, also not to a Match that cannot be decided."""
    if config is None:
        return {}
    given = {
        "user": settings.username,
        "port": str(settings.port or ""),
        "identityfile": str(settings.key_files[0]) if settings.key_files else "",
        "proxyjump": settings.via.host if settings.via is not None else "",
    }
    if settings.key_text is not None:
        given["identityfile"] = settings.key_text.reference
    try:
        return config.lookup(settings.host, {word: value for word, value in given.items() if value})
    except UnusableConfigError as error:
        raise _unusable(settings, str(error)) from None


def _unusable(settings: SshSettings, why: str) -> PlexopsError:
    return failure(
        "PLX-D112",
        f"~/.ssh/config cannot be used for {settings.host}: {quoted(why)}",
        "correct it, say it plainly in a `Host` before that line, or write the values into the inventory",
        settings.where,
    )


def _port(said: _Said) -> int:
    (text,) = said.get("port", (str(SSH_PORT),))
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise UnusableConfigError(f"{text!r} is no port from 1 to 65535")
    return int(text)


def _jump(
    said: _Said, config: SshConfigFile | None, known: Known, settings: SshSettings, jumps: int
) -> SshSettings | None:
    """Give the last jump host of a ProxyJump, each reached through the one before it."""
    (text,), (command,) = said.get("proxyjump", ("none",)), said.get("proxycommand", ("none",))
    if text.lower() == "none":
        if command.lower() != "none":
            raise failure(
                "PLX-D112",
                f"~/.ssh/config reaches {settings.host} by a ProxyCommand, which plexops does not run",
                "use ProxyJump there, or `via:` in the inventory",
                settings.where,
            )
        return None
    via: SshSettings | None = None
    for hop in text.split(","):
        match = _HOP.fullmatch(hop.strip())
        if match is None or jumps <= 0:
            raise failure(
                "PLX-D112",
                f"~/.ssh/config gives {quoted(text)!r} as the jump hosts of {settings.host}",
                "write host, user@host or user@host:port, and let no host be its own jump host",
                settings.where,
            )
        jump = SshSettings(
            device=f"{settings.device.partition('/')[0]}/via {hop.strip()}",
            host=match["host"].strip("[]"),
            username=match["user"] or "",
            port=int(match["port"]) if match["port"] else None,
            use_agent=settings.use_agent,
            connect_seconds=settings.connect_seconds,
            auth_seconds=settings.auth_seconds,
        )
        if jump.host == settings.host:
            return via  # `Host *` with a ProxyJump also means the jump host itself, which then is the end of the way
        jumps -= 1
        # Only the first hop may have a jump host of its own.
        via = (
            resolve(jump, config, known, jumps=jumps)
            if via is None
            else _filled(jump, _lookup(config, jump), known, via)
        )
    return via

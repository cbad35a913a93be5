"""~/.ssh/config fills what the inventory leaves out: HostName, User, Port, IdentityFile, ProxyJump."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from plexops.transport.loading import load_match_exec
from plexops.transport.problems import failure, quoted
from plexops.transport.ssh_settings import SSH_PORT, SshSettings
from plexops.transport.trust import TrustedKeys

#: Gives what is known of a device's host key: device, host, port.
Known = Callable[[str, str, int], TrustedKeys]

_MAX_JUMPS = 8
_MATCH_EXEC = re.compile(r"^\s*match\b[^\n]*\bexec\b", re.IGNORECASE | re.MULTILINE)
_HOP = re.compile(
    r"(?:ssh://)?(?:(?P<user>[^@\s]+)@)?(?P<host>\[[^\]\s]+\]|[^:\[\]\s]+)(?::(?P<port>[0-9]{1,5}))?/?"
)


def resolve(settings: SshSettings, config: Path, known: Known) -> SshSettings:
    """Give settings with everything filled in, the host keys of the device and of all jump hosts included.

    What the inventory says wins; a missing file says nothing. Raises PlexopsError PLX-D112 for a file or a value
    that cannot be used, and for ProxyCommand: plexops starts no commands of its own accord.
    """
    return _resolve(settings, config, known, _MAX_JUMPS)


def _resolve(settings: SshSettings, config: Path, known: Known, jumps: int) -> SshSettings:
    said = _lookup(config, settings)
    if settings.via is not None:
        via: SshSettings | None = _resolve(settings.via, config, known, jumps - 1)
    else:
        via = _jump(said, config, known, settings, jumps)
    return _filled(settings, said, config, known, via)


def _filled(
    settings: SshSettings, said: Mapping[str, Any], config: Path, known: Known, via: SshSettings | None
) -> SshSettings:
    host = str(said.get("hostname", settings.host))
    port = settings.port or _port(said.get("port"), config, settings)
    files = settings.key_files
    if not files and settings.key_text is None:
        files = tuple(path for path in map(Path, said.get("identityfile", ())) if path.expanduser().is_file())
    return replace(
        settings,
        host=host,
        port=port,
        username=settings.username or str(said.get("user", "")),
        key_files=files,
        via=via,
        host_keys=known(settings.device, host, port),
    )


def _lookup(config: Path, settings: SshSettings) -> Mapping[str, Any]:
    if not config.is_file():
        return {}
    import paramiko

    try:
        if _MATCH_EXEC.search(config.read_text(encoding="utf-8", errors="replace")):
            load_match_exec()
        return paramiko.SSHConfig.from_path(str(config)).lookup(settings.host)
    except (paramiko.SSHException, OSError, ValueError, ImportError) as error:
        raise failure(
            "PLX-D112",
            f"{config} could not be understood: {quoted(str(error))}",
            "correct it, or write the values into the inventory",
            settings.where,
        ) from None


def _port(text: object, config: Path, settings: SshSettings) -> int:
    if text is None:
        return SSH_PORT
    if not str(text).isdecimal() or not 1 <= int(str(text)) <= 65535:
        raise failure(
            "PLX-D112",
            f"{config} gives {quoted(str(text))!r} as the port of {settings.host}",
            "write a number from 1 to 65535",
            settings.where,
        )
    return int(str(text))


def _jump(
    said: Mapping[str, Any], config: Path, known: Known, settings: SshSettings, jumps: int
) -> SshSettings | None:
    """Give the last jump host of a ProxyJump, each reached through the one before it."""
    text = str(said.get("proxyjump") or "none")
    command = said.get("proxycommand")
    if text.lower() == "none":
        if command and str(command).lower() != "none":
            raise failure(
                "PLX-D112",
                f"{config} reaches {settings.host} by a ProxyCommand, which plexops does not run",
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
                f"{config} gives {quoted(text)!r} as the jump hosts of {settings.host}",
                "write host, user@host or user@host:port, and let no host be its own jump host",
                settings.where,
            )
        jump = SshSettings(
            device=hop.strip(),
            host=match["host"].strip("[]"),
            username=match["user"] or "",
            port=int(match["port"]) if match["port"] else None,
            use_agent=settings.use_agent,
            connect_seconds=settings.connect_seconds,
            auth_seconds=settings.auth_seconds,
        )
        if jump.host == settings.host:
            return via  # `Host *` with a ProxyJump also means the jump host itself, which then is the end of the way
        if via is None:  # only the first hop may have a jump host of its own
            via = _resolve(jump, config, known, jumps - 1)
        else:
            via = _filled(jump, _lookup(config, jump), config, known, via)
        jumps -= 1
    return via

"""What is needed to reach one device over SSH. The engine fills it from the inventory."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from msgspec import Struct, field

from plexops.model.secret import Secret
from plexops.transport.trust.verdict import TrustedKeys

SSH_PORT = 22
#: What reports say of a device for which `legacy` is set.
LEGACY = "legacy_ssh is set: SSH algorithms that are no longer considered safe are agreed to there"


class Become(Struct, frozen=True):
    """How commands get root on the device. The password goes to sudo's standard input, never on a command line."""

    method: Literal["sudo"] = "sudo"
    password: Secret | None = None


class SshSettings(Struct, frozen=True):
    """One device's SSH. Empty `username`, no `port`, no `key_files` and no `via` mean that ~/.ssh/config may say.

    `device` is the name that messages and `plexops trust` use. `console` is the language of its command line: `tree` is
    typed on a terminal, in the others many reads are framed. `only_key_files`: of the agent's keys, only those whose
    public half is among `key_files` are offered. All times are in seconds. `legacy` also offers what is no longer
    considered safe.
    """

    device: str
    host: str
    username: str = ""
    port: int | None = None
    password: Secret | None = None
    key_files: tuple[Path, ...] = ()
    key_text: Secret | None = None
    use_agent: bool = True
    use_default_keys: bool = True
    only_key_files: bool = False
    host_keys: TrustedKeys = field(default_factory=TrustedKeys)
    via: SshSettings | None = None
    become: Become | None = None
    console: Literal["posix", "routeros", "tree"] = "posix"
    connect_seconds: float = 10.0
    auth_seconds: float = 15.0
    legacy: bool = False

    @property
    def address(self) -> str:
        """Host and port as messages show them."""
        host = f"[{self.host}]" if ":" in self.host and not self.host.startswith("[") else self.host
        return f"{host}:{self.port or SSH_PORT}"

    @property
    def where(self) -> str:
        """Device and way, for the problems of this connection."""
        return f"{self.device}, ssh {self.address}"

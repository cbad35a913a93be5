"""What is needed to reach one device over HTTP. The engine fills it from the inventory."""

from __future__ import annotations

from urllib.parse import urlsplit

from msgspec import Struct

from plexops.languages.contracts import ContractName
from plexops.model.login import SessionSteps
from plexops.model.secret import Secret
from plexops.transport.ssh_settings import SshSettings
from plexops.transport.trust.verdict import TrustedKeys


class BasicLogin(Struct, frozen=True):
    """HTTP Basic: a user name or key, and its secret; some devices want it in a header of their own."""

    key: Secret
    secret: Secret
    header: str = "Authorization"


class HeaderLogin(Struct, frozen=True):
    """A token in a header of its own (`X-Plex-Token`)."""

    name: str
    secret: Secret


class DigestLogin(Struct, frozen=True):
    """HTTP Digest (RFC 7616): the password answers a challenge and does not travel itself."""

    key: Secret
    secret: Secret


class SessionLogin(Struct, frozen=True):
    """The device's own login: a user name, or nothing of one, and the secret that `steps` send or prove."""

    steps: SessionSteps
    key: Secret
    secret: Secret


Login = BasicLogin | HeaderLogin | DigestLogin | SessionLogin


class Authorities(Struct, frozen=True):
    """Certificates are verified against the public authorities and the system's."""


class Pinned(Struct, frozen=True):
    """The key of the certificate is pinned; its name, date and issuer then do not matter."""

    keys: TrustedKeys


class Whoever(Struct, frozen=True):
    """No certificate is judged: for what is public, and asked without a login."""


class HttpSettings(Struct, frozen=True):
    """One device's HTTP. `base_url` is scheme, host and port; a path in it goes before every request's.

    `plain_login` lets the login go over plain http, to private addresses only: for Plex, whose own clients do so.
    `approved` says that a person approved this origin outside the repository; `proven` are addresses at which, on this
    way, a host answered that is pinned there. Without one of them a login takes a pinned certificate.
    `constant_address` says that the address is plexops' own and not the inventory's (plex.tv): its login may go to a
    public address, once the certificate is verified. `headers` are constants that every request carries.
    `contract` says which requests only read here. Times are in seconds; `connect_seconds` includes TLS.
    """

    device: str
    base_url: str
    login: Login | None = None
    tls: Authorities | Pinned | Whoever = Authorities()
    via: SshSettings | None = None
    plain_login: bool = False
    approved: bool = False
    proven: frozenset[str] = frozenset()
    constant_address: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    contract: ContractName = "json"
    connect_seconds: float = 10.0
    read_seconds: float = 30.0

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken."""
        return urlsplit(self.base_url).scheme == "https"

    @property
    def host(self) -> str:
        """The host without brackets. Raises ValueError for a URL that has none."""
        parts = urlsplit(self.base_url)
        if (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or parts.query
            or parts.username is not None
        ):
            raise ValueError("a base URL is http:// or https://, a host, perhaps a port and a path")
        return parts.hostname

    @property
    def port(self) -> int:
        """The port, by default the scheme's."""
        return urlsplit(self.base_url).port or (443 if self.secure else 80)

    @property
    def origin(self) -> str:
        """Scheme, host and port: where a login may be approved to go. Raises ValueError as `host` does."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{urlsplit(self.base_url).scheme}://{host}:{self.port}"

    @property
    def where(self) -> str:
        """Device and way, for the problems of this connection."""
        return f"{self.device}, {self.base_url}"


def moved_url(url: str, address: str) -> str:
    """Give a URL with another host in it; unchanged where the address is empty."""
    if not address:
        return url
    parts = urlsplit(url)
    port = "" if parts.port is None else f":{parts.port}"
    return parts._replace(netloc=f"{address}{port}").geturl()

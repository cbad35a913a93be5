"""A router's login over HTTP: of the ways that its family has, the one for which the inventory names the secrets."""

from __future__ import annotations

from collections.abc import Sequence

from plexops.config.secrets import Secrets
from plexops.model.errors import PlexopsError, Problem
from plexops.model.login import LoginSpec
from plexops.model.secret import Secret
from plexops.model.site import HttpLogin, RouterDevice, SecretReference
from plexops.transport.http_settings import BasicLogin, DigestLogin, HeaderLogin, Login, SessionLogin


def login_of(
    ways: Sequence[LoginSpec], given: HttpLogin, secrets: Secrets, override: Secret | None
) -> Login | None:
    """Give the first way for which all is there, with its secrets; None where there is none. Raises PlexopsError."""
    for way in ways:
        for keys in way.wants:
            if not _lacking(keys, given, override):
                return _login(way, keys, given, secrets, override)
    return None


def require_login(
    ways: Sequence[LoginSpec], router: RouterDevice, title: str, override: Secret | None
) -> None:
    """Raise PlexopsError PLX-C309 where the inventory names no login of the router's family."""
    groups = dict.fromkeys(keys for way in ways for keys in way.wants)
    lacking = [_lacking(keys, router.http, override) for keys in groups]
    if not lacking or not all(lacking):
        return
    wanted = ", or ".join(" and ".join(f"{name}:" for name in keys) for keys in groups)
    reason = f"{title} wants a login, and the inventory names no whole one"
    cure = f"Write {wanted} under the site's “router:”."
    raise PlexopsError(Problem("PLX-C309", reason, cure, router.places.get("profile"), "router"))


def _lacking(keys: Sequence[str], given: HttpLogin, override: Secret | None) -> list[str]:
    """Name what the inventory does not say; a password may be asked for (-k)."""
    return [key for key in keys if not getattr(given, key) and not (key == "password" and override)]


def _login(
    way: LoginSpec, keys: Sequence[str], given: HttpLogin, secrets: Secrets, override: Secret | None
) -> Login:
    def secret(reference: SecretReference | None) -> Secret:
        if reference is None:
            raise ValueError("a way was picked without its secrets")
        return secrets.resolve(reference)

    if way.header:
        return HeaderLogin(way.header, secret(given.api_key))
    if "api_key" in keys:
        return BasicLogin(secret(given.api_key), secret(given.api_secret), way.basic or "Authorization")
    user, password = Secret(given.username, "username"), override or secret(given.password)
    if way.session is not None:
        return SessionLogin(way.session.steps, user, password)
    if way.word == "digest":
        return DigestLogin(user, password)
    return BasicLogin(user, password, way.basic or "Authorization")

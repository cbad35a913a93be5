"""From a login as the inventory writes it to what SSH needs of it, with its secrets or without."""

from __future__ import annotations

from base64 import b64decode

from plexops.config.secrets import Secrets
from plexops.model.errors import Place, PlexopsError
from plexops.model.paths import from_home
from plexops.model.secret import Secret
from plexops.model.site import SecretReference, Site, SshLogin
from plexops.structs import replace
from plexops.transport.ssh_settings import SshSettings
from plexops.transport.trust.verdict import Source, TrustedKey, TrustedKeys, fingerprint


def plain(
    login: SshLogin, device: str, via: str, secrets: Secrets | None = None, override: Secret | None = None
) -> SshSettings:
    """Give what the inventory alone says of a login; without `secrets`, empty ones stand for them."""

    def secret(reference: SecretReference | None) -> Secret | None:
        if reference is None:
            return None
        return Secret("", reference.label) if secrets is None else secrets.resolve(reference)

    if secrets is not None:
        _require_allowed(login, device, secrets)
    return SshSettings(
        device=device,
        host=login.address,
        port=login.port,
        username=login.username,
        password=override or secret(login.password),
        key_files=(from_home(login.key_file),) if login.key_file else (),
        key_text=secret(login.key),
        use_agent=not login.key_file,
        use_default_keys=not login.key_file,
        host_keys=TrustedKeys(_inventory_key(login.host_key, login.places.get("host_key"))),
        via=None if login.via is None else plain(login.via, via, via, secrets, override),
        legacy=login.legacy,
    )


def _require_allowed(login: SshLogin, device: str, secrets: Secrets) -> None:
    """Raise PlexopsError PLX-C307 where the inventory names a key file that it may not."""
    if login.key_file:
        place = login.places.get("key_file")
        path = from_home(login.key_file)
        refused = secrets.allowed.file(path, login.directory, place, f"{device} key_file", key=True)
        if refused is not None:
            raise PlexopsError(refused)


def _inventory_key(host_key: str, place: Place | None) -> tuple[TrustedKey, ...]:
    if not host_key:
        return ()
    kind, _, encoded = host_key.partition(" ")
    return (
        TrustedKey(
            fingerprint(b64decode(encoded.split()[0])), Source.INVENTORY, str(place or "inventory"), kind
        ),
    )


def without_secrets(site: Site) -> Site:
    """Give a site whose devices are shaken hands with and nothing more; jump hosts on the way keep their logins."""
    router, server, plex = site.router, site.server, site.plex
    if router is not None:
        http = replace(router.http, password=None, api_key=None, api_secret=None, username="")
        router = replace(router, ssh=without_password(router.ssh), http=http, become=None)
    if server is not None:
        login = None if server.login is None else without_password(server.login)
        server = replace(server, login=login, become=None)
    vantages = tuple(replace(vantage, ssh=without_password(vantage.ssh)) for vantage in site.vantages)
    plex = None if plex is None else replace(plex, token=None)
    return replace(site, router=router, server=server, plex=plex, vantages=vantages)


def without_password(login: SshLogin) -> SshLogin:
    """Give a login without its password and without a key that is text."""
    return replace(login, password=None, key=None)

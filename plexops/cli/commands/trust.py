"""`plexops trust`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import click

from plexops.cli.listing import table
from plexops.cli.options import INVENTORY
from plexops.cli.output import emit, note
from plexops.model.errors import PlexopsError, Problem
from plexops.transport.http_settings import HttpSettings, Pinned
from plexops.transport.trust.store import ORIGIN, TrustStore
from plexops.transport.trust.verdict import OfferedKey, Trust, TrustedKeys, judge

if TYPE_CHECKING:
    from plexops.engine.look.access import Access
    from plexops.model.site import Site
    from plexops.transport.link import LinkSettings, RemoteSettings


@click.command("trust")
@click.argument("device", nargs=-1)
@INVENTORY
@click.option(
    "--fingerprint",
    metavar="FP",
    help="Pin exactly this key, if the device shows it; for where there is no terminal.",
)
@click.option(
    "--origin",
    metavar="URL",
    help="Approve that Plex's token goes to exactly this scheme, host and port; for where there is no terminal.",
)
@click.option("--remove", is_flag=True, help="Forget what is pinned for the device.")
@click.option("--list", "listing", is_flag=True, help="List everything that is pinned.")
def command(**options: Any) -> int:
    """Look at a device's key and pin it, outside your repository.

    DEVICE is SITE/ROLE as messages name it: home/router, home/server, home/plex, home/via, home/via HOST for a jump
    host of ~/.ssh/config, or home/vantage NAME; the role alone where there is one site. Only a handshake is made: no
    user name, no password, no request.
    Compare what is shown on the device itself before you say yes.

    home/plex over http has no key: what is approved is where the token may go, scheme, host and port. So it is over
    https too, where the certificate is a public authority's.
    """
    from plexops.cli.session import open_store

    store = TrustStore.load(open_store().root)
    if options["listing"]:
        return _list(store)
    if not options["device"]:
        raise click.UsageError("name a device, such as home/router; --list shows what is pinned.")
    given = " ".join(options["device"])
    if options["remove"]:
        return _remove(store, given)
    if options["fingerprint"] is None and options["origin"] is None and not sys.stdin.isatty():
        raise click.UsageError(
            "there is no terminal at which to compare the key: give --fingerprint FP, read on the device itself, or "
            "--origin URL for what has none."
        )
    site, role = find_device(given, options["inventory"])
    settings = way_to(site, role, store, options["inventory"])
    if _by_origin(settings, role, options):
        return _approve(store, settings, options["origin"])
    return _pin(store, settings, options["fingerprint"])


def find_device(given: str, inventory: Path | None) -> tuple[Site, str]:
    """Find what a name like `home/router` means. Raises click.UsageError with what there is."""
    from plexops.config.inventory import load_inventory
    from plexops.config.problems import nearest

    sites = load_inventory(inventory).sites
    name, slash, role = given.partition("/")
    if not slash and len(sites) == 1:
        name, role = next(iter(sites)), given
    elif not slash:
        raise click.UsageError(f"there are {len(sites)} sites: name the device as SITE/ROLE.")
    if name not in sites:
        raise click.UsageError(f"there is no site {name!r}. Sites: {', '.join(sites)}.")
    known = _roles(sites[name])
    if role not in known and not role.startswith("via "):
        close = nearest(role, known)
        hint = f"Did you mean {name}/{close}?" if close else f"There are: {', '.join(known)}."
        raise click.UsageError(f"site {name} has no {role!r}. {hint}")
    return sites[name], role


def _roles(site: Site) -> list[str]:
    found = {
        "router": site.router is not None and not site.router.manual,
        "server": site.server is not None and site.server.asked,
        "plex": site.plex is not None,
        "account": bool(site.plex_tv),
    }
    named = [name for name, there in found.items() if there]
    return [*named, "via", *(f"vantage {vantage.name}" for vantage in site.vantages)]


def way_to(site: Site, role: str, store: TrustStore, inventory: Path | None) -> RemoteSettings:
    """Give how a device is reached for a handshake. No secret of it is resolved; a jump host's are.

    Raises click.UsageError for one that shows no key.
    """
    from plexops.cli.session import secrets_here
    from plexops.engine.look.access import Access
    from plexops.engine.look.logins import without_secrets
    from plexops.engine.look.site import compiled_profile, known_hosts_files, ssh_config_file
    from plexops.model.profile import Speaks
    from plexops.transport.here import LocalSettings

    directory = (inventory or Path("inventory.yaml")).absolute().parent
    secrets = secrets_here()
    profile = None
    if site.router is not None and (role == "router" or role.startswith("via ")):
        profile = compiled_profile(site.router, directory, secrets.allowed)
    access = Access(
        site=without_secrets(site),
        secrets=secrets,
        store=store,
        known_hosts=known_hosts_files(os.environ),
        speaks=Speaks.NOTHING if profile is None else profile.profile.speaks,
        logins=() if profile is None else profile.profile.login,
        port=None if profile is None else profile.profile.port,
        ssh_config=ssh_config_file(os.environ),
    )
    settings = _way(access, role)
    if isinstance(settings, LocalSettings):
        raise click.UsageError(f"{settings.device} is this computer itself: it has no key to pin.")
    if role == "router" and isinstance(settings, HttpSettings) and not settings.secure:
        raise click.UsageError(
            f"{settings.device} is asked over plain HTTP, without a login: there is no key to pin."
        )
    return settings


def _way(access: Access, role: str) -> LinkSettings:
    ways: Mapping[str, Callable[[], LinkSettings]] = {
        "router": access.router,
        "server": access.server,
        "plex": lambda: access.plex(None),
        "account": access.plex_tv,
    }
    if role in ways:
        return ways[role]()
    if role == "via":
        jump = access.jump_host()
        if jump is None:
            raise click.UsageError(f"site {access.site.name} has no jump host (via:).")
        return jump
    if role.startswith("via "):
        return _jump_of_config(access, role)
    name = role.removeprefix("vantage ")
    return access.vantage(next(v for v in access.site.vantages if v.name == name))


def _jump_of_config(access: Access, role: str) -> RemoteSettings:
    found = access.jumps_of_config()
    if access.device(role) not in found:
        there = ", ".join(found) or "none"
        raise click.UsageError(
            f"~/.ssh/config puts no {role.removeprefix('via ')!r} before a device of site {access.site.name}. "
            f"Jump hosts there: {there}."
        )
    return found[access.device(role)]


def _by_origin(settings: RemoteSettings, role: str, options: dict[str, Any]) -> TypeGuard[HttpSettings]:
    """Tell whether it is approved where a login goes, because there is no key that stays the same."""
    from plexops.transport.http.dial import publicly_trusted

    if role not in ("plex", "account") or not isinstance(settings, HttpSettings):
        if options["origin"] is not None:
            raise click.UsageError(f"{settings.device} has a key: pin that one.")
        return False
    if not settings.secure and options["fingerprint"] is not None:
        raise click.UsageError(f"{settings.device} speaks plain http: it has no key. Give --origin URL.")
    if not settings.secure or options["origin"] is not None:
        return True
    return (
        options["fingerprint"] is None and not isinstance(settings.tls, Pinned) and publicly_trusted(settings)
    )


def _approve(store: TrustStore, settings: HttpSettings, wanted: str | None) -> int:
    device, origin = settings.device, settings.origin
    note(f"{device} is at {origin}{'' if settings.secure else ', unencrypted'}")
    if settings.via is not None:
        note(f"through {settings.via.device}, {settings.via.address}")
    if wanted is not None and wanted.rstrip("/") != origin:
        raise _other_key(device, f"the inventory says {origin}, not {wanted}", settings.where)
    if store.approves(device, origin):
        emit(f"{device}: {origin} is approved already\n")
        return 0
    agreed = wanted is not None or click.confirm(f"May the owner's Plex token go to {origin}?", err=True)
    return _kept(store, device, OfferedKey(ORIGIN, origin), "approved", agreed=agreed)


def _pin(store: TrustStore, settings: RemoteSettings, wanted: str | None) -> int:
    offered, trusted = _shown_by(settings)
    verdict = judge(trusted, offered)
    for key in (*trusted.keys, *trusted.revoked):
        note(
            f"{'revoked' if key in trusted.revoked else 'pinned '}  {key.fingerprint}  {key.type}  {key.shown}"
        )
    note(f"offered  {offered.fingerprint}  {offered.type}  {settings.where} now")
    if wanted is not None and wanted != offered.fingerprint:
        raise _other_key(settings.device, f"it shows {offered.fingerprint}, not {wanted}", settings.where)
    if any(pin.fingerprint == offered.fingerprint for pin in store.pins.get(settings.device, ())):
        emit(f"{settings.device}: this key is pinned already\n")
        return 0
    if verdict is Trust.REVOKED:
        raise _other_key(settings.device, "it is marked as revoked in known_hosts", settings.where)
    agreed = wanted is not None or _agreed(settings.device, changed=verdict is Trust.CHANGED)
    return _kept(store, settings.device, offered, "pinned", agreed=agreed)


def _kept(store: TrustStore, device: str, key: OfferedKey, done: str, *, agreed: bool) -> int:
    if agreed:
        store.pin(device, key, datetime.now(UTC).date()).save()
    emit(f"{device}: {done} {key.fingerprint}\n" if agreed else f"{device}: nothing was {done}\n")
    return 0 if agreed else 1


def _shown_by(settings: RemoteSettings) -> tuple[OfferedKey, TrustedKeys]:
    if isinstance(settings, HttpSettings):
        from plexops.transport.http.dial import scan

        return scan(settings), settings.tls.keys if isinstance(settings.tls, Pinned) else TrustedKeys()
    from plexops.transport.ssh.link import scan as scan_ssh

    return scan_ssh(settings), settings.host_keys


def _agreed(device: str, *, changed: bool) -> bool:
    if changed:
        click.echo(
            "It differs from what is pinned. That is so after a reset or a reinstallation, and also when someone "
            "sits in between.",
            err=True,
        )
    return bool(click.confirm(f"Did you compare it on {device} itself, and is it the same?", err=True))


def _other_key(device: str, reason: str, where: str) -> Exception:
    cure = "Compare it on the device itself; it may have several host keys."
    return PlexopsError(Problem("PLX-D214", f"{device} was not pinned: {reason}", cure, where=where))


def _list(store: TrustStore) -> int:
    rows = [
        (device, pin.type, pin.fingerprint, f"since {pin.since}")
        for device, pins in sorted(store.pins.items())
        for pin in pins
    ]
    emit(table(rows) if rows else "nothing is pinned\n")
    return 0


def _remove(store: TrustStore, given: str) -> int:
    names = [
        name for name in store.pins if name == given or ("/" not in given and name.endswith(f"/{given}"))
    ]
    if len(names) != 1:
        pinned = ", ".join(sorted(store.pins)) or "nothing"
        raise click.UsageError(f"{given!r} names {len(names)} pinned devices. Pinned: {pinned}.")
    store.remove(names[0]).save()
    emit(f"{names[0]}: forgotten\n")
    return 0

"""May this secret go this way? The one answer, for passwords, API keys and tokens, over SSH and over HTTP.

Whoever may edit the repository names addresses, ports, jump hosts and keys. So a secret goes only where all of the way
was pinned or approved outside of it: every jump host, and who is at the end.
"""

from __future__ import annotations

from collections.abc import Iterator

from plexops.transport.http_settings import HttpSettings, Pinned
from plexops.transport.net import is_private
from plexops.transport.problems import failure
from plexops.transport.ssh_settings import SshSettings
from plexops.transport.trust.verdict import OfferedKey, Trust, TrustedKeys, judge, require_outside


def pinned_outside(settings: SshSettings | None) -> bool:
    """Tell whether whoever answers on this way, at its end and at every jump host, is pinned outside the repository."""
    return all(_assured(hop.host_keys) for hop in _hops(settings))


def same_way(one: SshSettings | None, other: SshSettings | None) -> bool:
    """Tell whether two chains of jump hosts lead through the same hosts: behind others, an address is another device."""
    return [hop.address for hop in _hops(one)] == [hop.address for hop in _hops(other)]


def require_over_ssh(settings: SshSettings, verdict: Trust, what: str) -> None:
    """Refuse to send a secret over SSH. Raises PlexopsError PLX-D203; `verdict` is on the key at the end."""
    require_outside(verdict, what, settings.device, settings.where)
    _require_jump_hosts(settings.via, what)


def require_over_http(settings: HttpSettings, peer: str) -> None:
    """Refuse to send a login over HTTP, where TLS is done. `peer` is the address that answers.

    Raises PlexopsError PLX-D203 (a jump host), PLX-D212 (readable on the way), PLX-D215 (approved by the repository
    alone). The verdict on a pinned certificate is the handshake's.
    """
    if settings.login is None:
        return
    _require_jump_hosts(settings.via, "the login")
    if settings.secure and (settings.constant_address or isinstance(settings.tls, Pinned)):
        return
    if not settings.secure and not (settings.plain_login and is_private(peer)):
        raise failure(
            "PLX-D212",
            f"the login of {settings.device} was not sent: {settings.base_url} is not encrypted",
            "use https://, or reach the device by its private address or through a jump host",
            settings.where,
        )
    if not settings.approved and peer not in settings.proven:
        raise failure(
            "PLX-D215",
            f"the login of {settings.device} was not sent: that it may go to {settings.base_url} says the repository "
            "alone",
            f"plexops trust {settings.device} shows where it goes, and asks",
            settings.where,
        )


def _require_jump_hosts(via: SshSettings | None, what: str) -> None:
    for hop in _hops(via):
        if not _assured(hop.host_keys):
            require_outside(Trust.PINNED_INSIDE, what, hop.device, hop.where)


def _hops(settings: SshSettings | None) -> Iterator[SshSettings]:
    while settings is not None:
        yield settings
        settings = settings.via


def _assured(trusted: TrustedKeys) -> bool:
    """Tell whether no key passes for the device's that only the repository pins, and one does that is pinned outside."""
    verdicts = {judge(trusted, OfferedKey(key.type, key.fingerprint)) for key in trusted.keys}
    return Trust.PINNED_OUTSIDE in verdicts and Trust.PINNED_INSIDE not in verdicts

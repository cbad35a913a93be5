"""The only two ways to a link: one that asks, and one that may also send what an authorized step holds."""

from __future__ import annotations

from plexops.model.plan import Authorized
from plexops.transport.here import HereSettings, LocalSettings
from plexops.transport.link import LinkSettings, ReadLink, ReadSettings, WriteLink
from plexops.transport.shell import ShellReadLink, ShellWriteLink
from plexops.transport.ssh.link import SshWay
from plexops.transport.ssh_settings import SshSettings
from plexops.transport.tree import TreeReadLink, TreeWriteLink


def open_read(settings: ReadSettings) -> ReadLink:
    """Give a link that can only ask. It connects at the first `ask`."""
    if isinstance(settings, HereSettings):
        from plexops.transport.around.local_queries import HereLink

        return HereLink(settings)
    if isinstance(settings, LocalSettings):
        from plexops.transport.local import LocalReadLink

        return LocalReadLink(settings)
    if isinstance(settings, SshSettings):
        way = SshWay(settings)
        return TreeReadLink(settings, way) if settings.console == "tree" else ShellReadLink(settings, way)
    from plexops.transport.http.link import HttpReadLink

    return HttpReadLink(settings)


def open_write(settings: LinkSettings, authorized: Authorized) -> WriteLink:
    """Give a link that may send the writes of one authorized step, and ask.

    Raises TypeError without an authorization.
    """
    if not isinstance(authorized, Authorized):
        raise TypeError("only an authorized step may be sent")
    if isinstance(settings, LocalSettings):
        from plexops.transport.local import LocalWay

        return ShellWriteLink(settings, LocalWay(settings), authorized)
    if isinstance(settings, SshSettings):
        way = SshWay(settings)
        if settings.console == "tree":
            return TreeWriteLink(settings, way, authorized)
        return ShellWriteLink(settings, way, authorized)
    from plexops.transport.http.link import HttpWriteLink

    return HttpWriteLink(settings, authorized)

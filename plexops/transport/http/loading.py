"""Loads what HTTP needs, early: while other devices are asked."""

from __future__ import annotations

from plexops.transport.ssh.loading import load_paramiko


def load_http(*, after_ssh: bool) -> None:
    """Import what an HTTP link will need, while the other stops are asked; those that are logged in to go first."""
    if after_ssh:
        load_paramiko()
    import plexops.transport.http.connection  # noqa: F401

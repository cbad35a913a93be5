"""A channel of an SSH connection as a real socket. Imports paramiko: load it only when a connection is made."""

from __future__ import annotations

import contextlib
import socket
import threading

import paramiko

from plexops.transport.net import cut

#: What paramiko raises when its connection goes away, or when the device sends bytes that are no SSH: its own thread
#: reads them, and hands on whatever reading them raised (UnicodeDecodeError, struct.error, IndexError …).
GONE: tuple[type[Exception], ...] = (Exception,)


def hang_up(channel: paramiko.Channel) -> None:
    """Close a channel, also when its connection is gone."""
    with contextlib.suppress(*GONE):
        channel.close()


def bridge(channel: paramiko.Channel) -> socket.socket:
    """Give a real socket whose other end is a channel: TLS needs one.

    Two threads copy, one for each direction; both end when either side ends.
    """
    ours, theirs = socket.socketpair()

    def outwards() -> None:
        with contextlib.suppress(*GONE):
            while data := theirs.recv(32768):
                channel.sendall(data)
        hang_up(channel)  # nobody half-closes here: the other direction ends with this one

    def inwards() -> None:
        with contextlib.suppress(*GONE):
            while data := channel.recv(32768):
                theirs.sendall(data)
        cut(theirs)
        hang_up(channel)
        sender.join()
        theirs.close()

    sender = threading.Thread(target=outwards, daemon=True, name="plexops-bridge-out")
    sender.start()
    threading.Thread(target=inwards, daemon=True, name="plexops-bridge-in").start()
    return ours

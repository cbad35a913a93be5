"""By what certificates are judged."""

from __future__ import annotations

import ssl
from pathlib import Path


def tls_context(file: Path | None = None, *, verify: bool = True) -> ssl.SSLContext:
    """Give what judges by the public authorities and the system's, by one file alone, or (`verify` False) not at all.

    Raises OSError for a file that holds no certificates.
    """
    if not verify:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if file is not None:
        return ssl.create_default_context(cafile=str(file))
    import certifi

    context = ssl.create_default_context(cafile=certifi.where())
    context.load_default_certs()
    return context

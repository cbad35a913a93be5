"""By what certificates are judged."""

from __future__ import annotations

import ssl


def tls_context(*, verify: bool) -> ssl.SSLContext:
    """Give what judges by the public authorities and the system's, or not at all."""
    if not verify:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    import certifi

    context = ssl.create_default_context(cafile=certifi.where())
    context.load_default_certs()
    return context

"""The fingerprint of a certificate's public key, as curl's `--pinnedpubkey` and HPKP (RFC 7469, 2.4) write it."""

from __future__ import annotations

import base64
import hashlib

_SEQUENCE = 0x30
_VERSION = 0xA0
#: serialNumber, signature, issuer, validity, subject stand before the key (RFC 5280, 4.1).
_FIELDS_BEFORE_KEY = 5


def pin_of(certificate: bytes) -> str:
    """Give `sha256//…` of the SubjectPublicKeyInfo of a certificate in DER.

    The certificate is only walked, not parsed: home devices sign certificates that strict parsers refuse (negative
    serial numbers, impossible dates). Raises ValueError for what is no certificate.
    """
    outer, _ = _element(certificate, 0, _SEQUENCE)
    body, _ = _element(certificate, outer, _SEQUENCE)
    position = body
    if certificate[position : position + 1] == bytes([_VERSION]):
        _, position = _element(certificate, position, _VERSION)
    for _ in range(_FIELDS_BEFORE_KEY):
        _, position = _element(certificate, position, None)
    _, end = _element(certificate, position, _SEQUENCE)
    return "sha256//" + base64.b64encode(hashlib.sha256(certificate[position:end]).digest()).decode()


def _element(data: bytes, position: int, tag: int | None) -> tuple[int, int]:
    """Give where an element's content starts and where the element ends."""
    if len(data) < position + 2 or (tag is not None and data[position] != tag):
        raise ValueError("not a certificate")
    length, start = data[position + 1], position + 2
    if length >= 0x80:
        size = length & 0x7F
        if not 1 <= size <= 4:
            raise ValueError("not a certificate")
        length = int.from_bytes(data[start : start + size], "big")
        start += size
    if start + length > len(data):
        raise ValueError("the certificate is cut off")
    return start, start + length

"""What a device answers to a SOAP action: its values by name, or its refusal."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from plexops.model.xml import read_elements
from plexops.parsers.base import ParseError


class SoapFault(Struct, frozen=True):
    """A refusal: UPnP's number for it, and the device's own words, cut."""

    code: int
    description: str


def parse_soap(text: str, action: str) -> Mapping[str, str] | SoapFault:
    """Read the answer to an action. Raises ParseError for what is neither its values nor a refusal."""
    try:
        root = read_elements(text)
        faults, answers = [*root.all("Fault")], [*root.all(f"{action}Response")]
        if root.name != "Envelope" or len(faults) + len(answers) != 1:
            raise ParseError(f"no answer to {action}", text)
        if answers:
            return answers[0].texts()
    except ValueError as error:
        raise error if isinstance(error, ParseError) else ParseError(str(error), text) from None
    refusal = next(faults[0].all("UPnPError"), None)
    code = "" if refusal is None else refusal.said("errorCode")
    if refusal is None or not (code.isascii() and code.isdigit() and len(code) < 10):
        raise ParseError("a refusal without a number", text)
    return SoapFault(int(code), refusal.said("errorDescription"))

"""What a device answers to a SOAP action: its values by name, or its refusal."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from plexops.model.xml import read_elements
from plexops.parsers.base import ParseError

#: What a refusal to change a table of mappings means where that takes more than UPnP's own word for it: UPnP's
#: WANIPConnection:1, 2.4.16 and WANIPConnection:2, 2.5.16. Many routers let a computer open ports to itself alone.
_MEANS: Mapping[int, str] = {
    401: "it has no such action, or does not let apps change anything: allow them in its settings",
    402: "it does not take one of the values: its list may be full, or its names know fewer letters",
    501: "it could not, and does not say why: a router that lets a computer open ports to itself alone may say this",
    606: "this login may not, or the router lets a computer open ports to itself alone: run plexops on that computer",
    714: "it has no such entry",
    718: "another entry has that port, or the router lets a computer open ports to itself alone",
    725: "it takes only entries without an end",
    728: "its list is full",
}


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


def refused(text: str, action: str) -> str:
    """Tell why an answer is not that of an action which was carried out; empty where it is."""
    try:
        answer = parse_soap(text, action)
    except ParseError as error:
        return f"its answer is none to {action}: {error}"
    if not isinstance(answer, SoapFault):
        return ""
    means = _MEANS.get(answer.code, "")
    return f"it was refused: {answer.code} {answer.description}".rstrip() + (f": {means}" if means else "")

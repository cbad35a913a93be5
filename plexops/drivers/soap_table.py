"""The table of a device that is asked place by place by SOAP, until it says that there is no more."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

from msgspec import Struct

from plexops.model.exchange import Read, Reply, SoapCall
from plexops.parsers.base import ParseError
from plexops.parsers.soap import SoapFault, parse_soap
from plexops.structs import replace

#: UPnP's "Invalid Action". A FRITZ!Box says so of everything while access for apps is off: no table ends by it.
_NO_SUCH_ACTION = 401


class SoapRows(Struct, frozen=True):
    """The rows of a table, from its begin. `why`: it may have more than these, for this reason; empty: these are all."""

    rows: tuple[Mapping[str, str], ...]
    why: str = ""


def ask_table(
    read: Read, index: str, ends: frozenset[int], most: int
) -> Generator[Sequence[Read], Sequence[Reply], SoapRows]:
    """Ask an action for one place after the other, from 0, with the argument `index`.

    A refusal out of `ends` is the table's end, but 401 never is; at most `most` rows are read.
    Raises TypeError for a read of another kind.
    """
    if not isinstance(read.ask, SoapCall):
        raise TypeError("only a SOAP action is asked place by place")
    rows: list[Mapping[str, str]] = []
    for place in range(most):
        call = replace(read.ask, arguments=(*read.ask.arguments, (index, place)))
        (reply,) = yield (replace(read, id=f"{read.id}.{place}", ask=call),)
        if not reply.whole:
            return SoapRows(tuple(rows), f"place {place} of the table did not come whole")
        try:
            held = parse_soap(reply.body, call.action)
        except ParseError as error:
            return SoapRows(tuple(rows), f"place {place} of the table: {error}")
        if isinstance(held, SoapFault):
            end = held.code in ends - {_NO_SUCH_ACTION}
            refused = f"place {place} of the table was refused: {held.code} {held.description}"
            return SoapRows(tuple(rows), "" if end else refused)
        rows.append(held)
    return SoapRows(tuple(rows), f"it has {most} rows or more")

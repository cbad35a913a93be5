"""The questions of a profile that speaks SOAP: single actions in one round, then the tables, place by place."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar
from urllib.parse import urlsplit

from plexops.drivers.answers import Answer, understand
from plexops.drivers.router.steps import taken_apart
from plexops.drivers.soap_table import ask_table
from plexops.languages.contracts import refuse_read
from plexops.model.exchange import Call, Json, Read, Reply, SoapCall
from plexops.model.profile import Profile, ReadSpec
from plexops.model.soap import SERVICE, Places, Service
from plexops.model.xml import Element, read_elements
from plexops.parsers.base import ParseError
from plexops.parsers.soap import SoapFault, parse_soap
from plexops.pattern import Pattern

_Found = TypeVar("_Found")
_Asking = Generator[Sequence[Read], Sequence[Reply], _Found]
_PATH = Pattern(r"(?!.*(?:\.\.|//))/[A-Za-z0-9._~/-]{1,200}")
#: What it takes where these are the answer: a FRITZ!Box says 401, "Invalid Action", while access for apps is off.
_REFUSALS = {401, 606}
_RIGHTS = "a user who may change settings, and access for apps allowed on the device"


def ask(profile: Profile) -> _Asking[dict[str, Answer]]:
    """Ask all questions, and give the answers by name. A service that the device does not list is absent."""
    services = yield from _services(profile)
    answers: dict[str, Answer] = {}
    calls: dict[str, SoapCall] = {}
    for name, spec in profile.reads.items():
        wanted, _, action = spec.call.partition("#")
        service = services[wanted]
        if isinstance(service, Service):
            calls[name] = SoapCall(service.type, service.at, action)
        else:
            answers[name] = service
    single = {name: call for name, call in calls.items() if profile.reads[name].each is None}
    replies = yield [Read(name, call, profile.reads[name].absent) for name, call in single.items()]
    for reply in replies:
        answers[reply.id] = _answer(profile.reads[reply.id], single[reply.id], reply)
    for name, call in calls.items():
        table = profile.reads[name].each
        if table is not None:
            answers[name] = yield from _table(Read(name, call), table)
    known = {name: service for name, service in services.items() if isinstance(service, Service)}
    return answers | {f"{SERVICE}{name}": Answer(f"{one.type} {one.at}") for name, one in known.items()}


def _table(read: Read, table: Places) -> _Asking[Answer]:
    found = yield from ask_table(read, table.arg, table.ends, table.most)
    return Answer(problem=f"{read.id}: {found.why}") if found.why else Answer([{**row} for row in found.rows])


def _answer(spec: ReadSpec, call: SoapCall, reply: Reply) -> Answer:
    held: Mapping[str, str] | SoapFault | None = None
    if reply.whole:
        with suppress(ParseError):
            held = parse_soap(reply.body, call.action)
    if isinstance(held, SoapFault):
        if held.code in spec.absent:
            return Answer(absent=True)
        takes = f": it takes {_RIGHTS}" if held.code in _REFUSALS else ""
        return Answer(problem=f"{spec.id} was refused ({held.code} {held.description}){takes}")

    def parse(text: str) -> Json:
        values = parse_soap(text, call.action)
        if isinstance(values, SoapFault):
            raise ParseError("it was refused")
        return taken_apart(dict(values), spec.steps)

    return understand(reply, parse, (), good=(200,), quietly=False, rights=_RIGHTS)


def _services(profile: Profile) -> _Asking[dict[str, Service | Answer]]:
    """Give where each service is asked; an answer without a value where it is not there, or that is not known."""
    pages: dict[str, Answer] = {}
    found: dict[str, Service | Answer] = {}
    for name, service in profile.services.items():
        if service.found and service.found not in pages:
            asks = Call("GET", service.found, accept="xml")
            (reply,) = yield (Read(f"services.{name}", asks),)
            pages[service.found] = understand(reply, _described, (), good=(200,), quietly=False)
        found[name] = _found(service, pages[service.found]) if service.found else service
    return found


def _described(text: str) -> Json:
    """Give the paths of the services that a description lists, by their types. Raises ParseError."""
    try:
        root = read_elements(text)
    except ValueError as reason:
        raise ParseError(str(reason)) from None
    found: dict[str, Json] = {one.said("serviceType"): _control(one) for one in root.all("service")}
    if root.name != "root" or not found:
        raise ParseError("no description of a device", text)
    return found


def _control(service: Element) -> str:
    """Give the path of its control, from the root; empty where that is on another host, or is no plain path."""
    said = service.said("controlURL")
    path = said if said.startswith("/") or not said or urlsplit(said).scheme else f"/{said}"
    return path if _PATH.fullmatch(path) else ""


def _found(service: Service, page: Answer) -> Service | Answer:
    if page.problem:
        return page
    kind, _, version = service.type.rpartition(":")
    at = {one: path for one, path in page.value.items() if one.startswith(f"{kind}:")}
    later = {one: path for one, path in at.items() if one[-1].isdigit() and one[-1] >= version}
    if not later:
        return Answer(absent=True)
    listed = max(later)
    if not later[listed] or refuse_read("soap", f"{listed}#Get"):
        return Answer(problem=f"the control of {listed} is nowhere that plexops asks")
    return Service(listed, later[listed])


def unsound(profile: Profile, spec: ReadSpec) -> str:
    """Tell why a read by SOAP could not be asked, or could take a refusal for an answer; empty where it is sound."""
    wanted, _, action = spec.call.partition("#")
    service = profile.services.get(wanted)
    if service is None:
        return f"there is no service {wanted!r}"
    if spec.each is not None and spec.absent:
        return "a table ends, and is not absent"
    if _REFUSALS & (spec.absent | (frozenset() if spec.each is None else spec.each.ends)):
        return "401 and 606 refuse: they do not say that a thing is not there"
    if service.at and _PATH.fullmatch(service.at) is None:
        return f"{service.at!r} is no plain path"
    asks = [f"{service.type}#{action}", *([f"GET {service.found}"] if service.found else [])]
    return next(filter(None, (refuse_read("soap", one) for one in asks)), "")

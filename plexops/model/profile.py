"""A router profile as data: what to read, how to understand it, what to write. `drivers/router/profiled.py` runs it.

These types are the file's shape as well: they give its schema, and what its YAML is decoded as. A word that stands in no
file, because its place there says it, begins with @.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import Struct, field

from plexops.model.envelope import Envelope
from plexops.model.errors import Place
from plexops.model.fields import Word, Words
from plexops.model.login import LoginSpec
from plexops.model.signs import Account, Detect
from plexops.model.snapshot import Kind
from plexops.model.soap import Places, Service
from plexops.model.store import WriteSpec
from plexops.model.window import WindowSpec
from plexops.structs import says


class Speaks(StrEnum):
    """The language of a device."""

    SHELL = "shell"
    ROUTEROS = "routeros"
    TREE = "tree"
    REST = "rest"
    SOAP = "soap"
    NOTHING = "nothing"

    @property
    def language(self) -> str:
        """How values are quoted in it, and which requests only read; empty where nothing is asked."""
        return {"shell": "posix", "rest": "json", "soap": "json", "nothing": ""}.get(self, str(self))

    @property
    def over_http(self) -> bool:
        """Whether requests of HTTP carry it; else it is SSH, or nothing."""
        return self in (Speaks.REST, Speaks.SOAP)


# fmt: off
class Param(Struct, frozen=True, forbid_unknown_fields=True):
    """A word that an inventory may set for its own router, of `[A-Za-z0-9_./-]`; without `default`, it has to."""

    means: Annotated[str, says("What it is, for people.", "The zone of the internet side")]
    default: Annotated[Word | None, says("What holds by default.", "wan", wants="like",
        pattern="^[A-Za-z0-9_./-]+$")] = None


class LineStep(Struct, frozen=True, forbid_unknown_fields=True):
    """Every line by one pattern, to rows. `least`: so many names must be there; `skip`: what no row begins with."""

    line: Annotated[str, says("The pattern.", "*expires *mac *address *name")]
    least: Annotated[int, says("So many names must be there.", 3)] = 0
    skip: Annotated[tuple[str, ...], says("How lines begin that are no rows.", ["#"])] = ()


class ListStep(Struct, frozen=True, forbid_unknown_fields=True):
    """One text of many items, to rows. `lead`: each item begins with what separates them, also the first."""

    items: Annotated[str, says("What separates the items.", "<")]
    item: Annotated[str, says("The pattern of one.", "*name>*external>*address>*port>*protocol")]
    lead: Annotated[bool, says("Whether the first begins with it, too.", True)] = False
    least: Annotated[int, says("So many names must be there.", 5)] = 0


class Step(Struct, frozen=True, forbid_unknown_fields=True):
    """One step that takes an answer apart. A text alone is a parser of plexops."""

    each: Annotated[LineStep | None, says("", {"line": "*expires *mac *address"})] = None
    list: Annotated[ListStep | None, says("", {"items": "<", "item": "*mac>*address"})] = None
    take: Annotated[str, says("A JMESPath expression over what the step before gave.", "result")] = ""
    unescape: Annotated[Literal["html"] | None, says("A writing to undo.", "html")] = None
    parser: str = field(name="@parser", default="")


Steps = tuple[Step, ...]


class ReadSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One question that cannot change anything: what is asked, and how its answer is taken apart.

    A text alone is a command of the shell or the console, or the path of a GET.
    """

    run: Annotated[str, says("A command line.", "ubus call network.interface dump")] = ""
    uci: Annotated[str, says("One of OpenWrt's configurations: its sections.", "firewall", wants="like",
        pattern="^[a-z0-9_-]+$")] = ""
    menu: Annotated[str, says("A menu of RouterOS: its entries that are saved, with their ids.", "/ip firewall nat",
        wants="like", pattern=r"^(?:/ip(?:v6)?|/interface|/system)(?: [a-z-]+)+$")] = ""
    print: Annotated[str, says("A command of RouterOS that prints rows.", "/ip address print terse without-paging")] = ""
    get: Annotated[str, says("The path of a GET.", "/api/core/firmware/info", wants="like", pattern="^/")] = ""
    post: Annotated[str, says("The path of a POST that only reads.", "/api/firewall/d_nat/search_rule",
        wants="like", pattern="^/")] = ""
    body: Annotated[Any, says("What the request sends, as JSON.", {"current": 1})] = None
    headers: Annotated[Mapping[str, str], says("What it says besides, where its contract looks there.",
        {"X-JNAP-Action": "http://linksys.com/jnap/core/GetDeviceInfo"})] = {}
    call: Annotated[str, says("An action of a service, by SOAP.", "wan#GetInfo", wants="like",
        pattern="^[a-z][a-z0-9_]*#[A-Za-z0-9_-]+$")] = ""
    each: Annotated[Places | None, says("", {"arg": "NewPortMappingIndex", "ends": [713]})] = None
    nvram: Annotated[Mapping[str, str], says("Values of an nvram by our names for them, in one object.",
        ["lan_ipaddr", {"wan": "wan0_ipaddr"}])] = {}
    steps: Annotated[Steps, says("How the answer is taken apart, step by step; what is asked may imply it.",
        "json")] = field(name="as", default=())
    #: Of an nvram's values, those that are taken apart.
    parts: Mapping[str, Steps] = field(name="@parts", default_factory=dict)
    #: No other failure means that.
    absent: Annotated[frozenset[int], says("Statuses that mean: the device has no such thing.", [1])] = frozenset()
    must: Annotated[str, says("A JMESPath expression over the answer, true of a whole one alone.",
        "length(rows) >= total")] = ""
    hides: Annotated[tuple[str, ...], says("Members of a JSON answer that are secrets: dropped where it arrives.",
        ["x_*"])] = ()
    id: str = field(name="@name", default="")


class FactSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fact: a JMESPath expression over all reads, whose outermost names are reads. A text alone is `take`."""

    take: Annotated[str, says("A JMESPath expression.", "release.DISTRIB_DESCRIPTION")]
    words: Annotated[str, says("A vocabulary of plexops.", "up_down")] = ""
    values: Annotated[Words, says("Our words by the device's.", {"true": ["yes"]})] = {}
    #: Without it, such an answer means: unknown.
    default: Annotated[str | None, says("What an answer without the value means.", "absent")] = None
    name: str = field(name="@name", default="")


class Room(Struct, frozen=True, forbid_unknown_fields=True):
    """How many bytes of UTF-8 a device takes of what a task says, and what a longer text would do there."""

    most: Annotated[int, says("Bytes of UTF-8.", 128, minimum=1)] = field(name="bytes")
    because: Annotated[str, says("What a longer one would do there.", "nft refuses longer comments")]

    def refuses(self, text: str) -> str:
        """Tell why a text does not fit; empty where it does."""
        length = len(text.encode("utf-8", "surrogatepass"))
        return "" if length <= self.most else f"{length} bytes, and {self.most} fit: {self.because}"


class FieldMap(Struct, frozen=True, forbid_unknown_fields=True):
    """How one field stands in the device's own words. A text alone is `is`."""

    name: Annotated[str, says("The device's field.", "src_dport")] = field(name="is")
    fallback: Annotated[str, says("The field that holds where that one is missing.",
        "src_dport")] = field(name="else", default="")
    default: Annotated[str | None, says("The word that counts where both are missing.", "tcp udp")] = None
    writes: Annotated[tuple[str, ...], says("The fields that are written, where not the one that is read.",
        ["first", "last"])] = ()
    form: Annotated[Literal["text", "number", "flag"], says("How it stands in JSON.",
        "number")] = field(name="as", default="text")
    words: Annotated[str, says("A vocabulary of plexops.", "one_zero")] = ""
    values: Annotated[Words, says("Our words by the device's; the first is written.", {"tcp": ["tcp", "6"]})] = {}
    contains: Annotated[str, says("A flag: whether a list of words holds this one.", "dnat")] = ""
    otherwise: Annotated[str | None, says("Our word for all that `values` leaves out.", "other")] = None
    room: Annotated[Room | None, says("How much text fits, where the device takes less than a task may say.",
        {"bytes": 128, "because": "nft refuses longer comments"})] = None

    @property
    def written(self) -> tuple[str, ...]:
        """The device's fields that a change writes."""
        return self.writes or (self.name,)


class Serving(Struct, frozen=True, forbid_unknown_fields=True):
    """What must be so for entries of a kind to act: a service is up, and is meant for the home network."""

    fact: Annotated[str, says("The fact that is `yes`, or says why it does not.", "x.serves")]
    ranges: Annotated[str, says("The fact in which the addresses stand that it is for.", "x.ranges")] = ""


class InForce(Struct, frozen=True, forbid_unknown_fields=True):
    """The read that tells what the device acts by, where that is not what it has saved."""

    read: Annotated[str, says("The read's id.", "pf")]
    whose: Annotated[Literal["pf"], says("Whose list it is.", "pf")] = field(name="as")


class ResourceSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the device keeps one kind, or one of several ways to keep it."""

    rows: Annotated[str, says("A JMESPath expression over all reads that gives the rows.", "firewall")] = ""
    beside: Annotated[Mapping[str, str], says("Columns from other reads: an expression each.",
        {".on": "nvram.vts_enable_x"})] = field(name="with", default_factory=dict)
    where: Annotated[Words, says("Rows count only with these words; ~ is a field that is not there.",
        {"target": ["DNAT", None]})] = {}
    unless: Annotated[Words, says("Rows with these words do not count.", {"family": ["ipv6"]})] = {}
    handle: Annotated[str, says("The field by which the device names an entry now.", ".name")] = ""
    label: Annotated[str, says("The field that people know an entry by.", "name")] = ""
    owner: Annotated[Mapping[str, str], says("The device's field that bears our tag, and what that looks like.",
        {"comment": "plexops:{{ key }}"})] = {}
    fields: Annotated[Mapping[str, FieldMap], says("Our fields in the device's words.",
        {"port": {"is": "dest_port"}})] = {}
    #: To some senders or times.
    limits: Annotated[tuple[str, ...], says("Fields that narrow an entry down.", ["src_mac"])] = ()
    #: By a field, with a * at its end for all that begin so; no words: whatever it says.
    harmless: Annotated[Words, says("Fields that change nothing for a packet, or do not with these words.",
        ["log", {"nordr": ["0"]}])] = {}
    serves: Annotated[Serving | None, says("What must serve the home network for entries to act.",
        {"fact": "x.serves"})] = None
    in_force: Annotated[InForce | None, says("What tells what the device acts by, beside what it has saved.",
        {"read": "pf", "as": "pf"})] = None
    order: Annotated[str, says("The field whose word is an entry's place among the others.", "sequence")] = ""
    set: Annotated[Mapping[str, str | int | bool], says("What a new entry has besides, by the device's fields.",
        {"target": "DNAT"})] = {}
    write: Annotated[WriteSpec | None, says("Where and how entries are written.",
        {"uci": "firewall", "type": "redirect", "apply": "/etc/init.d/firewall reload"})] = None
    steps: Annotated[tuple[str, ...], says("What a person does where it is kept so.", ["Put a line into it."])] = ()
    kind: Kind = field(name="@kind")
    backend: str = field(name="@name", default="")
    active: Mapping[str, Word] = field(name="@active", default_factory=dict)

    @property
    def mark(self) -> str:
        """The device's field that bears our tag; empty where ours cannot be told apart."""
        return next(iter(self.owner), "")

    @property
    def adopts(self) -> bool:
        """Whether one field of another's entry can be changed."""
        return bool(self.mark) and self.write is not None and self.write.adopts

    def tag(self, key: str) -> str:
        """Give the tag of an entry of ours."""
        return self.owner[self.mark].replace("{{ key }}", key) if self.owner else ""


class Backend(ResourceSpec, frozen=True, kw_only=True):
    """One of several ways to keep a kind."""

    rows: Annotated[str, says("A JMESPath expression over all reads that gives the rows.", "firewall")]
    active: Annotated[Mapping[str, Word],
        says("The facts by which this one is the active one.", {"x.kea": "running"})] = field(name="active")


class KindSpec(ResourceSpec, frozen=True, kw_only=True):
    """How the device keeps one kind."""

    backends: Annotated[Mapping[str, Backend], says("Several ways to keep it, of which exactly one is active.", {})] = {}
    unseen: Annotated[str, says("Why the family does not show this kind; nothing else stands beside it.",
        "its API lists no mappings")] = ""


class Verified(Struct, frozen=True, forbid_unknown_fields=True):
    """On what a profile was seen to work."""

    firmware: Annotated[str, says("Which version.", "23.05")]
    on: Annotated[str, says("On what.", "a Belkin RT3200")]
    how: Annotated[str, says("How: lab dialect, captures, real.", "real")]


class Configured(Struct, frozen=True, forbid_unknown_fields=True):
    """What the device's configuration asks for, where not all of that need be in force."""

    read: Annotated[str, says("The read's id.", "firewall")]
    whose: Annotated[Literal["uci"], says("Whose configuration it is.", "uci")] = field(name="as")


class PacketSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """What decides about packets: the reads that bear the names of the plumbing's parts tell it."""

    plumbing: Annotated[Literal["netfilter", "routeros", "pf"], says("In which order a packet meets what.", "netfilter")]
    internet_side: Annotated[str, says("Its interface, or the fact that names it.", "wan.interface")]
    #: By what they are, see `model.packets.Box`: chains, of which the first that is there counts.
    inserts: Annotated[Mapping[str, tuple[str, ...]], says("Where rules of plexops stand.",
        {"port_forward": ["inet fw4 dstnat_wan"]})] = {}
    configured: Annotated[Configured | None, says("", {"read": "firewall", "as": "uci"})] = None


class Profile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One router family, as data."""

    name: Annotated[str, says("The family's short name, the same as the file's.", "openwrt",
        pattern="^[a-z0-9][a-z0-9_-]{0,39}$")] = field(name="profile")
    format: Annotated[Literal[2], says("The format of this file. Those of before are format 1.", 2)]
    title: Annotated[str, says("Family and versions, for people.", "OpenWrt 21.02 and later")]
    speaks: Annotated[Speaks, says("The language of the device: quoting and framing.", "shell")]
    contract: Annotated[Literal["rest", "opnsense", "routeros-rest", "rci", "ubus", "jnap"],
        says("For `rest`: the table of what only reads there.", "opnsense")] = "rest"
    login: Annotated[tuple[LoginSpec, ...], says("How HTTP logins go; of several, the inventory's secrets pick one.",
        "basic")] = ()
    envelope: Annotated[Envelope | None, says("", {"ok": "success", "data": "result", "says": "msg"})] = None
    functions: Annotated[str,
        says("Functions of the shell, on one line, that stand before every write and the way back.",
        "lives() { pidof $1 >/dev/null; };")] = ""
    params: Annotated[Mapping[str, Param], says("What differs between two routers of the family.",
        {"wan": {"default": "wan", "means": "WAN zone"}})] = {}
    services: Annotated[Mapping[str, Service], says("For `soap`: the services by our names for them.",
        {"wan": {"found": "/tr64desc.xml", "type": "urn:dslforum-org:service:WANPPPConnection:1"}})] = {}
    port: Annotated[int | None, says("The port of HTTP where it is not the usual one.", 49443,
        minimum=1, maximum=65535)] = None
    settle: Annotated[int, says("In how many seconds the device does what it has taken.", 60,
        minimum=0, maximum=120)] = 0
    errors: Annotated[tuple[str, ...], says("Texts in an answer that mean failure.", ["syntax error"])] = ()
    uses: Annotated[tuple[str, ...], says("Pieces that families share: what this file does not say itself.",
        ["netfilter"])] = ()
    reads: Annotated[Mapping[str, ReadSpec], says("The questions, by id.",
        {"firewall": {"uci": "firewall"}})] = {}
    facts: Annotated[Mapping[str, FactSpec], says("Where each fact is.",
        {"firmware": "release.DISTRIB_DESCRIPTION"})] = {}
    kinds: Annotated[Mapping[Kind, KindSpec], says("How the device keeps each kind.",
        {})] = {}
    packets: Annotated[PacketSpec | None,
        says("", {"plumbing": "netfilter", "internet_side": "wan.interface"})] = None
    window: Annotated[WindowSpec | None, says("The device's own undo.", {"kind": "timer", "directory": "/run"})] = None
    steps: Annotated[Mapping[Kind, tuple[str, ...]], says("What a person does by hand, by kind.",
        {"upnp": ["Switch UPnP off."]})] = {}
    detect: Annotated[Detect | None, says("", {"page": "opnsense"})] = None
    account: Annotated[Account | None, says("", {"where": "System → Access → Users", "username": "root"})] = None
    verified: Annotated[tuple[Verified, ...], says("On what it was seen to work.",
        [{"firmware": "23.05", "on": "a Belkin RT3200", "how": "real"}])]
    text: str = field(name="@text", default="")
    #: The texts of the pieces that it uses, by their names.
    pieces: Mapping[str, str] = field(name="@pieces", default_factory=dict)
    places: Mapping[str, Place] = field(name="@places", default_factory=dict)
    #: Whether it comes with plexops, word for word: any other one stands where a pull request may change it.
    shipped: bool = field(name="@shipped", default=False)

    @property
    def judged_by(self) -> Literal["rest", "opnsense", "routeros-rest", "rci", "ubus", "jnap", "soap"]:
        """The table of what only reads over HTTP."""
        return "soap" if self.speaks is Speaks.SOAP else self.contract

    @property
    def resources(self) -> Mapping[Kind, tuple[ResourceSpec, ...]]:
        """How each kind is kept; where there are several ways, one of them is active."""
        shown = {kind: spec for kind, spec in self.kinds.items() if not spec.unseen}
        return {kind: tuple(spec.backends.values()) or (spec,) for kind, spec in shown.items()}

    @property
    def stores(self) -> tuple[tuple[ResourceSpec, WriteSpec], ...]:
        """How kinds are kept that are written, each with its store."""
        specs = (spec for ways in self.resources.values() for spec in ways)
        return tuple((spec, spec.write) for spec in specs if spec.write is not None)

    def steps_of(self, kind: Kind, told: Callable[[str], str | None]) -> tuple[str, ...]:
        """Give what a person does by hand, by the way in which the device keeps a kind; `told` gives its facts."""
        ways = (way for way in self.resources.get(kind, ()) if way.steps)
        own = (way.steps for way in ways if all(told(fact) == word for fact, word in way.active.items()))
        return next(own, self.steps.get(kind, ()))

    def list_step(self, name: str) -> ListStep | None:
        """Give the step by which a read takes a value of the nvram apart; None where it is one value."""
        for read in self.reads.values():
            steps = [read.parts.get(ours, ()) for ours, theirs in read.nvram.items() if theirs == name]
            found = [step.list for parts in steps for step in parts if step.list is not None]
            if found:
                return found[0]
        return None

    def place(self, path: str) -> Place | None:
        """Give where a part of it stands, or the nearest around that."""
        while path and path not in self.places:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.places.get(path)

    @property
    def digest(self) -> str:
        """The SHA-256 of its whole text, in hexadecimal."""
        return hashlib.sha256(self.whole_text.encode()).hexdigest()

    @property
    def whole_text(self) -> str:
        """Its text, and behind it those of its pieces: all that decides what is asked and sent."""
        pieces = (f"--- # piece {name}\n{text}" for name, text in self.pieces.items())
        return "".join((self.text, *pieces))

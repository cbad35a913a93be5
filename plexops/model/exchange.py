"""What a driver asks and what a device answers. Drivers build these; only `transport/` carries them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Literal

from msgspec import Struct, field

#: JSON as Python has it.
Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

#: The status of a write that was to confirm, and the device says that nothing waits for it.
NOTHING_WAITS = 2

#: A device's answer is kept up to this many bytes; what is longer is `whole=False` and counts as unknown.
MAX_REPLY_BYTES = 2 * 1024 * 1024


class Command(Struct, frozen=True):
    """One command line in the device's own language; many are framed into one exec."""

    text: str


class Lines(Struct, frozen=True):
    """What is wanted of an answer that is a zip archive of text files: lines, as `grep` over several files gives them.

    The transport unpacks, and hands on nothing else: of each of the `files`, whatever folder of the archive it lies in and
    in this order, every line in which the expression `pattern` finds something, behind the file's name and a colon.
    Where that is more than an answer may hold, lines in which `spare` finds something are left out.
    """

    files: tuple[str, ...]
    pattern: str
    spare: str


class Call(Struct, frozen=True):
    """One HTTP request without its login: the transport binds that as the request leaves.

    `path` starts with a slash and holds no query; `body` is JSON or absent; `accept` is what the answer is. `lines`:
    the answer is a zip archive, and only these lines of it are wanted. `headers` are constants, and no secrets.
    """

    method: Method
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Json = None
    accept: Literal["json", "xml", "any"] = "json"
    lines: Lines | None = None
    headers: tuple[tuple[str, str], ...] = ()


class SoapCall(Struct, frozen=True):
    """One SOAP action without its login. `path` is where the service of this type (`urn:…:1`) is controlled.

    `arguments` go in this order, by the names of the service's own description; a flag is 1 or 0.
    """

    service: str
    path: str
    action: str
    arguments: tuple[tuple[str, str | int | bool], ...] = ()


class LookKind(StrEnum):
    """What this computer itself can find out without a login."""

    ECHO = "echo"  # a page that tells our public address
    STUN = "stun"  # a server that tells it over UDP
    ROUTES = "routes"  # this computer's own routes; no packet is sent
    SSDP = "ssdp"  # which boxes say that they lead to the internet
    IGD = "igd"  # how such a box describes itself
    IGD_ADDRESS = "igd address"  # its address on the internet side
    IGD_MAPPING = "igd mapping"  # one place of its table of mappings
    NAT_PMP = "nat-pmp"  # the gateway's address on the internet side, asked in two bytes
    TITLE = "title"  # the title of a box's own page
    CHECK_HOST = "check-host"  # several places try a port, for whoever asks
    PORTCHECKER = "portchecker"  # one place does
    ECHOIP = "echoip"  # one place tries a port of whoever asks


class Look(Struct, frozen=True):
    """Something that this computer itself finds out; `target` is a URL, or HOST:PORT.

    `detail` is what else is asked: who is asked apart from the group, which service, which place of a table.
    """

    kind: LookKind
    target: str
    detail: str = ""


#: What may be sent to a device.
Ask = Command | Call | SoapCall
#: What may be asked of a device, or found out by this computer.
Question = Ask | Look


def shown(ask: Question) -> str:
    """Give what a person reads of a question."""
    match ask:
        case Command(text=text):
            return text
        case Call(method=method, path=path, query=query, headers=headers):
            return (
                f"{method} {path}"
                + ("?" if query else "")
                + "&".join(f"{name}={word}" for name, word in query)
                + "".join(f" {name}: {value}" for name, value in headers)
            )
        case SoapCall(service=service, action=action):
            return f"{service}#{action}"
        case Look(kind=kind, target=target, detail=detail):
            return " ".join(part for part in (kind, target, detail) if part) + ", from this computer"


class Only(Struct, frozen=True):
    """What is kept of a JSON answer that lists more than anybody needs to see.

    The rows of the list in which `member` is `value`, and of these the members in `names`, at any depth.
    """

    member: str
    value: str
    names: frozenset[str]


class Read(Struct, frozen=True):
    """One question that cannot change anything.

    `absent` holds the statuses that mean "this device has no such thing". `secret` marks an answer that
    holds a credential: it is never recorded, kept as an exhibit or shown. `hides` names attributes of an XML answer, or
    members of a JSON one (`x_*`), whose values the transport drops before anybody sees them; `only` is all that it
    keeps of a JSON answer.
    `seconds` bounds the answer. `sometimes`: not every look asks it, so that a recording may lack it. `log`: the answer
    is Plex's log, of which an exhibit shows an excerpt.
    """

    id: str
    ask: Question
    absent: frozenset[int] = frozenset()
    secret: bool = False
    hides: tuple[str, ...] = ()
    only: Only | None = None
    seconds: float = 30.0
    sometimes: bool = False
    log: bool = False


class Reply(Struct, frozen=True):
    """What came back. `status` is the exit status or HTTP status; None where the console has none.

    `whole` is False when the answer was cut off, by a limit or a broken connection: such a reply is never parsed.
    `date` is the device's own clock as HTTP tells it (`Sat, 22 Nov 2025 17:53:01 GMT`), empty where nothing told it.
    """

    id: str
    status: int | None
    body: str
    stderr: str = ""
    whole: bool = True
    date: str = ""


class Expect(Struct, frozen=True):
    """What success looks like. All that is given must hold."""

    #: Statuses that mean success; empty where the console has none.
    statuses: frozenset[int] = frozenset({0})
    #: Nothing may be printed (consoles that answer errors in words and with status 0).
    silent: bool = False
    #: A JMESPath expression over the JSON answer and the text it must give.
    path: str = ""
    equals: str = ""
    #: The action of SOAP whose answer it must be: a page for people, with whatever status, is none.
    action: str = ""


class Write(Struct, frozen=True):
    """One request that changes something, with what success looks like."""

    ask: Ask
    expect: Expect = field(default_factory=Expect)
    seconds: float = 60.0


class WindowKind(StrEnum):
    """Who undoes a change if plexops dies in the middle of it."""

    NONE = "none"
    TIMER = "timer"  # a process of its own on the device
    SCHEDULER = "scheduler"  # an entry of the device's own scheduler
    COMMIT_CONFIRM = "commit-confirm"  # the device takes a commit back that is not confirmed in time
    UNSAVED = "unsaved"  # what is in force is saved only at the end, and lost with a restart before it

    @property
    def survives(self) -> str:
        """What the window outlives, and what it does not, for people."""
        match self:
            case WindowKind.NONE:
                return ""
            case WindowKind.TIMER:
                return "survives the end of plexops and a cut line, not a restart of the device"
            case WindowKind.SCHEDULER | WindowKind.COMMIT_CONFIRM:
                return "survives the end of plexops, a cut line and a restart of the device"
            case WindowKind.UNSAVED:
                return "a restart of the device takes it back until it is proven and saved, and nothing else does"

    @property
    def alone(self) -> bool:
        """Whether it is of the whole configuration: nothing else can be changed there while it stands."""
        return self in (WindowKind.COMMIT_CONFIRM, WindowKind.UNSAVED)


class Window(Struct, frozen=True):
    """The device's own undo, from `open` until `confirm`; empty lists mean that there is none.

    Where nothing opens it and something confirms it, the write itself arms it. `armed` asks whether what will undo is
    there and alive (it is: a status of 0, or none, and a text); None where no read tells. `seconds` is its length, 0
    where no clock ends it.
    """

    kind: WindowKind = WindowKind.NONE
    open: tuple[Write, ...] = ()
    confirm: tuple[Write, ...] = ()
    armed: Read | None = None
    seconds: int = 0

    @property
    def armed_by_write(self) -> bool:
        """Whether the change itself arms it, and no request before."""
        return not self.open and bool(self.confirm)


class Marker(Struct, frozen=True):
    """A marker on a device that keeps other runs off it, wherever they come from.

    `take` sets it and is allowed to fail; whoever is the only one whom `holders` then names, has it. `drop` takes away
    what its own holder has set, and nothing else. `by_hand` is the command that ends it whoever has it.
    """

    take: Write
    holders: Read
    drop: Write
    by_hand: str


class Script(Struct, frozen=True):
    """The exact requests of one change, in order. The first unexpected reply ends it."""

    writes: tuple[Write, ...]
    window: Window = field(default_factory=Window)
    #: What would be sent to undo it, for people to read; undoing itself is rendered from a fresh read.
    undo: tuple[str, ...] = ()
    #: In how many seconds the device does what it says that it took.
    settle: float = 0.0
    #: The same change without a window, where it is the write that arms that.
    plain: tuple[Write, ...] = ()

    @property
    def bare(self) -> Script:
        """The change alone: without its window, and without a way back."""
        return Script(self.plain or self.writes, settle=self.settle)

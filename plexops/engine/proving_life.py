"""The life of entries on a simulated store: made, changed, put back, adopted and taken away, to the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Protocol, runtime_checkable

from msgspec import Struct

from plexops.config.samples import Said, Samples
from plexops.drivers.base import Unrenderable
from plexops.drivers.router.compile import CompiledProfile
from plexops.drivers.router.profiled import ProfiledDriver
from plexops.engine.change.sending import unexpected
from plexops.engine.decide.planning import foreign
from plexops.model.change import Action, Change, beside, inverse, is_done, is_undone
from plexops.model.exchange import Command, Read, Reply, Write
from plexops.model.resources import PortForward, Reservation, Upnp
from plexops.model.snapshot import Entry, Kind, KindState, Role, Snapshot
from plexops.model.values import Ports
from plexops.structs import replace
from plexops.transport.link import carry

#: A family that was found to be sound.
Family = CompiledProfile
Answers = Mapping[str, str | Said]
_KEY, _MAC = "proof", "02:00:5e:00:53:01"
_HOSTILE = ("a'b\"c`d$(e)", "x;y|z>&", "<a>b:c=d", "  two  ", "é☃")


class Device(Protocol):
    """A simulated store in one state."""

    def answer(self, read: Read) -> Reply | None:
        """Answer a read; None where the sample says it."""
        ...

    def send(self, write: Write) -> Reply:
        """Carry out a write."""
        ...

    def content(self) -> str:
        """Give all that it keeps."""
        ...


@runtime_checkable
class Lapsing(Device, Protocol):
    """One whose own undo can be seen at work."""

    def lapse(self, seconds: int) -> None:
        """Let time go by; 0: let it restart."""
        ...


#: Makes the store of a state; None where there is none for this family.
Devices = Callable[[Family, Sequence[Read], Answers], Device | None]
#: Gives the reply of a sample.
Replies = Callable[[Read, "str | Said | None"], Reply]


class _Home(Struct, frozen=True):
    """One state on one fresh store."""

    driver: ProfiledDriver
    device: Device
    answers: Answers
    reply: Replies

    def look(self) -> Snapshot:
        return carry(self.driver.observe(), self)

    def ask(self, reads: Sequence[Read]) -> list[Reply]:
        """Answer from the store, and else from the sample."""
        return [self.device.answer(one) or self.reply(one, self.answers.get(one.id)) for one in reads]

    def send(self, writes: Sequence[Write]) -> str:
        """Send; give why it did not go well, and empty where it did."""
        for write in writes:
            if reason := unexpected(write.expect, self.device.send(write)):
                return reason
        return ""

    def make(self, change: Change) -> str:
        """Make a change and look whether it stands and nothing else is gone. Give what is wrong."""
        now = self.look()
        stood, others = beside(change, now), foreign(now, Role.ROUTER, [change])
        if reason := self.send(self.driver.script(change, now).bare.writes):
            return reason
        then = self.look()
        if not is_done(change, then):
            return f"it does not stand there: {[e.values for e in then.of(change.kind)]}"
        if foreign(then, Role.ROUTER, [change]) != others:
            return "a run would take it for an edit of another's"
        return "" if beside(change, then) == stood else "another entry is not what it was"


def life(
    profile: CompiledProfile, samples: Samples, devices: Devices, reply: Replies, *, windows: bool = False
) -> tuple[int, Iterator[str]]:
    """Give how many lives there are, and what was not as it must be; of `windows` what became of what they hold."""
    driver = ProfiledDriver(profile)
    reads = next(driver.observe())
    found: list[str] = []
    looked = 0
    for name in samples.states:
        answers = samples.answers(name)
        for kind in sorted(driver.kinds):
            device = devices(profile, reads, answers)
            if device is None or (windows and not isinstance(device, Lapsing)):
                return 0, iter(())
            home = _Home(driver, device, answers, reply)
            now = home.look()
            if now.state(kind) is not KindState.PRESENT:
                continue
            looked += 1
            lives = _windowed(home, kind, now) if windows else _lives(home, kind, now)
            found += [f"{name}: {kind}: {problem}" for problem in lives]
    return looked, iter(found)


def _lives(home: _Home, kind: Kind, now: Snapshot) -> Iterator[str]:
    try:
        if kind is Kind.UPNP:
            yield from _switched(home, now)
            return
        want = _wanted(kind, now)
        if want is not None:
            yield from _ours(home, kind, want)
            yield from _hostile(home, kind, want)
        for entry in now.of(kind):
            yield from _adopted(home, entry)
    except Unrenderable as reason:
        yield f"it cannot be written: {reason}"


def _windowed(home: _Home, kind: Kind, now: Snapshot) -> Iterator[str]:
    """What is not confirmed is undone by the device itself; what is confirmed stays."""
    want, device = _wanted(kind, now), home.device
    if want is None or not isinstance(device, Lapsing):
        return
    create = Change(Role.ROUTER, kind, _KEY, Action.CREATE, want=want)
    before = device.content()
    try:
        script = home.driver.script(create, now)
    except Unrenderable:
        return  # the level before says so
    for confirm in ((), script.window.confirm):
        if reason := home.send((*script.writes, *confirm)):
            yield f"it is not made{' and confirmed' if confirm else ''}: {reason}"
            return
        device.lapse(script.window.seconds)
        if (device.content() == before) is bool(confirm):
            yield "it was confirmed and does not stay" if confirm else "it was not confirmed and stays"


def _wanted(kind: Kind, now: Snapshot) -> PortForward | Reservation | None:
    lan = now.text("lan.network")
    if lan is None or kind not in (Kind.PORT_FORWARD, Kind.DHCP_RESERVATION):
        return None
    address = IPv4Network(lan)[77]
    if kind is Kind.DHCP_RESERVATION:
        return Reservation((_MAC,), address, "proof")
    return PortForward(Ports.of(54321), address, Ports.of(32400), name="proof")


def _ours(home: _Home, kind: Kind, want: PortForward | Reservation) -> Iterator[str]:
    """Make one, undo it by the texts that a window holds, make it again, change it, put that back, take it away."""
    before = home.device.content()
    create = Change(Role.ROUTER, kind, _KEY, Action.CREATE, want=want)
    script = home.driver.script(create, home.look())
    if reason := home.make(create):
        if home.device.content() != before:
            yield f"create: {reason}"
        return
    commands = [Write(Command(text)) for text in script.undo] if _is_shell(script.writes) else []
    if commands:
        if reason := home.send(commands):
            yield f"the way back of a window: {reason}"
        if home.device.content() != before:
            yield "the way back of a window leaves something behind"
        if reason := home.make(create):
            yield f"create once more: {reason}"
    try:
        yield from _changed(
            home, kind, replace(want, address=IPv4Address(int(want.address or 0) + 1)), "address"
        )
    except Unrenderable:
        # A table of mappings knows no change of the host.
        if not isinstance(want, PortForward):
            raise
        yield from _changed(home, kind, replace(want, port=Ports.of(32469)), "port")
    entry = _made(home, kind)
    if reason := home.make(Change(Role.ROUTER, kind, _KEY, Action.DELETE, before=entry)):
        yield f"delete: {reason}"
    if home.device.content() != before:
        yield "delete leaves something behind"


def _changed(home: _Home, kind: Kind, want: PortForward | Reservation, field: str) -> Iterator[str]:
    entry = _made(home, kind)
    yield from _there_and_back(
        home, Change(Role.ROUTER, kind, _KEY, Action.UPDATE, before=entry, want=want, fields=(field,))
    )


def _made(home: _Home, kind: Kind) -> Entry:
    found = [entry for entry in home.look().of(kind) if entry.owner.key == _KEY]
    if len(found) != 1:
        raise Unrenderable(f"{len(found)} entries are the one that was made")
    return found[0]


def _is_shell(writes: Sequence[Write]) -> bool:
    return all(isinstance(write.ask, Command) for write in writes)


def _hostile(home: _Home, kind: Kind, want: PortForward | Reservation) -> Iterator[str]:
    """Names that would do harm where text is not quoted arrive as they are, or are refused before anything is sent."""
    before = home.device.content()
    for name in _HOSTILE:
        create = Change(Role.ROUTER, kind, _KEY, Action.CREATE, want=replace(want, name=name))
        try:
            reason = home.make(create)
        except Unrenderable:
            continue
        if reason and home.device.content() == before:
            continue
        made = [e for e in home.look().of(kind) if e.owner.key == _KEY]
        if reason or len(made) != 1:
            yield f"a forward called {name!r}: {reason or 'it is not one'}"
            return
        home.make(Change(Role.ROUTER, kind, _KEY, Action.DELETE, before=made[0]))
        if home.device.content() != before:
            yield f"one called {name!r} leaves something behind"


def _adopted(home: _Home, entry: Entry) -> Iterator[str]:
    """Change one field of another's entry, and put it back."""
    values = entry.values
    if entry.owner.ours or not isinstance(values, PortForward | Reservation) or values.address is None:
        return
    want = replace(values, address=IPv4Address(int(values.address) ^ 1))
    change = Change(Role.ROUTER, entry.kind, _KEY, Action.ADOPT, before=entry, want=want, fields=("address",))
    try:
        yield from _there_and_back(home, change)
    except Unrenderable:
        return


def _switched(home: _Home, now: Snapshot) -> Iterator[str]:
    for entry in now.of(Kind.UPNP):
        values = entry.values
        if isinstance(values, Upnp):
            want = replace(values, enabled=not values.enabled)
            yield from _there_and_back(
                home,
                Change(
                    Role.ROUTER, Kind.UPNP, _KEY, Action.UPDATE, before=entry, want=want, fields=("enabled",)
                ),
            )


def _there_and_back(home: _Home, change: Change) -> Iterator[str]:
    before = home.device.content()
    if reason := home.make(change):
        yield f"{change.action}: {reason}"
        return
    back = inverse(change)
    now = home.look()
    if back is None:
        return
    if reason := home.send(home.driver.script(back, now).bare.writes):
        yield f"{change.action} and back: {reason}"
    if home.device.content() != before or not is_undone(change, home.look()):
        yield f"{change.action} and back: it is not what it was"

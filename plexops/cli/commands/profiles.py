"""`plexops profiles`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plexops.cli.listing import count, table
from plexops.cli.options import INVENTORY, PATH, REPLAY
from plexops.cli.output import emit, note
from plexops.model.profile import Speaks

if TYPE_CHECKING:
    from plexops.engine.families import Family
    from plexops.model.profile import Profile
    from plexops.model.snapshot import Snapshot


@click.group("profiles")
def command() -> None:
    """List the router profiles, show what one can do, or check your own."""


@command.command("list")
def list_profiles() -> int:
    """List the profiles that come with plexops."""
    from plexops.config.profiles import profile_names
    from plexops.engine.families import abilities, load_family, window_word

    rows = [("NAME", "WRITES", "OWN UNDO", "FAMILY")]
    for name in profile_names():
        family = load_family(name, Path())
        written = [str(ability.kind) for ability in abilities(family) if ability.written]
        title = family.profile.title
        rows.append((name, ", ".join(written) or "nothing", window_word(family.profile), title))
    emit(table(rows))
    return 0


@command.command("show")
@click.argument("name")
def show(name: str) -> int:
    """Show what a profile reads, writes and undoes, and where that was verified. NAME may be a file of your own."""
    from plexops.engine.families import load_family

    emit(describe(load_family(name, Path())))
    return 0


@command.command("test")
@click.argument("file", type=PATH)
@click.option(
    "--replay", type=PATH, help="Answer its questions from this recording (plexops audit --record)."
)
@click.option(
    "--device", default="", metavar="SITE/ROLE", help="Whose answers to take (default: the only router)."
)
def test(file: Path, replay: Path | None, device: str) -> int:
    """Check a profile of your own: its shape, its expressions, that reads only read and templates quote.

    With --replay it is also run over recorded answers, and you see what plexops would understand.
    """
    from plexops.engine.families import load_family, replayed

    family = load_family(f"{file.parent}/{file.name}", Path())
    profile = family.profile
    parts = ((profile.reads, "read"), (profile.facts, "fact"), (profile.resources, "kind"))
    emit(f"{file}: in order ({', '.join(count(len(part), word) for part, word in parts)})\n")
    if replay is None:
        return 0
    snapshot = replayed(family, replay, device or _only_router(replay))
    emit(_understood(profile, snapshot))
    return 4 if _unknown(profile, snapshot) else 0


@command.command("new")
@click.argument("name")
@click.option(
    "--speaks",
    type=click.Choice([str(word) for word in Speaks]),
    required=True,
    help="How it is asked: a shell, RouterOS or `show` over SSH; JSON or SOAP over HTTP; or not at all.",
)
@click.option("--into", type=PATH, default=Path(), metavar="DIR", help="Where to write it (default: here).")
def new(name: str, speaks: str, into: Path) -> int:
    """Begin a profile of your own, and its samples.

    NAME.yaml loads, and comments in it explain each part; NAME.samples.yaml is beside it. No file is written over.
    """
    from plexops.config.profiles import new_profile

    written = new_profile(name, speaks, into)
    emit("".join(f"{path}\n" for path in written))
    path = f"{into.absolute() / name}.yaml"
    note(
        f"next: plexops profiles prove {path}" if len(written) > 1 else f"next: plexops profiles test {path}"
    )
    return 0


@command.command("record")
@click.argument("file", type=PATH)
@click.argument("device", metavar="SITE/ROUTER")
@click.option("--state", required=True, metavar="NAME", help="What to call it: household, absent, odd, …")
@INVENTORY
@click.option("--replace", is_flag=True, help="Put it in the place of a state of that name.")
@REPLAY
@click.option("-k", "--ask-pass", is_flag=True, help="Ask once for the login password.")
def record(file: Path, device: str, **options: Any) -> int:
    """Ask a router what your profile reads, for its samples.

    It only reads, and adds what the router answers to the profile's samples, masked: public addresses, MAC addresses,
    names, secrets and ids become made-up ones, the same in all answers. Addresses of your home network stay. Read the
    state before you share it: what a comment says stays as well, and what it promises is what plexops understood.
    """
    from plexops.cli.commands.trust import find_device
    from plexops.cli.session import open_router, open_store
    from plexops.config.samples import write_state
    from plexops.engine.record_state import state_of

    site, role = find_device(device, options["inventory"])
    if role != "router" or site.router is None:
        raise click.UsageError("name a router: SITE/router.")
    path = file.absolute()
    state = state_of(open_router(site, site.router, path, open_store(), options))
    written = write_state(str(path), Path(), options["state"], state, replaces=options["replace"])
    emit(f"{written}: {options['state']}, {count(len(state.answers), 'answer')}\n")
    note("Read it: what it promises is what plexops understood, and only you know whether that is so.")
    note(f"next: plexops profiles prove {path}")
    return 0


@command.command("prove")
@click.argument("name")
def prove_profile(name: str) -> int:
    """Prove a profile against its samples: no device is asked. NAME may be a file of your own.

    Its samples say what a device answers and what plexops shall understand. They are also spoiled, one answer after the
    other: what was known may become unknown, and never something else. Ends with 1 where something is not as it must be.
    """
    from plexops.cli.stored import store_for
    from plexops.config.samples import load_samples
    from plexops.engine.families import load_family
    from plexops.engine.proving import prove

    levels = list(prove(load_family(name, Path()), load_samples(name, Path()), store_for))
    emit(
        table(
            [
                (level.name, count(level.looked, "look"), count(len(level.problems), "problem"))
                for level in levels
            ]
        )
    )
    for level in levels:
        for problem in level.problems:
            emit(f"  {level.name}: {problem}\n")
        for hint in level.hints:
            emit(f"  hint: {hint}\n")
    return 1 if any(level.problems for level in levels) else 0


@command.command("migrate")
@click.argument("file", type=PATH)
@click.option(
    "--output", type=PATH, metavar="FILE", help="Write it there, where nothing is yet (default: print it)."
)
def migrate(file: Path, output: Path | None) -> int:
    """Rewrite a profile of format 1 to format 2. Your file stays as it is.

    What has no place in format 2 stands as a comment before it, with the reason. Ends with 4 where there is such a thing.
    """
    from plexops.config.profiles import write_new
    from plexops.config.yaml import parse_yaml, read_text
    from plexops.engine.migrate import migrated

    text, left = migrated(parse_yaml(read_text(file, str(file)), str(file)))
    if output is None:
        emit(text)
    else:
        write_new(output, text)
        note(f"next: plexops profiles test {output.absolute()}")
    note(f"left for you, in comments at its beginning: {count(left, 'thing')}")
    return 4 if left else 0


@command.command("matrix")
@click.option(
    "-o",
    "--format",
    "form",
    type=click.Choice(("text", "markdown", "json")),
    default="text",
    show_default=True,
    help="How it is written.",
)
def matrix(form: str) -> int:
    """Show what each family can do, and how that was verified.

    All of it is computed from the profiles: every kind, the login, and the device's own undo.
    """
    from plexops.cli.matrix import as_markdown, as_text
    from plexops.engine.families import matrix as lines_of

    lines = lines_of()
    if form == "json":
        import json

        from msgspec import to_builtins

        emit(json.dumps(to_builtins(lines), indent=2, ensure_ascii=False) + "\n")
    else:
        emit(as_text(lines) if form == "text" else as_markdown(lines))
    return 0


def describe(family: Family) -> str:
    """Give a profile in words."""
    from plexops.engine.families import abilities, window_word

    profile = family.profile
    rows = [["KIND", "READ", "WRITTEN", "ADOPTED", "BY HAND"]]
    for able in abilities(family):
        can = (able.read, able.written, able.adopted, able.by_hand)
        rows.append(
            [str(able.kind), *("yes" if so else "-" for so in can), *([able.unseen] if able.unseen else [])]
        )
    text = f"{profile.name}  {profile.title}\nspeaks {profile.speaks}, own undo: {window_word(profile)}\n\n"
    text += table(rows, indent=2)
    if profile.params:
        params = [(name, param.default or "", param.means) for name, param in profile.params.items()]
        text += "\nparams (router: {params: {…}})\n" + table(params, indent=2)
    facts = ", ".join(name for name in profile.facts if not name.startswith("x."))
    text += f"\nfacts  {facts or 'none'}\n"
    text += "\nverified\n" + (
        table([(v.firmware, v.on, v.how) for v in profile.verified], indent=2) or "  nowhere yet\n"
    )
    return text


def _only_router(recording: Path) -> str:
    from urllib.parse import unquote

    found = [unquote(path.stem) for path in sorted(recording.glob("*.jsonl"))]
    routers = [name for name in found if name.endswith("/router")]
    if len(routers) != 1:
        raise click.UsageError(f"name one with --device: {', '.join(found) or 'nothing was recorded there'}.")
    return routers[0]


def _unknown(profile: Profile, snapshot: Snapshot) -> list[tuple[str, str]]:
    """Give what the profile should have understood and did not, each with its reason."""
    kinds = [str(kind) for kind, state in snapshot.kinds.items() if state == "unknown"]
    kinds += [str(entry.kind) for entry in snapshot.entries if entry.values is None]
    facts = [name for name in profile.facts if name not in snapshot.facts]
    return [(name, snapshot.reasons.get(name, "")) for name in dict.fromkeys((*kinds, *facts))]


def _understood(profile: Profile, snapshot: Snapshot) -> str:
    rows = [(name, str(fact.value)) for name, fact in sorted(snapshot.facts.items())]
    for kind, state in snapshot.kinds.items():
        rows.append((str(kind), f"{state}, {len(snapshot.of(kind))} entries"))
    text = table(rows, indent=2)
    for name, reason in _unknown(profile, snapshot):
        text += f"  unknown: {name}{f' ({reason})' if reason else ''}\n"
    return text

"""The judge: a random rule set, real connections, and what the walk says about the same rules.

`python -m tests.packets.judge --kind nft --seed 17` shows one example whole, `--seeds 0 500` runs many. A seed and a
kind make the same rules and the same connections again on every machine.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from ipaddress import ip_address
from queue import SimpleQueue

from msgspec import Struct, field

from plexops.model.intervals import Numbers, intersect, normalise
from plexops.model.matches import Family
from plexops.model.packets import Box
from plexops.packets.reach import Asked, Target, who_reaches
from tests.packets import grammar_iptables, grammar_nft, grammar_shapes
from tests.packets.judge_box import box_of
from tests.packets.judge_world import ADDRESSES, PORTS, VIEWERS_4, VIEWERS_6, World, world

#: Programs and what each reads, in order.
Texts = tuple[tuple[tuple[str, ...], str], ...]
#: A viewer, the address and the port that it knocks at.
Probe = tuple[str, str, int]
WAIT, WAIT_AGAIN = 0.25, 0.8
#: How often a text is tried without the lines that were refused.
TRIES = 10
#: Rules that remember: each connection needs them as they were loaded.
_REMEMBERS = re.compile(
    r"limit (?:rate|name)|ct count|-m (?:conn|hash)?limit|ufw limit|(?:add|update) @|--(?:add|del|map)-set"
    r"|recent|quota|numgen|statistic"
)
_REFUSED = re.compile(r"(?:/dev/stdin:|line:? |line )(\d+)")


class Judged(Struct, frozen=True):
    """One connection: where it ended, what the walk says, and what follows: `right`, `wrong`, `not known`, `not tried`."""

    probe: Probe
    packet: str
    walk: str
    verdict: str


class Example(Struct, frozen=True):
    """One rule set with all that was found out about it. `skipped`: why it could not be loaded."""

    kind: str
    seed: int
    texts: Texts
    refused: int = 0
    skipped: str = ""
    judged: tuple[Judged, ...] = ()

    @property
    def wrong(self) -> list[Judged]:
        """The connections of which the walk says what is not so."""
        return [one for one in self.judged if one.verdict == "wrong"]

    def __str__(self) -> str:
        """All that it takes to try this again."""
        again = f"python -m tests.packets.judge --kind {self.kind} --seed {self.seed}"
        texts = "".join(f"$ {' '.join(argv)}\n{text}" for argv, text in self.texts)
        lines = [
            f"{one.verdict}: {one.probe[0]} -> [{one.probe[1]}]:{one.probe[2]}: {one.packet}; {one.walk}"
            for one in self.judged
        ]
        return "\n".join([again, texts, *lines, self.skipped])


class Figures(Struct):
    """What many examples came to, by kind."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    wrong: list[Example] = field(default_factory=list)

    def add(self, example: Example) -> None:
        """Count one example."""
        here = self.counts.setdefault(example.kind, Counter())
        here["refused lines"] += example.refused
        here["skipped" if example.skipped else "rule sets"] += 1
        here["probes"] += len(example.judged)
        here["reached"] += sum(one.packet.startswith("reached") for one in example.judged)
        here.update(one.verdict for one in example.judged)
        if example.wrong:
            self.wrong.append(example)

    def total(self, what: str) -> int:
        """Sum one figure over all kinds."""
        return sum(counts[what] for counts in self.counts.values())

    def __str__(self) -> str:
        """One line a kind."""
        names = (
            "rule sets",
            "skipped",
            "refused lines",
            "probes",
            "reached",
            "right",
            "not known",
            "wrong",
            "not tried",
        )
        rows = [
            f"{kind:<16}" + "".join(f"{counts[name]:>15}" for name in names)
            for kind, counts in self.counts.items()
        ]
        return "\n".join([f"{'':<16}" + "".join(f"{name:>15}" for name in names), *rows])


def _iptables(rng: random.Random, first: str, second: str) -> Texts:
    sets = (("ipset", "-exist", "restore"), grammar_iptables.SETS)
    v4 = ((f"iptables-{first}-restore",), grammar_iptables.ruleset(rng, 4))
    return (sets, v4, ((f"ip6tables-{second}-restore",), grammar_iptables.ruleset(rng, 6)))


KINDS: dict[str, Callable[[random.Random], Texts]] = {
    "nft": lambda rng: ((("nft", "-f", "-"), grammar_nft.ruleset(rng)),),
    "iptables": lambda rng: _iptables(rng, "nft", "nft"),
    "legacy": lambda rng: _iptables(rng, "legacy", "legacy"),
    "both": lambda rng: (
        *_iptables(rng, "legacy", "nft"),
        (("nft", "-f", "-"), grammar_nft.table(rng, "t0")),
    ),
    "docker": grammar_shapes.docker,
    "pair": grammar_shapes.pair,
    "ufw": grammar_shapes.ufw,
}


def probes(rng: random.Random) -> list[Probe]:
    """Give the connections that are tried: both families, both ports, and one more."""
    inside = rng.choice(("2001:db8:1::50", "2001:db8:1::50", "2001:db8:a::20", "2001:db8:17::2"))
    wanted = [
        ("203.0.113.20", 32500),
        ("203.0.113.20", 32400),
        ("2001:db8:a::20", rng.choice((32400, 32500))),
        (inside, 32400),
        (rng.choice(("203.0.113.20", "203.0.113.21", inside)), rng.choice((32500, 80, 22, 8096, 32600))),
    ]
    return [(rng.choice(VIEWERS_6 if ":" in to else VIEWERS_4), to, port) for to, port in wanted]


def load(here: World, texts: Texts) -> tuple[Texts, int, str]:
    """Load texts; lines that are refused are left out. Give what was loaded, the lines left out, what stood against it."""
    left_out = 0
    for _ in range(TRIES):
        number, problem = here.load(texts)
        if not problem:
            return texts, left_out, ""
        argv, text = texts[number]
        if "legacy" in argv[0]:
            # What legacy iptables refuses it does not locate; the other one does.
            located = ((argv[0].replace("legacy", "nft"),), text)
            problem = here.load((*texts[:number], located))[1] or problem
        bad = {int(line) for line in _REFUSED.findall(problem)}
        lines = text.splitlines()
        if not bad or any(lines[line - 1][:1] in "*:C}" for line in bad):
            return texts, left_out, problem
        left_out += len(bad)
        kept = "".join(f"{line}\n" for place, line in enumerate(lines, 1) if place not in bad)
        texts = (*texts[:number], (argv, kept), *texts[number + 1 :])
    return texts, left_out, f"refused {TRIES} times"


def judge(here: World, kind: str, seed: int) -> Example:
    """Make an example, try it, and compare."""
    rng = random.Random(f"{kind} {seed}")  # noqa: S311 - the same again is what it is for
    wanted = probes(rng)
    texts, refused, problem = load(here, KINDS[kind](rng))
    if problem:
        return Example(kind, seed, texts, refused, problem)
    path = _path(here, texts)
    remembers = any(_REMEMBERS.search(text) for _, text in texts)
    found = [_again(here, texts, one, WAIT) for one in wanted] if remembers else here.probe(wanted, WAIT)
    judged = []
    for probe, ended in zip(wanted, found, strict=True):
        packet = ended
        verdict, walk = compare(path, probe, packet)
        for _ in range(2):
            if verdict == "wrong" or packet.startswith("broken"):
                packet = _again(here, texts, probe, WAIT_AGAIN)
                verdict, walk = compare(path, probe, packet)
        judged.append(Judged(probe, packet, walk, verdict))
    return Example(kind, seed, texts, refused, "", tuple(judged))


def _path(here: World, texts: Texts) -> list[Box]:
    """Read the router, and the server where that has rules too."""
    path = [box_of(here.read(), "wan0")]
    if any(argv[0].startswith("lan/") for argv, _ in texts):
        path.append(box_of(here.read("lan"), "eth0"))
    return path


def shrink(here: World, example: Example) -> Example:
    """Leave out line after line for as long as the walk stays wrong about the first of its wrong connections."""
    probe = example.wrong[0].probe
    texts, judged = example.texts, example.wrong[:1]
    for number, (argv, text) in enumerate(texts):
        lines = text.splitlines(keepends=True)
        for place in reversed(range(len(lines))):
            fewer = (
                *texts[:number],
                (argv, "".join(lines[:place] + lines[place + 1 :])),
                *texts[number + 1 :],
            )
            packet = _again(here, fewer, probe, WAIT)
            if packet.startswith("broken"):
                continue
            verdict, walk = compare(_path(here, fewer), probe, packet)
            if verdict == "wrong":
                del lines[place]
                texts, judged = fewer, [Judged(probe, packet, walk, verdict)]
    return Example(example.kind, example.seed, texts, judged=tuple(judged))


def _again(here: World, texts: Texts, probe: Probe, seconds: float) -> str:
    _, problem = here.load(texts)
    return f"broken: {problem}" if problem else here.probe([probe], seconds)[0]


def _one(number: int) -> Numbers:
    return ((number, number),)


def _listening(family: int) -> Target:
    held = (one.partition("/")[0] for node, _, them in ADDRESSES if node != "viewers" for one in them)
    numbers = normalise((int(a), int(a)) for a in map(ip_address, held) if a.version == family)
    return Target.at(numbers, normalise((port, port) for port in PORTS))


def compare(path: Sequence[Box], probe: Probe, packet: str) -> tuple[str, str]:
    """Ask the walk for this sender, and hold it against what the packet did. Gives the verdict, and the walk's words."""
    if packet.startswith("broken"):
        return "not tried", ""
    source, destination, port = probe
    family: Family = 6 if ":" in destination else 4
    target = _listening(family)
    reached = packet.startswith("reached")
    if reached:
        _, address, at = packet.removeprefix("reached ").split(" ")
        target = Target.at(_one(int(ip_address(address))), _one(int(at)))
    asked = Asked(family, _one(int(ip_address(destination))), _one(port))
    answer = who_reaches(path, asked, target)
    sender = _one(int(ip_address(source)))
    ends = [end for end in answer.ends if intersect(end.packet.viewers, sender)]
    said = ", ".join(f"{end.kind} ({end.step.words})" for end in ends)
    if intersect(answer.doubtful, sender):
        return "not known", f"{said}: {'; '.join(map(str, answer.questions))}"
    sure = bool(intersect(answer.senders, sender))
    return ("right" if sure is reached else "wrong"), said


def run(wanted: Iterable[tuple[str, int]], worlds: int = 12) -> Figures:
    """Judge examples (kind, seed) in several worlds side by side."""
    figures = Figures()
    free: SimpleQueue[World] = SimpleQueue()

    def one(example: tuple[str, int]) -> Example:
        here = free.get()
        try:
            return judge(here, *example)
        finally:
            free.put(here)

    with ExitStack() as stack, ThreadPoolExecutor(worlds) as pool:
        for _ in range(worlds):
            free.put(stack.enter_context(world()))
        for example in pool.map(one, wanted):
            figures.add(example)
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; 1 where the walk is wrong."""
    import argparse

    reading = argparse.ArgumentParser(prog="python -m tests.packets.judge", description=__doc__)
    reading.add_argument("--kind", choices=[*KINDS, "all"], default="all")
    reading.add_argument("--seed", type=int, help="show one example whole")
    reading.add_argument("--seeds", type=int, nargs=2, metavar=("FIRST", "END"), default=(0, 100))
    reading.add_argument(
        "--shrink", action="store_true", help="of a wrong example show what is needed for it"
    )
    told = reading.parse_args(arguments)
    kinds = list(KINDS) if told.kind == "all" else [told.kind]
    if told.seed is not None:
        with world() as here:
            examples = [judge(here, kind, told.seed) for kind in kinds]
            if told.shrink:
                examples = [shrink(here, one) if one.wrong else one for one in examples]
        print(*examples, sep="\n\n")  # noqa: T201
        return int(any(one.wrong for one in examples))
    figures = run((kind, seed) for kind in kinds for seed in range(*told.seeds))
    print(*figures.wrong, figures, sep="\n\n")  # noqa: T201
    return int(bool(figures.wrong))


if __name__ == "__main__":
    raise SystemExit(main())

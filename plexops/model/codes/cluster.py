"""Problem codes of runs on a cluster. PLX-K1…"""

from __future__ import annotations

from plexops.model.status import Code, ExitStatus

CODES: tuple[Code, ...] = (
    Code("PLX-K101", "Dask's distributed is not installed", ExitStatus.USAGE, """\
--cluster hands homes to the workers of a Dask cluster, and the library for that is an extra of plexops. It is wanted on this
machine, on the scheduler's and on the workers', and nowhere else.

  pip install "plexops[cluster]\""""),
    Code("PLX-K102", "The scheduler cannot be reached", ExitStatus.INCOMPLETE, """\
Nothing answered as a Dask scheduler at the address of --cluster within ten seconds. See that `dask scheduler` runs there,
that its port (usually 8786) is open for this machine, and that both sides mean tcp:// or both tls://. For tls:// this
machine needs a certificate as well: Dask's own configuration says which (distributed.comm.tls). No home was looked at."""),
    Code("PLX-K103", "The scheduler has no worker", ExitStatus.INCOMPLETE, """\
The scheduler answers, and no worker is there to look: none came within ten seconds of the start, or within a minute after
the last one had gone. The homes that were done until then are in the report.

  dask worker tcp://SCHEDULER:8786 --nthreads 8"""),
    Code("PLX-K104", "A worker has another plexops", ExitStatus.INCOMPLETE, """\
What a home is described by and what is said of it belong to one version of plexops. A worker of another version sends and
reads nothing of the home, and says so. Install the same version on this machine and on every worker, and restart those."""),
    Code("PLX-K105", "Workers died over a home", ExitStatus.INCOMPLETE, """\
A home whose worker dies is looked at again by another, since a look changes nothing. For this one that happened four times
(Dask's `distributed.scheduler.allowed-failures`), so it may be the home that ends them: see the workers' logs, and whether
memory ran out. `plexops audit -l NAME` looks at it from this machine."""),
    Code("PLX-K106", "A worker could not look at a home", ExitStatus.INCOMPLETE, """\
What a device or a file of the home does wrong is told in the home's own part of the report. This is something else: the
worker, or the scheduler, has no plexops of this version, or could not load it, or what came back is no report. All machines
of a cluster run the same image or the same environment: docs/cluster.md."""),
    Code("PLX-K107", "The connection with the scheduler was lost", ExitStatus.INCOMPLETE, """\
The scheduler ended, or the network did, before this home was done. Nothing was changed on any device. The homes that were
done are in the report; run it again for the others with --limit."""),
    Code("PLX-K108", "What writes stays on one machine", ExitStatus.USAGE, """\
A cluster begins a home anew when a worker dies over it. A look may be done twice, a change may not: its journal, its lock
and the way back lie in the state folder of the machine that makes it, and a worker that is gone has taken them along. So
`apply`, `rollback` and `recover` work from one machine, home by home; `audit` and `diagnose` take --cluster."""),
    Code("PLX-K109", "Only this machine can look at this home", ExitStatus.USAGE, """\
The home's inventory means this very machine (`connection: local`), or a secret that you type (`ask: true`). A worker is
another machine without a terminal, and no secret is ever sent to one. Leave the home out with --limit '!NAME', or give it a
login, and a secret that the worker finds: {env: NAME} or {file: PATH}."""),
)  # fmt: skip

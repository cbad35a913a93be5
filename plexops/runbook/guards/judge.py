"""The guards: safety rules that can only refuse. Pure functions; no setting and no flag reaches them.

They judge what a plan adds. An exposure that was there before is a finding, and no reason to roll back.
"""

from __future__ import annotations

from plexops.model.plan import GuardVerdict
from plexops.runbook.guards import circumstances, exposure, values
from plexops.runbook.guards.case import Case, Guard

#: All of them, in order. A plan can be sent only if each holds.
GUARDS: tuple[tuple[str, str, Guard], ...] = (
    ("G1", "32400 is never opened to the internet", exposure.no_external_32400),
    ("G2", "no DMZ to the Plex host", exposure.no_dmz),
    ("G3", "no firewall is loosened beyond Plex's port", exposure.no_loosened_firewall),
    ("G4", "the WAN address is proven to be public", exposure.public_address_proven),
    ("G5", "no forward through a second NAT", exposure.no_second_nat),
    ("G6", "a reservation is sound", values.sound_reservation),
    ("G7", "the external port is sound and free", values.sound_external_port),
    ("G8", "a forward reaches Plex at its fixed address", values.forward_reaches_plex),
    ("G9", "fresh evidence of every stop", circumstances.fresh_evidence),
    ("G10", "the way in for plexops stays", circumstances.no_lock_out),
    ("G11", "nothing of others without adoption", circumstances.nothing_of_others),
    ("G12", "no other change is under way", circumstances.nothing_pending),
    ("G13", "UPnP goes last", circumstances.upnp_last),
)
#: What only new things must meet. A run that puts back what it found itself makes none.
_OF_NEW_THINGS = frozenset({"G4", "G5", "G6", "G7", "G8", "G13"})


def judge(case: Case) -> tuple[GuardVerdict, ...]:
    """Ask every guard."""
    verdicts = []
    for name, title, guard in GUARDS:
        reason = None if case.restoring and name in _OF_NEW_THINGS else guard(case)
        verdicts.append(GuardVerdict(name, title, holds=reason is None, reason=reason or ""))
    return tuple(verdicts)


def judge_on_paper(case: Case) -> tuple[str, ...]:
    """Give what would be refused whatever the devices say: all that guards can know before anything was read."""
    reasons = [
        guard(case) for guard in (exposure.no_external_32400, exposure.no_dmz, exposure.loosened_on_paper)
    ]
    return (*(reason for reason in reasons if reason), *values.unsound_on_paper(case))


__all__ = ["GUARDS", "Case", "Guard", "judge", "judge_on_paper"]

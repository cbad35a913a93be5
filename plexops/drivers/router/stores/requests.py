"""Requests written out in a profile, for what fits no store."""

from __future__ import annotations

from plexops.drivers.requests import CompiledRequest
from plexops.drivers.router.stores.base import Store, Wanted, names_field
from plexops.model.change import Action
from plexops.model.exchange import Write
from plexops.model.profile import ResourceSpec


class WrittenOut(Store, frozen=True):
    """The requests of each action. Another's entry is left alone."""

    spec: ResourceSpec
    create: tuple[CompiledRequest, ...]
    update: tuple[CompiledRequest, ...]
    delete: tuple[CompiledRequest, ...]

    def can_set(self, theirs: str) -> bool:
        """What a request names."""
        names = frozenset().union(*(request.names for request in self.update))
        return names_field(self.spec, names, theirs)

    def writes(self, wanted: Wanted) -> tuple[Write, ...]:
        """Give the requests of a change. Raises ValueError where the profile has none."""
        action = wanted.change.action
        lists = {Action.CREATE: self.create, Action.UPDATE: self.update, Action.DELETE: self.delete}
        requests = lists.get(action, ())
        if not requests:
            raise ValueError(f"this router's profile does not say how to {action} a {wanted.change.kind}")
        return tuple(request.render(wanted.values) for request in requests)

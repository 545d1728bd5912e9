"""What a loader was told, with everything said: for what works over the same data, such as prediction and scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from .connection import Place, url_of
from .physical import Physical
from .slots import Groups, Resolved
from .times import Times


class Spec:
    """Of one loader. It has no repr, as its arguments may hold a key."""

    def __init__(
        self,
        arguments: dict[str, Any],
        named: bool,
        sample_dim: str,
        slots: list[Resolved],
        groups: Groups,
        times: Times,
        physical: list[Physical],
    ) -> None:
        self._arguments, self._physical = arguments, physical
        self.named = named
        """Whether slots have names that the user gave, and batches are dicts."""
        self.sample_dim, self.slots, self.times = sample_dim, slots, times
        self.groups = groups.groups
        """The engine's; slots have their numbers."""
        self._urls = groups.urls

    @property
    def url(self) -> str:
        return url_of(self._arguments["url"])

    @property
    def place(self) -> Place:
        """How its url is reached."""
        return Place(**{field.name: self._arguments[field.name] for field in dataclasses.fields(Place)})

    @property
    def batch_size(self) -> int:
        return int(self._arguments["batch_size"])

    def group_of(self, slot: Resolved) -> Any:
        """The engine's group that a slot takes from."""
        return self.groups[slot.group]

    def url_of(self, slot: Resolved) -> str:
        """Where the group lies that a slot takes from."""
        return url_of(self._urls[slot.group])

    def has_anomalies(self, slot: Resolved) -> bool:
        """Whether a slot's values need a climatology to be physical, which is known at the data's own times alone."""
        return self._physical[self.slots.index(slot)].has_anomalies()

    def is_static(self, slot: Resolved) -> bool:
        """Whether none of its variables varies along the samples."""
        return all(self.sample_dim not in self.group_of(slot).open_array(name, "").dims for name in slot.variables)

    def leads_of(self, slot: Resolved, leads: list[int]) -> list[Any]:
        """Other leads of a slot, as its own are given: in steps of the samples, or as durations."""
        if not any(slot.durations):
            return list(leads)
        return [np.timedelta64(lead * self.times.step(), "us") for lead in leads]

    def without_targets(self) -> dict[str, Any]:
        """What ``replace`` takes for a loader of the inputs alone."""
        normalize = self._arguments["normalize"]
        if isinstance(normalize, Mapping):
            known = {name for slot in self.slots if not slot.target for name in slot.variables}
            normalize = {name: pair for name, pair in normalize.items() if name in known}
        return {"targets": (), "normalize": normalize}

    def with_leads(self, leads: list[int]) -> dict[str, Any]:
        """What ``replace`` takes for a loader of the targets at these leads."""
        targets = self._arguments["targets"]
        if not isinstance(targets, Mapping):
            return {"targets": leads}
        resolved = {slot.name: slot for slot in self.slots if slot.target}
        return {
            "targets": {
                name: dataclasses.replace(slot, leads=self.leads_of(resolved[name], leads)) if name in resolved else slot
                for name, slot in targets.items()
            }
        }

"""Writes checkpoints of a cohort's members during training."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lth_bench.training.callback_state import Unwritable
from lth_bench.training.checkpoints.checkpoint import CheckpointStore
from lth_bench.training.checkpoints.policy import CheckpointPolicy, Preempted

if TYPE_CHECKING:
    from lth_bench.training.engine.member import Member
    from lth_bench.training.pending_fit import PendingFit

COST = 0.01
"""Maximum fraction of training time spent on checkpoints: large networks write fewer."""
SLOWEST = 60e6
"""Assumed write speed for the first checkpoint, in bytes per second (ResNet-18: 134 MB in 1.9
s)."""


class CheckpointWriter:
    """A cohort's checkpoints. A disk error stops the checkpoints but not the training, which may
    still be stored once it is finished.
    """

    def __init__(
        self,
        policy: CheckpointPolicy,
        store: CheckpointStore,
        trainings: Sequence[Sequence[PendingFit]],
        size: int = 0,
    ) -> None:
        """`trainings` are each member's waiting fits; `size` is the approximate size of one
        checkpoint of all members, in bytes.
        """
        self._policy, self._store, self._trainings = policy, store, trainings
        self._next = time.perf_counter() + self._pause(size / SLOWEST)
        self._unwritable: set[str] = set()

    @property
    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return self._policy.preempted or time.perf_counter() >= self._next

    def save(self, members: Sequence[Member], done: int) -> None:
        """Write a checkpoint of every member with a waiting fit. Raises Preempted if the process is
        to end.
        """
        began = time.perf_counter()
        try:
            for member, fits in zip(members, self._trainings, strict=True):
                # an anonymous search has no address
                addressed = [one for one in fits if one.key and not one.done]
                if addressed:
                    longest = max(addressed, key=lambda one: one.request.end)
                    self._write(longest.key, member, done)
        except OSError:
            self._next = math.inf
        if self._policy.preempted:
            raise Preempted
        now = time.perf_counter()
        self._next = max(self._next, now + self._pause(now - began))

    def _pause(self, cost: float) -> float:
        """Seconds until the next checkpoint, if one takes `cost` seconds."""
        every = self._policy.every
        return every and max(every, cost / COST)

    def _write(self, key: str, member: Member, done: int) -> None:
        if key not in self._unwritable:
            try:
                self._store.put(key, member.checkpoint(done))
            except Unwritable:  # it is retrained if necessary
                self._unwritable.add(key)

"""Writes a cohort's members to disk in mid-training, so that a rerun goes on from there."""

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
"""The most that checkpoints take of the time: large networks save themselves less often."""
SLOWEST = 60e6
"""Bytes a second that are assumed for the first one (ResNet-18's took 134 MB in 1.9 s)."""


class CheckpointWriter:
    """A cohort's checkpoints. A disk that refuses one ends them, and nothing else: the training
    may still fit when it is finished.
    """

    def __init__(
        self,
        policy: CheckpointPolicy,
        store: CheckpointStore,
        trainings: Sequence[Sequence[PendingFit]],
        size: int = 0,
    ) -> None:
        """`trainings` are the fits that wait for each member; `size` is about what a checkpoint of
        all members takes, in bytes.
        """
        self._policy, self._store, self._trainings = policy, store, trainings
        self._next = time.perf_counter() + self._pause(size / SLOWEST)
        self._unwritable: set[str] = set()

    @property
    def due(self) -> bool:
        """Whether to save now."""
        return self._policy.preempted or time.perf_counter() >= self._next

    def save(self, members: Sequence[Member], done: int) -> None:
        """Write every member that a fit waits for. Preempted where the process is to end."""
        began = time.perf_counter()
        try:
            for member, fits in zip(members, self._trainings, strict=True):
                # a search without a name has no address
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
        """Seconds until the next one, where one takes `cost` seconds."""
        every = self._policy.every
        return every and max(every, cost / COST)

    def _write(self, key: str, member: Member, done: int) -> None:
        if key not in self._unwritable:
            try:
                self._store.put(key, member.checkpoint(done))
            except Unwritable:  # it retrains if it must
                self._unwritable.add(key)

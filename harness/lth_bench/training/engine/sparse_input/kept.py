"""Batches without the background that later trainings find."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from torch import Tensor

from lth_bench.training.engine.sparse_input.images import SparseBatch

KEPT = 2**30
"""Bytes of batches that a process keeps, at most."""

Batch = tuple[SparseBatch, Tensor]


class KeptBatches:
    """Those of a seed's steps. What was used longest ago makes room for what is used now; what has
    no room beside its own is not kept.
    """

    def __init__(self, room: int = KEPT) -> None:
        """`room` is in bytes."""
        self.room = min(room, KEPT)
        self._kept: dict[Hashable, dict[int, Batch]] = {}
        self._bytes: dict[Hashable, int] = {}

    @property
    def bytes(self) -> int:
        """What is kept takes so much."""
        return sum(self._bytes.values())

    def use(self, name: Hashable) -> Mapping[int, Batch]:
        """Batches by step, of which `add` makes more."""
        self._kept[name] = self._kept.pop(name, {})
        return self._kept[name]

    def add(self, name: Hashable, batches: Mapping[int, Batch]) -> None:
        """Keep these steps too, if there is room. They are not kept already."""
        self.use(name)
        size = sum(x.by_image.bytes + x.by_pixel.bytes for x, _ in batches.values())
        for other in [n for n in self._kept if n != name]:
            if self.bytes + size > self.room:
                del self._kept[other]
                self._bytes.pop(other, 0)
        if self.bytes + size <= self.room:
            self._kept[name].update(batches)
            self._bytes[name] = self._bytes.get(name, 0) + size

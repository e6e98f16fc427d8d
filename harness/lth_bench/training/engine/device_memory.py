"""How much of a device's memory trainings take."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch

from lth_bench.training.engine.layouts import Layout


class PeakMemory:
    """Bytes that a cohort holds on a device at most, its layout and its data included."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._known: WeakKeyDictionary[Layout, int] = WeakKeyDictionary()

    def begin(self) -> None:
        """What was held before counts no more."""
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)

    def of(self, layout: Layout) -> int | None:
        """The peak since `begin`, of a cohort in this layout; None on a CPU.

        Replayed graphs allocate nothing: what they hold shows only where they are captured, which
        is in a layout's first cohort. So no later one of the layout has less.
        """
        if self._device.type != "cuda":
            return None
        now = torch.cuda.max_memory_allocated(self._device)
        self._known[layout] = max(now, self._known.get(layout, 0))
        return self._known[layout]

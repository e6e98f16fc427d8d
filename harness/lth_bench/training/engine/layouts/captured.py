"""A layout's step and evaluation as CUDA graphs: captured once, replayed for every later cohort."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lth_bench.models.tracing import Outputs
from lth_bench.training.graphs import Replayed

SEVERAL = 10
"""Steps in the graph for stretches in which nothing happens between two steps. A launch costs the
host about 10 µs whatever the graph holds, of which a step then has a tenth."""
SMALL = 200
"""Operations of a step, views counted, up to which that pays: at about 3 µs each the device takes
longer than the host anyway, and a graph of ten thousand operations takes seconds to capture."""


class Captured:
    """The graphs of one layout. Where the network cannot be captured, each of its operations is
    launched by itself: the same numbers, only slower, and said once.

    Two graphs make a step, with room for callbacks between them; `SEVERAL` steps in one graph
    serve where there are none. All of them share one pool of memory.
    """

    def __init__(
        self,
        device: torch.device,
        forward_backward: Callable[[], None],
        update: Callable[[], None],
        written: Callable[[], Sequence[Tensor]],
    ) -> None:
        """`written` lists what a step changes: a capture whose replay changes none is an error."""
        self._device, self._written = device, written
        self._forward_backward, self._update = forward_backward, update
        self.step: tuple[Replayed, Replayed] | None = None
        """Forward and backward; the update."""
        self.several: Replayed | None = None
        """`SEVERAL` whole steps."""
        self._evaluation: Replayed | None = None
        self.possible = True
        """False once capturing the step has failed."""
        self._evaluation_possible = True

    def capture_step(self, several: bool) -> None:
        """Capture the step, unless that is done; with `several`, the longer graph too. It runs the
        step a few times: what the slots held before is lost.
        """
        if self.step is not None or not self.possible:
            return
        try:
            step = (self._replayed(self._forward_backward), self._replayed(self._update))
            self._require_effect(step)
            self.step = step
            if several and self._operations() <= SMALL:
                self.several = self._replayed(self._several_steps, step[0].pool)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # such as a forward pass that asks the device
            warnings.warn(f"this network's step runs uncaptured: {error}", stacklevel=2)
            self.possible = False

    def evaluation(self, counted: Callable[[], Tensor], into: Tensor) -> Tensor:
        """What `counted` finds, by a graph where that can be: then in `into`, of its shape."""
        if self._evaluation is None and self._evaluation_possible and self.possible:

            def run() -> None:
                into.copy_(counted())

            try:
                pool = self.step[0].pool if self.step is not None else None
                self._evaluation = self._replayed(run, pool)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                warnings.warn(f"this network's evaluation runs uncaptured: {error}", stacklevel=2)
                self._evaluation_possible = False
        if self._evaluation is None:
            return counted()
        self._evaluation()
        return into

    def _replayed(
        self, function: Callable[[], None], pool: tuple[int, int] | None = None
    ) -> Replayed:
        return Replayed(function, self._device, pool)

    def _operations(self) -> int:
        seen = Outputs()
        with seen:
            self._forward_backward()
            self._update()
        return seen.operations

    def _several_steps(self) -> None:
        for _ in range(SEVERAL):
            self._forward_backward()
            self._update()

    def _require_effect(self, graphs: Sequence[Replayed]) -> None:
        """RuntimeError unless replaying the step changes something: a capture on another stream
        than the kernels' succeeds, and does nothing. One synchronisation.
        """
        held = self._written()
        before = [t.detach().clone() for t in held]
        for graph in graphs:
            graph()
        changed = [(t.detach() != b).any() for t, b in zip(held, before, strict=True)]
        if not bool(torch.stack(changed).any()):
            raise RuntimeError("replaying the captured step changed nothing")

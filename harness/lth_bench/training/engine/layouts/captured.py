"""A layout's step and evaluation as CUDA graphs, captured once and replayed for later cohorts."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lth_bench.models.tracing import Outputs
from lth_bench.training.graphs import Replayed

SEVERAL = 10
"""Steps per graph while no step has an event. A launch costs the host about 10 µs whatever the
graph holds, so each step pays a tenth of it."""
SMALL = 200
"""Largest number of operations per step, views included, for which that pays. At about 3 µs each
the device is slower than the host anyway, and capturing ten thousand operations takes seconds."""


class Captured:
    """The graphs of one layout. If the network cannot be captured, operations are launched one by
    one: same numbers, slower, with one warning.

    Two graphs make a step, with room for callbacks between them; a third holds `SEVERAL` steps
    without callbacks. All share one memory pool.
    """

    def __init__(
        self,
        device: torch.device,
        forward_backward: Callable[[], None],
        update: Callable[[], None],
        written: Callable[[], Sequence[Tensor]],
    ) -> None:
        """`written` lists the tensors that a step changes: a replay that changes none of them is an
        error.
        """
        self._device, self._written = device, written
        self._forward_backward, self._update = forward_backward, update
        self.step: tuple[Replayed, Replayed] | None = None
        """The graphs of forward and backward, and of the update."""
        self.several: Replayed | None = None
        """The graph of `SEVERAL` whole steps."""
        self._evaluation: Replayed | None = None
        self.possible = True
        """False once capturing the step failed."""
        self._evaluation_possible = True

    def capture_step(self, several: bool) -> None:
        """Capture the step unless already done; with `several`, the longer graph too. Runs the step
        a few times, which overwrites what the slots held.
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
        except RuntimeError as error:  # such as a forward pass that reads from the device
            warnings.warn(
                "this network's training step cannot be captured as a CUDA graph and runs slower: "
                f"{error}",
                stacklevel=2,
            )
            self.possible = False

    def evaluation(self, counted: Callable[[], Tensor], into: Tensor) -> Tensor:
        """The result of `counted`, computed by a captured graph where possible; it is then in
        `into`, which must have the same shape.
        """
        if self._evaluation is None and self._evaluation_possible and self.possible:

            def run() -> None:
                into.copy_(counted())

            try:
                pool = self.step[0].pool if self.step is not None else None
                self._evaluation = self._replayed(run, pool)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                warnings.warn(
                    "this network's evaluation cannot be captured as a CUDA graph and runs "
                    f"slower: {error}",
                    stacklevel=2,
                )
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
        """RuntimeError if replaying the step changes nothing, which happens when the kernels ran on
        another stream than the one captured. One synchronisation.
        """
        held = self._written()
        before = [t.detach().clone() for t in held]
        for graph in graphs:
            graph()
        changed = [(t.detach() != b).any() for t, b in zip(held, before, strict=True)]
        if not bool(torch.stack(changed).any()):
            raise RuntimeError("replaying the captured step changed nothing")

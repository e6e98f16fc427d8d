"""What the engine's own Python costs a step: cohorts of a layout that computes nothing.

    PYTHONPATH=harness:tests/benchmarks python -m training.host

Whatever a device does in a step, a process makes no more model-steps a second than one over this.
The thread's own CPU time, so that what else the machine does hardly counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

import torch
from torch import Tensor

from lth_bench.masks import Mask
from lth_bench.models.mlp import MLP
from lth_bench.training.engine.cohort import Cohort
from lth_bench.training.engine.layouts.stacked import Explicit
from lth_bench.training.engine.network import Network
from lth_bench.training.input.batches import BatchSource
from lth_bench.training.input.resident import ResidentData
from lth_bench.training.pending_fit import PendingFit
from lth_bench.training.randomness import seeded
from lth_bench.training.recipe import Recipe
from lth_bench.training.request import FitRequest
from training import table
from training.nets import MNIST
from training.samples import made

SIZES = (1, 16, 64)
HEADINGS = ("cohort size", "what", "µs a model-step", "spread", "model-steps/s at most", "n")
NEVER = 10**9
EVALUATED = 100
"""Steps between two evaluations, as the shipped suites have it."""


class NoBatches:
    """Batches of nothing."""

    static = True

    def begin(self, seeds: Sequence[int], starts: Sequence[int]) -> None: ...
    def load(self, done: int) -> None: ...
    def batch(self) -> tuple[Any, Tensor]:
        """No images and no labels."""
        return torch.empty(0), torch.empty(0)


class Idle(Explicit):
    """A stacked layout whose step and evaluation compute nothing."""

    variant = "idle"

    def make_batch_source(self) -> BatchSource:
        return NoBatches()

    def backward(self, x: Any, y: Tensor) -> None:
        raise AssertionError("an idle layout computes nothing")

    def evaluate(self, live: Sequence[int]) -> dict[int, tuple[float, float]]:
        return dict.fromkeys(live, (1.0, 0.5))

    # on a GPU these two are captured, and replayed by one call each
    def _forward_backward(self) -> None: ...
    def _update(self) -> None: ...


class Feeding(Idle):
    """The same with the batches' rows looked up, which on a GPU is one copy a step."""

    make_batch_source = Explicit.make_batch_source


@dataclass
class Cost:
    """Microseconds of the host's a model-step, in each round."""

    size: int
    what: str
    micros: list[float] = field(default_factory=list)

    def cells(self) -> list[str]:
        """As the table's line."""
        found = median(self.micros)
        spread = f"{table.number(min(self.micros))}–{table.number(max(self.micros))}"
        most = table.number(1e6 / found) if found > 0 else "–"
        return [str(self.size), self.what, table.number(found), spread, most, str(len(self.micros))]


def measure(
    sizes: Sequence[int] = SIZES, steps: int = 20_000, rounds: int = 5, size: int = 2_000
) -> list[Cost]:
    """Costs by cohort size: of the loop alone, with batches, and with evaluations besides.

    `steps` model-steps are timed each time, `size` images make an epoch.
    """
    device = torch.device("cpu")
    recipe = Recipe(
        optimizer="adam", lr=1e-3, batch_size=60, steps=NEVER, val_size=10, eval_every=NEVER
    )
    data = ResidentData(made(MNIST, size, 20), recipe.val_size, device)
    with seeded("benchmark"):
        network = Network(
            module=MLP(hidden=(8,)).build(MNIST, 10),
            input_shape=MNIST,
            classes=10,
            device=device,
            dtype=recipe.dtype,
        )
    costs = []
    for many in sizes:
        for what, kind, every in (
            ("the loop", Idle, NEVER),
            ("with batches", Feeding, NEVER),
            (f"with an evaluation every {EVALUATED} steps", Feeding, EVALUATED),
        ):
            own = replace(recipe, eval_every=every)
            costs.append((Cost(many, what), kind(network, data, own, many)))
    for _ in range(rounds):
        for cost, layout in costs:
            each = max(2 * EVALUATED, steps // cost.size)
            seconds = _seconds(layout, each) - _seconds(layout, 0)
            cost.micros.append(1e6 * seconds / (each * cost.size))
    return [cost for cost, _ in costs]


def _seconds(layout: Explicit, steps: int) -> float:
    """CPU time of this thread in whole trainings of so many steps, once they stand ready."""
    values = layout.network.values()
    mask = Mask.ones(layout.network.layers)
    asked = [
        [
            PendingFit(
                FitRequest(
                    values=values, mask=mask, start=0, end=steps, seed=seed, recipe=layout.recipe
                )
            )
        ]
        for seed in range(layout.cohort_size)
    ]
    cohort = Cohort(layout, asked)
    began = time.thread_time()
    cohort.run()
    taken = time.thread_time() - began
    for (one,) in asked:
        assert one.outcome is not None and one.outcome.step == steps, one.error
    return taken


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    asked.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    asked.add_argument("--steps", type=int, default=20_000, help="model-steps timed at once")
    asked.add_argument("--rounds", type=int, default=5)
    given = asked.parse_args()
    torch.set_num_threads(1)
    found = measure(given.sizes, given.steps, given.rounds)
    print(table.aligned(HEADINGS, [cost.cells() for cost in found]))


if __name__ == "__main__":
    main()

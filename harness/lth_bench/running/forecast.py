"""What a strategy will train beyond the dense run, from what it declares. No hook is called.

A strategy declares up to four things; what it leaves out has the obvious default:

- `prune_rate`, with `iterative = True`: the fraction of a layer's surviving weights that a round
  removes, a number or a `PerKind`. The number of rounds follows from it as `Mask.shrink` counts
  (`next_counts`). Without it, a round a density.
- `start_step(total_steps)`: the step at which a ticket's training begins. Without it, step 0.
- `search_steps(total_steps)`: about how many steps a search for the mask takes, ahead of each
  ticket's training. Without it, there is no search.
- `train_steps(total_steps)`: the steps of a ticket's training, where it is no part of the schedule
  from `start_step` to its end: fine-tuning beyond it, or a longer schedule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any, NamedTuple

from lth_bench.errors import Unreachable, UserError
from lth_bench.masks import PerKind, count_at, next_counts
from lth_bench.plugins.asking import ask

FROM_REWIND_POINT = (
    "reinit_at_rewind",
    "random_signs",
    "shuffle",
    "moved_values",
    "shuffle_global",
    "reorder",
)
"""Controls that train from the step that their ticket was rewound to; the others from step 0."""


class TrainingForecast(NamedTuple):
    """The trainings of one experiment, its controls apart."""

    fits: tuple[int, ...] = ()
    """Steps of each, in order."""
    searches: int = 0
    """How many of them are searches."""

    def before_last(self, dynamic: bool) -> tuple[int, ...]:
        """Steps of those that the last ticket's mask takes: all but its own, which tells the mask
        of a `dynamic` strategy alone.
        """
        return self.fits if dynamic else self.fits[:-1]


def forecast(
    name: str,
    strategy: Any,
    *,
    counts: Mapping[str, int],
    kinds: Mapping[str, str],
    densities: Sequence[float],
    total_steps: int,
) -> TrainingForecast:
    """The trainings for these densities, from dense to sparse, each below 1.

    `counts` are the weights of each prunable layer, `kinds` their kinds. UserError, with the
    strategy's name, where a method of its raises or answers with no step of the schedule.
    """
    start = _step(name, strategy, "start_step", total_steps, total_steps) or 0
    search = _step(name, strategy, "search_steps", total_steps)
    train = _step(name, strategy, "train_steps", total_steps)
    rate = prune_rate(strategy)
    rounds = len(densities) if rate is None else rounds_to(densities, counts, kinds, rate)
    searches = (search,) if search else ()
    ticket = total_steps - start if train is None else train
    return TrainingForecast((*searches, ticket) * rounds, len(searches) * rounds)


def density_groups(strategy: Any, densities: Sequence[float]) -> list[tuple[float, ...]]:
    """The densities of each experiment: all of them if iterative, otherwise one each."""
    if getattr(strategy, "dense_only", False):
        return [(1.0,)]
    sparse = tuple(d for d in densities if d < 1)  # density 1.0 is the dense run, and no ticket
    if getattr(strategy, "iterative", False):
        return [sparse] if sparse else []
    return [(d,) for d in sparse]


def control_fits(
    name: str, strategy: Any, controls: Sequence[str], densities: int, total_steps: int
) -> tuple[int, ...]:
    """Steps of the trainings of a strategy's controls, at this many densities."""
    start = _step(name, strategy, "start_step", total_steps, total_steps) or 0
    # beyond the schedule's end they are trained as long as the ticket
    rewound = total_steps - start or _step(name, strategy, "train_steps", total_steps) or 0
    asked = [c for c in controls if start or c != "reinit_at_rewind"]
    steps = [rewound if c in FROM_REWIND_POINT else total_steps for c in asked]
    return tuple(steps) * densities


def prune_rate(strategy: Any) -> PerKind | None:
    """The rate that an iterative strategy declares, as one for each kind of layer."""
    rate = getattr(strategy, "prune_rate", None)
    if not getattr(strategy, "iterative", False):
        return None
    if isinstance(rate, int | float) and not isinstance(rate, bool):
        return PerKind.of(float(rate))
    return rate if isinstance(rate, PerKind) else None


def rounds_to(
    densities: Sequence[float], counts: Mapping[str, int], kinds: Mapping[str, str], rate: PerKind
) -> int:
    """Rounds at this rate until each density is reached, one after the other. None are counted for
    a density that the rate cannot reach: its row will be skipped.
    """
    rates = {layer: rate[kind] for layer, kind in kinds.items()}  # type: ignore[index]
    total, rounds, remaining = sum(counts.values()), 0, dict(counts)
    for density in densities:
        k = count_at(density, total)
        while True:
            try:
                remaining = next_counts(remaining, rates, k)
            except Unreachable:
                break
            rounds += 1
            if sum(remaining.values()) <= k:
                break
    return rounds


def _step(
    name: str, strategy: Any, method: str, total_steps: int, most: int | None = None
) -> int | None:
    """What a method of the strategy says, a number of steps, at most `most`; None where it has no
    such method.
    """
    declared = getattr(strategy, method, None)
    if declared is None:
        return None
    step = ask(name, declared, total_steps)
    if not _is_whole(step) or step < 0 or (most is not None and step > most):
        allowed = (
            "0 or more steps" if most is None else f"a step from 0 to {most}, the end of training"
        )
        raise UserError(f"{name}: {method} must return {allowed}, but returned {step!r:.80}")
    return int(step)


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)

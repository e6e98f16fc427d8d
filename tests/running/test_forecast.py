"""What strategies will train, from what they declare: with the papers' schedules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from lth_bench import Mask, PerKind, Ticket, UserError, hookimpl
from lth_bench.running.forecast import TrainingForecast, forecast
from lth_strategies.early_bird import EarlyBird
from lth_strategies.imp import IMP
from lth_strategies.late_rewind import LateRewind
from lth_strategies.one_shot import OneShot
from lth_strategies.random import Random
from lth_strategies.rigl import RigL
from lth_strategies.snip import SNIP

LENET = {"fc1": 784 * 300, "fc2": 300 * 100, "fc3": 100 * 10}
KINDS = {"fc1": "linear", "fc2": "linear", "fc3": "output"}
SCHEDULE = (
    0.8004, 0.6406, 0.5128, 0.4105, 0.3287, 0.2632, 0.2107, 0.1688, 0.1352, 0.1083, 0.0868,
    0.0695, 0.0557, 0.0447, 0.0358,
)  # fmt: skip
HALVES = PerKind(0.4, 0.4, 0.4)


def steps(
    strategy: Any, densities: tuple[float, ...], total: int = 700, kinds: Any = KINDS
) -> TrainingForecast:
    return forecast(
        "strategy 'x'",
        strategy,
        counts=LENET,
        kinds=kinds,
        densities=densities,
        total_steps=total,
    )


@pytest.mark.parametrize(
    ("strategy", "densities", "rounds"),
    [
        (IMP(), SCHEDULE, 15),
        (IMP(), (0.0358,), 15),
        (IMP(HALVES), (0.5, 0.2, 0.05), 2 + 1 + 3),
        (IMP(HALVES), (0.9,), 1),
        (IMP(HALVES, scope="global"), (0.5, 0.2, 0.05), 2 + 1 + 3),
    ],
)
def test_imp_trains_once_per_round(strategy: IMP, densities: Any, rounds: int) -> None:
    assert steps(strategy, densities) == TrainingForecast((700,) * rounds, 0)


def test_late_rewinding_trains_from_its_rewind_point() -> None:
    assert steps(LateRewind(rewind_step=100), (0.8004, 0.6406), 1000).fits == (900, 900)
    assert steps(LateRewind(rewind_fraction=0.01), SCHEDULE, 1000).fits == (990,) * 15


@pytest.mark.parametrize("strategy", [OneShot(), SNIP(), RigL(), Random()])
def test_a_method_that_declares_nothing_trains_once_per_density(strategy: Any) -> None:
    assert steps(strategy, (0.2,)) == TrainingForecast((700,), 0)
    assert steps(strategy, (0.5, 0.2)).fits == (700, 700)


def test_early_bird_searches_and_continues_from_its_stop() -> None:
    assert steps(EarlyBird(), (0.2,)) == TrainingForecast((175, 525), 1)
    assert steps(EarlyBird(latest=0.3), (0.2,), 1000) == TrainingForecast((150, 850), 1)


def test_densities_that_cannot_be_reached_are_not_in_the_forecast() -> None:
    assert steps(IMP(PerKind(0, 0, 0)), (0.5,)).fits == ()
    # fc2 and fc3 hold 31,000 weights, 11.6%; fc1 lands on .5 at once and needs two rounds to .2
    spare = IMP(PerKind(conv=0.5, linear=0.5, output=0.0))
    kinds = {**KINDS, "fc2": "output"}
    assert steps(spare, (0.5, 0.2, 0.1, 0.05), kinds=kinds).fits == (700,) * 3


@dataclass(frozen=True, eq=False)
class Declares:
    """A third party's."""

    prune_rate: Any = 0.2
    iterative = True

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        return ticket.mask


def test_the_prune_rate_of_an_iterative_plugin_gives_its_rounds() -> None:
    plain = type("Plain", (Declares,), {"iterative": False})
    same = IMP(PerKind(0.2, 0.2, 0.2))
    assert steps(Declares(), SCHEDULE) == steps(same, SCHEDULE)
    assert steps(Declares(PerKind(0.2, 0.2, 0.2)), SCHEDULE) == steps(same, SCHEDULE)
    assert steps(plain(), (0.2,)).fits == (700,)
    # something else that has the name is not what the harness means
    assert steps(Declares("fast"), (0.5, 0.2)).fits == (700, 700)


@pytest.mark.parametrize("answer", [-1, 701, 1.5, None, "x", True])
@pytest.mark.parametrize("method", ["start_step", "search_steps", "train_steps"])
def test_declared_steps_that_are_none_are_refused(method: str, answer: Any) -> None:
    odd = type("Odd", (Declares,), {method: lambda self, total_steps: answer})
    if answer == 701 and method != "start_step":  # a search, or a training, may be longer
        assert 701 in steps(odd(), (0.5,)).fits
        return
    allowed = "a step from 0 to 700" if method == "start_step" else "0 or more steps"
    with pytest.raises(UserError, match=rf"^strategy 'x': {method} must return {allowed}"):
        steps(odd(), (0.5,))

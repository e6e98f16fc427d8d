"""What is said of each study while it goes on."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lth_bench.tuning.progress import Scoreboard


def study(*directions: str) -> SimpleNamespace:
    names = ("accuracy", "cost")[: len(directions)]
    objective = SimpleNamespace(names=names, directions=directions)
    return SimpleNamespace(goal=SimpleNamespace(name="s", objective=objective), trials=[])


@pytest.mark.parametrize(
    ("direction", "says"), [("maximize", "0.9 at #1"), ("minimize", "0.5 at #0")]
)
def test_ties_go_to_the_earlier_trial(direction: str, says: str) -> None:
    one = study(direction)
    score = Scoreboard([one])
    assert score.best(one) == ""
    for number, value in ((3, 0.9 + 2e-16), (1, 0.9), (4, 0.5 - 1e-16), (0, 0.5)):
        score.see(one, number, value)
    assert score.best(one) == f"best {says}"


def test_two_objectives_have_no_single_best() -> None:
    pair = study("maximize", "minimize")
    score = Scoreboard([pair])
    score.see(pair, 0, 0.9)
    assert score.best(pair) == ""

"""Experiments that take much longer than similar ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from close import close

from lth_bench.lottery import Experiment
from lth_bench.running.executors.simulated import Pace
from lth_bench.running.progress import ExperimentStarted, Straggling
from lth_bench.running.stragglers import AGAIN, FACTOR, LEAST, StragglerWatch

MADE = Experiment(
    experiment_id="", config_id="c", suite="s", label="imp", strategy="imp", params={},
    model={"name": "mlp"}, model_label="mlp", dataset={"name": "digits"},
    dataset_label="digits", recipe_name="short", recipe={}, seed=0, densities=(0.5, 0.2),
    controls=(), iterative=True, source_hash="h", plugin_version="1",
)  # fmt: skip
STEPS = 100


class Watched:
    """A watch with a clock that a test sets."""

    def __init__(self, pace: float | None = None, trials: bool = False) -> None:
        self.now = 0.0
        known = {} if pace is None else {("mlp", "digits", "short"): Pace(seconds=pace)}
        self.watch = StragglerWatch(known, lambda: self.now, trials=trials)
        self.batch_size = 50
        self.label = "imp"

    def start(self, name: str, worker: str = "a cpu", steps: int = STEPS) -> Experiment:
        recipe = {"batch_size": self.batch_size}
        experiment = replace(MADE, experiment_id=name, label=self.label, recipe=recipe)
        self.watch.started(ExperimentStarted(experiment, worker, steps))
        return experiment

    def ticket(self, name: str, spent: int = STEPS) -> None:
        record = {"record": "ticket", "experiment_id": name, "cost": {"spent_steps": spent}}
        assert self.watch.take(record) is None

    def end(self, name: str, status: str = "ok") -> Straggling | None:
        return self.watch.take({"record": "experiment", "experiment_id": name, "status": status})

    def late(self) -> list[str]:
        return [found.experiment_id for found in self.watch.late()]

    def take(self, names: str, seconds: float, spent: int = STEPS, steps: int = STEPS) -> None:
        """These run one after the other and take so long each."""
        for name in names:
            self.start(name, steps=steps)
            self.ticket(name, spent)
            self.now += seconds
            assert self.end(name) is None


@pytest.fixture
def watched() -> Callable[..., Watched]:
    return Watched


def test_one_that_takes_three_times_as_long_is_named_with_its_worker(watched) -> None:
    run = watched()
    run.take("abc", 20.0)
    run.start("slow", "b cpu")
    run.now += FACTOR * 20 - 0.1
    assert run.late() == []
    run.now += 0.2
    (found,) = run.watch.late()
    assert (found.experiment_id, found.worker, found.ended) == ("slow", "b cpu", False)
    assert found.title == "imp mlp/digits/short seed 0"
    assert (found.seconds, found.expected_seconds) == close((60.1, 20.0))


def test_it_is_told_again_at_twice_the_time_and_when_it_ends(watched) -> None:
    run = watched()
    run.take("abc", 20.0)
    run.start("slow")
    run.now += 61
    assert run.late() == ["slow"]
    run.now += 60
    assert run.late() == []
    run.now += 61 * (AGAIN - 1)
    assert run.late() == ["slow"]
    run.now += 18
    found = run.end("slow")
    assert found is not None and found.ended
    assert (found.seconds, found.expected_seconds) == close((200, 20))
    assert run.late() == []


def test_more_steps_take_longer(watched) -> None:
    run = watched()
    run.take("abc", 20.0)
    run.start("long", steps=4 * STEPS)
    run.now += 4 * 20 * FACTOR - 1
    assert run.late() == []


def test_a_few_seconds_are_a_busy_machine(watched) -> None:
    run = watched()
    run.take("abc", 0.1)
    run.start("slow")
    run.now += LEAST
    assert run.late() == []
    run.now += 0.2
    assert run.late() == ["slow"]


def test_nothing_is_expected_before_similar_ones_have_ended(watched) -> None:
    run = watched()
    run.take("ab", 20.0)
    run.take("d", 1.0, steps=0)  # the dense run is not similar
    run.take("e", 0.1, spent=10)  # nor who found its trainings
    run.start("slow")
    run.now += 1e6
    assert run.late() == []


def test_the_pace_of_earlier_runs_tells_at_once(watched) -> None:
    run = watched(0.5)
    run.start("slow")
    run.now += 149
    assert run.late() == []
    run.now += 2
    (found,) = run.watch.late()
    assert found.expected_seconds == close(50)


def test_failures_and_retries_tell_nothing(watched) -> None:
    run = watched()
    for name in "abc":
        run.start(name)
        run.ticket(name)
        run.end(name, "failed")
    experiment = run.start("again")
    run.now += 1e6
    assert run.late() == []
    run.take("def", 20.0)
    run.watch.stopped([experiment])
    assert run.late() == []
    run.start("again", "b cpu")
    run.now += 30
    assert run.late() == []


@pytest.mark.parametrize("trials", [True, False])
def test_another_batch_size_takes_another_time(watched, trials) -> None:
    run = watched(trials=trials)
    run.take("abc", 20.0)
    run.batch_size = 5000
    run.start("large")
    run.now += 1e6
    assert run.late() == []
    run.take("def", 2000.0)
    run.start("larger")
    run.now += 2000 * FACTOR + 1
    assert run.late() == ["large", "larger"]


def test_trials_are_compared_within_their_study(watched) -> None:
    """Another strategy's searches take as long as they take."""
    for trials, late in ((True, []), (False, ["other"])):
        run = watched(trials=trials)
        run.take("abc", 20.0)
        run.label = "snip"
        run.start("other")
        run.now += 20 * FACTOR + 1
        assert run.late() == late
        run.label = "imp"
        run.start("slow")
        run.now += 20 * FACTOR + 1
        assert "slow" in run.late()

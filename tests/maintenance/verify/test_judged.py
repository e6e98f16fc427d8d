"""Verdicts on reruns, from records made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from lth_bench.analysis.samples import Sample
from lth_bench.maintenance.verify.again import choose
from lth_bench.maintenance.verify.judged import by_cell, judge_rerun
from lth_bench.maintenance.verify.recorded import RecordedExperiment, Row
from lth_bench.stats import prediction_interval

TASK = ("net", "data", "short")
HERE = {"torch": "2.15.0", "engine": 4, "device": "cpu", "cpu": "A", "cohort_size": 1}
SEEDS = (0.90, 0.91, 0.92, 0.91, 0.90)


def experiment(
    scores: Mapping[float, float | None], numerics: Mapping[str, Any] = HERE, **changes: Any
) -> RecordedExperiment:
    rows = {
        (density, "none"): Row(status="ok", values={"test_loss": score, "steps": 30}, score=score)
        for density, score in scores.items()
    }
    given: dict[str, Any] = {
        "experiment_id": "e1", "suite": "mine", "label": "imp", "strategy": "imp", "task": TASK,
        "source": TASK, "seed": 0, "source_hash": "abc", "plugin_version": None, "config": {},
        "run_id": "r", "fingerprint": "f", "numerics": numerics, "densities": (0.5, 0.2),
        "rows": rows,
    }  # fmt: skip
    return RecordedExperiment(**{**given, **changes})


def sample(density: float, values: Mapping[int, float]) -> Sample:
    model, dataset, recipe = TASK
    return Sample(
        suite="mine",
        model=model,
        dataset=dataset,
        recipe=recipe,
        target_density=density,
        strategy="imp",
        label="imp",
        control="none",
        source="/".join(TASK),
        values=values,
        lost=frozenset(),
        skipped=frozenset(),
        missing=frozenset(),
    )


@pytest.fixture
def cells() -> dict[tuple[Any, ...], Sample]:
    return by_cell([sample(density, dict(enumerate(SEEDS))) for density in (0.5, 0.2)])


OTHER = {**HERE, "torch": "2.14.0"}


def test_the_same_bits_are_equal_on_whatever_numerics(cells: Any) -> None:
    for numerics in (HERE, OTHER):
        one = experiment({0.5: 0.91, 0.2: 0.9}, numerics)
        found = judge_rerun(one, experiment({0.5: 0.91, 0.2: 0.9}), cells)
        assert (found.verdict, found.equal_rows, found.rows) == ("equal", 2, 2)


def test_one_bit_more_is_different_on_the_same_numerics(cells: Any) -> None:
    again = experiment({0.5: 0.91 + 2**-53, 0.2: 0.9})
    found = judge_rerun(experiment({0.5: 0.91, 0.2: 0.9}), again, cells)
    assert (found.verdict, found.equal_rows, found.numerics) == ("different", 1, ())
    assert found.reason.startswith("other bits on the same numerics (density 0.5: test_loss")


@pytest.mark.parametrize("apart", ["torch", "engine", "cpu", "cohort_size"])
def test_on_other_numerics_a_likely_score_is_consistent(cells: Any, apart: str) -> None:
    for then in ("another", None):  # what is not recorded may have been another
        one = experiment({0.5: 0.91, 0.2: 0.9}, {**HERE, apart: then})
        found = judge_rerun(one, experiment({0.5: 0.905, 0.2: 0.9}), cells)
        assert found.verdict == "consistent"
        assert apart in found.numerics[0]
        assert (found.worst, found.there, found.here, found.n) == ((0.5, "none"), 0.91, 0.905, 5)


def test_a_score_outside_of_the_seeds_interval_is_different(cells: Any) -> None:
    """Two rows, so each at 97.5%."""
    high = prediction_interval(SEEDS, level=0.975).high
    assert high is not None
    for score, verdict in ((high - 1e-6, "consistent"), (high + 1e-6, "different")):
        one = experiment({0.5: 0.91, 0.2: 0.9}, OTHER)
        found = judge_rerun(one, experiment({0.5: 0.91, 0.2: score}), cells)
        assert found.verdict == verdict
        assert found.high == high
        # outside of its own 95% interval either way, and one row in twenty is
        assert (found.outside, found.with_interval) == (1, 1)


def test_one_seed_leaves_it_open() -> None:
    cells = by_cell([sample(0.5, {0: 0.9})])
    found = judge_rerun(experiment({0.5: 0.9}, OTHER), experiment({0.5: 0.91}), cells)
    assert found.verdict == "open"


def test_another_status_is_different_whatever_the_numerics(cells: Any) -> None:
    rows = {(0.5, "none"): Row(status="skipped", values={}, score=None)}
    found = judge_rerun(experiment({}, OTHER, rows=rows), experiment({0.5: 0.9}), cells)
    assert found.verdict == "different"
    assert found.reason == "density 0.5 is skipped there and ok here"
    missing = judge_rerun(experiment({0.5: 0.9, 0.2: 0.9}, OTHER), experiment({0.5: 0.9}), cells)
    assert missing.reason == "density 0.2 is ok there and missing here"


def test_a_record_without_values_does_not_pass_as_equal(cells: Any) -> None:
    found = judge_rerun(experiment({0.5: None}), experiment({0.5: 0.9}), cells)
    assert found.verdict == "different"


def test_a_gpus_bits_are_not_demanded(cells: Any) -> None:
    gpu = {**HERE, "device": "NVIDIA H200"}
    found = judge_rerun(experiment({0.5: 0.91}, gpu), experiment({0.5: 0.912}, gpu), cells)
    assert found.verdict == "consistent"


def test_a_seed_chooses_the_same_experiments_in_any_order() -> None:
    known = [experiment({0.5: 0.9}, experiment_id=f"e{i:02}") for i in range(40)]
    chosen = [one.experiment_id for one in choose(known, 5, 3)]
    assert len(set(chosen)) == 5
    assert [one.experiment_id for one in choose(known[::-1], 5, 3)] == chosen
    assert [one.experiment_id for one in choose(known, 5, 4)] != chosen
    assert len(choose(known, 400, 0)) == 40

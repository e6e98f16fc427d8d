"""The function that the scheduler calls, on rows of a database and on simulations from them."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lth_bench.analysis.measures import ACCURACY, Measure
from lth_bench.analysis.samples import samples
from lth_bench.analysis.seed_pairs import (
    SeedPairs,
    fates_of,
    in_order,
    judged_in_order,
    verdict_in_order,
)
from lth_bench.store import fold
from lth_bench.store.database import open_safe
from lth_bench.suite.decide import Decide

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))


def test_pairs_are_the_first_seeds_without_a_gap() -> None:
    base = dict.fromkeys(range(6), 0.5)
    mine: dict[int, Any] = {0: 0.6, 1: 0.7, 3: 0.9}
    assert in_order(mine, base, 10).differences == pytest.approx([0.1, 0.2])
    assert in_order({**mine, 2: 0.8}, base, 3).differences == pytest.approx([0.1, 0.2, 0.3])
    late = dict(sorted({**mine, 2: 0.8}.items(), reverse=True))  # whatever ended first
    assert in_order(late, base, 10) == in_order({**mine, 2: 0.8}, base, 10)


def test_what_is_no_pair_and_what_ends_the_comparison() -> None:
    base: dict[int, Any] = {0: 0.5, 1: "lost", 2: 0.5, 3: 0.5, 4: 0.5}
    mine: dict[int, Any] = {0: 0.6, 1: 0.6, 2: "dropped", 3: "lost", 4: "skipped"}
    assert in_order(mine, base, 4) == SeedPairs(
        [pytest.approx(0.1), None], 0.5, left_out=2, baseless=1, seeds=[0, 3]
    )
    assert in_order(mine, base, 5).skipped


@pytest.mark.parametrize(
    ("mine", "base", "why"),
    [
        ([0.6, 0.6, 0.6], ["lost", "lost", "lost"], "no baseline"),
        ([0.6, "dropped", "lost"], ["lost", 0.5, "lost"], "no baseline"),
        (["dropped"] * 3, [0.5, 0.5, 0.5], "dropped"),
        ([0.6, 0.6, 0.6], ["dropped"] * 3, "dropped"),
        (["dropped", "dropped", 0.6], [0.5, 0.5, "dropped"], "dropped"),
        ([0.6, 0.6, 0.6], ["lost", "lost", 0.5], None),
        ([0.6, 0.6], ["lost", "lost"], None),
    ],
)
def test_without_a_pair_in_the_first_three_seeds_a_comparison_is_given_up(
    mine: list[Any], base: list[Any], why: str | None
) -> None:
    rule = Decide(max_seeds=10)
    fates, others = dict(enumerate(mine)), dict(enumerate(base))
    found = verdict_in_order(in_order(fates, others, 10), rule, ACCURACY)
    assert found.stop is not None and found.stop.why == (why or "to come")
    if why is not None:
        assert found.kind == "insufficient" and "no pair in the first 3 seeds" in found.text
        # what was trained ahead changes nothing
        ahead = dict.fromkeys(range(3, 8), 0.6)
        late = in_order({**fates, **ahead}, {**others, **dict.fromkeys(ahead, 0.5)}, 10)
        assert late == in_order(fates, others, 10)


def test_where_a_seed_was_left_out_the_last_look_never_comes() -> None:
    base: dict[int, Any] = dict.fromkeys(range(15), 0.5) | {1: "lost"}
    differences = [18, -9, 9, 3, 3, 5, -6, 5, 1, 26, 7, 4, 4, 2, 0]
    mine: dict[int, Any] = {seed: 0.5 + d / 1000 for seed, d in enumerate(differences)}
    *_, last = judged_in_order(in_order(mine, base, 15), Decide(max_seeds=15), ACCURACY)
    assert last.stop is not None
    assert (last.stop.at, last.stop.why) == (12, "maximum")  # 14 pairs, and none to come
    *_, before = judged_in_order(in_order(mine, base, 15), Decide(max_seeds=20), ACCURACY)
    assert before.stop is not None and before.stop.why == "to come"


def test_a_relative_margin_is_that_of_the_first_three_pairs() -> None:
    base = {seed: 100.0 + seed for seed in range(8)}
    mine = {seed: 100.0 + seed + 0.1 * (-1) ** seed for seed in range(8)}
    loss = Measure("test_loss", "", False)
    found = list(judged_in_order(in_order(mine, base, 8), Decide(max_seeds=8), loss))
    assert found[-1].margin == pytest.approx(0.05 * 101.0)
    assert found[-1].kind == "equivalent"


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[float, float]]:
    """Effect and deviation of a small suite's differences, as its database has them."""
    made = RECORDS["Scenario"](seeds=tuple(range(6)))
    paths = RECORDS["write"](tmp_path_factory.mktemp("rows") / "results.duckdb", made)
    fold(paths)
    with open_safe(paths) as con:
        found = samples(con)
    dense = next(s for s in found if s.label == "dense")
    rows = []
    for sample in found:
        if sample.label != "dense":
            pairs = in_order(fates_of(sample), fates_of(dense), 6).differences
            x = np.array([p for p in pairs if p is not None])
            rows.append((float(x.mean()), float(x.std(ddof=1))))
    return rows


def test_simulated_errors_and_seeds_of_a_databases_rows(rows: list[tuple[float, float]]) -> None:
    """With the spreads that a database shows: ties are called different in 5% of cases at most, and
    clear differences are decided in fewer seeds than ten.
    """
    rng, rule = np.random.default_rng(0), Decide(max_seeds=10)
    wrong, seeds, draws = 0, 0, 40
    for effect, spread in rows:
        for mean in (0.0, effect):
            for _ in range(draws):
                noise = rng.normal(mean, spread, size=10)
                pairs = SeedPairs([float(x) for x in noise], 0.9)
                *_, last = judged_in_order(pairs, rule, ACCURACY)
                assert last.stop is not None
                if mean == 0:
                    wrong += last.kind in ("better", "worse")
                else:
                    seeds += last.stop.at
    count = len(rows) * draws
    assert wrong / count <= 0.05 + 3 * (0.05 / count) ** 0.5
    assert seeds / count < 8


def test_before_the_first_look_a_verdict_is_that_of_too_few_pairs() -> None:
    base: dict[int, Any] = dict.fromkeys(range(5), 0.5)
    late: dict[int, Any] = {1: 0.6, 2: 0.61, 3: 0.62, 4: 0.6}  # seed 0 is to come
    rule = Decide(max_seeds=10)

    def told(mine: Any, rule: Decide = rule) -> tuple[Any, ...]:
        found = verdict_in_order(in_order(mine, base, rule.max_seeds), rule, ACCURACY)
        assert found.stop is not None
        return found.kind, found.stop.at, found.stop.why

    assert told(late) == ("insufficient", 0, "to come")
    assert told({0: 0.6, 1: 0.61}) == ("insufficient", 2, "to come")
    assert told({0: 0.6, 1: "lost"}) == ("failed", 2, "to come")
    assert told({0: 0.6, **late}) == ("better", 3, "decided")
    assert told({0: 0.6, 1: "skipped"}) == ("insufficient", 1, "skipped")
    # a look at three never comes
    assert told({0: 0.6, 1: "dropped", 2: 0.6}, Decide(max_seeds=3)) == (
        "insufficient", 2, "maximum",
    )  # fmt: skip

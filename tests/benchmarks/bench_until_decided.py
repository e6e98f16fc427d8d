"""Simulated error rates and seeds of the rule that adds seeds until decided, for the effects and
deviations that a database's rows show, against a fixed number of seeds.

    python tests/benchmarks/bench_until_decided.py results.duckdb [most] [draws]

Each row's mean difference to the dense run and its deviation are taken as the truth; seeds are then
drawn from a normal distribution, in units of one test example, and judged by the function that the
scheduler calls. Errors are those of these deviations at a true difference of 0, and of the margin.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np

from lth_bench.analysis.measures import ACCURACY
from lth_bench.analysis.samples import samples
from lth_bench.analysis.seed_pairs import SeedPairs, fates_of, in_order, judged_in_order
from lth_bench.stats import Summary, judge
from lth_bench.store.paths import Paths
from lth_bench.store.reading import reading
from lth_bench.suite.decide import Decide

MARGIN = 0.005
FIXED = (5, 10, 20, 30)


def rows(results: Path) -> list[tuple[float, float, float]]:
    """Effect, deviation and step of every row with three pairs and more."""
    with reading(Paths(results).results) as con:
        found = samples(con, every_seed=True)
    dense = {(s.suite, s.task): s for s in found if s.label == "dense"}
    told = []
    for sample in found:
        base = dense.get((sample.suite, sample.task))
        if base is None or sample is base or sample.control != "none":
            continue
        pairs = in_order(fates_of(sample), fates_of(base), 60).differences
        known = [x for x in pairs if x is not None]
        if len(known) >= 3:
            one = Summary.of(known).floored(sample.step)
            told.append((one.mean, float(one.deviation or 0), sample.step))
    return told


def drawn(rng: np.random.Generator, mean: float, spread: float, step: float, n: int) -> list[float]:
    values = rng.normal(mean, spread, size=n)
    return [float(x) for x in (np.round(values / step) * step if step else values)]


def main(results: Path, most: int = 30, draws: int = 40) -> None:
    rng, truth = np.random.default_rng(0), rows(results)
    rule = Decide(margin=MARGIN, max_seeds=most)
    spreads = [100 * spread for _, spread, _ in truth]
    sizes = [100 * abs(effect) for effect, _, _ in truth]
    print(f"{len(truth)} rows, {draws} draws each, at most {most} seeds, margin 0.5 points")
    for name, x in (("deviation", spreads), ("difference", sizes)):
        low, middle, high = np.quantile(x, (0.1, 0.5, 0.9))
        print(f"{name} in points: {low:.2f}, {middle:.2f}, {high:.2f} (10, 50, 90%)")
    seeds, kinds, wrong = 0, Counter[str](), Counter[str]()
    fixed = dict.fromkeys(FIXED, 0)
    count = len(truth) * draws
    for effect, spread, step in truth:
        for _ in range(draws):
            noise = drawn(rng, 0.0, spread, step, max(most, *FIXED))
            moved = drawn(rng, effect, spread, step, max(most, *FIXED))
            *_, last = judged_in_order(SeedPairs(moved[:most], 0.9), rule, ACCURACY, step)
            seeds += last.stop.at if last.stop else 0
            kinds[last.stop.why if last.stop else ""] += 1
            *_, tie = judged_in_order(SeedPairs(noise[:most], 0.9), rule, ACCURACY, step)
            wrong["different"] += tie.kind in ("better", "worse")
            edge = [x + MARGIN for x in noise]
            *_, edged = judged_in_order(SeedPairs(edge[:most], 0.9), rule, ACCURACY, step)
            wrong["alike"] += edged.kind == "equivalent"
            for n in FIXED:
                verdict = judge(Summary.of(moved[:n]), MARGIN, step=step)
                fixed[n] += verdict.kind in ("better", "worse", "equivalent")
    told = ", ".join(f"{why} {n / count:.1%}" for why, n in kinds.most_common())
    print(f"until decided: {seeds / count:.1f} seeds on average; {told}")
    print(f"  true ties called different {wrong['different'] / count:.2%}, "
          f"differences of the margin called equivalent {wrong['alike'] / count:.2%}")  # fmt: skip
    for n, settled in fixed.items():
        print(f"fixed n = {n}: {settled / count:.1%} decided")


if __name__ == "__main__":
    given = sys.argv[1:]
    main(Path(given[0]), *(int(number) for number in given[1:]))

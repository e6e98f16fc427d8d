"""What tuning bought: default and tuned settings on seeds and data that tuning never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

from lth_bench.running.recorder import Progress, Summary
from lth_bench.running.request import RunRequest
from lth_bench.running.runner import run_suite
from lth_bench.stats import paired_interval
from lth_bench.tuning.freeze import freeze, tuned_label

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from lth_bench.analysis.samples import Sample
    from lth_bench.plugins import Registry
    from lth_bench.stats import Interval
    from lth_bench.store.trials import Study
    from lth_bench.suite.spec import Suite


@dataclass(frozen=True)
class Gain:
    """Test accuracy of the tuned settings less that of the suite's own, a fraction, by seed."""

    interval: Interval
    """Mean over the seeds that both have, with the paired 95% t-interval."""
    own: float
    """Mean test accuracy of the suite's own settings at these seeds."""
    densities: tuple[float, ...]
    """What each seed's accuracy is the mean over: tuning's densities, as far as the suite reports
    them; otherwise all of the task's."""


def run_final(
    suite: Suite,
    studies: Sequence[Study],
    registry: Registry,
    request: RunRequest,
    progress: Progress,
    smoke: bool = False,
) -> Summary:
    """Run default and tuned settings of every study at the suite's own seeds, tested on test."""
    from lth_bench.suite.load import suite_of
    from lth_bench.suite.select import select
    from lth_bench.suite.smoke import smoke as shorten

    frozen = suite_of(freeze(suite, studies), suite.path)
    if smoke:
        frozen = replace(shorten(frozen), name=suite.name)
    labels = list(dict.fromkeys(study.label for study in studies))
    wanted = [name for label in labels for name in (label, tuned_label(label))]
    known = {s.label for s in frozen.strategies}
    chosen = select(frozen, suite.seeds, [name for name in wanted if name in known])
    tasks = {study.task for study in studies}
    chosen = replace(
        chosen,
        tasks=tuple(
            t for t in chosen.tasks if (t.model.label, t.dataset.label, t.recipe_name) in tasks
        ),
    )
    return run_suite(chosen, registry, request, progress)


def gains(con: DuckDBPyConnection, studies: Sequence[Study]) -> dict[str, Gain]:
    """study_id → gain, of the studies whose default and tuned settings share a finished seed.

    Seeds that the search itself used are left out: it chose by them. A density that a method lost
    or cannot reach counts as accuracy 0, as on the leaderboards.
    """
    from lth_bench.analysis.samples import samples

    found: dict[str, Gain] = {}
    for study in studies:
        labels = (study.label, tuned_label(study.label))
        mine = [
            s
            for s in samples(con, "test_accuracy", [study.suite], labels)
            if s.control == "none" and s.task == "/".join(study.task) and s.target_density < 1
        ]
        by_label: dict[str, list[Sample]] = {name: [] for name in labels}
        for sample in mine:
            by_label[sample.label].append(sample)
        ladders = [{s.target_density for s in group} for group in by_label.values()]
        common = ladders[0] & ladders[1]
        densities = {d for d in study.densities if d in common} or common
        own, tuned = (_by_seed(by_label[name], densities) for name in labels)
        # a seed that both have lost everywhere says nothing of either
        fresh = (own.keys() & tuned.keys()) - {*study.seeds}
        seeds = {s for s in fresh if own[s] or tuned[s]}
        if seeds:
            # a mean over densities moves by so much less than an accuracy
            step = max(s.step for s in mine) / len(densities)
            interval = paired_interval({s: tuned[s] for s in sorted(seeds)}, own, step=step)
            mean = fmean(own[seed] for seed in seeds)
            found[study.study_id] = Gain(interval, mean, tuple(sorted(densities, reverse=True)))
    return found


def _by_seed(group: Sequence[Sample], densities: set[float]) -> dict[int, float]:
    """Mean over the densities of each seed that has them all."""
    ladders: dict[int, list[float]] = {}
    for sample in group:
        if sample.target_density in densities:
            for seed, value in sample.values.items():
                ladders.setdefault(seed, []).append(value)
            for seed in sample.lost | sample.skipped:
                ladders.setdefault(seed, []).append(0.0)
    return {s: fmean(values) for s, values in ladders.items() if len(values) == len(densities)}

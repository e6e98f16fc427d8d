"""Seeds that a comparison was decided without, where seeds are added until decided.

Such a seed ran out of memory or time, and the next one took its place. It is not missing: brought
back it would move every later pair, so that no run does it again (`running.until_decided.run`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.samples import Sample, samples
from lth_bench.analysis.seed_pairs import dense_label, fates_of, in_order
from lth_bench.store.records import DROPPED

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

STOPPED = """
    SELECT suite, model || '/' || dataset || '/' || recipe,
        source_model || '/' || source_dataset || '/' || source_recipe,
        label, target_density, baseline, n, max_seeds
    FROM (
        FROM looks WHERE current QUALIFY row_number() OVER (
            PARTITION BY suite, model, dataset, recipe, label, target_density, source_model,
                source_dataset, source_recipe
            ORDER BY journal_order DESC
        ) = 1
    )
    WHERE stop IN ('decided', 'futile')
        AND suite IN (SELECT suite FROM suites WHERE max_seeds IS NOT NULL)
        AND n IS NOT NULL AND max_seeds IS NOT NULL  -- as a stranger's record may have it
"""
"""The last look of each comparison that it ended, of suites whose last run added seeds: it holds
whatever comes later. Looks of an earlier rule, such as another margin, hold nothing."""
ENDED = """
    SELECT suite, model || '/' || dataset || '/' || recipe,
        source_model || '/' || source_dataset || '/' || source_recipe,
        label, target_density, seed, experiment_id
    FROM flat WHERE control = 'none' AND list_contains(?, status)
"""

Samples = Mapping[tuple[Any, ...], Sample]
"""By suite, task, source, label and density."""


def left_out(con: DuckDBPyConnection) -> set[tuple[str, str]]:
    """The (suite, experiment id) of the seeds out of memory or time, on either side, that a
    comparison was decided or given up without. All rows of such an experiment are left out.
    """
    ended = {tuple(at): one for *at, one in con.execute(ENDED, [list(DROPPED)]).fetchall()}
    stopped = con.execute(STOPPED).fetchall() if ended else []
    if not stopped:
        return set()
    suites = sorted({suite for suite, *_ in stopped})
    found = samples(con, metric="score", suites=suites, every_seed=True)
    known = {
        (s.suite, s.task, s.source, s.label, s.target_density): s
        for s in found
        if s.control == "none"
    }
    references = _references(found)
    left: set[tuple[str, str]] = set()
    for suite, task, source, label, density, baseline, n, most in stopped:
        reference = references.get((suite, task), "dense")
        base = _base(known, suite, task, density, baseline=baseline, reference=reference)
        own = known.get((suite, task, source, label, density))
        if own is None or base is None:
            continue
        for seed in in_order(fates_of(own), fates_of(base), most).without(n):
            for side in (own, base):
                at = (suite, task, side.source, side.label, side.target_density, seed)
                if at in ended:
                    left.add((suite, ended[at]))
    return left


def _references(found: Sequence[Sample]) -> dict[tuple[str, str], str]:
    """By suite and task: the label whose runs are the dense runs, as `dense_of` has it."""
    labels: dict[tuple[str, str], set[str]] = {}
    for s in found:
        if s.strategy == "dense":
            labels.setdefault((s.suite, s.task), set()).add(s.label)
    return {at: dense_label(names) for at, names in labels.items()}


def _base(
    known: Samples, suite: str, task: str, density: float, *, baseline: str, reference: str
) -> Sample | None:
    """What a comparison is with: the dense run, or a label at the same density, or else at 1."""
    if baseline in ("dense", reference):
        return known.get((suite, task, task, reference, 1.0))
    places = [(suite, task, task, baseline, at) for at in (density, 1.0)]
    return next((known[place] for place in places if place in known), None)

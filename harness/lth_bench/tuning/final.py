"""The final run: own and tuned settings on seeds and data that tuning did not see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lth_bench.analysis.gains import tuned_label
from lth_bench.running.progress import Listener
from lth_bench.running.recorder import RunSummary
from lth_bench.running.request import RunRequest
from lth_bench.running.runner import run_suite
from lth_bench.tuning.freeze import freeze

if TYPE_CHECKING:
    from lth_bench.plugins import Registry
    from lth_bench.store.trials import Study
    from lth_bench.suite.spec import Suite


def run_final(
    suite: Suite,
    studies: Sequence[Study],
    registry: Registry,
    *,
    request: RunRequest,
    emit: Listener,
    smoke: bool = False,
) -> RunSummary:
    """Run own and tuned settings of every study at the suite's seeds, scored on the test split."""
    from lth_bench.suite.load import suite_of
    from lth_bench.suite.select import select
    from lth_bench.suite.select import smoke as shorten

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
    return run_suite(chosen, registry, request, emit)

"""A sample of others' results run again, from the database to the verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.samples import samples
from lth_bench.errors import INTERRUPTED, OK, REGRESSION, UserError, some_of
from lth_bench.maintenance.verify.again import RerunOn, Reruns, choose, run_again
from lth_bench.maintenance.verify.judged import Verified, by_cell, judge_rerun
from lth_bench.maintenance.verify.recorded import RecordedExperiment, opened, recorded, runs
from lth_bench.maintenance.verify.repeatable import repeatable

if TYPE_CHECKING:
    from lth_bench.plugins import Registry
    from lth_bench.running.progress import Listener


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What came of it."""

    database: Path
    seed: int
    """Of the choice."""
    recorded: int
    """Experiments of the database that have a result."""
    repeatable: int
    """Those that can be run again here."""
    judged: tuple[Verified, ...]
    """Those that were, in the order of the choice."""
    failed: tuple[tuple[RecordedExperiment, str], ...]
    """Those that were to be, and gave no result here."""
    refused: tuple[tuple[RecordedExperiment, str], ...]
    """Those that cannot be, and why."""
    interrupted: bool
    notes: tuple[str, ...]

    @property
    def counts(self) -> Counter[str]:
        """Experiments by verdict."""
        return Counter(one.verdict for one in self.judged)

    @property
    def exit_code(self) -> int:
        """0 if no experiment differs or failed here; 2 interrupted; 6 otherwise. Those that were
        refused say nothing of the results.
        """
        if self.interrupted:
            return INTERRUPTED
        return REGRESSION if self.failed or self.counts["different"] else OK

    def as_json(self) -> dict[str, Any]:
        """Plain values, one object an experiment."""
        return {
            "database": str(self.database),
            "seed": self.seed,
            "recorded": self.recorded,
            "repeatable": self.repeatable,
            "verdicts": {k: self.counts[k] for k in ("equal", "consistent", "different", "open")},
            "experiments": [_plain(one) for one in self.judged]
            + [{**_who(one), "verdict": "failed", "reason": why} for one, why in self.failed],
            "refused": [{**_who(one), "reason": why} for one, why in self.refused],
            "interrupted": self.interrupted,
            "notes": list(self.notes),
            "exit_code": self.exit_code,
        }


def verify(
    database: Path,
    *,
    count: int,
    seed: int,
    registry: Registry,
    where: RerunOn,
    emit: Listener,
) -> Verification:
    """Run `count` random experiments of a database again, and compare.

    The registry has the plugins that may run: those installed and the files that the user named.
    UserError where the database cannot be read, has no results, or none that can be run again here.
    """
    from lth_bench.data.root import data_root

    with opened(database) as con:
        known = recorded(con)
        if not known:
            raise UserError(f"{database} has no finished experiment to run again")
        divided = repeatable(known, runs(con), registry, place=database, root=data_root())
        able = [one for one in known if one.experiment_id in divided.planned]
        chosen = recorded(con, [one.experiment_id for one in choose(able, count, seed)])
        suites = list({one.suite for one in chosen})
        cells = (
            by_cell(samples(con, metric="score", suites=suites, every_seed=True)) if chosen else {}
        )
    refused = [
        (one, divided.refused[one.experiment_id])
        for one in known
        if one.experiment_id not in divided.planned
    ]
    if not able:
        reasons = list(dict.fromkeys(why for _, why in refused))
        raise UserError(
            f"none of the {len(known)} finished experiments of {database} can be run again here: "
            f"{some_of(reasons, 600)}"
        )
    reruns = run_again(chosen, divided, registry, where, emit)
    return _verification(
        database,
        seed,
        chosen=chosen,
        reruns=reruns,
        cells=cells,
        known=len(known),
        able=len(able),
        refused=refused,
    )


def _verification(
    database: Path,
    seed: int,
    *,
    chosen: Sequence[RecordedExperiment],
    reruns: Reruns,
    cells: dict[tuple[Any, ...], Any],
    known: int,
    able: int,
    refused: Sequence[tuple[RecordedExperiment, str]],
) -> Verification:
    found, failed = [], []
    for one in chosen:
        again = reruns.found.get(one.experiment_id)
        if again is not None:
            found.append(judge_rerun(one, again, cells))
        elif one.experiment_id in reruns.failed or not reruns.interrupted:
            why = reruns.failed.get(one.experiment_id, "it did not run here")
            failed.append((one, why))
    return Verification(
        database=database,
        seed=seed,
        recorded=known,
        repeatable=able,
        judged=tuple(found),
        failed=tuple(failed),
        refused=tuple(refused),
        interrupted=reruns.interrupted,
        notes=tuple(reruns.notes),
    )


def _who(one: RecordedExperiment) -> dict[str, Any]:
    model, dataset, recipe = one.task
    return {
        "experiment_id": one.experiment_id, "suite": one.suite, "label": one.label, "model": model,
        "dataset": dataset, "recipe": recipe, "seed": one.seed,
    }  # fmt: skip


def _plain(one: Verified) -> dict[str, Any]:
    density, control = one.worst or (None, None)
    return {
        **_who(one.recorded), "verdict": one.verdict, "reason": one.reason, "rows": one.rows,
        "equal_rows": one.equal_rows, "numerics": list(one.numerics), "target_density": density,
        "control": control, "there": one.there, "here": one.here, "low": one.low,
        "high": one.high, "n": one.n, "with_interval": one.with_interval, "outside": one.outside,
    }  # fmt: skip

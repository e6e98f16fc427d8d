"""Every experiment of a suite with its tickets, read in bulk: a query a kind, not one a ticket."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.evidence import (
    LayersKept,
    LearningCurve,
    MaskMap,
    Place,
    Task,
    TaskEvidence,
    primary_of_places,
)
from lth_bench.analysis.evidence.subject import is_spread
from lth_bench.analysis.evidence.units import IS_MAP
from lth_bench.analysis.measures import Measure
from lth_bench.analysis.samples import display_name

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

POINTS = 40
"""Evaluations of a curve on an experiment's page; some 12 bytes each. `/data` has all."""


@dataclass(frozen=True, kw_only=True)
class TicketRow:
    """A round of an experiment, a control of one, or a density that it never reached."""

    experiment_id: str
    ticket_id: str | None
    """None where it was not reached."""
    round: int | None
    control: str
    reported: bool
    """False for intermediate rounds, which are not scored."""
    target_density: float
    density: float | None
    effective_density: float | None
    score: float | None
    """The task's primary metric on the test split, in its own unit."""
    rewind_step: int | None
    early_stop_step: int | None
    steps: int | None
    search_steps: int | None
    flops_ratio: float | None
    """FLOPs of search and training, if pruned weights cost nothing, as a multiple of the dense
    run's at that seed."""
    seconds: float | None
    """Of its own training."""
    status: str
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class ExperimentEnd:
    """What became of one of its experiments: all densities, or one where they are independent."""

    experiment_id: str
    densities: tuple[float, ...]
    """Targets, from dense to sparse."""
    status: str
    reason: str | None
    seconds: float | None
    fingerprint: str | None
    torch: str | None
    engine: int | None
    device: str | None
    command: str
    """Of the run that recorded it."""


@dataclass(frozen=True, kw_only=True)
class LabelSeed:
    """One label on one task at one seed, at all its densities."""

    config_id: str
    """With the seed what its page is named by."""
    seed: int
    place: Place
    strategy: str
    label: str
    source: str
    """As of `Subject`: what the task that the ticket was found on differs in; mostly empty."""
    params: Mapping[str, Any]
    source_hash: str | None
    plugin_version: str | None
    measure: Measure
    """The task's primary metric."""
    ends: list[ExperimentEnd] = field(default_factory=list)
    tickets: list[TicketRow] = field(default_factory=list)
    layers: list[LayersKept] = field(default_factory=list)
    """Of every round, as of `maps`; an intermediate one under the density that it reached."""
    curves: list[LearningCurve] = field(default_factory=list)
    maps: list[MaskMap] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The label, with the source task of a transferred ticket."""
        return display_name(self.label, "none", self.source)

    @property
    def evidence(self) -> TaskEvidence:
        """As of a task with nothing else on it, so that the report's figures draw it."""
        nothing: Any = []
        empty = {f.name: nothing for f in fields(TaskEvidence) if f.name not in GIVEN}
        return TaskEvidence(**empty | {
            "place": self.place, "measure": self.measure, "primary": self.measure, "density": {},
            "kept": self.layers, "learning": self.curves, "maps": self.maps,
        })  # fmt: skip


GIVEN = {"procedure", "bounds"}
"""Fields of evidence that have a default."""

SOURCE = """concat_ws('/',
    CASE WHEN source_model <> model THEN source_model END,
    CASE WHEN source_dataset <> dataset THEN source_dataset END,
    CASE WHEN source_recipe <> recipe THEN source_recipe END)"""

OWN = """own AS (
    SELECT t.*, p.suite, t.status = 'ok' AS ok,
        (t.flops_masked_theoretical + coalesce(t.search_flops_masked_theoretical, 0))
            / nullif(d.flops_dense, 0) AS flops_ratio
    FROM tickets t JOIN (
        SELECT DISTINCT experiment_id, suite, model, dataset, recipe, seed
        FROM experiments WHERE current
    ) p USING (experiment_id)
    LEFT JOIN dense_runs d USING (suite, model, dataset, recipe, seed)
)"""
"""Every suite's tickets, as the start of a query."""


REACHED = "CASE WHEN o.reported THEN o.target_density ELSE o.density END"
"""What a round is called by: intermediate ones are on the way to their target."""

SuiteExperiment = tuple[str, str]
"""Suite and experiment_id: an experiment may belong to several suites."""


def experiments(con: DuckDBPyConnection) -> dict[str, list[LabelSeed]]:
    """Those that count of every suite, by task, label and seed, with their tickets from dense to
    sparse.
    """
    found = _planned(con, primary_of_places(con))
    for key, row in _tickets(con):
        found[key].tickets.append(row)
    for key, kept in _layers(con, found):
        found[key].layers.append(kept)
    for key, curve in _curves(con, found):
        found[key].curves.append(curve)
    for key, map_ in _maps(con, found):
        found[key].maps.append(map_)
    by_suite: dict[str, dict[int, LabelSeed]] = defaultdict(dict)
    for (suite, _), one in found.items():
        by_suite[suite][id(one)] = one
    return {suite: list(those.values()) for suite, those in by_suite.items()}


def _planned(
    con: DuckDBPyConnection, measures: Mapping[Place, Measure]
) -> dict[SuiteExperiment, LabelSeed]:
    ends = [field.name for field in fields(ExperimentEnd) if field.name != "command"]
    rows = con.execute(
        f"""
        SELECT suite, config_id, seed, model, dataset, recipe, strategy, label, {SOURCE}, params,
            source_hash, plugin_version, coalesce(e.command, ''),
            {", ".join(f"x.{name}" for name in ends)}
        FROM experiments x LEFT JOIN (
            SELECT run_id, any_value(command) AS command FROM environments GROUP BY run_id
        ) e USING (run_id)
        WHERE current
        ORDER BY suite, model, dataset, recipe, label, seed, list_max(densities) DESC
        """
    ).fetchall()
    groups: dict[tuple[str, str, int], LabelSeed] = {}
    found = {}
    for suite, *row in rows:
        config_id, seed, model, dataset, recipe, strategy, label, source, params = row[:9]
        place = Place(suite, Task(model, dataset, recipe))
        group = (suite, config_id, seed)
        if group not in groups:
            groups[group] = LabelSeed(
                config_id=config_id, seed=seed, place=place, strategy=strategy, label=label,
                source=source, params=json.loads(params or "{}"), source_hash=row[9],
                plugin_version=row[10], measure=measures[place],
            )  # fmt: skip
        end = dict(zip(ends, row[12:], strict=True))
        end["densities"] = tuple(end["densities"] or ())
        groups[group].ends.append(ExperimentEnd(**end, command=row[11]))
        found[suite, end["experiment_id"]] = groups[group]
    return found


def _tickets(con: DuckDBPyConnection) -> list[tuple[SuiteExperiment, TicketRow]]:
    names = [field.name for field in fields(TicketRow)]
    unreached = {
        "experiment_id": "experiment_id",
        "control": "control", "target_density": "target_density", "status": "status",
        "reason": "reason", "reported": "true",
    }  # fmt: skip
    rows = con.execute(
        f"""
        WITH {OWN}
        SELECT suite, {", ".join(names)} FROM own
        UNION ALL
        SELECT suite, {", ".join(unreached.get(name, "NULL") for name in names)}
        FROM flat WHERE ticket_id IS NULL
        ORDER BY target_density DESC, round, control <> 'none', control
        """
    ).fetchall()
    made = [(suite, TicketRow(**dict(zip(names, row, strict=True)))) for suite, *row in rows]
    return [((suite, row.experiment_id), row) for suite, row in made]


def _layers(
    con: DuckDBPyConnection, known: Mapping[SuiteExperiment, LabelSeed]
) -> Iterator[tuple[SuiteExperiment, LayersKept]]:
    rows = con.execute(
        f"""
        WITH {OWN}
        SELECT o.suite, o.experiment_id, {REACHED}, list(layer ORDER BY position),
            list(total ORDER BY position), list(kept / total ORDER BY position)
        FROM own o JOIN layers l USING (ticket_id)
        WHERE ok AND control = 'none' AND l.total > 0
        GROUP BY o.suite, o.experiment_id, o.ticket_id, o.reported, o.target_density, o.density
        ORDER BY {REACHED} DESC, o.ticket_id
        """
    ).fetchall()
    for *key, density, layers, total, kept in rows:
        yield _key(key), LayersKept(
            **_subject(known[_key(key)], "none"), target_density=density, layers=tuple(layers),
            total=tuple(total), kept=tuple(kept), n=1,
        )  # fmt: skip


def _curves(
    con: DuckDBPyConnection, known: Mapping[SuiteExperiment, LabelSeed]
) -> Iterator[tuple[SuiteExperiment, LearningCurve]]:
    rows = con.execute(
        f"""
        WITH {OWN},
        counted AS (
            SELECT o.suite, o.experiment_id, o.ticket_id, o.control, o.target_density, c.step,
                c.val_score,
                CASE WHEN isfinite(c.val_loss) THEN c.val_loss END AS val_loss,
                row_number() OVER (PARTITION BY o.suite, c.ticket_id ORDER BY c.step) - 1 AS i,
                count(*) OVER (PARTITION BY o.suite, c.ticket_id) AS m
            FROM own o JOIN curves c USING (ticket_id)
            WHERE ok AND reported AND isfinite(c.val_score)
        )
        SELECT suite, experiment_id, control, target_density, list(step ORDER BY step),
            list(val_score ORDER BY step), list(val_loss ORDER BY step)
        FROM counted WHERE {is_spread(POINTS)}
        GROUP BY suite, experiment_id, ticket_id, control, target_density
        ORDER BY target_density DESC, control <> 'none', control
        """
    ).fetchall()
    for *key, control, density, step, score, loss in rows:
        unknown = (None,) * len(step)
        yield _key(key), LearningCurve(
            **_subject(known[_key(key)], control), target_density=density, n=1, step=tuple(step),
            val_score=tuple(score), low=unknown, high=unknown, val_loss=tuple(loss),
        )  # fmt: skip


def _maps(
    con: DuckDBPyConnection, known: Mapping[SuiteExperiment, LabelSeed]
) -> Iterator[tuple[SuiteExperiment, MaskMap]]:
    rows = con.execute(
        f"""
        WITH {OWN}
        SELECT o.suite, o.experiment_id, {REACHED}, u.layer, u.side = 'kernel',
            u.shape[2] * u.shape[3], u.shape[3], u.kept, l.total
        FROM own o JOIN units u USING (ticket_id)
        JOIN layers l ON l.ticket_id = u.ticket_id AND l.layer = u.layer
        WHERE ok AND control = 'none' AND l.total > 0 AND {IS_MAP}
        ORDER BY {REACHED} DESC
        """
    ).fetchall()
    for *key, density, layer, is_kernel, places, width, kept, total in rows:
        yield _key(key), MaskMap(
            **_subject(known[_key(key)], "none"), target_density=density, layer=layer,
            is_kernel=is_kernel, width=width, kept=_by_place(kept, places, total), n=1,
        )  # fmt: skip


def _by_place(kept: Sequence[int], places: int, total: int) -> tuple[float, ...]:
    """Fractions of each place's weights, over an image's channels."""
    sums: dict[int, int] = defaultdict(int)
    for index, count in enumerate(kept):
        sums[index % places] += count
    return tuple(sums[place] * places / total for place in range(places))


def _subject(one: LabelSeed, control: str) -> dict[str, str]:
    return {
        "strategy": one.strategy, "label": one.label, "control": control, "source": one.source,
    }  # fmt: skip


def _key(values: Sequence[str]) -> SuiteExperiment:
    suite, experiment_id = values
    return suite, experiment_id

"""The suites of a database, as a site shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.evidence import Run
from lth_bench.analysis.page import ReportFacts, SuiteReport, TaskReport, gather_report
from lth_bench.analysis.site.apart import Made, made
from lth_bench.analysis.site.experiments import LabelSeed, experiments

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A label's parameters and code on some tasks of a suite."""

    label: str
    strategy: str
    params: Mapping[str, Any]
    """Those that are not at their defaults."""
    source_hash: str
    """Empty where nothing was recorded."""
    plugin_version: str
    tuned: bool
    tasks: tuple[tuple[str, str, str], ...]
    """Model, dataset and recipe of each."""


@dataclass(frozen=True, kw_only=True)
class SiteSuite:
    """A suite of a database."""

    database: str
    name: str
    report: ReportFacts
    """All that its report shows."""
    searches: Sequence[LabelSeed]
    settings: Sequence[Setting]
    made: Made

    @property
    def suite(self) -> SuiteReport:
        """The report's only one."""
        (found,) = self.report.suites
        return found

    @property
    def newest(self) -> Run | None:
        """Its newest run."""
        return next(iter(self.suite.runs), None)

    @property
    def devices(self) -> list[str]:
        """What it ran on, each once."""
        return list(dict.fromkeys(run.device for run in self.suite.runs if run.device))

    def without_figures(self) -> SiteSuite:
        """What pages about several suites need: evidence and experiments are most of the memory."""
        tasks = [replace(task, evidence=_bare(task)) for task in self.suite.tasks]
        suite = replace(self.suite, tasks=tasks)
        return replace(self, report=replace(self.report, suites=[suite]))


def gather_database(
    con: DuckDBPyConnection, database: str, schema: int | None
) -> list[SiteSuite]:
    """Every suite of a database, by name. `schema` is the version of the original's tables."""
    report = gather_report(con)  # once for all: most of its time is a query's, however few rows
    searches = experiments(con)
    return [
        SiteSuite(
            database=database,
            name=suite.name,
            report=replace(report, suites=[suite]),
            searches=searches.get(suite.name, []),
            settings=_settings(con, suite.name),
            made=made(con, suite.name, database, schema),
        )
        for suite in report.suites
    ]


def _settings(con: DuckDBPyConnection, suite: str) -> list[Setting]:
    rows = con.execute(
        """
        SELECT label, strategy, params, coalesce(source_hash, ''), coalesce(plugin_version, ''),
            tuned_from IS NOT NULL, list(DISTINCT [model, dataset, recipe])
        FROM experiments WHERE current AND suite = ?
        GROUP BY ALL ORDER BY label, strategy, params
        """,
        [suite],
    ).fetchall()
    return [
        Setting(
            label=label, strategy=strategy, params=json.loads(params or "{}"), source_hash=code,
            plugin_version=version, tuned=tuned, tasks=tuple(sorted(tuple(t) for t in tasks)),
        )
        for label, strategy, params, code, version, tuned, tasks in rows
    ]  # fmt: skip


def _bare(task: TaskReport) -> Any:
    return replace(
        task.evidence, density={}, pareto=[], kept=[], learning=[], distances=[], weights=[],
        fates=[], maps=[], units=[], instability=[], boundaries=[], differences=[], procedure=None,
    )  # fmt: skip

"""The suites of a database, as a site shows them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.evidence import Run, Task
from lth_bench.analysis.page import ReportFacts, SuiteReport, gather_report
from lth_bench.analysis.site.apart import Made, made
from lth_bench.analysis.site.experiments import LabelSeed, experiments
from lth_bench.analysis.suite_order import UNKNOWN, SuiteOrder, suite_orders

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, kw_only=True)
class LabelSetting:
    """A label's parameters and code on some tasks of a suite."""

    label: str
    strategy: str
    params: Mapping[str, Any]
    """Those that are not at their defaults."""
    source_hash: str
    """Empty where nothing was recorded."""
    plugin_version: str
    tuned: bool
    tasks: tuple[Task, ...]


@dataclass(frozen=True, kw_only=True)
class SiteSuite:
    """A suite of a database."""

    database: str
    name: str
    report: ReportFacts
    """All that its report shows."""
    searches: Sequence[LabelSeed]
    settings: Sequence[LabelSetting]
    made: Made
    order: SuiteOrder = UNKNOWN

    @property
    def labels(self) -> list[str]:
        """Labels of tickets, in the order of the suite; the dense run is no method."""
        found = {s.sample.label for task in self.suite.tasks for s in task.tickets}
        return sorted(found, key=self.order.of_label)

    @property
    def suite(self) -> SuiteReport:
        """The report's only one."""
        (found,) = self.report.suites
        return found

    @property
    def newest(self) -> Run | None:
        """Its newest run."""
        return next(iter(self.suite.runs), None)


def gather_database(con: DuckDBPyConnection, database: str, schema: int | None) -> list[SiteSuite]:
    """Every suite of a database, by name. `schema` is the version of the original's tables."""
    report = gather_report(con)  # once for all: most of its time is a query's, however few rows
    searches = experiments(con)
    orders = suite_orders(con)
    return [
        SiteSuite(
            database=database,
            name=suite.name,
            report=replace(report, suites=[suite]),
            searches=sorted(searches.get(suite.name, []), key=_key(own)),
            settings=sorted(_settings(con, suite.name), key=lambda s: own.of_label(s.label)),
            made=made(con, suite.name, database, schema),
            order=own,
        )
        for suite in report.suites
        for own in (orders.get(suite.name, UNKNOWN),)
    ]


def _key(order: SuiteOrder) -> Callable[[LabelSeed], Any]:
    return lambda one: (
        order.of_task(one.place.task),
        order.of_label(one.label),
        one.name,
        one.seed,
    )


def _settings(con: DuckDBPyConnection, suite: str) -> list[LabelSetting]:
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
        LabelSetting(
            label=label, strategy=strategy, params=json.loads(params or "{}"), source_hash=code,
            plugin_version=version, tuned=tuned, tasks=tuple(sorted(Task(*task) for task in tasks)),
        )
        for label, strategy, params, code, version, tuned, tasks in rows
    ]  # fmt: skip

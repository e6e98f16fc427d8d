"""What a leaderboard compares with: the dense run, or a label of the suite at the same density."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.boards.rows import ON
from lth_bench.analysis.boards.scope import BoardScope
from lth_bench.analysis.measures import Measure
from lth_bench.analysis.samples import display_name, rules_of
from lth_bench.errors import UnknownName, UserError
from lth_bench.store.schema import quoted
from lth_bench.suite.decide import Decide
from lth_bench.system.text import printable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from lth_bench.analysis.boards.rows import BoardRow


@dataclass(frozen=True)
class Baseline:
    """A label, or one of its controls; `dense` is compared with at every density."""

    label: str
    control: str = "none"
    dense: bool = False

    @property
    def name(self) -> str:
        """The label, or LABEL/CONTROL."""
        return display_name(self.label, self.control)


FOREIGN = """(
    (f.source_model, f.source_dataset, f.source_recipe) <> (f.model, f.dataset, f.recipe),
    f.source_model, f.source_dataset, f.source_recipe
)"""
"""Orders the tickets of a label on a task: one found there before those from elsewhere."""

DENSE = Baseline("dense", dense=True)


@dataclass(frozen=True)
class Baselines:
    """The baseline of each suite in a scope."""

    of: Mapping[str, Baseline | None]
    """By suite; None where it has not the label that was asked for."""
    scope: BoardScope
    references: Mapping[tuple[str, ...], str]
    """By suite, model, dataset and recipe: the label whose runs are the dense runs, of several that
    use `dense`."""
    asked: str | None = None
    """As the user named it."""
    _: KW_ONLY
    rules: Mapping[str, Decide] = field(default_factory=dict)
    """By suite: until when its last run added seeds; suites with a fixed number are not in it."""
    primary: Mapping[str, Collection[str]] = field(default_factory=dict)
    """By suite: the metrics that its tasks are judged by, which those rules are made for."""

    def base(self, measure: Measure) -> str:
        """A query for the runs to pair with, at every density to pair them at.

        Its columns: task, seed, target_density, value (of the metric), label and control (NULL
        where it is the dense run), and ticket_id of the value. Needs `parameters` and those of the
        scope.
        """
        metric = quoted(measure.name)
        densities = f"""(
            SELECT DISTINCT task, target_density FROM cells c
            WHERE {self.scope.where("c", "tasks", "densities")}
        )"""
        return f"""
            SELECT d.task, d.seed, c.target_density, d.value, NULL AS label, NULL AS control,
                d.ticket_id
            FROM dense_of({metric}) d
            JOIN {densities} c ON c.task = d.task
            WHERE d.task IN (SELECT unnest($dense_tasks))
            UNION ALL
            SELECT f.task, f.seed, c.target_density, arg_min(f.value, {FOREIGN}),
                any_value(f.label), any_value(f.control),
                arg_min(f.ticket_id, {FOREIGN}) FILTER (f.value IS NOT NULL)
            FROM scored({metric}) f
            JOIN (
                SELECT unnest($base_tasks) AS task, unnest($base_labels) AS label,
                    unnest($base_controls) AS control
            ) b ON b.task = f.task AND b.label = f.label AND b.control = f.control
            -- another network that is not pruned is compared with at every density too
            JOIN {densities} c
                ON c.task = f.task AND (c.target_density = f.target_density OR f.target_density = 1)
            WHERE f.status = 'ok'
            GROUP BY f.task, f.seed, c.target_density"""

    @property
    def entries(self) -> str:
        """The relation `base_entries` (task, entry), of the labels among `rows.ENTRIES`."""
        return """
            base_entries AS (
                SELECT
                    c.task,
                    arg_min(c.cell, (
                        (c.source_model, c.source_dataset, c.source_recipe)
                            <> (t.model, t.dataset, t.recipe),
                        c.source_model, c.source_dataset, c.source_recipe
                    )) AS entry
                FROM cells c
                JOIN (SELECT DISTINCT entry FROM entries) e ON e.entry = c.cell
                JOIN tasks t ON t.task = c.task
                JOIN (
                    SELECT unnest($base_tasks) AS task, unnest($base_labels) AS label,
                        unnest($base_controls) AS control
                ) b ON b.task = c.task AND b.label = c.label AND b.control = c.control
                GROUP BY c.task
            )"""

    @property
    def parameters(self) -> dict[str, Any]:
        """Of `base`, by name."""
        chosen = [(number, self.of[task.suite]) for number, task in self.scope.tasks.items()]
        labels = [(number, b) for number, b in chosen if b is not None and not b.dense]
        return {
            "dense_tasks": [number for number, b in chosen if b is not None and b.dense],
            "base_tasks": [number for number, _ in labels],
            "base_labels": [b.label for _, b in labels],
            "base_controls": [b.control for _, b in labels],
        }

    def of_suite(self, suite: str) -> Baselines:
        """The same of one suite alone."""
        rules = {name: rule for name, rule in self.rules.items() if name == suite}
        return replace(self, of={suite: self.of[suite]}, rules=rules)

    def rule(self, suite: str, given: float | None = None) -> Decide | None:
        """Until when a suite's seeds were added, with the margin that was asked for, if one was;
        None at a fixed number of seeds.
        """
        rule = self.rules.get(suite)
        return rule if rule is None or given is None else replace(rule, margin=given)

    def margin_of(self, suite: str, given: float | None, measure: Measure) -> float | None:
        """Of a suite's rows by a metric: the margin that was asked for, or the one that its seeds
        were added by; None for the metric's default, as of a metric that no task is judged by:
        half a point of accuracy means nothing for a loss.
        """
        rule = self.rules.get(suite)
        if given is not None or rule is None or measure.name not in self.primary.get(suite, ()):
            return given
        return rule.margin

    def margins(self, given: float | None, measure: Measure) -> dict[str, float | None]:
        """The same of every suite."""
        return {suite: self.margin_of(suite, given, measure) for suite in self.of}

    task_margins = """(
        SELECT unnest($margin_tasks) AS task, unnest($task_margins) AS margin,
            unnest($adaptive) AS adaptive
    )"""
    """A query for each task's margin, absolute or relative, and whether its seeds were added until
    decided. Needs `margin_parameters`."""

    def margin_parameters(self, measure: Measure, given: float | None) -> dict[str, Any]:
        """Of `task_margins`, by name."""
        suites = {number: task.suite for number, task in self.scope.tasks.items()}
        stated = [measure.margin(self.margin_of(s, given, measure), 1.0) for s in suites.values()]
        return {
            "margin_tasks": list(suites),
            "task_margins": stated,
            "adaptive": [suite in self.rules for suite in suites.values()],
        }

    def margin_words(self, measure: Measure, given: float | None, whose: str) -> str:
        """The margin for a legend: `0.5 points`; where suites have several, each with its suite:
        `0.5 points (quickstart) or 1 points (wide)`.
        """
        own: dict[str, list[str]] = {}
        for suite, margin in self.margins(given, measure).items():
            own.setdefault(measure.margin_words(margin, whose), []).append(suite)
        if len(own) < 2:
            return next(iter(own), measure.margin_words(given, whose))
        return " or ".join(f"{text} ({printable(', '.join(those))})" for text, those in own.items())

    def level(self, suite: str, *, ordered: bool = False) -> float:
        """Of tests on a suite's rows, one at a time: where their number of seeds depends on results
        that of a t-test at a look, and by the union bound that of a sign test (`ordered`).
        """
        from lth_bench.stats.sequential import LEVEL, OVER_LOOKS

        if suite not in self.rules:
            return 0.95
        return OVER_LOOKS if ordered else LEVEL

    @property
    def dense_only(self) -> bool:
        """Whether no suite is compared with a label."""
        return all(baseline is None or baseline.dense for baseline in self.of.values())

    def require_common(self, rows: Sequence[BoardRow], paired: str) -> None:
        """UserError where the baseline that was asked for is paired with nothing.

        `paired` is the rows' column with the number of common seeds.
        """
        if self.asked is None or any(row[paired] for row in rows if not self.has(row)):
            return
        raise UserError(
            f"nothing can be compared with the baseline {self.asked!r}: no other label has a "
            f"result on the same task, density and seed; without --baseline it is the dense run"
        )

    def has(self, row: BoardRow) -> bool:
        """Whether a row is its suite's baseline's own."""
        baseline = self.of[row["suite"]]
        if baseline is None:
            return False
        if baseline.dense:
            return bool(row["strategy"] == "dense") and self.is_reference(row)
        return bool(row["label"] == baseline.label and row["control"] == baseline.control)

    def is_reference(self, row: BoardRow) -> bool:
        """Whether a row's label is the one whose runs are its task's dense runs."""
        task = tuple(row[column] for column in ON)
        return bool(row["label"] == self.references.get(task, row["label"]))

    def notes(self, rows: Sequence[BoardRow]) -> list[str]:
        """What must be said below a table of rows of one suite."""
        suite = rows[0]["suite"]
        if self.of[suite] is not None:
            return []
        return [printable(f"the suite {suite} has no {self.asked} to compare with")]

    def name(self, suite: str) -> str | None:
        """Of a suite's baseline."""
        baseline = self.of[suite]
        return None if baseline is None else baseline.name

    @property
    def short(self) -> str:
        """What a legend calls the baselines of all suites, as in a header."""
        names = {baseline.name for baseline in self.of.values() if baseline is not None}
        return printable(names.pop()) if len(names) == 1 else "baseline"

    @property
    def word(self) -> str:
        """The same in a sentence."""
        name = self.short
        return {"dense": "the dense run", "baseline": "the baseline"}.get(name, name)


def baselines(con: DuckDBPyConnection, scope: BoardScope, asked: str | None = None) -> Baselines:
    """The baseline of each suite: `asked` (LABEL or LABEL/CONTROL), or the suite's own.

    UnknownName where no suite of the scope has what was asked for. A suite's own baseline is
    `dense` unless its file says otherwise.
    """
    references = _references(con, scope)
    there: dict[str, dict[str, Baseline]] = {suite: {"dense": DENSE} for suite in scope.suites}
    for suite, strategy, label, control in con.execute(
        f"""
        SELECT DISTINCT t.suite, c.strategy, c.label, c.control
        FROM cells c JOIN tasks t ON t.task = c.task WHERE {scope.where("c", "tasks")}
        """,
        {name: values for name, values in scope.parameters.items() if name == "tasks"},
    ).fetchall():
        # the runs of another label that uses `dense` are those of a label
        reference = any(one == label and at[0] == suite for at, one in references.items())
        found = Baseline(label, control, dense=strategy == "dense" and reference)
        there[suite].setdefault(found.name, DENSE if label == "dense" and found.dense else found)
    if asked is not None:
        if not any(asked in names for names in there.values()):
            raise UnknownName("baseline", asked, set().union(*there.values()))
        chosen = {s: names.get(asked) for s, names in there.items()}
        return Baselines(
            chosen, scope, references, asked, rules=_rules(con, scope), primary=_primary(con, scope)
        )
    own = dict(con.execute("SELECT suite, baseline FROM suites").fetchall())
    # a suite whose baseline was not run this time is compared with dense
    listed = {s: names.get(own.get(s, ""), DENSE) for s, names in there.items()}
    return Baselines(
        listed, scope, references, rules=_rules(con, scope), primary=_primary(con, scope)
    )


def _primary(con: DuckDBPyConnection, scope: BoardScope) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for number, metric in con.execute("SELECT task, metric FROM tasks").fetchall():
        if number in scope.tasks:
            found.setdefault(scope.tasks[number].suite, set()).add(metric)
    return found


def _rules(con: DuckDBPyConnection, scope: BoardScope) -> dict[str, Decide]:
    return {suite: rule for suite, rule in rules_of(con).items() if suite in scope.suites}


def _references(con: DuckDBPyConnection, scope: BoardScope) -> dict[tuple[str, ...], str]:
    """By task: the label that the macro `dense_of` takes the dense runs from."""
    found = con.execute(
        f"""
        SELECT
            t.suite, t.model, t.dataset, t.recipe,
            arg_min(c.label, (c.label <> 'dense', c.label))
        FROM cells c JOIN tasks t ON t.task = c.task
        WHERE c.strategy = 'dense' AND c.control = 'none' AND {scope.where("c", "tasks")}
        GROUP BY ALL
        """,
        {name: values for name, values in scope.parameters.items() if name == "tasks"},
    ).fetchall()
    return {tuple(at): label for *at, label in found}

"""Lay out a comparison as tables, one per task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from lth_bench.analysis.answers import OTHER_DATA
from lth_bench.analysis.censored import told
from lth_bench.analysis.compare.adaptive import rule_of
from lth_bench.analysis.compare.lacking import lacking_words, why_missing
from lth_bench.analysis.compare.lines import Comparison, Options
from lth_bench.analysis.measures import Measure
from lth_bench.analysis.numbers import kept, p_value
from lth_bench.analysis.table import Board, Cell, Line, Style, Table
from lth_bench.stats import Interval, TasksVerdict
from lth_bench.system.text import printable

STYLES: dict[str, Style] = {
    "better": "good",
    "worse": "bad",
    "equivalent": "",
    "open": "",
    "insufficient": "warn",
    "failed": "bad",
}

ADAPTIVE = (
    " Where seeds were added until decided (at 5 of 30: of at most 30 pairs of seeds), better and "
    "worse take p < .0064 and equivalent p < .0072 at each look, so that at most 5% of such lines "
    "are wrong; A, B and B − A are estimates at the stop, with the repeated interval."
)
BESIDE = (
    " Seeds were added until differences in the metric that the task is judged by were decided, "
    "which is not {metric}: no such line was decided by that rule, and its margin does not apply. "
    "Their verdicts are tests at the level of one of its looks (p < .0064) on the pairs up to the "
    "last one, so that at most 5% are wrong wherever it stopped; B − A has the interval of that "
    "level."
)
WIDER = (
    f"{OTHER_DATA}: half-width of its 95% interval for other seeds and other test data, which no "
    "verdict uses. "
)
BOOTSTRAP = (
    "The intervals are percentile bootstraps, which are too narrow for few seeds: a nominal 95% "
    "covers 74% at n = 3 and 91% at n = 10 (stats/README.md). "
)


def sheet(
    a: str,
    b: str,
    *,
    comparisons: Sequence[Sequence[Comparison]],
    tasks: dict[str, TasksVerdict],
    options: Options,
    notes: Sequence[str] = (),
    shipped: bool = False,
) -> Board:
    """The comparison as a board: rows for programs, tables for people.

    `a` and `b` are the names of the sides; `comparisons` what `compare` returns for each group, and
    `tasks` what `across` returns for all of them; `notes` stand below the first table;
    `shipped`: A is the reference results.
    """
    measure = options.measure
    heading = f"A: {a} · B: {b} · {measure.heading}, B − A paired by seed"
    tables: list[Table] = []

    def task(lines: Sequence[Comparison]) -> tuple[str, str, str, str]:
        group = lines[0].group
        return group.suite, group.model, group.dataset, group.recipe

    for (suite, *names), members in groupby(comparisons, key=task):
        blocks = list(members)
        named, wider = bool(blocks[0][0].group.name), _has_wider(blocks)
        tables.append(
            Table(
                header=_header(named=named, wider=wider),
                blocks=[
                    [_line(x, i == 0, measure, wider=wider) for i, x in enumerate(block)]
                    for block in blocks
                ],
                title=printable(f"{suite}: {' · '.join(names)}"),
                group=printable(heading),
                left=frozenset({1, 6 + wider} if named else {5 + wider}),
                optional=frozenset({1 + named, 2 + named, 4 + named + wider, 6 + named + wider}),
                interval=3 + named,
                second=4 + named if wider else None,
                notes=tuple(
                    printable(text)
                    for text in (*_in_words(blocks, measure, shipped), *(() if tables else notes))
                ),
            )
        )
    if len(tables) > 1:
        lines = [x for block in comparisons for x in block if x.density is not None]
        words = f"{len(tables)} tasks, {len(lines)} lines: {_counted(lines)}."
        if any(x.verdict.signs is not None for x in lines):
            words += (
                " No test across tasks where a seed never got there: differences are not known."
            )
        tables.append(_across(tasks, measure, heading, words))
    rows = [_row(a, b, x, options) for block in comparisons for x in block]
    rows += [_task_row(a, b, name, verdict, options) for name, verdict in tasks.items()]
    wider = any(map(_has_wider, ([block] for block in comparisons)))
    legend = _legend(options, margin_words(comparisons, options), tasks=bool(tasks), wider=wider)
    stops = {x.verdict.stop.why for block in comparisons for x in block if x.verdict.stop}
    if stops - {"other metric"}:
        legend += ADAPTIVE
    if "other metric" in stops:
        legend += BESIDE.format(metric=measure.name)
    return Board("comparison", rows, tables, legend)


def margin_words(comparisons: Sequence[Sequence[Comparison]], options: Options) -> str:
    """The margin in words: the one that was asked for, or that the seeds were added by; of several
    each with its suite: `0.5 points (quickstart) or 1 points (wide)`.
    """
    suites: dict[str, dict[str, None]] = {}
    for group in (block[0].group for block in comparisons if block):
        for pair in group.pairs.values():
            rule = rule_of(pair, options.margin)
            stated = options.margin if rule is None else rule.margin
            suites.setdefault(options.measure.margin_words(stated), {})[group.suite] = None
    if len(suites) < 2:
        return next(iter(suites), options.measure.margin_words(options.margin))
    return " or ".join(f"{text} ({printable(', '.join(own))})" for text, own in suites.items())


def joined(
    sheets: Sequence[Board], parts: Sequence[tuple[Options, Sequence[Sequence[Comparison]]]]
) -> Board:
    """Sheets of tasks that are judged by several metrics, as one; `parts` are what each shows."""
    if len(sheets) == 1:
        return sheets[0]
    # what a table means is told once, and of the others' metrics in what they differ
    others = [
        f"{one.measure.name}: {one.measure.direction}; equivalent within "
        f"{margin_words(comparisons, one)}."
        for one, comparisons in parts[1:]
    ]
    rows = [row for board in sheets for row in board.rows]
    tables = [table for board in sheets for table in board.tables]
    return Board(sheets[0].name, rows, tables, " ".join([sheets[0].legend, *others]))


def _has_wider(blocks: Sequence[Sequence[Comparison]]) -> bool:
    return any(x.wider is not None for block in blocks for x in block)


def _header(named: bool, wider: bool) -> tuple[str, ...]:
    return (
        "density %",
        *(["strategy"] if named else []),
        "A",
        "B",
        "B − A",
        *([OTHER_DATA] if wider else []),
        "p",
        "verdict",
        "detects",
        "n",
    )


def _line(x: Comparison, first: bool, measure: Measure, *, wider: bool) -> Line:
    style = STYLES[x.verdict.kind]
    left = kept(x.density) if x.density is not None else "all"
    name = x.group.name if first else ""
    difference = "–" if x.interval is None else _difference(x.interval, measure)
    n, planned = x.verdict.n, x.verdict.planned
    return (
        Cell(left, "strong"),
        *([Cell(printable(name))] if x.group.name else []),
        *(Cell("–" if mean is None else measure.value(mean)) for mean in (x.a, x.b)),
        Cell(difference, style if style in ("good", "bad") else ""),
        *([Cell(measure.half_width(*_top(x.wider)))] if wider else []),
        Cell(p_value(x.verdict.p)),
        Cell(x.text, style, short=x.short),
        Cell("–" if x.verdict.detectable is None else measure.value(x.verdict.detectable)),
        Cell(str(n) if n == planned else f"{n}/{planned}"),
    )


def _top(interval: Interval | None) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (interval.mean, interval.high)


def _difference(interval: Interval, measure: Measure) -> str:
    """The mean ± the wider half of its interval: bootstrap intervals are not symmetric."""
    text = measure.difference(interval.mean)
    if interval.low is None or interval.high is None:
        return text
    wider = max(interval.mean - interval.low, interval.high - interval.mean)
    return f"{text} ± {measure.value(wider)}"


def _in_words(blocks: Sequence[Sequence[Comparison]], measure: Measure, shipped: bool) -> list[str]:
    """A task in words: the overall verdict, the number of lines with each verdict, and densities
    that only one side has.
    """
    words = []
    group, overall = blocks[0][0].group, blocks[0][-1]
    words += _never_reached([x for block in blocks for x in block])
    lines = [x for block in blocks for x in block if x.density is not None]
    if overall.density is None and overall.interval is not None and not group.name:
        difference = f"{_difference(overall.interval, measure)} {measure.difference_unit}".rstrip()
        words.append(
            f"over {len(lines)} densities B − A is {difference}: {overall.text}. "
            f"By density: {_counted(lines)}."
        )
    elif group.name:
        words.append(f"{len(lines)} lines: {_counted(lines)}.")
    words += lacking_words(blocks, measure, shipped)
    for x in (block[0].group for block in blocks):
        for side, only in (("A", x.only_a), ("B", x.only_b)):
            if only:
                who = f"{x.name}: " if x.name else ""
                words.append(f"{who}only {side} has {', '.join(f'{d:g}' for d in only)}.")
    return words


def _never_reached(lines: Sequence[Comparison]) -> list[str]:
    """Which side's values are budgets, and how lines with such values are judged."""
    said = []
    for x in lines:
        for side, sample in zip("AB", x.group.pairs.get(x.density or 0, ()), strict=False):
            if sample.censored:
                said.append(f"{side} at {kept(x.density or 0)}% on {told(sample)}")
    if not said:
        return []
    words = "; ".join(said)
    rule = "Other seeds count with the budget, so means are lower bounds, and the sign test judges"
    return [f"generalised within the budget: {words}. {rule} such lines."]


def _counted(lines: Sequence[Comparison]) -> str:
    """`1 better, 4 insufficient seeds`."""
    counts = Counter[str](x.verdict.kind for x in lines)
    names = {"insufficient": "with fewer than three seeds"}
    return ", ".join(f"{counts[kind]} {names.get(kind, kind)}" for kind in STYLES if counts[kind])


def _across(tasks: dict[str, TasksVerdict], measure: Measure, heading: str, words: str) -> Table:
    lines = []
    for name, verdict in tasks.items():
        mean = "–" if verdict.mean is None else measure.difference(verdict.mean)
        lines.append(
            (
                Cell(printable(name or "B")),
                Cell(str(verdict.n)),
                Cell(str(verdict.wins)),
                Cell(str(verdict.losses)),
                Cell(mean),
                Cell(p_value(verdict.adjusted)),
                Cell(verdict.text, STYLES[verdict.kind], short=_in_short(verdict)),
            )
        )
    header = ("strategy", "tasks", "better", "worse", "B − A", "p (Holm)", "verdict")
    return Table(
        header=header,
        blocks=[lines],
        title="across tasks",
        group=printable(heading),
        left=frozenset({0, 6}),
        optional=frozenset({2, 3, 5}),
        notes=(words,),
    )


def _in_short(verdict: TasksVerdict) -> str:
    """`better 9/10`, `needs 6+ tasks`."""
    if verdict.kind == "insufficient":
        return f"needs {verdict.needed}+ tasks"
    if verdict.kind == "undecided":
        return "undecided"
    return f"{verdict.kind} {max(verdict.wins, verdict.losses)}/{verdict.n}"


def _legend(options: Options, margin: str, *, tasks: bool, wider: bool) -> str:
    measure = options.measure
    better = "higher" if measure.higher else "lower"
    taken = "" if measure.known else " (assumed for a plugin's metric)"
    return (
        f"A, B: means over the seeds that both have. B − A: their mean difference, ± 95% "
        f"{'t' if options.interval == 't' else 'bootstrap'}-interval; {better} is better{taken}. "
        f"all: each seed's mean over the densities. p: paired t-test. equivalent: shown to differ "
        f"by less than {margin}; open: neither is shown; its 95% "
        f"interval, and how many seeds would settle it if more seeds vary as these do. "
        + (WIDER if wider else "")
        + "detects: the true difference that this many seeds detect with 80% "
        "power. Lines are not corrected for multiple tests: of 20 without a true difference, "
        "about one will show one. "
        + (BOOTSTRAP if options.interval == "bootstrap" else "")
        + ("across tasks: signed-rank test of the tasks' mean differences. " if tasks else "")
    ).rstrip()


def _row(a: str, b: str, x: Comparison, options: Options) -> dict[str, Any]:
    group, verdict, ahead = x.group, x.verdict, x.verdict.forecast
    return {
        "line": "all densities" if x.density is None else "density",
        "a": a,
        "b": b,
        "suite": group.suite,
        "model": group.model,
        "dataset": group.dataset,
        "recipe": group.recipe,
        "strategy": group.name or None,
        "target_density": x.density,
        "metric": options.measure.name,
        "n": verdict.n,
        "planned": verdict.planned,
        "a_mean": x.a,
        "b_mean": x.b,
        "difference": None if x.interval is None else x.interval.mean,
        "low": None if x.interval is None else x.interval.low,
        "high": None if x.interval is None else x.interval.high,
        "interval": options.interval,
        "p": verdict.p,
        "p_equivalent": verdict.p_equivalent,
        "margin": verdict.margin,
        "detectable": verdict.detectable,
        "needed": None,
        "a_lost": len(x.lost_a),
        "b_lost": len(x.lost_b),
        "verdict": verdict.kind,
        "verdict_text": x.text,
        "n50": ahead and ahead.n50,
        "n80": ahead and ahead.n80,
        "other_data_low": x.wider and x.wider.low,
        "other_data_high": x.wider and x.wider.high,
        "other_data_missing": why_missing(x, options.measure),
        "decided_at": verdict.stop and verdict.stop.at,
        "max_seeds": verdict.stop and verdict.stop.maximum,
        "stop": verdict.stop and verdict.stop.why,
    }


def _task_row(a: str, b: str, name: str, verdict: TasksVerdict, options: Options) -> dict[str, Any]:
    """A row with the same keys for the line across tasks; n is the number of tasks."""
    known = {
        "line": "across tasks",
        "a": a,
        "b": b,
        "strategy": name or None,
        "metric": options.measure.name,
        "n": verdict.n,
        "planned": verdict.n,
        "difference": verdict.mean,
        "p": verdict.adjusted,
        "needed": verdict.needed,
        "verdict": verdict.kind,
        "verdict_text": verdict.text,
    }
    return {key: known.get(key) for key in COLUMNS}


COLUMNS = (
    "line", "a", "b", "suite", "model", "dataset", "recipe", "strategy", "target_density",
    "metric", "n", "planned", "a_mean", "b_mean", "difference", "low", "high", "interval", "p",
    "p_equivalent", "margin", "detectable", "needed", "a_lost", "b_lost", "verdict",
    "verdict_text", "n50", "n80", "other_data_low", "other_data_high", "other_data_missing",
    "decided_at", "max_seeds", "stop",
)  # fmt: skip
"""Keys of every row."""

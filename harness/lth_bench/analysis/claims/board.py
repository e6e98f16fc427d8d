"""Claims as a table: claim, published figure, ours with interval and n, verdict."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.claims import words
from lth_bench.analysis.claims.finding import Finding, findings
from lth_bench.analysis.claims.origin import origin
from lth_bench.analysis.measures import Measure
from lth_bench.analysis.table import Board, Cell, Line, Style, Table
from lth_bench.errors import UserError
from lth_bench.suite.load import suite_of
from lth_bench.suite.spec import Claim, Suite
from lth_bench.system.text import printable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

HEADER = ("claim", "required", "published", "ours", "95% interval", "n", "verdict")
ADDED = (
    " Where seeds were added until decided, a claim is judged on the seeds of its last look (6/7: "
    "the seventh came after it), and the interval is that of a look, {levels}: over all looks "
    "together each claim is called reproduced, or not reproduced, by mistake in at most 5% of "
    "cases; of these {count}, expect {wrong:.1f} at most. Nothing is corrected for their number."
)

STYLES: dict[str, Style] = {
    "reproduced": "good",
    "not reproduced": "bad",
    "open": "warn",
    "insufficient": "warn",
    "no data": "dim",
    "reported": "",
}

LEGEND = (
    "ours: mean over the seeds with its 95% t-interval, paired by seed; a ratio is the geometric "
    "mean. n: seeds. reproduced: the whole interval meets what is required; not reproduced: none "
    "of it does, or a seed was lost; open: it lies on both sides, with the seeds by which it is "
    "likely to be settled if those to come are like those that there are (~4–7: 4 in 1 of 2 cases, "
    "7 in 4 of 5); needs 3+: no verdict on fewer than three seeds."
)
CENSORED = (
    " ours with ≥ or ≤: seeds that never got there count with the budget, the last step of their "
    "training, so the mean and its interval are those within the budget, a bound of the true mean; "
    "in brackets where both sides have such seeds, so that it is none. Such claims are judged by "
    "the sign test over the seeds whose order is known (at least six must agree), as on the "
    "boards; it never shows that something lies within two ends."
)
IN_PERCENT = " Fractions are in percent, their differences in percentage points (pt)."


def claims_board(con: DuckDBPyConnection, suite: str, measure: Measure | None = None) -> Board:
    """The claims of a suite as it was last run, from its TOML in the database.

    With `measure` only those about that metric; the page of the tasks' own has all of them.

    Without rows where the suite is not there, has no claims, or is a smoke run's: what a suite
    claims is not said of NAME-smoke.
    """
    found = con.execute("SELECT suite_toml FROM suites WHERE suite = ?", [suite]).fetchone()
    if found is None or "[[claims]]" not in (found[0] or ""):
        return Board("claims", [], [])
    try:
        read = suite_of(found[0], Path(f"{suite}.toml"))
    except UserError as error:
        # made by another version, or completed by --set
        note = f"the claims of {suite} cannot be read: {error.message}"
        return Board(
            "claims", [], [Table(header=HEADER, blocks=[], group=suite, notes=(printable(note),))]
        )
    answers = findings(con, suite, read.claims)
    if measure is not None:
        answers = [finding for finding in answers if finding.measure.name == measure.name]
    if read.name != suite or not answers:
        return Board("claims", [], [])
    return sheet(read, answers, origin(con, read), argument=suite)


def sheet(
    suite: Suite,
    found: Sequence[Finding],
    notes: Sequence[str] = (),
    *,
    argument: str = "",
    results: Path | None = None,
    plugins: Sequence[Path] = (),
) -> Board:
    """The findings, a table a task.

    Args:
        suite: Whose claims they are.
        found: In the order of the suite.
        notes: What must be said of all of them; below the first table.
        argument: The suite as the user names it, for the command that gives missing data.
        results: The DuckDB file, where the user named one.
        plugins: The plugin files that the user named.
    """
    tables: list[Table] = []
    levels = sorted({f.level for f in found if f.ours is not None})
    added = [f"{100 * level:.2f}%" for level in levels if level > 0.95]
    in_order = sorted(found, key=lambda f: _place(suite, f.claim))
    for task, group in groupby(in_order, key=lambda f: f.claim.of.task):
        members = list(group)
        missing = [f for f in members if f.kind == "no data" and f.owed]
        below = [] if tables else list(notes)
        if missing:
            below.append(
                f"{len(missing)} of {len(members)} claims have no data; this gives them: "
                + command(
                    [f.claim for f in missing], suite, argument or suite.name, results, plugins
                )
            )
        # of rows that are not planned yet the command says enough
        below += [f"{f.claim.name}: {f.reason}" for f in members if f.reason and f.planned]
        tables.append(
            Table(
                header=tuple(
                    "interval" if name == HEADER[4] and added else name for name in HEADER
                ),
                blocks=[[_line(f) for f in members]],
                title=printable(" · ".join(task)),
                group=suite.name,
                left=frozenset({0, 6}),
                notes=tuple(map(printable, below)),
            )
        )
    counts = Counter(f.kind for f in found)
    names = {"insufficient": "with fewer than three seeds"}
    total = ", ".join(f"{n} {names.get(kind, kind)}" for kind, n in sorted(counts.items()))
    in_percent = any(f.measure.is_fraction for f in found)
    never = any(f.signs is not None or f.mean_is != "mean" for f in found)
    legend = LEGEND + CENSORED * never + IN_PERCENT * in_percent
    if added:
        judged = sum(f.kind not in ("reported", "no data") for f in found)
        legend += ADDED.format(levels=" or ".join(added), count=judged, wrong=0.05 * judged)
    said = [f"{f.claim.name}: {f.claim.text}. {f.claim.source}." for f in in_order]
    legend = "\n".join([f"{len(found)} claims: {total}.", legend, "", *said])
    return Board("claims", [_row(f, suite) for f in found], tables, legend)


def command(
    claims: Sequence[Claim],
    suite: Suite,
    argument: str,
    results: Path | None,
    plugins: Sequence[Path] = (),
) -> str:
    """The command that runs what these claims are about."""
    sides = [side for claim in claims for side in (claim.of, claim.versus) if side is not None]
    listed = {strategy.label: strategy for strategy in suite.strategies}
    labels = [label for label in dict.fromkeys(s.label for s in sides) if label in listed]
    # the dense run comes with every other strategy, but not an ablation of it
    with_any = {s.label for s in suite.strategies if s.use == "dense" and s.ablation is None}
    labels = [label for label in labels if label not in with_any] or labels
    words = ["lth-bench", "run", argument]
    for label in labels:
        words += ["-s", label]
    if len({task.model.label for task in suite.tasks}) > 1:
        for model in dict.fromkeys(side.task[0] for side in sides):
            words += ["-m", model]
    if results is not None:
        words += ["--results", str(results)]
    for plugin in plugins:
        words += ["--plugin", str(plugin)]
    return shlex.join(words)


def _place(suite: Suite, claim: Claim) -> int:
    """The task's number; claims keep their order within it."""
    keys = [(task.model.label, task.dataset.label, task.recipe_name) for task in suite.tasks]
    return keys.index(claim.of.task)


def _line(found: Finding) -> Line:
    claim = found.claim
    n = str(found.n) if found.n == found.planned else f"{found.n}/{found.planned}"
    told = found.kind == "insufficient" or (found.kind == "open" and found.signs is None)
    verdict = found.text if told else found.kind
    numbers = (
        words.required(claim, found.measure),
        words.published(claim, found.measure),
        words.ours(found),
        words.interval(found),
    )
    return (
        Cell(printable(claim.text), "", short=claim.name),
        *(Cell(text, short=words.bare(text)) for text in numbers),
        Cell(n),
        Cell(verdict, STYLES[found.kind], short=found.short),
    )


def _row(found: Finding, suite: Suite) -> dict[str, Any]:
    claim, ahead = found.claim, found.forecast
    low, high = claim.published or (None, None)
    model, dataset, recipe = claim.of.task
    other = claim.versus
    density = claim.of.densities
    if other is not None and density == (1.0,):
        density = other.densities
    return {
        "claim": claim.name,
        "text": claim.text,
        "suite": suite.name,
        "model": model,
        "dataset": dataset,
        "recipe": recipe,
        "densities": list(density),
        "metric": found.measure.name,
        "of": claim.of.name,
        "versus": None if other is None else other.name,
        "versus_model": None if other is None else other.task[0],
        "versus_recipe": None if other is None else other.task[2],
        "compare": claim.compare,
        "bound": claim.bound,
        "threshold": claim.threshold,
        "published_low": low,
        "published_high": high,
        "figures": list(claim.figures),
        "source": claim.source,
        "ours": found.ours.mean if found.ours else None,
        "low": found.ours.low if found.ours else None,
        "high": found.ours.high if found.ours else None,
        "level": found.level,
        "mean_is": found.mean_is if found.ours else None,
        "n": found.n,
        "planned": found.planned,
        "verdict": found.kind,
        "verdict_text": found.text,
        "as_claimed": None if found.signs is None else found.signs.count(1),
        "not_as_claimed": None if found.signs is None else found.signs.count(-1),
        "n50": ahead and ahead.n50,
        "n80": ahead and ahead.n80,
        "reason": found.reason,
    }

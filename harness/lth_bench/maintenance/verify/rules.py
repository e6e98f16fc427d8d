"""The rules for results that others are to use: all of them, and what each says where it is broken.

They are about what a reader needs to use the numbers: which versions made them, that methods were
compared at the same seeds and densities, and that nothing is missing which a run would have given.
Whether the numbers are right is what running experiments again tells.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.left_out import left_out
from lth_bench.analysis.samples import rules_of
from lth_bench.analysis.table import Board, Cell, Table
from lth_bench.errors import some_of
from lth_bench.store.records import DROPPED
from lth_bench.system.text import printable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SEEDS = 3
"""Fewest seeds of a row: below it no comparison is decided."""


@dataclass(frozen=True)
class Rule:
    """One rule."""

    name: str
    text: str
    """What it demands, in a sentence."""
    check: Callable[[DuckDBPyConnection], Iterator[str]]
    """Yields a message, in a sentence, for every breach."""


@dataclass(frozen=True)
class Breach:
    """Where a rule is broken."""

    rule: str
    message: str


def _versions(con: DuckDBPyConnection) -> Iterator[str]:
    """One set of numerics for each suite: or methods differ by their versions of torch."""
    rows = con.execute(
        """
        SELECT suite, list(kind ORDER BY kind) FROM (
            SELECT DISTINCT suite, concat_ws(', ', 'torch ' || torch, 'engine ' || engine, device)
                AS kind
            FROM experiments WHERE current AND torch IS NOT NULL
        )
        GROUP BY suite HAVING count(*) > 1 ORDER BY suite
        """
    ).fetchall()
    for suite, kinds in rows:
        yield f"{suite} was made with {len(kinds)} sets of versions: {some_of(kinds)}"


def _provenance(con: DuckDBPyConnection) -> Iterator[str]:
    rows = con.execute(
        """
        SELECT suite, count(*), count(source_hash), count(fingerprint), count(torch)
        FROM experiments WHERE current AND status IN ('ok', 'skipped', 'diverged')
        GROUP BY suite ORDER BY suite
        """
    ).fetchall()
    names = ("the source hash of their strategy", "the fingerprint of their data", "their numerics")
    for suite, count, *known in rows:
        for name, number in zip(names, known, strict=True):
            if number < count:
                yield f"{suite}: {count - number} of {count} experiments lack {name}"


def _suites(con: DuckDBPyConnection) -> Iterator[str]:
    """A shipped suite's name stands for the shipped suite, or readers compare different things."""
    from lth_bench.suite.load import load_suite
    from lth_bench.suite.source import papers, shipped, studies

    known = {path.stem: path for path in (shipped() | papers() | studies()).values()}
    rows = con.execute(
        """
        SELECT DISTINCT v.suite, v.suite_version, v.overrides, v.suite_toml
        FROM environments v
        WHERE v.run_id IN (SELECT run_id FROM experiments WHERE current)
        ORDER BY ALL
        """
    ).fetchall()
    for suite, version, overrides, text in rows:
        if suite not in known:
            continue
        ours = load_suite(known[suite]).version
        if str(ours) != str(version):
            yield f"{suite} is of version {version}, and the shipped suite is of version {ours}"
        elif changed := _changed(text, known[suite].read_text("utf-8")):
            yield (
                f"{suite} has other {some_of(changed)} than the shipped suite; give a changed "
                f"suite a name of its own"
            )
        if overrides:
            yield (
                f"{suite} was changed with --set {some_of(overrides)}; give a changed suite a name "
                f"of its own"
            )


def _changed(text: str | None, shipped: str) -> list[str]:
    """The top-level tables in which two suites differ, apart from what tuning adds and removes."""
    try:
        there = _untuned(tomllib.loads(text or ""))
    except tomllib.TOMLDecodeError:
        return ["text"]
    here = _untuned(tomllib.loads(shipped))
    return sorted(key for key in there.keys() | here.keys() if there.get(key) != here.get(key))


def _untuned(suite: dict[str, Any]) -> dict[str, Any]:
    used = suite.get("strategies", [])
    kept = [x for x in used if "tuned" not in x] if isinstance(used, list) else used
    return {**{key: value for key, value in suite.items() if key != "tune"}, "strategies": kept}


def _seeds(con: DuckDBPyConnection) -> Iterator[str]:
    """Equal seeds, or else the choice of seeds may favour a method. Where they were added until
    decided they differ by design: then each label has the first ones, up to where its rows stop.
    """
    adaptive = rules_of(con)
    rows = con.execute(
        """
        SELECT suite, model, dataset, recipe, label, list(DISTINCT seed ORDER BY seed)
        FROM flat WHERE control = 'none' GROUP BY ALL ORDER BY ALL
        """
    ).fetchall()
    most: dict[tuple[str, ...], set[int]] = {}
    for *task, _, seeds in rows:
        most.setdefault(tuple(task), set()).update(seeds)
    for *task, label, seeds in rows:
        name = "/".join(task[1:])
        if len(seeds) < SEEDS:
            yield (
                f"{task[0]}: {label} on {name} has {len(seeds)} seeds, and {SEEDS} are the fewest "
                f"with which a comparison can be decided"
            )
        if task[0] in adaptive:
            gaps = sorted(set(range(max(seeds) + 1)) - set(seeds))
            if gaps:
                yield (
                    f"{task[0]}: {label} on {name} lacks seeds before its last, and seeds that are "
                    f"added until decided come in order: {some_of([str(seed) for seed in gaps])}"
                )
            continue
        lacking = sorted(most[tuple(task)] - set(seeds))
        if lacking:
            yield (
                f"{task[0]}: {label} on {name} lacks seeds that others have: "
                f"{some_of([str(seed) for seed in lacking])}"
            )
    yield from _undecided(con, adaptive)


def _undecided(con: DuckDBPyConnection, adaptive: Collection[str]) -> Iterator[str]:
    """Comparisons whose last look asks for more seeds: an unfinished run."""
    rows = con.execute(
        """
        SELECT suite, model, dataset, recipe, label, count(*) FROM (
            SELECT suite, model, dataset, recipe, label,
                arg_max(stop IS NULL, journal_order) AS on_its_way
            FROM looks
            GROUP BY suite, model, dataset, recipe, label, target_density, source_model,
                source_dataset, source_recipe
        )
        WHERE on_its_way AND list_contains($suites, suite) GROUP BY ALL ORDER BY ALL
        """,
        {"suites": sorted(adaptive)},
    ).fetchall()
    for suite, *task, label, count in rows:
        yield (
            f"{suite}: {label} on {'/'.join(task)} has {count} comparisons that need more seeds; "
            f"rerun the suite, which adds them"
        )


def _grid(con: DuckDBPyConnection) -> Iterator[str]:
    """Methods are compared at equal densities, and with the dense network."""
    rows = con.execute(
        """
        SELECT suite, model, dataset, recipe, label, bool_and(strategy LIKE 'dense%'),
            list(DISTINCT target_density ORDER BY target_density DESC)
        FROM flat WHERE control = 'none' AND source_model = model AND source_dataset = dataset
            AND source_recipe = recipe
        GROUP BY ALL ORDER BY ALL
        """
    ).fetchall()
    tasks: dict[tuple[str, ...], set[float]] = {}
    dense: set[tuple[str, ...]] = set()
    for *task, _, unpruned, densities in rows:
        key = tuple(task)
        tasks.setdefault(key, set()).update(d for d in densities if d < 1)
        if unpruned and 1.0 in densities:
            dense.add(key)
    for key in tasks:
        if key not in dense:
            yield f"{key[0]}: {'/'.join(key[1:])} has no dense run to compare with"
    for *task, label, unpruned, densities in rows:
        lacking = sorted(tasks[tuple(task)] - set(densities), reverse=True)
        if lacking and not unpruned and set(densities) != {1.0}:
            yield (
                f"{task[0]}: {label} on {'/'.join(task[1:])} lacks densities that others have: "
                f"{some_of([f'{d:g}' for d in lacking])}"
            )


def _complete(con: DuckDBPyConnection) -> Iterator[str]:
    """What failed for the method's sake is a result; what a machine owes is not, unless a verdict
    stands that the seed was left out of.
    """
    rows = con.execute(
        "SELECT suite, status, experiment_id, count(*) FROM flat WHERE is_owed(status) GROUP BY ALL"
    ).fetchall()
    left = left_out(con) if rows else set()
    counts: Counter[tuple[str, str]] = Counter()
    for suite, status, experiment, count in rows:
        if status not in DROPPED or (suite, experiment) not in left:
            counts[suite, status] += count
    for (suite, status), count in sorted(counts.items()):
        do = (
            f"rerun the suite with --retry {status}"
            if status in DROPPED
            else "rerun the suite, which does what is left"
        )
        yield f"{suite}: {count} rows are {status}; {do}"
    if not con.execute("SELECT 1 FROM flat WHERE status = 'ok' LIMIT 1").fetchone():
        yield "there is no finished row"


RULES = (
    Rule(
        "versions", "the experiments of a suite have the same torch, engine and device", _versions
    ),
    Rule("provenance", "source hash, data and numerics of every experiment are known", _provenance),
    Rule("suites", "a shipped suite's name means that suite, unchanged", _suites),
    Rule(
        "seeds",
        f"every row has at least {SEEDS} seeds, and all of a task the same; where they are added "
        f"until decided, the first ones until it is",
        _seeds,
    ),
    Rule("grid", "all methods of a task have its densities, and there is a dense run", _grid),
    Rule("complete", "no planned row is missing", _complete),
)
"""All rules, in the order in which they are checked."""


def broken(con: DuckDBPyConnection) -> list[Breach]:
    """Every breach of every rule, in the rules' order; none where the results may be used."""
    return [Breach(rule.name, message) for rule in RULES for message in rule.check(con)]


MOST = 4
"""Breaches of one rule that a person is shown; `--json` has all."""


def rules_board(database: Path, found: Sequence[Breach]) -> Board:
    """Every rule, whether it is kept, and if not how it is broken."""
    lines = []
    for rule in RULES:
        mine = [one.message for one in found if one.rule == rule.name]
        lines.append(
            (
                Cell(rule.name, "strong"),
                Cell("broken" if mine else "kept", "bad" if mine else "good"),
                Cell(printable(mine[0]) if mine else rule.text),
            )
        )
        lines += [(Cell(""), Cell(""), Cell(printable(more))) for more in mine[1:MOST]]
        if len(mine) > MOST:
            lines.append((Cell(""), Cell(""), Cell(f"and {len(mine) - MOST} more (--json)")))
    table = Table(
        header=("rule", "", "what it demands, or how it is broken"),
        blocks=[lines],
        title=printable(str(database)),
        left=frozenset({0, 1, 2}),
        prose=2,
    )
    rows = [{"rule": one.rule, "message": one.message} for one in found]
    return Board("broken_rules", rows, [table])

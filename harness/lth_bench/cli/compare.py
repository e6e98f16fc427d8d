"""`lth-bench compare`: is B better than A, and are there enough seeds to tell?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lth_bench.cli import complete
from lth_bench.cli.options import (
    DensitiesOption,
    FormatOption,
    JsonOption,
    NoPluginsOption,
    PluginsOption,
    ResultsOption,
    StrategiesOption,
    SuitesOption,
    TasksOption,
)

if TYPE_CHECKING:
    from lth_bench.analysis.compare.sides import Selector
    from lth_bench.analysis.table import Board

WITH = ("reference", "literature")
"""What else than the user's own results a label can be compared with."""
SIDE = "LABEL, LABEL/CONTROL, LABEL@REV, PATH or PATH:LABEL (a .duckdb, or rows in a .parquet)."


def compare(
    a: Annotated[str | None, typer.Argument(metavar="[A]", help=f"The reference: {SIDE}")] = None,
    b: Annotated[
        str | None, typer.Argument(metavar="[B]", help="Compared with A; given in the same forms.")
    ] = None,
    *,
    with_: Annotated[
        str | None,
        typer.Option(
            "--with",
            metavar="NAME",
            help="Compare with other results than your own: reference, those that come with "
            "lth-bench; takes your label alone, or their label and yours. literature, the papers' "
            "figures; takes no side, or your label alone.",
            autocompletion=complete.one_of(*WITH),
        ),
    ] = None,
    results: ResultsOption = None,
    suite: SuitesOption = None,
    task: TasksOption = None,
    density: DensitiesOption = None,
    strategy: StrategiesOption = None,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric",
            metavar="NAME",
            help="A numeric column of tickets_flat, or a plugin's metric; by default each task's "
            "primary metric, test_accuracy of classification.",
        ),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            "--margin",
            metavar="M",
            help="Equivalence margin: for accuracies and other fractions a fraction (default "
            "0.005, half a point), for other metrics relative to A's mean (default 0.05).",
        ),
    ] = None,
    interval: Annotated[
        str,
        typer.Option(
            "--interval",
            metavar="KIND",
            help="t, or bootstrap (whose 95% intervals cover only 74% at 3 seeds and 91% at 10).",
        ),
    ] = "t",
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-on",
            metavar="VERDICT",
            help="Exit with 6 if any line is worse, not-better, not-equivalent or insufficient "
            "(undecided, or fewer than three seeds); repeatable. worse includes seeds that only B "
            "lost; every VERDICT includes results that only the old database has.",
        ),
    ] = None,
    masks: Annotated[
        bool,
        typer.Option(
            "--masks",
            metavar="",
            help="Instead compare their masks: overlap beside chance, and signs of the survivors.",
        ),
    ] = False,
    plugin: PluginsOption = None,
    no_plugins: NoPluginsOption = False,
    format: FormatOption = "table",
    json_: JsonOption = False,
) -> int:
    """Compare B with A, paired by seed: difference, interval and verdict at each density.

    Two strategies: `compare imp one_shot`, `compare imp/reinit imp`.

    Two databases, label by label: `compare old.duckdb new.duckdb`.

    A strategy with an earlier version of itself: `compare imp@REV imp`. REV is the start of a
    run's id, a source hash, a version, a configuration's id or a git commit.

    A method of yours with the reference results: `compare mine --with reference`, without running
    the other methods.

    Your results with the papers', where task and density fit: `compare --with literature`.

    Exit codes: 0, or 6 as requested by --fail-on.
    """
    import sys

    from lth_bench.analysis.compare.beside import beside_reference
    from lth_bench.analysis.compare.gate import gate_failures, require_gates
    from lth_bench.analysis.compare.lines import Comparison, Options, across
    from lth_bench.analysis.compare.lines import compare as lines
    from lth_bench.analysis.compare.pairs import groups, only_in_first
    from lth_bench.analysis.compare.sheet import joined, sheet
    from lth_bench.analysis.compare.sides import differing, load, parse, primary_of
    from lth_bench.analysis.measures import Measure
    from lth_bench.errors import OK, REGRESSION, UserError
    from lth_bench.output.formats import print_board, require_board_format
    from lth_bench.store.paths import default_results

    format = "json" if json_ else format
    require_board_format(format)
    gates = fail_on or []
    require_gates(gates)
    if margin is not None and not 0 < margin < float("inf"):
        raise UserError(f"--margin must be greater than 0, but got {margin:g}")
    if interval not in ("t", "bootstrap"):
        raise UserError(f"--interval must be t or bootstrap, but got {interval!r}")
    if with_ is not None and with_ not in WITH:
        raise UserError(f"--with must be {' or '.join(WITH)}, but got {with_!r}")
    if with_ == "literature":
        about_pairs = {
            "--metric": metric is not None,
            "--margin": margin is not None,
            "--interval": interval != "t",
            "--fail-on": bool(gates),
            "--masks": masks,
            "a second side": b is not None,
        }
        for option in (name for name, given in about_pairs.items() if given):
            raise UserError(f"{option} has no meaning with --with literature; leave it out")
        board = _literature(
            results or default_results(),
            suites=suite or (),
            tasks=task or (),
            densities=density or (),
            labels=[*([a] if a is not None else []), *(strategy or ())],
        )
        print_board(board, format)
        return OK
    if a is None or (b is None and with_ is None):
        raise UserError(
            "compare takes two sides, A and B; or A and --with reference; or --with literature"
        )
    if with_ is not None and masks:
        raise UserError("--with compares values, and --masks masks; leave one out")
    one, other = parse(a), parse(a if b is None else b)
    if plugin and not masks:
        raise UserError("--plugin goes with --masks, which builds the networks; leave it out")
    if masks:
        about_values = {
            "--metric": metric is not None,
            "--margin": margin is not None,
            "--interval": interval != "t",
            "--fail-on": bool(gates),
            "--strategy": bool(strategy),
        }
        for option in (name for name, given in about_values.items() if given):
            raise UserError(f"{option} has no meaning with --masks; leave it out")
        return _masks(
            one,
            other,
            format=format,
            results=results or default_results(),
            suites=suite or (),
            tasks=task or (),
            densities=density or (),
            plugins=plugin or (),
            no_plugins=no_plugins,
        )
    chosen: dict[str, Any] = {
        "results": results or default_results(),
        "metric": metric or "score",
        "suites": suite or (),
        "strategies": strategy or (),
    }
    notes: list[str]
    if with_ is not None:
        against = None if b is None else one
        beside = beside_reference(other, against, **chosen)
        first, second, notes = beside.reference, beside.own, list(beside.notes)
    else:
        first, second = load(one, other, **chosen)
        notes = differing(first.settings, second.settings)
    by_name = with_ is not None or one.label is None
    found = groups(first.samples, second.samples, by_name, task or (), density or ())
    by_measure: dict[Measure, list[list[Comparison]]] = {}
    for group in found:
        if metric in (None, "score"):
            known = primary_of(first, second, next(iter(group.pairs.values())))
        else:
            known = first.measure
        options = Options(known, margin, interval)  # type: ignore[arg-type]  # checked above
        by_measure.setdefault(known, []).append(lines(group, options))
    parts = [
        (Options(known, margin, interval), comparisons, across(comparisons, known))  # type: ignore[arg-type]
        for known, comparisons in by_measure.items()
    ]
    missing: tuple[str, ...] = ()
    if with_ is None and one.label is None:
        missing = only_in_first(first.samples, second.samples, task or ())
        new = only_in_first(second.samples, first.samples, task or ())
        notes += [f"only A has {name}" for name in missing] + [f"only B has {name}" for name in new]
    if with_ is not None:
        a, b = "reference", other.name
    else:
        a, b = (one.name, other.name) if one.name != other.name else (one.text, other.text)
    sheets = [
        sheet(a, b, comparisons=comparisons, tasks=tasks, options=options,
              notes=() if index else notes, shipped=with_ == "reference")
        for index, (options, comparisons, tasks) in enumerate(parts)
    ]  # fmt: skip
    print_board(joined(sheets, [part[:2] for part in parts]), format)
    failing = [
        failure
        for index, (_, comparisons, tasks) in enumerate(parts)
        for failure in gate_failures(gates, comparisons, tasks, () if index else missing)
    ]
    for text in failing:
        print(f"fails: {text}", file=sys.stderr)
    return REGRESSION if failing else OK


def _literature(results: Path, *, labels: Sequence[str], **filters: Any) -> Board:
    from lth_bench.analysis.compare.literature import literature
    from lth_bench.analysis.samples import samples
    from lth_bench.errors import UnknownName
    from lth_bench.store.reading import to_stderr
    from lth_bench.store.rows_file import reading_rows_too

    with reading_rows_too(results, to_stderr) as con:
        known = {name for s in samples(con) for name in (s.label, s.name)}
        for label in labels:
            if label not in known:
                raise UnknownName("label", label, known)
        return literature(con, labels=labels, **filters)


def _masks(one: Selector, other: Selector, *, format: str, results: Path, **rest: Any) -> int:
    from lth_bench.errors import OK, UserError
    from lth_bench.interchange.overlap import overlaps
    from lth_bench.output.formats import print_board

    for side in (one, other):
        if side.label is None or side.path is not None or side.revision is not None:
            raise UserError(
                f"--masks takes LABEL or LABEL/CONTROL of the same results, but got {side.text!r}"
            )
    assert one.label is not None
    assert other.label is not None
    board = overlaps(results, (one.label, one.control), (other.label, other.control), **rest)
    print_board(board, format)
    return OK

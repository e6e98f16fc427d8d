"""`lth-bench leaderboard`: which strategy is best, by how much, and at what cost."""

from __future__ import annotations

from typing import Annotated

import typer

from lth_bench.cli.options import (
    DatasetsOption,
    DensitiesOption,
    FormatOption,
    JsonOption,
    ModelsOption,
    ResultsOption,
    SuitesOption,
    TasksOption,
)


def leaderboard(
    *,
    results: ResultsOption = None,
    by: Annotated[
        str,
        typer.Option(
            "--by",
            metavar="KIND",
            help="accuracy: the task's primary metric, or --metric, at each density; flops: the "
            "same at equal FLOPs of the network; matching: the "
            "sparsest density not worse than the baseline; area: under the metric against log "
            "density; cost: of reaching a value of the metric; budget: the metric at equal total "
            "cost of search and training; speed: the early-stop step; "
            "transfer: the task a ticket was found on against the one it was trained on; "
            "ingredients: each ticket against its controls and ablations, and which matter; "
            "latency: what `measure` has timed, and from which density on a ticket is faster.",
        ),
    ] = "accuracy",
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric",
            metavar="NAME",
            help="The metric to use: test_loss, early_stop_accuracy, val_accuracy, train_accuracy, "
            "any numeric column of tickets_flat, or a metric that a plugin reports; by default "
            "each task's primary metric, which is test_accuracy for classification.",
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            metavar="LABEL",
            help="Compare with this label, or LABEL/CONTROL, seed by seed; by default with the "
            "suite's baseline, which is dense unless it says otherwise.",
        ),
    ] = None,
    across: Annotated[
        bool, typer.Option("--across", metavar="", help="Rank over all tasks of each suite.")
    ] = False,
    suite: SuitesOption = None,
    task: TasksOption = None,
    model: ModelsOption = None,
    dataset: DatasetsOption = None,
    density: DensitiesOption = None,
    control: Annotated[
        list[str] | None,
        typer.Option(
            "--control", metavar="NAME", help="Only this control (none hides all); repeatable."
        ),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            "--margin",
            metavar="M",
            help="Equivalence margin: for accuracies and other fractions a fraction (default "
            "0.005, half a point), for other metrics relative to the baseline's mean (default "
            "0.05; with --by speed 0.1).",
        ),
    ] = None,
    reach: Annotated[
        float | None,
        typer.Option(
            "--reach",
            metavar="VALUE",
            help="With --by cost: the value of the metric to reach, of an accuracy in (0, 1]; by "
            "default the dense runs' mean, worse by the margin.",
        ),
    ] = None,
    legend: Annotated[
        bool, typer.Option("--legend", metavar="", help="Say below what the columns mean.")
    ] = False,
    format: FormatOption = "table",
    json_: JsonOption = False,
) -> None:
    """Rank the strategies: by the task's metric, sparsity, cost or speed, with intervals and
    verdicts.
    """
    import sys
    from dataclasses import replace

    from lth_bench.analysis.boards.scope import Selection
    from lth_bench.analysis.leaderboard import Question
    from lth_bench.analysis.leaderboard import leaderboard as answer
    from lth_bench.output.formats import print_board, require_board_format
    from lth_bench.store.paths import default_results
    from lth_bench.store.reading import reading, to_stderr

    format = "json" if json_ else format
    require_board_format(format)
    question = Question(
        by=by,
        metric=metric,
        selection=Selection(
            suites=suite or (),
            tasks=task or (),
            models=model or (),
            datasets=dataset or (),
            densities=density or (),
            controls=control,
            results=results,
        ),
        baseline=baseline,
        margin=margin,
        reach=reach,
        across=across,
    )
    from lth_bench.analysis.card import cards
    from lth_bench.analysis.card.model import LEGEND
    from lth_bench.output.card import print_card
    from lth_bench.output.terminal import stdout

    table = format == "table"
    with reading(results or default_results(), to_stderr) as con:
        board = answer(con, question)
        wanted = question.has_card and format in ("table", "json")
        found = cards(con, question, board.rows) if wanted else []
    for card in found if table else ():
        print_card(card, stdout())
        print()
    if not legend:
        board = replace(board, legend="")
    elif found:
        board = replace(board, legend=f"{LEGEND}\n{board.legend}")
    print_board(board, format, found)
    if table and not legend and sys.stderr.isatty():
        print("what the columns mean: --legend", file=sys.stderr)

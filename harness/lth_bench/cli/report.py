"""`lth-bench report`: leaderboards, figures and failures on one self-contained page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lth_bench.cli.options import JsonOption, ResultsOption, SuitesOption


def report(
    *,
    results: ResultsOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="HTML file; by default report.html beside the results, or report-METRIC.html with "
            "--metric.",
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric",
            metavar="NAME",
            help="What every leaderboard, verdict and figure is about: test_loss, val_accuracy, "
            "any other numeric column of tickets_flat, or a metric that a plugin reports; by "
            "default each task's primary metric, test_accuracy of classification.",
        ),
    ] = None,
    suite: SuitesOption = None,
    figures: Annotated[
        Path | None,
        typer.Option(
            "--figures", metavar="DIR", help="Also write each figure as SVG, PDF and PNG into DIR."
        ),
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Write leaderboards, figures and failures to one HTML file, and print its path.

    The page is self-contained, so it can be read offline. `--json` also lists the figures.
    """
    from lth_bench.analysis.page import gather_report
    from lth_bench.cli.output import print_json
    from lth_bench.output.page import check_output, default_name, write_page
    from lth_bench.store.paths import Paths, default_results
    from lth_bench.store.reading import reading, to_stderr

    results = results or default_results()
    Paths(results).require()
    output = output or results.with_name(default_name(metric))
    check_output(output)
    with reading(results, to_stderr) as con:
        found = gather_report(con, suite or (), metric)
    write_page(found, output)
    drawn: list[Path] = []
    if figures is not None:
        from lth_bench.output.paper import write_figures

        drawn = write_figures(found.evidence, found.subjects, figures, found.transfers)
    if json_:
        print_json({"report": str(output), "figures": [str(path) for path in drawn]})
        return
    print(str(output))
    if figures is not None:
        print(str(figures))

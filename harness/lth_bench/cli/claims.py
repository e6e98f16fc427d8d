"""`lth-bench claims`: do the results reproduce the claims of the papers?"""

from __future__ import annotations

from typing import Annotated

import typer

from lth_bench.cli.options import (
    FormatOption,
    JsonOption,
    PluginsOption,
    ResultsOption,
    SuiteArgument,
)

GATES = {
    "not-reproduced": ("not reproduced",),
    "insufficient": ("insufficient", "open"),
    "no-data": ("no data",),
}
"""Values of --fail-on, and the verdicts that each one refuses."""


def claims(
    suite: SuiteArgument,
    *,
    results: ResultsOption = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-on",
            metavar="VERDICT",
            help="Exit with 6 if a claim is not-reproduced, insufficient (undecided, or fewer than "
            "three seeds) or no-data; repeatable.",
        ),
    ] = None,
    plugin: PluginsOption = None,
    format: FormatOption = "table",
    json_: JsonOption = False,
) -> int:
    """Check the suite's claims against the results: published figure, ours, verdict.

    Exit codes: 0, or 6 as requested by --fail-on.
    """
    import sys

    from lth_bench.analysis.claims.board import sheet
    from lth_bench.analysis.claims.finding import findings
    from lth_bench.analysis.claims.origin import origin
    from lth_bench.errors import OK, REGRESSION, NothingSelected, UserError, suggest
    from lth_bench.output.formats import print_board, require_board_format
    from lth_bench.plugins import load_registry
    from lth_bench.store.paths import default_results
    from lth_bench.store.reading import reading, to_stderr
    from lth_bench.suite.load import load_suite

    format = "json" if json_ else format
    require_board_format(format)
    # only to report a mistake in a file now rather than in `run`
    load_registry(plugin or (), third_party=False)
    for gate in fail_on or ():
        if gate not in GATES:
            raise UserError(f"--fail-on: unknown verdict {gate!r}{suggest(gate, GATES)}")
    loaded = load_suite(suite)
    if not loaded.claims:
        raise NothingSelected(
            f"suite {loaded.name!r} has no claims; add [[claims]] to it (see suites/README.md)"
        )
    with reading(results or default_results(), to_stderr) as con:
        found = findings(con, loaded.name, loaded.claims)
        notes = origin(con, loaded)
    print_board(
        sheet(loaded, found, notes, argument=suite, results=results, plugins=plugin or ()), format
    )
    refused = {kind for gate in fail_on or () for kind in GATES[gate]}
    failing = [f for f in found if f.kind in refused]
    for f in failing:
        print(f"fails: {f.claim.name}: {f.text}", file=sys.stderr)
    return REGRESSION if failing else OK

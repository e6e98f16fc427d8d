"""`lth-bench measure`: is a ticket faster on this device, or only in theory?"""

from __future__ import annotations

from typing import Annotated

import typer

from lth_bench.cli.options import (
    ArtifactsOption,
    DensitiesOption,
    JsonOption,
    NoPluginsOption,
    PluginsOption,
    ResultsOption,
    StrategiesOption,
    SuitesOption,
    TasksOption,
)


def measure(
    *,
    results: ResultsOption = None,
    suite: SuitesOption = None,
    task: TasksOption = None,
    density: DensitiesOption = None,
    strategy: StrategiesOption = None,
    seeds: Annotated[
        int,
        typer.Option(
            "--seeds",
            metavar="N",
            help="Tickets of each label and density, the lowest seeds first: speed depends on the "
            "mask, and little on the seed.",
        ),
    ] = 1,
    batch: Annotated[
        list[int] | None,
        typer.Option(
            "--batch", metavar="N", help="Examples in a batch (default 1 and 128); repeatable."
        ),
    ] = None,
    threads: Annotated[
        int, typer.Option("--threads", metavar="N", help="Threads of torch on a CPU.")
    ] = 1,
    repeats: Annotated[
        int,
        typer.Option(
            "--repeats",
            metavar="N",
            help="Rounds; each times every form once, over at least a millisecond or so.",
        ),
    ] = 50,
    device: Annotated[
        str, typer.Option("--device", metavar="D", help="Where to run: auto, cpu, cuda, cuda:1.")
    ] = "auto",
    again: Annotated[
        bool, typer.Option("--again", metavar="", help="Also what was measured before.")
    ] = False,
    artifacts: ArtifactsOption = None,
    plugin: PluginsOption = None,
    no_plugins: NoPluginsOption = False,
    json_: JsonOption = False,
) -> int:
    """Measure the speed and memory of finished tickets on this device, and record them.

    Each ticket's network is run dense, masked, in compressed rows (CSR), shrunk to the channels and
    neurons that have an effect, and with 2:4 kernels where the device has them. `lth-bench
    leaderboard --by latency` shows the results. Nothing is trained; have nothing else running.
    """
    import sys
    from dataclasses import asdict

    from lth_bench.analysis.boards.scope import Selection
    from lth_bench.cli.output import print_json
    from lth_bench.errors import INTERRUPTED, OK
    from lth_bench.interchange.measuring import BATCH_SIZES, MeasureRequest
    from lth_bench.interchange.measuring import measure as run
    from lth_bench.interchange.timing import TimingOptions
    from lth_bench.output.measuring import MeasureDisplay
    from lth_bench.output.words import counted
    from lth_bench.store.paths import default_results, results_option
    from lth_bench.system.text import printable

    request = MeasureRequest(
        results=results or default_results(),
        selection=Selection(
            suites=suite or (), tasks=task or (), densities=density or (), results=results
        ),
        strategies=strategy or (),
        seeds=seeds,
        device=device,
        batch_sizes=batch or BATCH_SIZES,
        options=TimingOptions(threads=threads, repeats=repeats),
        again=again,
        artifacts=artifacts or (),
        plugins=plugin or (),
        no_plugins=no_plugins,
    )
    with MeasureDisplay() as display:
        report = run(request, display.say, display.now)
    code = INTERRUPTED if report.left else OK
    if json_:
        print_json(asdict(report))
        return code
    for why in report.without_values:
        print(printable(f"not measured: {why}"), file=sys.stderr)
    if report.known:
        print(
            f"{counted(report.known, 'ticket')} measured before on this device; --again repeats it",
            file=sys.stderr,
        )
    if report.left:
        rest = "" if again else ", and the same command measures the rest"
        print(
            f"interrupted with {counted(report.left, 'ticket')} left: what is measured is kept"
            f"{rest}",
            file=sys.stderr,
        )
    print(
        printable(f"measured {counted(report.measured, 'ticket')} on {report.device}; ")
        + f"see `lth-bench leaderboard --by latency{results_option(request.results)}`"
    )
    return code

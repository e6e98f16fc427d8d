"""`lth-bench tune`: find each strategy's best parameters, and measure the gain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lth_bench.cli.options import (
    AddOption,
    AddressOption,
    CohortSizeOption,
    DatasetsOption,
    DeviceOption,
    ExactCohortSizeOption,
    ExecutorOption,
    JsonOption,
    ModelsOption,
    NoPluginsOption,
    PluginsOption,
    ResultsOption,
    SeedsOption,
    SetOption,
    SmokeOption,
    StrategiesOption,
    SuiteArgument,
    TimeoutOption,
    WorkersOption,
)

if TYPE_CHECKING:
    from lth_bench.analysis.gains import StudyGain
    from lth_bench.store.trials import Study
    from lth_bench.suite.spec import Suite
    from lth_bench.tuning.loop import TuneSummary


def tune(
    suite: SuiteArgument,
    *,
    results: ResultsOption = None,
    device: DeviceOption = "auto",
    executor: ExecutorOption = "local",
    address: AddressOption = None,
    workers: WorkersOption = None,
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget",
            metavar="UNIT=N",
            help="Budget of each strategy: trials=20, steps=100000 or minutes=10.",
        ),
    ] = None,
    seeds: SeedsOption = None,
    strategy: StrategiesOption = None,
    model: ModelsOption = None,
    dataset: DatasetsOption = None,
    set_: SetOption = None,
    plugin: PluginsOption = None,
    add: AddOption = None,
    no_plugins: NoPluginsOption = False,
    no_final: Annotated[
        bool,
        typer.Option(
            "--no-final", metavar="", help="Only search; do not compare on the suite's seeds."
        ),
    ] = False,
    best: Annotated[
        bool,
        typer.Option(
            "--best", metavar="", help="Print a suite with the best settings so far; do not search."
        ),
    ] = False,
    trial: Annotated[
        int | None,
        typer.Option(
            "--trial",
            metavar="N",
            min=0,
            help="With --best and -s LABEL: use trial N, such as another on the Pareto front.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="With --best: write the suite to this file."),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage",
            metavar="URL",
            help="URL of a database that machines share to tune together. If the suite names one, "
            "repeat it here.",
        ),
    ] = None,
    restart: Annotated[
        bool,
        typer.Option(
            "--restart",
            metavar="",
            help="Start these studies again; finished trainings are reused.",
        ),
    ] = False,
    take_over: Annotated[
        bool,
        typer.Option(
            "--take-over",
            metavar="",
            help="Also run the unfinished trials of other processes; use it once these have ended.",
        ),
    ] = False,
    smoke: SmokeOption = False,
    cohort_size: CohortSizeOption = "auto",
    exact_cohort_size: ExactCohortSizeOption = False,
    timeout: TimeoutOption = None,
    json_: JsonOption = False,
) -> int:
    """Tune a suite's strategies, each with the same budget, as set in its table `tune`.

    The search sees only the validation split and its own seeds. Then the suite's own and the tuned
    settings run at the suite's seeds and are compared on the test split. Rerun the command to
    resume an interrupted search.
    """
    import json

    from lth_bench.cli.tuned import conclude, document
    from lth_bench.errors import UserError
    from lth_bench.running.request import RunRequest, prepare
    from lth_bench.running.runner import require_writable

    changes = [*(set_ or ()), *_budget(budget)]
    if storage is not None:
        changes.append(f"tune.storage={json.dumps(storage)}")
    request = RunRequest.from_options(
        suite=suite,
        results=results,
        device=device,
        executor=executor,
        address=address,
        workers=workers,
        seeds=seeds,
        strategies=strategy,
        models=model,
        datasets=dataset,
        overrides=changes,
        plugins=plugin,
        add=add,
        no_plugins=no_plugins,
        smoke=smoke,
        cohort_size=cohort_size,
        exact_cohort_size=exact_cohort_size,
        timeout=timeout,
    )
    path = request.execution.results
    loaded, registry = prepare(request)
    if output is not None and not best:
        raise UserError("--output is the file that --best writes; use it with --best")
    if trial is not None and not best:
        raise UserError("--trial chooses the trial that --best takes; use it with --best")
    if best:
        return _best(path, loaded, output, trial, suite)
    require_writable(path)
    from lth_bench.output.progress import make_progress
    from lth_bench.tuning.final import run_final
    from lth_bench.tuning.run import tune_suite

    summary = tune_suite(
        loaded,
        registry,
        request,
        emit=make_progress(),
        restart=restart,
        take_over=take_over,
        compares=not no_final,
    )
    studies, _ = _found(path, summary)
    final = None
    if summary.complete and not no_final and any(s.best for s in studies):
        found = [s for s in studies if s.best is not None]
        final = run_final(
            loaded, found, registry, request=request, emit=make_progress(), smoke=smoke
        )
    studies, gained = _found(path, summary)
    code = summary.exit_code or (final.exit_code if final is not None else 0)
    if json_:
        print(
            json.dumps(
                document(
                    loaded,
                    path,
                    summary=summary,
                    final=final,
                    studies=studies,
                    gained=gained,
                    code=code,
                )
            )
        )
    else:
        conclude(
            loaded, suite, path=path, summary=summary, final=final, studies=studies, gained=gained
        )
    return code


def _budget(text: str | None) -> list[str]:
    """`trials=20` as an override of the suite."""
    from lth_bench.errors import UserError
    from lth_bench.params import show

    if text is None:
        return []
    unit, equals, number = (part.strip() for part in text.partition("="))
    try:
        value = float(number)
    except ValueError:
        value = float("nan")
    if not equals or unit not in ("trials", "steps", "minutes") or value != value:
        raise UserError(
            "--budget takes trials=N, steps=N or minutes=X, such as trials=20, but got"
            f" {show(text)}"
        )
    return [f"tune.budget={{ {unit} = {number} }}"]


def _best(path: Path, suite: Suite, output: Path | None, trial: int | None, given: str) -> int:
    import shlex
    import sys

    from lth_bench.store.paths import results_option
    from lth_bench.tuning.freeze import write_best

    text = write_best(path, suite, output, trial, given)
    if output is None:
        print(text, end="")
    else:
        print(
            f"wrote {output}; run it with: lth-bench run {shlex.quote(str(output))}"
            f"{results_option(path)}",
            file=sys.stderr,
        )
    return 0


def _found(path: Path, summary: TuneSummary) -> tuple[list[Study], dict[str, StudyGain]]:
    """The studies of this search from the database, and their gains."""
    from lth_bench.analysis.gains import study_gains
    from lth_bench.store.reading import reading, to_stderr
    from lth_bench.store.trials import read_studies

    ids = {study.goal.study_id for study in summary.studies}
    with reading(path, to_stderr) as con:
        studies = [s for s in read_studies(con) if s.study_id in ids]
        return studies, study_gains(con, studies)

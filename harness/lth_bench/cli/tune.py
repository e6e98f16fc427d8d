"""`lth-bench tune`: find each strategy's best parameters, and measure what that buys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lth_bench.cli.options import (
    AddOption,
    DatasetsOption,
    ExactWidthOption,
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
    WidthOption,
)

if TYPE_CHECKING:
    from lth_bench.recorder import Summary
    from lth_bench.store.trials import Study, Trial
    from lth_bench.suite.spec import Suite
    from lth_bench.tuning.final import Gain
    from lth_bench.tuning.run import TuneSummary

FRONT = 8
"""Trials of a front that are printed, at most."""


def tune(
    suite: SuiteArgument,
    results: ResultsOption = None,
    device: Annotated[
        str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, …", metavar="D")
    ] = "auto",
    workers: Annotated[
        int | None,
        typer.Option("--workers", help="Worker processes (one a GPU, or one a core).", metavar="N"),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget",
            metavar="UNIT=N",
            help="What each strategy may spend: trials=20, steps=100000 or minutes=10.",
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
        bool, typer.Option("--no-final", help="Only search; run no tuned settings on fresh seeds.")
    ] = False,
    best: Annotated[
        bool,
        typer.Option("--best", help="Print a suite with what is found so far; search nothing."),
    ] = False,
    trial: Annotated[
        int | None,
        typer.Option(
            "--trial",
            metavar="N",
            min=0,
            help="With --best and -s LABEL: take this trial, such as another one of a front.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Write the suite of --best to this file."),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage",
            metavar="URL",
            help="Database of the studies; one that a suite names is opened only with this.",
        ),
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin these studies anew; trainings are kept.")
    ] = False,
    take_over: Annotated[
        bool,
        typer.Option(
            "--take-over",
            help="Run the trials that other processes have begun and not ended: they are gone.",
        ),
    ] = False,
    smoke: SmokeOption = False,
    width: WidthOption = "auto",
    exact_width: ExactWidthOption = False,
    timeout: TimeoutOption = None,
    json_: JsonOption = False,
) -> int:
    """Tune a suite's strategies with the same budget for each, as its table `tune` says.

    The search sees the validation split and its own seeds only. Then the suite's own and the tuned
    settings are run at the suite's seeds and measured on the test split. The same command goes on
    where it stopped.
    """
    import json
    import math
    import shlex
    import sys

    from lth_bench.cli.durations import read_duration
    from lth_bench.cli.load import load
    from lth_bench.cli.width import read_width
    from lth_bench.errors import UserError
    from lth_bench.runner import Settings, require_writable
    from lth_bench.store.paths import default_results

    path: Path = results or default_results()
    command = shlex.join(["lth-bench", *sys.argv[1:]])
    limit = math.inf if timeout is None else read_duration("--timeout", timeout)
    filters = (seeds, strategy, model, dataset)
    changes = [*(set_ or ()), *_budget(budget)]
    if storage is not None:
        changes.append(f"tune.storage={json.dumps(storage)}")
    loaded, registry = load(
        suite, *filters, changes, plugin, smoke, command, add, no_plugins
    )  # fmt: skip
    if output is not None and not best:
        raise UserError("--output says where --best writes to; give both")
    if trial is not None and not best:
        raise UserError("--trial says which trial --best takes; give both")
    if best:
        return _best(path, loaded, output, trial, suite)
    require_writable(path)
    settings = Settings(
        path,
        device,
        workers,
        tuple(plugin or ()),
        not no_plugins,
        command,
        read_width(width),
        exact_width,
        limit,
    )
    from lth_bench.report.progress import make_progress as run_progress
    from lth_bench.tuning.final import run_final
    from lth_bench.tuning.progress import make_progress
    from lth_bench.tuning.run import tune_suite

    summary = tune_suite(loaded, registry, settings, make_progress(), restart, take_over)
    studies, _ = _found(path, summary)
    final = None
    whole = not summary.interrupted and not summary.elsewhere
    if whole and not no_final and any(s.best for s in studies):
        worth = [s for s in studies if s.best is not None]
        final = run_final(loaded, worth, registry, settings, run_progress(), smoke)
    studies, bought = _found(path, summary)
    code = summary.exit_code or (final.exit_code if final is not None else 0)
    if json_:
        typer.echo(json.dumps(_document(loaded, path, summary, final, studies, bought, code)))
    else:
        _conclude(loaded, suite, path, summary, final, studies, bought)
    return code


def _budget(text: str | None) -> list[str]:
    """`trials=20` as a change of the suite."""
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

    from lth_bench.tuning.freeze import write_best

    text = write_best(path, suite, output, trial, given)
    if output is None:
        typer.echo(text, nl=False)
    else:
        print(f"written: {output} (lth-bench run {shlex.quote(str(output))})", file=sys.stderr)
    return 0


def _found(path: Path, summary: TuneSummary) -> tuple[list[Study], dict[str, Gain]]:
    """The studies of this tuning as the database has them, and what they bought."""
    from lth_bench.store.reading import reading, to_stderr
    from lth_bench.store.trials import read_studies
    from lth_bench.tuning.final import gains

    ids = {study.goal.study_id for study in summary.studies}
    with reading(path, to_stderr) as con:
        studies = [s for s in read_studies(con) if s.study_id in ids]
        return studies, gains(con, studies)


def _document(
    suite: Suite,
    path: Path,
    summary: TuneSummary,
    final: Summary | None,
    studies: list[Study],
    bought: dict[str, Gain],
    code: int,
) -> dict[str, Any]:
    rows = [_row(study, bought.get(study.study_id)) for study in studies]
    return {
        "run_id": summary.run_id,
        "suite": suite.name,
        "studies": rows,
        "trials": dict(summary.told),
        "seconds": summary.seconds,
        "training_seconds": summary.training_seconds,
        "workers": summary.workers,
        "interrupted": summary.interrupted,
        "elsewhere": summary.elsewhere,
        "final": None if final is None else {"statuses": dict(final.statuses)},
        "results": str(path),
        "exit_code": code,
    }


def _row(study: Study, gain: Gain | None) -> dict[str, Any]:
    best, own = study.best, study.default
    states = [trial.state for trial in study.trials]
    row: dict[str, Any] = {
        "study_id": study.study_id,
        "model": study.model,
        "dataset": study.dataset,
        "recipe": study.recipe,
        "label": study.label,
        "objectives": list(study.objectives),
        "trials": len(states),
        **{state: states.count(state) for state in ("complete", "pruned", "failed")},
        "default": None if own is None else list(own.values),
        "best": None if best is None else list(best.values),
        "best_trial": None if best is None else best.number,
        "params": None if best is None else dict(best.params),
        "front": [t.number for t in study.front] if len(study.objectives) > 1 else None,
        "steps": study.steps,
        "seconds": study.seconds,
        "gain": None,
    }
    if gain is not None:
        row["gain"] = {
            "mean": gain.interval.mean,
            "low": gain.interval.low,
            "high": gain.interval.high,
            "n": gain.interval.n,
            "default_test_accuracy": gain.own,
            "densities": list(gain.densities),
        }
    return row


def _conclude(
    suite: Suite,
    given: str,
    path: Path,
    summary: TuneSummary,
    final: Summary | None,
    studies: list[Study],
    bought: dict[str, Gain],
) -> None:
    """The table on stdout, the rest on stderr."""
    import shlex
    import sys

    from rich.markup import escape

    from lth_bench.cli.output import console, table
    from lth_bench.redact import redacted
    from lth_bench.report.progress import duration
    from lth_bench.store.paths import Paths, default_results

    out = console()
    tune = suite.tune
    assert tune is not None
    names = " and ".join(tune.objectives)
    several = len(tune.objectives) > 1
    tested = bool(bought) or final is not None
    columns = ["task", "strategy", "trials", f"own {names}"]
    columns += ["front"] if several else [f"best {names}", "best settings"]
    columns += [*(["tuned − own, test"] if tested else []), "cost"]
    shown = table(*columns)
    shown.columns[0].no_wrap = not out.is_terminal  # a log is searched for whole names
    for study in sorted(studies, key=lambda s: s.task):
        row = _row(study, bought.get(study.study_id))
        lost = ", ".join(f"{row[s]} {s}" for s in ("pruned", "failed") if row[s])
        shown.add_row(
            escape("/".join(study.task)),
            escape(study.label),
            f"{row['trials']}" + (f" ({lost})" if lost else ""),
            _values(row["default"]),
            *([f"{len(study.front)} trials"] if several else [
                _values(row["best"]), escape(_settings(study.best))
            ]),
            *([_gain(bought.get(study.study_id))] if tested else []),
            f"{study.steps:,} steps",
        )  # fmt: skip
    out.print(shown)
    used = {seed for study in studies for seed in study.seeds}
    seeds = ", ".join(str(seed) for seed in suite.seeds if seed not in used)
    legend = (
        f"own, {'front' if several else 'best'}: on the validation split at tuning's own seeds."
    )
    if tested:
        legend += (
            " tuned − own: test accuracy in points, mean over the densities with its paired 95%"
            f" interval, at seeds {seeds}."
        )
    legend += " cost: training steps as if nothing were shared."
    out.print(legend, style="dim", markup=False)
    for study in studies if several else ():
        for line in _front(study):
            out.print(line, markup=False, soft_wrap=True)
    if several:
        out.print(
            "tuned, and --best: of each front the best by the first objective, marked *."
            " --best -s LABEL --trial N takes another.",
            style="dim",
            markup=False,
        )

    def say(text: str) -> None:
        print(text, file=sys.stderr)

    ended = ", ".join(f"{n} {state}" for state, n in sorted(summary.told.items()))
    say(f"{suite.name}: {ended or 'nothing to search'} in {duration(summary.seconds)}")
    for note in [*summary.notes, *(final.notes if final is not None else ())]:
        say(note)
    if summary.interrupted or (final is not None and final.interrupted):
        say("interrupted; what is finished is kept, and the same command goes on from there")
        return
    if n := summary.elsewhere:
        trials = f"{n} trial{'s are' if n > 1 else ' is'}"
        say(
            f"{trials} still under way in other processes: this is not the whole study yet, and "
            f"nothing is compared at the suite's seeds. The process that ends last does that, or "
            f"the same command later; with --take-over if those processes are gone"
        )
    where = "" if path == default_results() else f" --results {shlex.quote(str(path))}"
    store = redacted(tune.storage) if tune.storage else Paths(path).tuning
    say(f"a suite with what was found: lth-bench tune {shlex.quote(given)} --best{where}")
    say(f"studies: {store} (optuna-dashboard {shlex.quote(str(store))})")


def _values(values: list[float] | None) -> str:
    return "-" if not values else " / ".join(f"{value:.4g}" for value in values)


def _front(study: Study) -> list[str]:
    """A heading, and a line for each trial of the front, or for some of many."""
    from lth_bench.report.evidence.choice import spread

    members = sorted(study.front, key=lambda t: (t.values[-1], t.number))
    if not members:
        return []
    some = spread(members, FRONT)
    if study.best is not None and study.best not in some:
        some = [study.best, *some]
    more = f", {len(some)} of {len(members)}" if len(some) < len(members) else ""
    lines = [f"front of {study.label} on {'/'.join(study.task)}{more}:"]
    for t in some:
        values = ", ".join(f"{n} {v:.4g}" for n, v in zip(study.objectives, t.values, strict=True))
        mark = "*" if study.best is not None and t.number == study.best.number else " "
        lines.append(f" {mark} #{t.number}: {values}: {_settings(t)}")
    return lines


def _settings(trial: Trial | None) -> str:
    """A trial's parameters; the density of a front is an objective, and none of them."""
    if trial is None:
        return "none has a value"
    if trial.origin == "default":
        return "the suite's own"
    params = {k: v for k, v in trial.params.items() if not k.startswith("task.")}
    shown = (f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in params.items())
    return ", ".join(shown)


def _gain(gain: Gain | None) -> str:
    if gain is None:
        return "-"
    i = gain.interval
    half = "" if i.half_width is None else f" ± {100 * i.half_width:.2f}"
    return f"{100 * i.mean:+.2f}{half} (n {i.n})"

"""The output of `lth-bench tune`: a table for people, a document for programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lth_bench.analysis.gains import StudyGain
    from lth_bench.running.recorder import RunSummary
    from lth_bench.store.trials import Study, Trial
    from lth_bench.suite.spec import Suite
    from lth_bench.tuning.loop import TuneSummary

FRONT = 8
"""Trials of a front that are printed at most."""


def document(
    suite: Suite,
    path: Path,
    *,
    summary: TuneSummary,
    final: RunSummary | None,
    studies: list[Study],
    gained: dict[str, StudyGain],
    code: int,
) -> dict[str, Any]:
    """The document of `tune --json`; `code` is the exit code."""
    rows = [_row(study, gained.get(study.study_id)) for study in studies]
    return {
        "run_id": summary.run_id,
        "suite": suite.name,
        "studies": rows,
        "trials": dict(summary.ended),
        "seconds": summary.seconds,
        "training_seconds": summary.training_seconds,
        "workers": summary.workers,
        "interrupted": summary.interrupted,
        "elsewhere": summary.elsewhere,
        "final": None if final is None else {"statuses": dict(final.statuses)},
        "results": str(path),
        "exit_code": code,
    }


def _row(study: Study, gain: StudyGain | None) -> dict[str, Any]:
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
            "metric": gain.measure.name,
            "higher_is_better": gain.measure.higher,
            "default_score": gain.own,
            "default_test_accuracy": gain.own if gain.measure.name == "test_accuracy" else None,
            "densities": list(gain.densities),
        }
    return row


def conclude(
    suite: Suite,
    given: str,
    *,
    path: Path,
    summary: TuneSummary,
    final: RunSummary | None,
    studies: list[Study],
    gained: dict[str, StudyGain],
) -> None:
    """Print the table on stdout, the rest on stderr."""
    import shlex
    import sys

    from rich.markup import escape

    from lth_bench.cli.output import console, table
    from lth_bench.output.words import duration
    from lth_bench.output.workers import summed_up
    from lth_bench.store.paths import Paths, results_option
    from lth_bench.system.text import redacted

    out = console()
    tune = suite.tune
    assert tune is not None
    by_place = zip(*(study.objectives for study in studies), strict=True)
    names = " and ".join(" or ".join(dict.fromkeys(place)) for place in by_place)
    names = names or " and ".join(tune.objectives)
    several = len(tune.objectives) > 1
    tested = bool(gained) or final is not None
    columns = ["task", "strategy", "trials", f"own {names}"]
    columns += ["front"] if several else [f"best {names}", "best settings"]
    columns += [*(["tuned − own, test"] if tested else []), "cost"]
    shown = table(*columns)
    shown.columns[0].no_wrap = not out.is_terminal  # so that names in a log can be searched
    for study in sorted(studies, key=lambda s: s.task):
        row = _row(study, gained.get(study.study_id))
        lost = ", ".join(f"{row[s]} {s}" for s in ("pruned", "failed") if row[s])
        shown.add_row(
            escape("/".join(study.task)),
            escape(study.label),
            f"{row['trials']}" + (f" ({lost})" if lost else ""),
            _values(row["default"]),
            *([f"{len(study.front)} trials"] if several else [
                _values(row["best"]), escape(_settings(study.best))
            ]),
            *([_gain(gained.get(study.study_id))] if tested else []),
            f"{study.steps:,} steps",
        )  # fmt: skip
    out.print(shown)
    used = {seed for study in studies for seed in study.seeds}
    seeds = ", ".join(str(seed) for seed in suite.seeds if seed not in used)
    legend = (
        f"own, {'front' if several else 'best'}: on the validation split, at tuning's own seeds."
    )
    if tested:
        measures = dict.fromkeys(gain.measure for gain in gained.values())
        said = (f"{m.words} in {m.difference_unit}" if m.difference_unit else m.words
                for m in measures)  # fmt: skip
        legend += (
            f" tuned − own: difference of {' or '.join(said) or 'the metric'}, averaged over the"
            f" densities, with its paired 95% interval, at seeds {seeds}."
        )
    legend += " cost: training steps, without sharing."
    out.print(legend, style="dim", markup=False)
    for study in studies if several else ():
        for line in _front(study):
            out.print(line, markup=False, soft_wrap=True)
    if several:
        out.print(
            "*: the best of the front by the first objective, used as the tuned settings and by"
            " --best. Choose another with --best -s LABEL --trial N.",
            style="dim",
            markup=False,
        )

    def say(text: str) -> None:
        print(text, file=sys.stderr)

    ended = ", ".join(f"{n} {state}" for state, n in sorted(summary.ended.items()))
    say(f"{suite.name}: {ended or 'no new trials'} in {duration(summary.seconds)}")
    if (workers := summed_up(summary.uses)) is not None:
        say(workers)
    for note in [*summary.notes, *(final.notes if final is not None else ())]:
        say(note)
    if summary.interrupted or (final is not None and final.interrupted):
        say("interrupted; finished trials are kept, rerun the command to resume")
        return
    if n := summary.elsewhere:
        trials = f"{n} trial{'s are' if n > 1 else ' is'}"
        say(
            f"{trials} still running in other processes, so the study is incomplete and nothing is "
            f"compared at the suite's seeds yet. The last process to finish does that. Or rerun "
            f"the command later, with --take-over if those processes have ended"
        )
    where = results_option(path)
    store = redacted(tune.storage) if tune.storage else Paths(path).tuning
    best = f"lth-bench tune {shlex.quote(given)} --best{where}"
    say(f"for a suite with the tuned settings: {best}")
    say(f"studies: {store} (optuna-dashboard {shlex.quote(str(store))})")


def _values(values: list[float] | None) -> str:
    return "-" if not values else " / ".join(f"{value:.4g}" for value in values)


def _front(study: Study) -> list[str]:
    """A heading, and a line for each trial of the front, or for a selection of a long one."""
    from lth_bench.analysis.evidence.subject import spread
    from lth_bench.analysis.studies import front_in_order

    members = front_in_order(study)
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
    """A trial's parameters, without the density, which is an objective."""
    if trial is None:
        return "no trial has a value"
    if trial.origin == "default":
        return "the suite's own"
    params = {k: v for k, v in trial.params.items() if not k.startswith("task.")}
    shown = (f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in params.items())
    return ", ".join(shown)


def _gain(gain: StudyGain | None) -> str:
    if gain is None:
        return "-"
    i = gain.interval
    return f"{gain.measure.difference_with_half(i.mean, i.high)} (n {i.n})"

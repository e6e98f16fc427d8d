"""Progress of tuning on stderr: a bar for each study on a terminal, else a line for each trial."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from lth_bench.output.progress import describe_all, stopping
from lth_bench.store.trials import TIE
from lth_bench.tuning.goal import DENSITY
from lth_bench.tuning.study import RunningStudy, TrialResult


class TuneProgress(Protocol):
    """Shows the progress of tuning."""

    def begin(self, studies: Sequence[RunningStudy], workers: int) -> None: ...
    def event(self, record: dict[str, Any]) -> None: ...
    def trial(self, study: RunningStudy, number: int, result: TrialResult) -> None: ...
    def end(self) -> None: ...


def make_progress() -> TuneProgress:
    """The display that suits where stderr goes."""
    console = Console(stderr=True)
    return TrialBars(console) if console.is_terminal else TrialLines()


class _Score:
    """The best of each study so far."""

    def __init__(self, studies: Sequence[RunningStudy]) -> None:
        self.values: dict[str, dict[int, float]] = {}
        self.done: dict[str, int] = {}
        for study in studies:
            key = study.goal.name
            ended = [t for t in study.trials if t.state.is_finished()]
            self.done[key] = len(ended)
            for trial in ended:
                if trial.state.name == "COMPLETE":
                    self.see(study, trial.number, trial.values[0])

    def see(self, study: RunningStudy, number: int, value: float) -> None:
        self.values.setdefault(study.goal.name, {})[number] = value

    def add(self, study: RunningStudy, number: int, result: TrialResult) -> None:
        self.done[study.goal.name] += 1
        if result.values:
            self.see(study, number, result.values[0])

    def so_far(self, study: RunningStudy) -> str:
        values = self.values.get(study.goal.name)
        if not values or len(study.goal.objective.names) > 1:
            return ""  # two objectives have a front and no single best
        highest = study.goal.objective.directions[0] == "maximize"
        top = max(values.values()) if highest else min(values.values())
        number = min(n for n, value in values.items() if abs(value - top) <= TIE)
        return f"best {values[number]:.4g} at #{number}"


class TrialLines:
    """One line for each trial, for logs and pipes."""

    def begin(self, studies: Sequence[RunningStudy], workers: int) -> None:
        self.score = _Score(studies)
        _say(opening(studies, workers))

    def event(self, record: dict[str, Any]) -> None:
        text = _trouble(record)
        if text:
            _say(text)

    def trial(self, study: RunningStudy, number: int, result: TrialResult) -> None:
        self.score.add(study, number, result)
        values = " ".join(f"{v:.4g}" for v in result.values) or result.reason or ""
        count, best = _count(study, self.score), self.score.so_far(study)
        best = f" ({best})" if best else ""
        _say(
            f"[{count}] {result.state:<8} {_name(study)} #{number} {values}{best}:"
            f" {_params(study.running[number].params)}"
        )

    def end(self) -> None:
        pass


class TrialBars:
    """A progress bar for each study."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.bars = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[best]}"),
            console=console,
            transient=True,
        )
        self.tasks: dict[str, Any] = {}

    def begin(self, studies: Sequence[RunningStudy], workers: int) -> None:
        self.score = _Score(studies)
        self.console.print(opening(studies, workers), highlight=False)
        for study in studies:
            key = study.goal.name
            self.tasks[key] = self.bars.add_task(
                _name(study), total=_total(study), completed=self.score.done[key],
                count=_count(study, self.score), best=self.score.so_far(study),
            )  # fmt: skip
        self.bars.start()

    def event(self, record: dict[str, Any]) -> None:
        text = _trouble(record)
        if text:
            self.bars.console.print(text, style="yellow", markup=False)

    def trial(self, study: RunningStudy, number: int, result: TrialResult) -> None:
        self.score.add(study, number, result)
        key = study.goal.name
        self.bars.update(
            self.tasks[key], completed=self.score.done[key], count=_count(study, self.score),
            best=self.score.so_far(study),
        )  # fmt: skip
        if result.state == "failed":
            text = f"failed {_name(study)} #{number}: {result.reason}"
            self.bars.console.print(text, style="yellow", markup=False)

    def end(self) -> None:
        self.bars.stop()


def opening(studies: Sequence[RunningStudy], workers: int) -> str:
    """What is about to happen, in one line."""
    suite, tune = studies[0].goal.suite, studies[0].goal.tune
    ((unit, limit),) = tune.budget.given.items()
    own = ", ".join(map(str, studies[0].goal.objective.seeds))
    several = f"{len(studies)} studies" if len(studies) > 1 else "one study"
    return (
        f"{suite.name}: {several} of {limit:g} {unit} by {tune.sampler} for"
        f" {' and '.join(tune.objectives)} on the validation split, seeds {own},"
        f" {workers} worker{'s' * (workers != 1)}"
    )


def _trouble(record: dict[str, Any]) -> str:
    if record.get("event") == "retry":
        return f"retry    {describe_all(record['experiments'])}: worker {record['reason']}"
    if record.get("event") == "observer":
        return str(record["message"])
    if record.get("event") == "stopping":
        return stopping(record)
    return ""


def _name(study: RunningStudy) -> str:
    model, dataset, recipe = study.goal.labels
    return f"{study.goal.spec.label} {model}/{dataset}/{recipe}"


def _total(study: RunningStudy) -> int | None:
    return study.goal.tune.budget.trials


def _count(study: RunningStudy, score: _Score) -> str:
    total, done = _total(study), score.done[study.goal.name]
    return f"{done}/{total}" if total else f"{done}"


def _params(params: Any) -> str:
    own = {k: v for k, v in params.items() if k != DENSITY}  # it is among the objectives
    shown = (f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in own.items())
    return " ".join(shown)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

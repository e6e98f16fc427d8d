"""How far a tuning is: a bar a study on a terminal, one line a trial elsewhere. On stderr."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from lth_bench.output.progress import describe_all, stopping
from lth_bench.store.trials import TIE
from lth_bench.tuning.goal import DENSITY
from lth_bench.tuning.study import Study, Told


class TuneProgress(Protocol):
    """What shows a person how far a tuning is."""

    def begin(self, studies: Sequence[Study], workers: int) -> None: ...
    def event(self, record: dict[str, Any]) -> None: ...
    def trial(self, study: Study, number: int, told: Told) -> None: ...
    def end(self) -> None: ...


def make_progress() -> TuneProgress:
    """The display that suits where stderr goes."""
    console = Console(stderr=True)
    return Live(console) if console.is_terminal else Lines()


class _Score:
    """The best of each study so far."""

    def __init__(self, studies: Sequence[Study]) -> None:
        self.values: dict[str, dict[int, float]] = {}
        self.done: dict[str, int] = {}
        for study in studies:
            key = study.goal.name
            ended = [t for t in study.trials if t.state.is_finished()]
            self.done[key] = len(ended)
            for trial in ended:
                if trial.state.name == "COMPLETE":
                    self.see(study, trial.number, trial.values[0])

    def see(self, study: Study, number: int, value: float) -> None:
        self.values.setdefault(study.goal.name, {})[number] = value

    def ended(self, study: Study, number: int, told: Told) -> None:
        self.done[study.goal.name] += 1
        if told.values:
            self.see(study, number, told.values[0])

    def so_far(self, study: Study) -> str:
        values = self.values.get(study.goal.name)
        if not values or len(study.goal.objective.names) > 1:
            return ""  # of two objectives there is a front, and no best
        highest = study.goal.objective.directions[0] == "maximize"
        top = max(values.values()) if highest else min(values.values())
        number = min(n for n, value in values.items() if abs(value - top) <= TIE)
        return f"best {values[number]:.4g} at #{number}"


class Lines:
    """One line a trial, for logs and pipes."""

    def begin(self, studies: Sequence[Study], workers: int) -> None:
        self.score = _Score(studies)
        _say(opening(studies, workers))

    def event(self, record: dict[str, Any]) -> None:
        text = _trouble(record)
        if text:
            _say(text)

    def trial(self, study: Study, number: int, told: Told) -> None:
        self.score.ended(study, number, told)
        values = " ".join(f"{v:.4g}" for v in told.values) or told.reason or ""
        count, best = _count(study, self.score), self.score.so_far(study)
        best = f" ({best})" if best else ""
        _say(
            f"[{count}] {told.state:<8} {_name(study)} #{number} {values}{best}:"
            f" {_params(study.running[number].params)}"
        )

    def end(self) -> None:
        pass


class Live:
    """A bar a study."""

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

    def begin(self, studies: Sequence[Study], workers: int) -> None:
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

    def trial(self, study: Study, number: int, told: Told) -> None:
        self.score.ended(study, number, told)
        key = study.goal.name
        self.bars.update(
            self.tasks[key], completed=self.score.done[key], count=_count(study, self.score),
            best=self.score.so_far(study),
        )  # fmt: skip
        if told.state == "failed":
            text = f"failed {_name(study)} #{number}: {told.reason}"
            self.bars.console.print(text, style="yellow", markup=False)

    def end(self) -> None:
        self.bars.stop()


def opening(studies: Sequence[Study], workers: int) -> str:
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


def _name(study: Study) -> str:
    model, dataset, recipe = study.goal.labels
    return f"{study.goal.spec.label} {model}/{dataset}/{recipe}"


def _total(study: Study) -> int | None:
    return study.goal.tune.budget.trials


def _count(study: Study, score: _Score) -> str:
    total, done = _total(study), score.done[study.goal.name]
    return f"{done}/{total}" if total else f"{done}"


def _params(params: Any) -> str:
    own = {k: v for k, v in params.items() if k != DENSITY}  # which is among the values
    shown = (f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in own.items())
    return " ".join(shown)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

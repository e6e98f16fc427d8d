"""Progress on stderr: bars on a terminal, one line an event elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from lth_bench.output.words import counted
from lth_bench.running.progress import (
    Event,
    ExperimentStarted,
    Listener,
    Note,
    Recorded,
    Retried,
    RunEnded,
    RunStarted,
    StepsTrained,
    Stopping,
    StudyProgress,
    TrialEnded,
    TuningStarted,
    title,
)


def make_progress(console: Console | None = None) -> Listener:
    """Draws the events of one run, or of one tuning, as suits where stderr goes."""
    return ProgressDisplay(console or Console(stderr=True))


class Meter:
    """Planned and finished work in steps. Trainings that are found count as finished at once."""

    def __init__(self) -> None:
        self.weights: dict[str, int] = {}
        self.done_steps = 0
        self.done = 0
        self.failed = 0
        self.trained_steps = 0
        self._counted: dict[str, int] = {}
        self._tickets: set[str] = set()
        self.began = time.monotonic()

    @property
    def total(self) -> int:
        return sum(self.weights.values())

    def ticket(self, record: Mapping[str, Any]) -> None:
        """A finished round counts once: an experiment that changes the worker repeats it."""
        if record["ticket_id"] in self._tickets:
            return
        self._tickets.add(record["ticket_id"])
        identity = record["experiment_id"]
        weight, before = self.weights.get(identity, 0), self._counted.get(identity, 0)
        step = min(int(record["cost"]["steps"]), weight - before)
        self._counted[identity] = before + step
        self.done_steps += step

    def finished(self, record: Mapping[str, Any]) -> None:
        """An experiment's end: what remained of its weight is done too."""
        identity = record["experiment_id"]
        weight = self.weights.get(identity, 0)
        self.done_steps += weight - self._counted.get(identity, 0)
        self._counted[identity] = weight
        self.done += 1
        self.failed += record["status"] not in ("ok", "skipped")

    def remaining(self) -> float | None:
        """Seconds left at the rate so far, or None while that would be a guess."""
        elapsed = time.monotonic() - self.began
        if self.done_steps < 0.1 * self.total or elapsed < 3:
            return None
        return elapsed * (self.total - self.done_steps) / max(1, self.done_steps)

    def rate(self) -> float:
        """Steps a second that were really trained."""
        return self.trained_steps / max(1e-9, time.monotonic() - self.began)


class ProgressDisplay:
    """Draws events. On a terminal, bars stand below the lines, and success is only counted."""

    def __init__(self, console: Console) -> None:
        self.console, self.terminal = console, console.is_terminal
        self.meter = Meter()
        self.titles: dict[str, str] = {}
        self.bars: Progress | None = None
        self.tasks: dict[str, TaskID] = {}

    def __call__(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._run_started(event)
            case ExperimentStarted(experiment):
                self.titles[experiment.experiment_id] = title(experiment)
            case Recorded(record) if event.ends:
                self.meter.finished(record)
                self._experiment_ended(record)
            case Recorded(record):
                self.meter.ticket(record)
            case StepsTrained(steps):
                self.meter.trained_steps += steps
            case Retried(experiments, reason):
                first, *others = experiments
                what = title(first)
                what += f" and {counted(len(others), 'other')} of its worker" if others else ""
                self._say(f"retry    {what}: {reason}", style="yellow")
            case Note(message):
                self._say(message, style="yellow")
            case Stopping(grace):
                self._say(
                    f"stopping: saving the running trainings, for at most {grace:.0f} s; press "
                    f"Ctrl-C again to stop at once",
                    style="yellow",
                )
            case TuningStarted():
                self._tuning_started(event)
            case TrialEnded():
                self._trial_ended(event)
            case RunEnded():
                if self.bars is not None:
                    self.bars.stop()
        self._update_run()

    def _run_started(self, event: RunStarted) -> None:
        self.meter.weights = dict(event.steps)
        self.titles = dict(event.titles)
        self._say(opening(event))
        if self.terminal and event.steps:
            self.bars = Progress(
                SpinnerColumn(),
                TextColumn("[bold]{task.description}"),
                BarColumn(bar_width=None),
                TextColumn("{task.fields[counts]}"),
                TimeElapsedColumn(),
                TextColumn("{task.fields[remaining]}"),
                console=self.console,
                transient=True,
            )
            self.tasks["run"] = self.bars.add_task(
                event.suite, total=self.meter.total, counts="", remaining=""
            )
            self.bars.start()

    def _update_run(self) -> None:
        if self.bars is None or "run" not in self.tasks:
            return
        meter = self.meter
        remaining = meter.remaining()
        failed = f", {meter.failed} failed" if meter.failed else ""
        self.bars.update(
            self.tasks["run"],
            completed=meter.done_steps,
            counts=f"{meter.done}/{len(meter.weights)} experiments{failed}, "
            f"{meter.rate():,.0f} steps/s",
            remaining=f"{duration(remaining)} left" if remaining is not None else "",
        )

    def _experiment_ended(self, record: Mapping[str, Any]) -> None:
        status, reason = record["status"], record["reason"]
        what = self.titles.get(record["experiment_id"], record["experiment_id"])
        if self.terminal:
            if status != "ok":
                self._say(f"{status} {what}: {reason or ''}", style="yellow")
            return
        meter = self.meter
        digits = len(str(len(meter.weights)))
        head = f"[{meter.done:>{digits}}/{len(meter.weights)}]"
        remaining = meter.remaining()
        tail = f", about {duration(remaining)} left" if remaining is not None else ""
        seconds = f" in {record['seconds']:.1f} s" if record["seconds"] is not None else ""
        self._say(f"{head} {status:<8} {what}{seconds}{f': {reason}' if reason else ''}{tail}")

    def _tuning_started(self, event: TuningStarted) -> None:
        self._say(event.opening)
        if not self.terminal:
            return
        self.bars = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[best]}"),
            console=self.console,
            transient=True,
        )
        for study in event.studies:
            self.tasks[study.name] = self.bars.add_task(
                study.name, total=study.total, completed=study.done, count=count(study),
                best=study.best,
            )  # fmt: skip
        self.bars.start()

    def _trial_ended(self, event: TrialEnded) -> None:
        study, status = event.study, event.status
        if self.bars is not None:
            self.bars.update(
                self.tasks[study.name], completed=study.done, count=count(study), best=study.best
            )
            if status == "failed":
                self._say(f"failed {study.name} #{event.number}: {event.reason}", style="yellow")
            return
        values = " ".join(f"{v:.4g}" for v in event.values) or event.reason or ""
        best = f" ({study.best})" if study.best else ""
        self._say(
            f"[{count(study)}] {status:<8} {study.name} #{event.number} {values}{best}:"
            f" {event.params}"
        )

    def _say(self, text: str, style: str | None = None) -> None:
        """One line: on a terminal above the bars."""
        if self.terminal:
            self.console.print(text, style=style, markup=False, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)


def opening(event: RunStarted) -> str:
    """What is about to happen, in one line."""
    kept = event.planned - len(event.steps)
    done = f", {kept:,} of them done already" if kept else ""
    experiments = counted(event.planned, "experiment")
    if not event.steps:
        return f"{event.suite}: nothing to do, {experiments} done already"
    return (
        f"{event.suite}: {experiments}{done}, about {counted(event.trainings, 'training')}, "
        f"{counted(event.workers, 'worker')}"
    )


def count(study: StudyProgress) -> str:
    """Trials that have ended, of how many."""
    return f"{study.done}/{study.total}" if study.total else f"{study.done}"


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"

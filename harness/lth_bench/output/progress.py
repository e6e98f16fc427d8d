"""Progress on stderr: bars on a terminal, one line an event elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from lth_bench.analysis.card.so_far import BestSoFar, Leader
from lth_bench.output.meter import Meter
from lth_bench.output.words import counted, duration, remaining
from lth_bench.output.workers import doing, lateness
from lth_bench.running.progress import (
    Begun,
    CaughtUp,
    Event,
    ExperimentStarted,
    Listener,
    Note,
    Recorded,
    Repeated,
    Retried,
    RunEnded,
    RunStarted,
    SeedsAdded,
    StepsTrained,
    Stopping,
    Straggling,
    StudyProgress,
    TrialEnded,
    TuningStarted,
    WorkersUsed,
    title,
)
from lth_bench.running.usage import WorkerUse
from lth_bench.system.text import printable

BEST_EVERY = 60.0
"""Seconds between lines that tell the best so far, where there is no terminal."""
MOST_TASKS = 6
"""Tasks whose best method is shown."""
MOST_RUNNING = 3
"""Running experiments that are named."""


def make_progress(console: Console | None = None) -> Listener:
    """Draws the events of one run, or of one tuning, as suits where stderr goes."""
    return ProgressDisplay(console or Console(stderr=True))


class LiveBars(Progress):
    """Bars, and lines below them, which are asked for at every drawing: time goes on without
    events.
    """

    below: Callable[[], Iterable[Text]] = tuple

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bars, then the lines."""
        lines = list(self.below())
        yield from super().get_renderables()
        yield from lines


class ProgressDisplay:
    """Draws events. On a terminal, bars stand below the lines, and success is only counted."""

    def __init__(self, console: Console) -> None:
        self.console, self.terminal = console, console.is_terminal
        self.meter = Meter()
        self.titles: dict[str, str] = {}
        self.running: dict[str, None] = {}
        self.best = BestSoFar()
        self.best_lines: tuple[Text, ...] = ()
        """As drawn, which another thread does."""
        self.uses: Sequence[WorkerUse] = ()
        self.late: dict[str, tuple[Straggling, float]] = {}
        """experiment_id → what was told of it, and when, by `time.monotonic`."""
        self._best_told = time.monotonic()
        self._best_said: tuple[Text, ...] = ()
        self.bars: LiveBars | None = None
        self.tasks: dict[str, TaskID] = {}

    def __call__(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._run_started(event)
            case SeedsAdded():
                self.meter.add(event.steps)
                self.titles |= event.titles
                self.best.add(event.experiments)
            case ExperimentStarted(experiment):
                self.titles[experiment.experiment_id] = title(experiment)
                self._begin(experiment.experiment_id)
            case Begun(identity):
                self._begin(identity)
            case CaughtUp(records):
                self._catch_up(records)
            case Recorded(record):
                self._take(record)
                if event.ends:
                    self._experiment_ended(record)
            case StepsTrained(steps):
                self.meter.trained_steps += steps
            case Retried(experiments, reason):
                self._retry([title(e) for e in experiments], reason)
            case Repeated(titles, reason):
                self._retry(titles, reason)
            case WorkersUsed(uses):
                self.uses = uses
                self._tell_best()
            case Straggling():
                self._straggle(event)
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

    def _run_started(self, event: RunStarted) -> None:
        self.meter.start(event.steps, event.seconds, event.elapsed)
        self.best = BestSoFar(event.experiments, event.headline)
        self.titles = dict(event.titles)
        self._say(opening(event))
        if self.terminal and event.steps:
            self.bars = LiveBars(
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
            task = self.bars.tasks[0]
            task.start_time = task.get_time() - event.elapsed
            self.bars.below = self._below
            self.bars.start()

    def _begin(self, identity: str) -> None:
        self.running[identity] = None
        self.late.pop(identity, None)

    def _retry(self, titles: Sequence[str], reason: str) -> None:
        first, *others = titles
        what = f"{first} and {counted(len(others), 'other')} of its worker" if others else first
        self._say(f"retry    {what}: {reason}", style="yellow")

    def _straggle(self, event: Straggling) -> None:
        """On a terminal it stands below the bars as long as it runs."""
        if event.ended:
            self.late.pop(event.experiment_id, None)
            return
        self.late[event.experiment_id] = event, time.monotonic()
        if not self.terminal:
            self._say(f"slow     {lateness(event)}")

    def _tell_best(self) -> None:
        """Without a terminal the best so far has a line of its own now and then."""
        now = time.monotonic()
        due = now - self._best_told >= BEST_EVERY and self.best_lines != self._best_said
        if not self.terminal and due:
            self._best_told, self._best_said = now, self.best_lines
            for one in self.best_lines:
                self._say(one.plain.strip())

    def _take(self, record: Mapping[str, Any]) -> None:
        """A record of this run."""
        if record["record"] == "experiment":
            self.running.pop(record["experiment_id"], None)
            self.late.pop(record["experiment_id"], None)
            self.meter.finished(record)
        else:
            self.meter.ticket(record)
            if self.best.take(record):
                self.best_lines = tuple(best_lines(self.best.leaders()))

    def _catch_up(self, records: Iterable[Mapping[str, Any]]) -> None:
        """What happened before this listened: in one line, and each failure."""
        before = self.meter.done
        for record in records:
            identity, kind = record["experiment_id"], record["record"]
            if kind == "begun":
                self.running[identity] = None
            elif kind == "ticket" and identity not in self.meter.weights:
                self.best.take(record)  # an earlier run's
            elif kind == "ticket" or record["status"] != "interrupted":
                self._take(record)
                if kind == "ticket":
                    self.meter.trained_steps += record["cost"].get("spent_steps", 0)
                elif record["status"] not in ("ok", "skipped"):
                    self._experiment_ended(record)
        self.best_lines = tuple(best_lines(self.best.leaders()))
        if self.meter.done > before and not self.terminal:
            self._say(f"{self.meter.done} of {len(self.meter.weights)} done so far")

    def _below(self) -> list[Text]:
        """Brings the run's bar up to date; the lines below it."""
        assert self.bars is not None
        meter = self.meter
        left = meter.remaining()
        failed = f", {meter.failed} failed" if meter.failed else ""
        rate = f", {meter.rate():,.0f} steps/s" if meter.trained_steps else ""
        self.bars.update(
            self.tasks["run"],
            total=meter.total,
            completed=meter.done_steps,
            counts=f"{meter.done}/{len(meter.weights)} experiments{failed}{rate}",
            remaining=f"{duration(left)} left" if left is not None else "",
        )
        return [*self._workers(), *now_lines(self._running()), *self.best_lines]

    def _workers(self) -> Iterable[Text]:
        """What all workers do, and who is late."""
        if len(self.uses) > 1:
            yield line("on", doing(self.uses))
        now = time.monotonic()
        late = sorted(self.late.values(), key=lambda one: -one[0].seconds)
        for i, (event, told) in enumerate(late[:MOST_RUNNING]):
            yield line("" if i else "slow", lateness(event, event.seconds + now - told))
        if len(late) > MOST_RUNNING:
            yield line("", f"and {counted(len(late) - MOST_RUNNING, 'other')} late")

    def _running(self) -> list[str]:
        """Titles of what runs now."""
        return [self.titles.get(identity, identity) for identity in list(self.running)]

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
        left = meter.remaining()
        tail = f", about {duration(left)} left" if left is not None else ""
        seconds = f" in {record['seconds']:.1f} s" if record["seconds"] is not None else ""
        self._say(f"{head} {status:<8} {what}{seconds}{f': {reason}' if reason else ''}{tail}")

    def _tuning_started(self, event: TuningStarted) -> None:
        self._say(event.opening)
        if not self.terminal:
            return
        self.bars = LiveBars(
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
        self.bars.below = self._workers
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
    left = None if event.seconds is None else event.seconds - event.elapsed
    expected = f", about {duration(left)} left" if left is not None and left > 0 else ""
    return (
        f"{event.suite}: {experiments}{done}, about {counted(event.trainings, 'training')}, "
        f"{counted(event.workers, 'worker')}{expected}"
    )


def line(head: str, text: str) -> Text:
    """A line below the bars, cut where the terminal ends."""
    return Text(f"  {head:<7}{printable(text)}", no_wrap=True, overflow="ellipsis", style="dim")


def now_lines(titles: Sequence[str]) -> Iterable[Text]:
    """What runs now: a few names, and how many others."""
    for i, name in enumerate(titles[:MOST_RUNNING]):
        yield line("" if i else "now", name)
    if len(titles) > MOST_RUNNING:
        yield line("", f"and {counted(len(titles) - MOST_RUNNING, 'other')} beside")


def best_lines(leaders: Iterable[Leader]) -> Iterable[Text]:
    """The best of each task so far."""
    first, others = (found := list(leaders))[:MOST_TASKS], found[MOST_TASKS:]
    for i, one in enumerate(first):
        unit = "%" if one.measure.is_fraction else ""
        value = f"{one.measure.value(one.value)}{unit}"
        dense = "" if one.dense is None else f"; dense {one.measure.value(one.dense)}{unit}"
        task = f"{one.task} at {remaining(one.density)}%"
        what = f"{task}: {one.label} {value} (n = {one.n}){dense}"
        yield line("" if i else "best", what)
    if others:
        yield line("", f"and {counted(len(others), 'other task')}")


def count(study: StudyProgress) -> str:
    """Trials that have ended, of how many."""
    return f"{study.done}/{study.total}" if study.total else f"{study.done}"

"""How far a run is: a live display on a terminal, one line an event elsewhere. On stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from lth_bench.lottery import Experiment
    from lth_bench.running.plan import Plan, Planned
    from lth_bench.running.recorder import Progress as RunProgress


def make_progress() -> RunProgress:
    """The display that suits where stderr goes."""
    console = Console(stderr=True)
    return Live(console) if console.is_terminal else Lines()


class _Meter:
    """Planned and done work in steps. Cached trainings count as done at once."""

    def __init__(self) -> None:
        self.weights: dict[str, int] = {}
        self.experiments: dict[str, Experiment] = {}
        self.partial: dict[str, int] = {}
        self.done_steps = 0
        self.done = 0
        self.failed = 0
        self.trained_steps = 0
        self._tickets: set[str] = set()
        self.began = time.monotonic()

    def plan(self, plan: Plan, todo: Sequence[Planned]) -> None:
        """Weigh every experiment by its steps; the dense run weighs where it is reported."""
        for item in todo:
            e = item.experiment
            own = sum(item.fits)
            if not own:
                own = plan.dense_runs.get((*e.task, e.seed), 0)
            self.weights[e.experiment_id] = max(1, own)
            self.experiments[e.experiment_id] = e

    @property
    def total(self) -> int:
        return sum(self.weights.values())

    def ticket(self, record: dict[str, Any]) -> None:
        """A finished round moves its experiment on, once: who changes the worker says it again."""
        if record["ticket_id"] in self._tickets:
            return
        self._tickets.add(record["ticket_id"])
        identity = record["experiment_id"]
        weight, before = self.weights.get(identity, 0), self.partial.get(identity, 0)
        step = min(int(record["cost"]["steps"]), weight - before)
        self.partial[identity] = before + step
        self.done_steps += step

    def finished(self, record: dict[str, Any]) -> None:
        """An experiment's end: whatever was left of its weight is done too."""
        identity = record["experiment_id"]
        self.done_steps += self.weights.get(identity, 0) - self.partial.get(identity, 0)
        self.partial[identity] = self.weights.get(identity, 0)
        self.done += 1
        self.failed += record["status"] not in ("ok", "skipped")

    def left(self) -> float | None:
        """Seconds left at the rate so far, or None while that would be a guess."""
        elapsed = time.monotonic() - self.began
        if self.done_steps < 0.1 * self.total or elapsed < 3:
            return None
        return elapsed * (self.total - self.done_steps) / max(1, self.done_steps)

    def rate(self) -> float:
        """Steps a second that were really trained."""
        return self.trained_steps / max(1e-9, time.monotonic() - self.began)


class Lines:
    """One line an event, for logs and pipes."""

    def __init__(self) -> None:
        self.meter = _Meter()

    def begin(self, plan: Plan, todo: Sequence[Planned], workers: int) -> None:
        self.meter.plan(plan, todo)
        _say(opening(plan, todo, workers))

    def event(self, record: dict[str, Any]) -> None:
        if record.get("record") == "ticket":
            self.meter.ticket(record)
        elif record.get("record") == "experiment":
            self.meter.finished(record)
            _say(self._line(record))
        elif record.get("event") == "retry":
            _say(f"retry    {describe_all(record['experiments'])}: worker {record['reason']}")
        elif record.get("event") in ("observer", "note"):
            _say(record["message"])
        elif record.get("event") == "stopping":
            _say(stopping(record))

    def end(self) -> None:
        pass

    def _line(self, record: dict[str, Any]) -> str:
        meter = self.meter
        width = len(str(len(meter.weights)))
        head = f"[{meter.done:>{width}}/{len(meter.weights)}]"
        left = meter.left()
        tail = f", about {duration(left)} left" if left is not None else ""
        seconds = f" in {record['seconds']:.1f} s" if record["seconds"] is not None else ""
        reason = f": {record['reason']}" if record["reason"] else ""
        what = describe(meter.experiments[record["experiment_id"]])
        return f"{head} {record['status']:<8} {what}{seconds}{reason}{tail}"


class Live:
    """A bar with rate and time left, and what runs now."""

    def __init__(self, console: Console) -> None:
        self.meter = _Meter()
        self.console = console
        self.running: dict[str, str] = {}
        self.bar = Progress(
            SpinnerColumn(),
            TextColumn("[bold]{task.fields[suite]}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[counts]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            transient=True,
        )
        self.task: Any = None
        self.now: Any = None

    def begin(self, plan: Plan, todo: Sequence[Planned], workers: int) -> None:
        self.meter.plan(plan, todo)
        self.console.print(opening(plan, todo, workers), highlight=False)
        if not todo:
            return
        self.task = self.bar.add_task(
            "run", total=self.meter.total, suite=plan.suite.name, counts="", left=""
        )
        self.bar.start()

    def event(self, record: dict[str, Any]) -> None:
        if record.get("event") == "start":
            e = record["experiment"]
            self.running[e.experiment_id] = describe(e)
        elif record.get("event") == "retry":
            what = describe_all(record["experiments"])
            self.bar.console.print(f"[yellow]retry[/] {what}: worker {record['reason']}")
        elif record.get("event") in ("observer", "note"):
            self.bar.console.print(record["message"], style="yellow", markup=False)
        elif record.get("event") == "stopping":
            self.bar.console.print(stopping(record), style="yellow", markup=False)
        elif record.get("event") == "trained":
            self.meter.trained_steps += record["steps"]
        elif record.get("record") == "ticket":
            self.meter.ticket(record)
        elif record.get("record") == "experiment":
            self.meter.finished(record)
            what = self.running.pop(record["experiment_id"], record["experiment_id"])
            if record["status"] != "ok":
                reason = record["reason"] or ""
                self.bar.console.print(
                    f"{record['status']} {what}: {reason}", style="yellow", markup=False
                )
        left = self.meter.left()
        failed = f", {self.meter.failed} failed" if self.meter.failed else ""
        self.bar.update(
            self.task,
            completed=self.meter.done_steps,
            counts=f"{self.meter.done}/{len(self.meter.weights)} experiments{failed}, "
            f"{self.meter.rate():,.0f} steps/s",
            left=f"{duration(left)} left" if left is not None else "",
        )

    def end(self) -> None:
        if self.task is not None:
            self.bar.stop()


def opening(plan: Plan, todo: Sequence[Planned], workers: int) -> str:
    """What is about to happen, in one line."""
    kept = len(plan.experiments) - len(todo)
    done = f", {kept} of them done already" if kept else ""
    if not todo:
        return f"{plan.suite.name}: all {len(plan.experiments)} experiments are done already"
    return (
        f"{plan.suite.name}: {len(plan.experiments)} experiments{done}, "
        f"about {plan.trainings} trainings, {workers} worker{'s' * (workers != 1)}"
    )


def stopping(record: dict[str, Any]) -> str:
    """What a first Ctrl-C does."""
    return (
        f"stopping: trainings under way are saved, in {record['grace']:.0f} s at most; Ctrl-C "
        f"again stops at once"
    )


def describe(e: Experiment) -> str:
    """An experiment in a line: `imp conv2/cifar10 seed 0`."""
    only = f" at {e.densities[0]:g}" if len(e.densities) == 1 and e.densities[0] < 1 else ""
    return f"{e.label} {e.model_label}/{e.dataset_label}/{e.recipe_name} seed {e.seed}{only}"


def describe_all(experiments: Sequence[Experiment]) -> str:
    """Experiments of one worker in a line: the first, and how many others."""
    first, *others = experiments
    return describe(first) + (f" and {len(others)} beside it" if others else "")


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

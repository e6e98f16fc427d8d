"""The order of work: dense runs once and first, long chains early, cohorts and cores full."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from lth_bench.lottery.experiment import Experiment
from lth_bench.running.plan import Planned
from lth_bench.training.keys import digest

Task = str
Group = tuple[Task, int]
Order = tuple[bool, int, int, int]
"""Of groups of a task: those that wait for their dense run first, then the longest."""


@dataclass(frozen=True)
class WorkUnit:
    """Experiments that a worker is given at once."""

    items: tuple[Planned, ...] = ()
    deaths: int = 0
    """How often a worker died while it ran them all. Above 0 nothing else runs beside them."""


class Schedule:
    """Hands out experiments. The dense one of each (task, seed) goes before the others of its
    group, which all but few need; then those with the longest chains come first. Experiments that
    share a search go together.
    """

    def __init__(self, planned: Iterable[Planned]) -> None:
        self._waiting: dict[Group, list[Planned]] = {}
        self._count = 0
        """Of those in `_waiting`."""
        self._places: dict[Group, int] = {}
        """Of groups, in the order in which they came."""
        self._orders: dict[Group, Order | None] = {}
        """What decides which group goes next; None for one that cannot."""
        self._lines: dict[Task, list[tuple[Order, Group]]] = {}
        """A heap for each task; entries that are not in `_orders` any more are out of date."""
        self._startable: dict[Group, int] = {}
        self._free: Counter[Task] = Counter()
        """Experiments of a task that could start now."""
        self._left: dict[Group, int] = {}
        self._opening: set[Group] = set()
        self._open: set[Group] = set()
        self._suspects: list[WorkUnit] = []
        self._groups: dict[str, Group] = {}
        self.more: Callable[[Task | None], list[Planned]] = lambda _: []
        """What may be done besides where nothing waits, of a task or of any."""
        self.add(planned)

    def add(self, planned: Iterable[Planned]) -> None:
        """More work, also while a run is under way."""
        touched = set()
        for item in planned:
            group = self._group(item)
            touched.add(group)
            self._waiting.setdefault(group, []).append(item)
            self._left[group] = self._left.get(group, 0) + item.steps
            self._places.setdefault(group, len(self._places))
            self._count += 1
        for group in touched:
            # the dense experiment has no chain of its own, so it opens its group
            items = self._waiting[group]
            items.sort(key=lambda p: (len(p.fits) > 0, -p.steps, p.experiment.label))
            if items[0].fits and group not in self._opening:
                # a resumed run has trained it; in a tuning the leases of trainings see to it
                self._open.add(group)
            self._settle(group)

    def __len__(self) -> int:
        return self._count + sum(len(unit.items) for unit in self._suspects)

    def take(
        self,
        room: int,
        workers: int,
        running: Task | None,
        last: Task | None,
        *,
        places: int = 0,
        busy: Collection[Task] = (),
    ) -> WorkUnit:
        """Up to `room` experiments for one of `workers` workers, of one task, and those that share
        a search with the last of them; none while everything left waits for a dense run.

        `running` is the task of the experiments that the worker still runs, which others must
        share. An idle worker stays with its `last` task where that costs nothing, since it has
        its data and network, and leaves alone those that others are `busy` with while there are
        any besides. `places` are left in the worker's cohort: as long as there is other work for
        the others, they are filled, since a cohort takes as long however many its members.
        """
        if running is None and self._suspects:
            return self._suspects.pop(0)
        if not len(self):
            # no more than fills a cohort, whose empty places cost as much, or keeps a core busy
            free = min(room, places or int(running is None))
            while self._count < free and (more := self.more(running)):
                self.add(more)
        items: list[Planned] = []
        task = running
        while len(items) < room:
            group = self._next_group(task, last, busy)
            if group is None:
                break
            if not items:
                task = group[0]
                # the others are to have their part of what is left of this task
                part = -(-self._free[task] // workers)
                if any(n for t, n in self._free.items() if t != task and t not in busy):
                    part = max(part, places)
                room = min(room, part)
            items += self._pop(group)
        return WorkUnit(tuple(items))

    def chain(self, task: Task) -> WorkUnit:
        """The task's next experiment, if it is a chain of trainings: begun beside another, it can
        change the worker between two of them.
        """
        group = self._next_group(task, task)
        if group is None:
            return WorkUnit()
        first = self._waiting[group][0]
        if len(first.fits) < 2 or first.search is not None:
            return WorkUnit()
        return WorkUnit(tuple(self._pop(group)))

    def _next_group(
        self, task: Task | None, last: Task | None, busy: Collection[Task] = ()
    ) -> Group | None:
        """Openers first: everything else of their group waits for them."""
        firsts = []
        for one in self._lines if task is None else (task,):
            line = self._lines.get(one, [])
            while line and self._orders[line[0][1]] != line[0][0]:
                heapq.heappop(line)
            if line:
                (is_open, *others), group = line[0]
                firsts.append(((one in busy, is_open, one != last, *others), group))
        return min(firsts)[1] if firsts else None

    def _settle(self, group: Group) -> None:
        """A group has changed: so have its place in the line of its task, and what can start."""
        items = self._waiting[group]
        order: Order | None = None
        startable = 0
        if items and group not in self._opening:
            is_open = group in self._open
            order = (is_open, -items[0].steps, -self._left[group], self._places[group])
            startable = len(items) if is_open else 1
        if order is not None and order != self._orders.get(group):
            heapq.heappush(self._lines.setdefault(group[0], []), (order, group))
        self._orders[group] = order
        self._free[group[0]] += startable - self._startable.get(group, 0)
        self._startable[group] = startable

    def _pop(self, group: Group) -> list[Planned]:
        """The group's next experiment, and those that share a search with it."""
        first, *others = self._waiting[group]
        together, rest = [first], others
        if group not in self._open:
            self._opening.add(group)
        elif first.search is not None:
            together += [p for p in others if p.search == first.search]
            rest = [p for p in others if p.search != first.search]
        self._waiting[group] = rest
        self._left[group] -= sum(p.steps for p in together)
        self._count -= len(together)
        self._settle(group)
        return together

    def done(self, item: Planned) -> None:
        """An experiment has ended, in whatever way."""
        group = self._group(item)
        self._opening.discard(group)
        self._open.add(group)
        if group in self._waiting:
            self._settle(group)

    def again(self, unit: WorkUnit, running: Planned | None = None) -> list[Planned]:
        """A worker died of this unit. It gets another try; one that dies twice is halved until
        the culprit is alone. Returns what is given up: a single experiment that died twice.

        `running` is the experiment whose own code ran at that moment, rather than a training: it is
        tried again alone, and the others as if nothing had happened.
        """
        if running is not None and len(unit.items) > 1:
            others = tuple(item for item in unit.items if item is not running)
            self._suspects += [WorkUnit((running,), 1), WorkUnit(others, unit.deaths - 1)]
            return []
        if unit.deaths < 2:
            self._suspects.append(unit)
            return []
        if len(unit.items) == 1:
            return list(unit.items)
        half = len(unit.items) // 2
        for part in (unit.items[:half], unit.items[half:]):
            self._suspects.append(WorkUnit(part, unit.deaths))
        return []

    def back(self, unit: WorkUnit) -> None:
        """A worker was ended for another's sake, or gave these back: they go on elsewhere,
        uncharged.
        """
        if unit.items:
            self._suspects.append(unit)

    def _group(self, item: Planned) -> Group:
        """Experiments of one group share a dense run."""
        experiment = item.experiment
        if experiment.experiment_id not in self._groups:
            group = (task_of(experiment), experiment.seed)
            self._groups[experiment.experiment_id] = group
        return self._groups[experiment.experiment_id]


def task_of(experiment: Experiment) -> Task:
    """What experiments have in common that train one network for one objective on the same data."""
    about: list[object] = [experiment.model, experiment.dataset, experiment.recipe]
    if experiment.objective is not None:
        about.append(experiment.objective)
    if (source := experiment.source_task) is not None:
        # a worker has both networks; their own tickets are another's
        about += [source.model, source.dataset, source.recipe, source.objective]
    return digest(about)

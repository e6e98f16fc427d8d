"""The order of work: dense runs once and first, long chains early, cores full."""

from __future__ import annotations

from collections.abc import Iterable

from lth_bench.plan import Planned

Group = tuple[str, str, str, int]


class Schedule:
    """Hands out experiments. The first of each (task, seed) goes alone, so that the dense run is
    trained once; the others of the group follow, those with the longest chains first.
    """

    def __init__(self, planned: Iterable[Planned]) -> None:
        self._waiting: dict[Group, list[Planned]] = {}
        for item in planned:
            self._waiting.setdefault(group_of(item), []).append(item)
        for items in self._waiting.values():
            # the dense experiment has no chain of its own, so it opens its group
            items.sort(key=lambda p: (len(p.fits) > 0, -sum(p.fits), p.experiment.label))
        self._opening: set[Group] = set()
        self._open: set[Group] = set()

    def __len__(self) -> int:
        return sum(len(items) for items in self._waiting.values())

    def next(self, last_task: tuple[str, str, str] | None) -> Planned | None:
        """The next experiment, or None while everything left waits for a dense run.

        A worker stays with its task where that costs nothing, since it has its data and network.
        """
        free = [g for g, items in self._waiting.items() if items and g not in self._opening]
        if not free:
            return None
        # openers first: everything else of their group waits for them
        group = min(free, key=lambda g: (g in self._open, g[:3] != last_task, -self._left(g)))
        if group not in self._open:
            self._opening.add(group)
        return self._waiting[group].pop(0)

    def done(self, item: Planned) -> None:
        """An experiment has ended, in whatever way."""
        group = group_of(item)
        self._opening.discard(group)
        self._open.add(group)

    def again(self, item: Planned) -> None:
        """An experiment whose worker died goes back to the front of its group."""
        group = group_of(item)
        self._opening.discard(group)
        self._waiting[group].insert(0, item)

    def _left(self, group: Group) -> int:
        return sum(sum(p.fits) for p in self._waiting[group])


def group_of(item: Planned) -> Group:
    """Experiments that share a dense run."""
    return (*item.experiment.task, item.experiment.seed)

"""Which experiments are due: those of seeds up to the next look of what is open, and one look
further where a worker has nothing else to do.

Seeds that are trained ahead cost time only: a look reads the first seeds in their order, never
whatever has arrived, so that what runs when decides nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.seed_pairs import dense_label
from lth_bench.running.executors.schedule import task_of
from lth_bench.running.until_decided.units import Outcomes, SeedRow, SeedUnit, UnitKey
from lth_bench.stats.sequential import FEWEST

if TYPE_CHECKING:
    from lth_bench.lottery import Experiment
    from lth_bench.running.plan import Plan, Planned


class DueSeeds:
    """Takes records as they come, and says which experiments of the plan are due."""

    def __init__(self, plan: Plan) -> None:
        """The plan has every experiment up to the maximum of its suite's rule."""
        assert plan.suite.decide is not None
        self.rule = plan.suite.decide
        self.outcomes = Outcomes()
        self.due: dict[str, Planned] = {}
        """By id: what is due so far, in that order."""
        self._all = {p.experiment.experiment_id: p for p in plan.experiments}
        self._companions: dict[tuple[tuple[str, str, str], int], list[Planned]] = {}
        """By task and seed: the dense run and the baseline, which others are compared with."""
        self.units: dict[UnitKey, SeedUnit] = {}
        self._arrange(plan)

    def _arrange(self, plan: Plan) -> None:
        baseline = plan.suite.baseline
        for task in dict.fromkeys(p.experiment.task for p in plan.experiments):
            mine = [p for p in plan.experiments if p.experiment.task == task]
            dense = _reference(p.experiment for p in mine)
            base = dense if baseline in ("dense", dense) else baseline
            by_density: dict[tuple[int, float], Planned] = {}
            for item in mine:
                e = item.experiment
                if e.label in (dense, base) and not e.found_on:
                    self._companions.setdefault((task, e.seed), []).append(item)
                if e.label == base and not e.found_on:
                    by_density |= {(e.seed, density): item for density in e.densities}
            there = {density for _, density in by_density}
            for item in mine:
                if item.experiment.label not in (dense, base) or item.experiment.found_on:
                    self._unit(item, by_density, there)

    def _unit(
        self, item: Planned, base: Mapping[tuple[int, float], Planned], there: set[float]
    ) -> None:
        key = UnitKey.of(item.experiment)
        if key not in self.units:
            # another network that is not pruned is compared with at every density too
            other = {d: d if d in there else 1.0 for d in key.densities if {d, 1.0} & there}
            self.units[key] = SeedUnit(
                key=key,
                rule=self.rule,
                base=base,
                base_density=other,
                rows=[SeedRow(density=d) for d in key.densities if d in other],
            )
        self.units[key].by_seed[item.experiment.seed] = item

    def begin(self, known: Iterable[Mapping[str, Any]], begun: Iterable[str]) -> list[Planned]:
        """What is due at first, what has ended already included.

        `known` are the records of what has ended, tickets first; `begun` the experiments that an
        earlier run began and did not end, which are due whatever they decide.
        """
        ended = []
        for record in known:
            self._take(record)
            if record["record"] == "experiment":
                ended.append(record["experiment_id"])
        for unit in self.units.values():
            unit.look(self.outcomes)
        named = [self._all[identity] for identity in (*ended, *begun) if identity in self._all]
        firsts = [
            item for (_, seed), items in self._companions.items() if seed < FEWEST for item in items
        ]
        found = [*self._new(named), *self._new(firsts)]
        return found + [item for unit in self.units.values() for item in self._up_to(unit)]

    def leave_to(self, tasks: Collection[tuple[str, str, str]]) -> None:
        """Add seeds to nothing but these tasks: others have nothing to do, or cannot run."""
        for key, unit in self.units.items():
            if key.task not in tasks:
                unit.closed = True

    def take(self, record: Mapping[str, Any]) -> list[Planned]:
        """A record of the run; what is due because of it."""
        self._take(record)
        item = self._all.get(record["experiment_id"])
        if record["record"] != "experiment" or item is None:
            return []
        task = item.experiment.task
        own = self.units.get(UnitKey.of(item.experiment))
        touched = [own] if own is not None else [u for k, u in self.units.items() if k.task == task]
        found: list[Planned] = []
        for unit in touched:
            unit.look(self.outcomes)
            found += self._up_to(unit)
        return found

    def ahead(self, task: str | None) -> list[Planned]:
        """The seeds up to one look further, of the open unit with the fewest, for a worker without
        other work; `task` is that of what it runs, as `schedule.task_of` names it.
        """
        best: tuple[int, float, SeedUnit] | None = None
        for unit in self.units.values():
            if not unit.open_rows:
                continue
            if task is not None and task_of(next(iter(unit.by_seed.values())).experiment) != task:
                continue
            seeds = self._scheduled(unit)
            if seeds >= self.rule.max_seeds or (best is not None and seeds > best[0]):
                continue
            chance = unit.chance(unit.after(seeds))
            if best is None or (seeds, -chance) < best[:2]:
                best = (seeds, -chance, unit)
        return [] if best is None else self._seeds_of(best[2], best[2].after(best[0]))

    def require(self, unit: SeedUnit, seeds: int) -> list[Planned]:
        """Make a unit's seeds up to this number due; those that were not."""
        return self._seeds_of(unit, min(seeds, self.rule.max_seeds))

    def new_looks(self) -> list[tuple[SeedUnit, SeedRow, int]]:
        """Looks that were taken since this was asked last: the unit, the row and which look."""
        found = []
        for unit in self.units.values():
            for row in unit.rows:
                found += [(unit, row, i) for i in range(row.told, len(row.looks))]
                row.told = len(row.looks)
        return found

    def left_out(self) -> set[str]:
        """Experiments, by id, without whose seeds a comparison was decided or given up."""
        found = set()
        for unit in self.units.values():
            for row in unit.rows:
                for seed in row.stopped_without:
                    items = (unit.by_seed.get(seed),
                             unit.base.get((seed, unit.base_density[row.density])))  # fmt: skip
                    found |= {p.experiment.experiment_id for p in items if p is not None}
        return found

    def _take(self, record: Mapping[str, Any]) -> None:
        item = self._all.get(record["experiment_id"])
        self.outcomes.take(record, item.experiment.densities if item is not None else ())

    def _up_to(self, unit: SeedUnit) -> list[Planned]:
        return self._seeds_of(unit, unit.needed)

    def _seeds_of(self, unit: SeedUnit, seeds: int) -> list[Planned]:
        wanted: list[Planned] = []
        for seed in range(seeds):
            wanted += self._companions.get((unit.key.task, seed), [])
            wanted.append(unit.by_seed[seed])
        return self._new(wanted)

    def _new(self, wanted: Iterable[Planned]) -> list[Planned]:
        found = []
        for item in wanted:
            identity = item.experiment.experiment_id
            if identity not in self.due:
                self.due[identity] = item
                found.append(item)
        return found

    def _scheduled(self, unit: SeedUnit) -> int:
        """Seeds of a unit that are due, from the first on without a gap."""
        seeds = 0
        while seeds in unit.by_seed and unit.by_seed[seeds].experiment.experiment_id in self.due:
            seeds += 1
        return seeds


def _reference(experiments: Iterable[Experiment]) -> str:
    """The label whose runs are a task's dense runs."""
    return dense_label(e.label for e in experiments if e.strategy == "dense")

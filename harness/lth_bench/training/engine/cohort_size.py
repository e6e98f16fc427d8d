"""The cohort size and the stacking method, measured once per network, recipe and device."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lth_bench.errors import out_of_memory
from lth_bench.system.blame import ends_the_run
from lth_bench.system.files import read_json
from lth_bench.training.engine.cohort import Cohort
from lth_bench.training.engine.layouts import Layout, kind_of, make_layout, ways_to_stack
from lth_bench.training.engine.network import Network
from lth_bench.training.input.task_data import TaskData
from lth_bench.training.pending_fit import PendingFit
from lth_bench.training.recipe import Recipe
from lth_bench.training.request import FitRequest

if TYPE_CHECKING:
    from filelock import FileLock

ON_CPU = (8, 16)
"""Cohort sizes tried on a CPU. Only small networks gain there; larger cohorts overflow the
caches."""
ON_GPU = (2, 4, 8, 16, 32, 64)
WORTH = {"cpu": 1.5, "cuda": 1.15}
"""Minimum speed-up of stacking over training alone. On a CPU empty slots cost their full price
and cancel smaller gains: quickstart took the same time at cohort sizes 1 and 8, though full
cohorts of its networks gain 1.15 and 1.34."""
GAINS = 1.03
"""Minimum speed-up from doubling the cohort size, on a GPU; below it no larger size is tried."""
ENOUGH = 0.9
"""The smallest cohort size that reaches this fraction of the best speed is chosen: smaller
cohorts are easier to fill."""
SLOW_STEP = 0.02
"""Seconds per step, trained alone, above which a CPU is compute-bound and stacking is not tried."""
SECONDS, STEPS = 0.15, 30
"""How long a cohort size is tried, at most."""


def cohort_sizes_file() -> Path:
    """Where a user's measured cohort sizes are stored, shared by all results so that reruns use the
    same.
    """
    from lth_bench.data.root import user_cache

    return user_cache() / "widths.json"


@dataclass(frozen=True)
class Stacking:
    """How trainings of a network and recipe are stacked."""

    size: int
    """The cohort size."""
    stacks: str | None = None
    """The stacking method: `explicit`, `vmap` or `branches`; None if trainings run alone."""


class CohortSizes:
    """The cohort sizes measured so far, in a file shared by all of a user's runs."""

    def __init__(self, path: Path | None, given: int | None = None, exact: bool = False) -> None:
        self.path, self.given, self.exact = path, given, exact
        self._known: dict[str, Stacking] = {}

    def of(self, key: str, network: Network, data: TaskData, recipe: Recipe) -> Stacking:
        """The choice for a network and recipe; `key` identifies both, together with the device."""
        if key not in self._known:
            look_up = self._look_up if self.given is None else self._check
            try:
                self._known[key] = look_up(key, network, data, recipe)
            except BaseException as error:
                if ends_the_run(error):
                    raise
                # training alone raises it too, and attributes it correctly
                self._known[key] = Stacking(1)
        return self._known[key]

    def limit(self, key: str, cohort_size: int) -> None:
        """Record that this network needs a smaller cohort: the device ran out of memory."""
        stacks = self._known[key].stacks if key in self._known else None
        self._known[key] = Stacking(cohort_size, stacks)
        if self.path is not None and self.given is None:
            with contextlib.suppress(OSError), _locked(self.path):
                known = _read(self.path)
                known[key] = {**known.get(key, {}), "width": cohort_size, "out_of_memory": True}
                _write(self.path, known)

    def _look_up(self, key: str, network: Network, data: TaskData, recipe: Recipe) -> Stacking:
        found: Measured | None = None
        if self.path is not None:
            # the user's cache folder is not writable: nothing is stored
            with contextlib.suppress(OSError), _locked(self.path):
                known = _read(self.path)
                choice = _kept(known.get(key, {}), network)
                if choice is not None:
                    return choice
                found = measure(network, data, recipe)
                known[key] = found.record()
                _write(self.path, known)
        return (found or measure(network, data, recipe)).choice

    def _check(self, key: str, network: Network, data: TaskData, recipe: Recipe) -> Stacking:
        """The given size with the fastest way to stack it, or 1 if the network cannot be stacked at
        that size.
        """
        assert self.given is not None
        ways = ways_to_stack(network) if self.given > 1 else []
        fit = {}
        for way in ways:
            found = _tried(
                network, data, recipe, cohort_size=self.given, way=way, race=len(ways) > 1
            )
            if found is TOO_LARGE:
                return Stacking(self.given, way)  # out of memory: the training will halve it
            if found is not None:
                fit[way] = found
        if not fit:
            return Stacking(1)
        return Stacking(self.given, max(fit, key=lambda way: fit[way]))


@dataclass(frozen=True)
class Measured:
    """Measured speeds by stacking method and cohort size."""

    choice: Stacking
    """The method and size to use."""
    rates: dict[str, dict[int, float]]
    """Stacking method → cohort size → training steps per second, summed over members. Size 1 is
    a training alone; it is the only entry, under `alone`, if the network cannot be stacked."""

    def record(self) -> dict[str, Any]:
        """The entry as stored in the file."""
        rates = {way: {str(w): r for w, r in by.items()} for way, by in self.rates.items()}
        chosen = {"width": self.choice.size, "layout": self.choice.stacks}
        return {**chosen, "model_steps_per_second": rates}


def measure(network: Network, data: TaskData, recipe: Recipe) -> Measured:
    """Measure every stacking method, each at increasing cohort sizes."""
    alone = rate(network, data, recipe, cohort_size=1)
    assert alone is not None  # a single slot always agrees with itself
    alone = _figures(alone)
    cuda = network.device.type == "cuda"
    slow = not cuda and 1 / alone > SLOW_STEP
    rates: dict[str, dict[int, float]] = {}
    for way in [] if slow else ways_to_stack(network):
        by = rates[way] = {1: alone}
        for cohort_size in ON_GPU if cuda else ON_CPU:
            found = _tried(network, data, recipe, cohort_size=cohort_size, way=way)
            if found is TOO_LARGE:
                break
            if found is not None:
                # rounded as in the file, from which a rerun chooses
                by[cohort_size] = _figures(found)
                if cuda and found < GAINS * max(r for w, r in by.items() if w < cohort_size):
                    break  # larger cohorts only use more memory
    rates = rates or {"alone": {1: alone}}
    return Measured(choose(rates, network.device.type), rates)


TOO_LARGE = float("-inf")
"""Stands for the speed of a cohort that does not fit in the device's memory."""


def _tried(
    network: Network,
    data: TaskData,
    recipe: Recipe,
    *,
    cohort_size: int,
    way: str,
    race: bool = True,
) -> float | None:
    """Training steps per second; `TOO_LARGE`; or None if the method does not work for the network
    at this size: its slots disagree, or it raises where the network alone does not. Without `race`,
    any number means that the size works.
    """
    found: float | None = None
    try:
        found = rate(
            network,
            data,
            recipe,
            cohort_size=cohort_size,
            stacks=way,
            seconds=SECONDS if race else 0.0,
        )
    except BaseException as error:  # the network's own code may raise anything
        if ends_the_run(error):
            raise
        if out_of_memory(error):
            found = TOO_LARGE
    # the error, which referenced the cohort, is gone
    if (
        network.device.type == "cuda"
    ):  # a captured step keeps its memory until it is garbage-collected
        gc.collect()
        torch.cuda.empty_cache()
    return found


def _figures(rate: float) -> float:
    return float(f"{rate:.4g}")


def choose(rates: dict[str, dict[int, float]], device: str = "cpu") -> Stacking:
    """The smallest cohort size that is about as fast as the fastest, for the fastest stacking
    method; 1 if stacking gains too little.
    """
    found = Stacking(1)
    fastest = 0.0
    for way, by in rates.items():
        best = max(by.values())
        if best < WORTH[device] * by[1] or best <= fastest:
            continue
        fastest = best
        found = Stacking(min(w for w, r in by.items() if r >= ENOUGH * best), way)
    return found


def trial(
    network: Network, data: TaskData, recipe: Recipe, cohort_size: int, stacks: str | None = None
) -> Cohort:
    """A cohort with the same member in every slot."""
    from lth_bench.masks import Mask

    half = Mask.ones(network.layers, network.device)
    for kept in half.kept.values():
        kept.view(-1)[::2] = False  # masks add a small cost, and most trainings have one
    request = FitRequest(
        values=network.values(), mask=half, start=0, end=10**9, seed=0, recipe=recipe
    )
    kind = kind_of(network, data, request, cohort_size, stacks)
    layout = make_layout(network, data, recipe, cohort_size, kind)
    return Cohort(layout, [[PendingFit(request)] for _ in range(cohort_size)])


def slots_agree(layout: Layout) -> bool:
    """Whether all slots hold identical bits after a step of `trial`, so that a member's numbers do
    not depend on its slot. They do if an operation of the network treats some columns of the stack
    differently, such as the last ones, which do not fill a SIMD vector.
    """
    if layout.cohort_size == 1:
        return True
    held = [p.grad for p in layout.parameters.values() if p.grad is not None]
    held += [layout.losses, *layout.tensors().values()]
    # here NaN equals NaN
    return all(bool(((t == t[:1]) | (t != t)).all()) for t in held)


def rate(
    network: Network,
    data: TaskData,
    recipe: Recipe,
    *,
    cohort_size: int,
    stacks: str | None = None,
    seconds: float = SECONDS,
) -> float | None:
    """Training steps per second, summed over members, from the fastest of a few dozen steps: other
    load on the machine only ever makes steps slower. None if the slots do not agree. Also runs an
    evaluation and a snapshot, so that a size that fits here fits in a training.
    """
    cohort = trial(network, data, recipe, cohort_size, stacks)
    cuda = network.device.type == "cuda"
    # on a CPU the thread's own time, which excludes other processes on the core
    clock = time.perf_counter if cuda else time.thread_time

    def step() -> float:
        began = clock()
        cohort.update(cohort.members)
        if cuda:
            torch.cuda.synchronize(network.device)
        return clock() - began

    step()
    if not slots_agree(cohort.layout):
        return None
    if cuda:
        cohort.layout.best.keep(range(cohort_size))
        cohort.layout.evaluate(range(cohort_size))
    return cohort_size / max(min(_for_a_while(step, seconds)), 1e-9)


def _for_a_while(step: Any, seconds: float) -> Iterable[float]:
    until = time.perf_counter() + seconds
    for _ in range(STEPS):
        yield step()
        if time.perf_counter() > until:
            return


def _kept(entry: dict[str, Any], network: Network) -> Stacking | None:
    """The choice from a stored entry: computed from its rates by the current rule, or the limit
    that the memory set. None if the entry makes no sense for the network.
    """
    ways: list[str | None] = [None, *ways_to_stack(network)]
    choice = None
    with contextlib.suppress(AttributeError, KeyError, OverflowError, TypeError, ValueError):
        if entry.get("out_of_memory"):
            cohort_size = entry["width"]
            choice = (
                Stacking(cohort_size, entry.get("layout")) if type(cohort_size) is int else None
            )
        else:
            rates = {
                str(way): {int(w): float(r) for w, r in by.items()}
                for way, by in entry["model_steps_per_second"].items()
            }
            choice = choose(rates, network.device.type)
    if choice is None or choice.stacks not in ways or not 1 <= choice.size <= max(ON_GPU):
        return None
    return choice


def _locked(path: Path) -> FileLock:
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path.with_suffix(".lock"))


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        known = read_json(path)
    except (OSError, ValueError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {key: entry for key, entry in known.items() if isinstance(entry, dict)}


def _write(path: Path, known: dict[str, dict[str, Any]]) -> None:
    aside = path.with_suffix(f".{os.getpid()}")
    aside.write_text(json.dumps(known, indent=1, sort_keys=True))
    os.replace(aside, path)

"""How many trainings a cohort has, and how they are stacked: measured once per network, recipe and
device, and kept.
"""

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
"""Cohort sizes tried on a CPU, where only small networks gain and more fills the caches."""
ON_GPU = (2, 4, 8, 16, 32, 64)
WORTH = {"cpu": 1.5, "cuda": 1.15}
"""What stacking must gain over training alone. On a CPU, where empty slots cost their full price,
they eat smaller gains: quickstart took the same time at cohort sizes 1 and 8, though its networks'
full cohorts gain 1.15 and 1.34.
"""
GAINS = 1.03
"""What twice the cohort size must still gain for the next one to be tried, on a GPU."""
ENOUGH = 0.9
"""The smallest cohort size with this part of the best speed is taken: it fills more easily."""
SLOW_STEP = 0.02
"""Seconds of a step alone beyond which a CPU is busy with arithmetic, and nothing is tried."""
SECONDS, STEPS = 0.15, 30
"""How long a cohort size is tried, at most."""


def cohort_sizes_file() -> Path:
    """Where a user's measured cohort sizes are kept, for all results: a rerun uses the same."""
    from lth_bench.data.root import user_cache

    return user_cache() / "widths.json"


@dataclass(frozen=True)
class Stacking:
    """How trainings of a network and recipe are stacked."""

    size: int
    """Members of a cohort."""
    stacks: str | None = None
    """The way of stacking: `explicit`, `vmap` or `branches`; None where trainings run alone."""


class CohortSizes:
    """The cohort sizes measured so far, in a file that all runs of a user share."""

    def __init__(self, path: Path | None, given: int | None = None, exact: bool = False) -> None:
        self.path, self.given, self.exact = path, given, exact
        self._known: dict[str, Stacking] = {}

    def of(self, key: str, network: Network, data: TaskData, recipe: Recipe) -> Stacking:
        """The choice for a network and recipe, which `key` identifies together with the device."""
        if key not in self._known:
            look_up = self._look_up if self.given is None else self._check
            try:
                self._known[key] = look_up(key, network, data, recipe)
            except BaseException as error:
                if ends_the_run(error):
                    raise
                # the training alone meets it too, and says whose error it is
                self._known[key] = Stacking(1)
        return self._known[key]

    def narrow(self, key: str, cohort_size: int) -> None:
        """Never larger than this again: the device's memory was too small."""
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
            # a home that cannot be written to keeps nothing
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
        """The given size and the fastest way to stack it, or 1 for a network that it does not
        suit.
        """
        assert self.given is not None
        ways = ways_to_stack(network) if self.given > 1 else []
        fit = {}
        for way in ways:
            found = _tried(
                network, data, recipe, cohort_size=self.given, way=way, race=len(ways) > 1
            )
            if found is TOO_LARGE:
                return Stacking(self.given, way)  # the training will find that out, and halve it
            if found is not None:
                fit[way] = found
        if not fit:
            return Stacking(1)
        return Stacking(self.given, max(fit, key=lambda way: fit[way]))


@dataclass(frozen=True)
class Measured:
    """Speeds of the cohort sizes that were tried, for each way of stacking."""

    choice: Stacking
    """The one to take."""
    rates: dict[str, dict[int, float]]
    """Way of stacking → cohort size → model-steps a second. Size 1 is a training alone, which is
    the whole of it under `alone` where the network cannot be stacked.
    """

    def record(self) -> dict[str, Any]:
        """As the file keeps it."""
        rates = {way: {str(w): r for w, r in by.items()} for way, by in self.rates.items()}
        chosen = {"width": self.choice.size, "layout": self.choice.stacks}
        return {**chosen, "model_steps_per_second": rates}


def measure(network: Network, data: TaskData, recipe: Recipe) -> Measured:
    """Race the ways of stacking, the cohort sizes of each in turn."""
    alone = rate(network, data, recipe, cohort_size=1)
    assert alone is not None  # a single slot agrees with itself
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
                # as the file keeps them, from which a rerun chooses
                by[cohort_size] = _figures(found)
                if cuda and found < GAINS * max(r for w, r in by.items() if w < cohort_size):
                    break  # larger ones only take memory
    rates = rates or {"alone": {1: alone}}
    return Measured(choose(rates, network.device.type), rates)


TOO_LARGE = float("-inf")
"""Stands for the speed of a cohort that the device's memory does not hold."""


def _tried(
    network: Network,
    data: TaskData,
    recipe: Recipe,
    *,
    cohort_size: int,
    way: str,
    race: bool = True,
) -> float | None:
    """Model-steps a second; `TOO_LARGE`; or None for a way of stacking that does not suit the
    network at this size: its slots disagree, or it raises where the network alone does not.

    Without `race` any number stands for a size that suits.
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
    except BaseException as error:  # whatever the network's own code raises
        if ends_the_run(error):
            raise
        if out_of_memory(error):
            found = TOO_LARGE
    # the error is gone, and with it what held the cohort
    if network.device.type == "cuda":  # a captured step holds its memory until it is collected
        gc.collect()
        torch.cuda.empty_cache()
    return found


def _figures(rate: float) -> float:
    return float(f"{rate:.4g}")


def choose(rates: dict[str, dict[int, float]], device: str = "cpu") -> Stacking:
    """The smallest cohort size that is about as fast as the fastest, of the way of stacking that is
    fastest at its own; 1 where stacking hardly gains.
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
    """A cohort with one and the same member in every slot."""
    from lth_bench.masks import Mask

    half = Mask.ones(network.layers, network.device)
    for kept in half.kept.values():
        kept.view(-1)[::2] = False  # masks cost a little, and are the rule
    request = FitRequest(
        values=network.values(), mask=half, start=0, end=10**9, seed=0, recipe=recipe
    )
    kind = kind_of(network, data, request, cohort_size, stacks)
    layout = make_layout(network, data, recipe, cohort_size, kind)
    return Cohort(layout, [[PendingFit(request)] for _ in range(cohort_size)])


def slots_agree(layout: Layout) -> bool:
    """Whether all slots hold the same bits: after a step of `trial`, whether a member's numbers
    are independent of its place. They are not where an operation of the network's own treats the
    columns of the stack differently, such as the last ones, which fill no whole vector.
    """
    if layout.cohort_size == 1:
        return True
    held = [p.grad for p in layout.parameters.values() if p.grad is not None]
    held += [layout.losses, *layout.tensors().values()]
    # a value that is no number equals itself here
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
    """Model-steps a second of a cohort of this size, by the fastest of a few dozen steps: what
    else the machine does makes steps slower, never faster. None where the slots do not agree.

    An evaluation and a snapshot are tried too, so that what fits here fits in a training.
    """
    cohort = trial(network, data, recipe, cohort_size, stacks)
    cuda = network.device.type == "cuda"
    # on a CPU the thread's own time: what else runs on the core does not count
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
    """What an entry of the file says: the choice from its rates by today's rule, or what the memory
    held. None where it says nothing that makes sense for the network.
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

"""How many trainings a cohort has: measured once per network, recipe and device, and kept."""

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

from lth_bench.training.cohort import Cohort
from lth_bench.training.data import TaskData
from lth_bench.training.layouts import Layout, kind_of, make_layout
from lth_bench.training.member import Asked
from lth_bench.training.network import Network
from lth_bench.training.recipe import Recipe
from lth_bench.training.request import FitRequest

if TYPE_CHECKING:
    from filelock import FileLock

ON_CPU = (8, 16)
"""Widths tried on a CPU, where only small networks gain and more fills the caches."""
ON_GPU = (2, 4, 8, 16, 32, 64)
WORTH = {"cpu": 1.5, "cuda": 1.15}
"""What stacking must gain over training alone. On a CPU, where empty slots cost their full price,
they eat smaller gains: quickstart took the same time at widths 1 and 8, though its networks' full
cohorts gain 1.15 and 1.34.
"""
GAINS = 1.03
"""What twice the width must still gain for the next one to be tried, on a GPU."""
ENOUGH = 0.9
"""The narrowest width with this part of the best speed is taken: it fills more easily."""
SLOW_STEP = 0.02
"""Seconds of a step alone beyond which a CPU is busy with arithmetic, and nothing is tried."""
SECONDS, STEPS = 0.15, 30
"""How long a width is tried, at most."""


def widths_file() -> Path:
    """Where a user's measured widths are kept, for all results: a rerun takes the same ones."""
    from platformdirs import user_cache_path

    return user_cache_path("lth-bench") / "widths.json"


class Widths:
    """The widths measured so far, in a file that all runs of a user share."""

    def __init__(self, path: Path | None, given: int | None = None, exact: bool = False) -> None:
        self.path, self.given, self.exact = path, given, exact
        self._known: dict[str, int] = {}

    def of(self, key: str, network: Network, data: TaskData, recipe: Recipe) -> int:
        """The width for a network and recipe, which `key` identifies together with the device."""
        if key not in self._known:
            look_up = self._look_up if self.given is None else self._check
            self._known[key] = look_up(key, network, data, recipe)
        return self._known[key]

    def narrow(self, key: str, width: int) -> None:
        """Never wider than this again: the device's memory was too small."""
        self._known[key] = width
        if self.path is not None and self.given is None:
            with contextlib.suppress(OSError), _locked(self.path):
                known = _read(self.path)
                known[key] = {**known.get(key, {}), "width": width, "out_of_memory": True}
                _write(self.path, known)

    def _look_up(self, key: str, network: Network, data: TaskData, recipe: Recipe) -> int:
        found: Measured | None = None
        if self.path is not None:
            # a home that cannot be written to keeps nothing
            with contextlib.suppress(OSError), _locked(self.path):
                known = _read(self.path)
                width = _kept(known.get(key, {}), network.device.type)
                if width is not None:
                    return width
                found = measure(network, data, recipe)
                known[key] = found.record()
                _write(self.path, known)
        return (found or measure(network, data, recipe)).width

    def _check(self, key: str, network: Network, data: TaskData, recipe: Recipe) -> int:
        """The given width, or 1 for a network that it does not suit."""
        assert self.given is not None
        if self.given == 1 or network.stacks is None:
            return 1
        try:
            cohort = trial(network, data, recipe, self.given)
            cohort.update(cohort.members)
        except torch.OutOfMemoryError:
            return self.given  # the training will find that out, and halve it
        return self.given if slots_agree(cohort.layout) else 1


@dataclass(frozen=True)
class Measured:
    """Speeds of the widths that were tried."""

    width: int
    """The one to take."""
    rates: dict[int, float]
    """Model-steps a second by width."""
    stacks: str | None

    def record(self) -> dict[str, Any]:
        """As the file keeps it."""
        rates = {str(w): r for w, r in self.rates.items()}
        return {"width": self.width, "model_steps_per_second": rates, "layout": self.stacks}


def measure(network: Network, data: TaskData, recipe: Recipe) -> Measured:
    """Try the widths in turn."""
    alone = rate(network, data, recipe, 1)
    assert alone is not None  # a single slot agrees with itself
    rates = {1: alone}
    cuda = network.device.type == "cuda"
    if network.stacks is None or (not cuda and 1 / rates[1] > SLOW_STEP):
        return Measured(1, rates, network.stacks)
    for width in ON_GPU if cuda else ON_CPU:
        try:
            found = rate(network, data, recipe, width)
        except torch.OutOfMemoryError:
            break
        finally:
            if cuda:  # a captured step holds its memory until it is collected
                gc.collect()
                torch.cuda.empty_cache()
        if found is not None:
            rates[width] = found
            if cuda and found < GAINS * max(r for w, r in rates.items() if w < width):
                break  # wider ones only take memory
    # as the file keeps them, from which a rerun chooses
    rates = {w: float(f"{r:.4g}") for w, r in rates.items()}
    return Measured(choose(rates, network.device.type), rates, network.stacks)


def choose(rates: dict[int, float], device: str = "cpu") -> int:
    """The narrowest width that is about as fast as the fastest; 1 where stacking hardly gains."""
    best = max(rates.values())
    if best < WORTH[device] * rates[1]:
        return 1
    return min(w for w, r in rates.items() if r >= ENOUGH * best)


def trial(network: Network, data: TaskData, recipe: Recipe, width: int) -> Cohort:
    """A cohort with one and the same member in every slot."""
    from lth_bench.masks import Mask

    half = Mask.ones(network.layers, network.device)
    for kept in half.kept.values():
        kept.view(-1)[::2] = False  # masks cost a little, and are the rule
    request = FitRequest(network.values(), half, 0, 10**9, 0, recipe)
    kind = kind_of(network, data, request, width)
    layout = make_layout(network, data, recipe, width, kind)
    return Cohort(layout, [[Asked(request)] for _ in range(width)])


def slots_agree(layout: Layout) -> bool:
    """Whether all slots hold the same bits: after a step of `trial`, whether a member's numbers
    are independent of its place. They are not where an operation of the network's own treats the
    columns of the stack differently, such as the last ones, which fill no whole vector.
    """
    if layout.width == 1:
        return True
    held = [p.grad for p in layout.parameters.values() if p.grad is not None]
    held += [layout.losses, *layout.tensors().values()]
    # a value that is no number equals itself here
    return all(bool(((t == t[:1]) | (t != t)).all()) for t in held)


def rate(network: Network, data: TaskData, recipe: Recipe, width: int) -> float | None:
    """Model-steps a second of a cohort of this width, by the fastest of a few dozen steps: what
    else the machine does makes steps slower, never faster. None where the slots do not agree.
    """
    cohort = trial(network, data, recipe, width)
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
    return width / min(_for_a_while(step))


def _for_a_while(step: Any) -> Iterable[float]:
    until = time.perf_counter() + SECONDS
    for _ in range(STEPS):
        yield step()
        if time.perf_counter() > until:
            return


def _kept(entry: dict[str, Any], device: str) -> int | None:
    """The width that an entry of the file says: that of its rates by today's rule, or what the
    memory held. None where it says nothing that makes sense.
    """
    if not entry.get("out_of_memory"):
        with contextlib.suppress(AttributeError, KeyError, TypeError, ValueError):
            rates = {int(w): float(r) for w, r in entry["model_steps_per_second"].items()}
            chosen = choose(rates, device)
            return chosen if 1 <= chosen <= max(ON_GPU) else None
    width = entry.get("width")
    return width if type(width) is int and 1 <= width <= max(ON_GPU) else None


def _locked(path: Path) -> FileLock:
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path.with_suffix(".lock"))


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        known = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {key: entry for key, entry in known.items() if isinstance(entry, dict)}


def _write(path: Path, known: dict[str, dict[str, Any]]) -> None:
    aside = path.with_suffix(f".{os.getpid()}")
    aside.write_text(json.dumps(known, indent=1, sort_keys=True))
    os.replace(aside, path)

"""The time that one batch takes in each form of a ticket, measured side by side.

Each form's block of runs is timed in turn, round after round, so that what disturbs the machine
disturbs all of them: a form's speed-up is the median over the rounds of the dense block's time over
its own. How many runs make a block of at least a millisecond is found by torch's
`Timer.blocked_autorange`. With one thread on a CPU the clock is the process's CPU time, which does
not go on while other programs have the core; otherwise it is the wall clock, on a GPU once its work
is done.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from lth_bench.errors import UserError, describe_error
from lth_bench.interchange.forms import DeployedForm, forms_of
from lth_bench.interchange.saved_ticket import SavedTicket
from lth_bench.models import examples
from lth_bench.store.latencies import FormTime
from lth_bench.system.devices import prepared

AUTORANGE_SECONDS = 0.02
"""Of the search for a block's length; blocks take at least a thousandth of it."""
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}
"""How far a form's outputs may lie from the masked network's, relative to the largest of them."""
HALF_TOLERANCE = 2e-2
"""Of 2:4 kernels, which multiply in TF32 or half precision."""
QUARTILES = (0.25, 0.5, 0.75)


@dataclass(frozen=True, kw_only=True)
class TimingOptions:
    """How to time."""

    device: str = "cpu"
    """Name of a torch device."""
    threads: int = 1
    """Of torch on a CPU."""
    batch_size: int = 1
    """Examples in a batch."""
    repeats: int = 50
    """Rounds, each with a block of every form, in an order of its own."""

    @property
    def clock(self) -> str:
        """`cpu` time of this process, or `wall`."""
        return "cpu" if self.device == "cpu" and self.threads == 1 else "wall"


def time_ticket(ticket: SavedTicket, options: TimingOptions) -> list[FormTime]:
    """Time every form of a ticket on random inputs, in eval mode and the dtype that it was trained
    in; a form whose outputs differ from the masked network's is not available.
    """
    device = torch.device(options.device)
    forms = forms_of(ticket, device)  # which traces gradients
    with prepared(options.device), torch.inference_mode():
        dtype = next(iter(ticket.module().parameters())).dtype
        rng = torch.Generator().manual_seed(0)
        x = examples.random(options.batch_size, ticket.input_shape, dtype, rng).to(device)
        forms = list(_agreeing(forms, x))
        peaks = {form.name: _peak(form, x) for form in forms}
        times = _times([form for form in forms if form.network is not None], x, options)
        dense = times["dense"]
        return [_time(form, times.get(form.name), dense, peaks[form.name]) for form in forms]


def _agreeing(forms: Sequence[DeployedForm], x: Tensor) -> Iterator[DeployedForm]:
    """The forms, on the device of `x`; not available where they cannot be run or differ."""
    (masked,) = (form.network for form in forms if form.name == "masked")
    assert masked is not None
    expected: Tensor = masked.to(x.device)(x)
    for form in forms:
        if form.network is None:
            yield form
            continue
        try:
            out: Tensor = form.network.to(x.device)(x)
        except Exception as error:  # a kernel that torch lacks, or a network of the user's
            yield replace(form, network=None, reason=describe_error(error))
            continue
        finally:
            form.network.to("cpu")
        limit = HALF_TOLERANCE if form.name == "2:4" else TOLERANCE.get(x.dtype, 1e-4)
        scale = float(expected.abs().max()) or 1.0
        off = float((out - expected).abs().max()) / scale
        if form.name != "dense" and not off <= limit:
            why = f"its outputs differ from the masked network's by {off:.2g} of the largest"
            yield replace(form, network=None, reason=why)
        else:
            yield form


def _peak(form: DeployedForm, x: Tensor) -> int | None:
    """Bytes allocated on a GPU at most by the network and one batch; None on a CPU."""
    if x.device.type != "cuda" or form.network is None:
        return None
    with _on(form, x.device):
        torch.cuda.synchronize(x.device)
        torch.cuda.reset_peak_memory_stats(x.device)
        form.network(x)
        torch.cuda.synchronize(x.device)
        return int(torch.cuda.max_memory_allocated(x.device))


@contextmanager
def _on(form: DeployedForm, device: torch.device) -> Iterator[None]:
    assert form.network is not None
    form.network.to(device)
    try:
        yield
    finally:
        form.network.to("cpu")


def _times(
    forms: Sequence[DeployedForm], x: Tensor, options: TimingOptions
) -> Mapping[str, Tensor]:
    """Seconds of a batch by form: float64 [repeats], each the mean over a block."""
    timer, clock = _timer(), _clock(options)
    timers: dict[str, Any] = {
        form.name: timer(
            "network(x)",
            globals={"network": form.network.to(x.device), "x": x},
            num_threads=options.threads,
            timer=clock,
        )
        for form in forms
        if form.network is not None
    }
    runs = {
        name: timer.blocked_autorange(min_run_time=AUTORANGE_SECONDS).number_per_run
        for name, timer in timers.items()
    }
    found: dict[str, list[float]] = {name: [] for name in timers}
    order, rng = list(timers), random.Random(0)
    for _ in range(options.repeats):
        rng.shuffle(order)  # no form always follows the same one, or an interruption
        for name in order:
            found[name].append(timers[name].timeit(runs[name]).median)
    return {name: torch.tensor(x, dtype=torch.float64) for name, x in found.items()}


def _clock(options: TimingOptions) -> Callable[[], float]:
    """Seconds; on a GPU once it has done what it was given."""
    if options.clock == "cpu":
        return time.process_time
    if options.device == "cpu":
        return time.perf_counter

    def after_the_gpu() -> float:
        torch.cuda.synchronize(options.device)
        return time.perf_counter()

    return after_the_gpu


def _timer() -> Callable[..., Any]:
    """torch's Timer. Its module looks for a compiler, and logs where it finds CUDA's without a GPU,
    which does not matter here.
    """
    log = logging.getLogger("torch.utils.cpp_extension")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        from torch.utils.benchmark import Timer
    finally:
        log.setLevel(level)
    return Timer


def _time(form: DeployedForm, times: Tensor | None, dense: Tensor, peak: int | None) -> FormTime:
    if times is None:
        return {"form": form.name, "reason": form.reason}
    low, median, high = _quartiles(times)
    speed_low, speed, speed_high = _quartiles(dense / times)
    return {
        "form": form.name, "reason": None, "bytes": form.bytes, "peak_memory": peak,
        "repeats": len(times), "median_seconds": median, "seconds_low": low, "seconds_high": high,
        "speedup": speed, "speedup_low": speed_low, "speedup_high": speed_high,
    }  # fmt: skip


def _quartiles(values: Tensor) -> list[float]:
    wanted: Any = torch.tensor(QUARTILES, dtype=values.dtype)
    return [float(q) for q in torch.quantile(values, wanted)]


def require_options(options: TimingOptions, most_threads: int) -> None:
    """UserError for numbers that make no sense."""
    if options.batch_size < 1:
        raise UserError(f"--batch must be at least 1 example, but got {options.batch_size}")
    if options.repeats < 5:
        raise UserError(
            f"--repeats must be at least 5, since a quartile of fewer says nothing, but got "
            f"{options.repeats}"
        )
    if not 1 <= options.threads <= most_threads:
        raise UserError(
            f"--threads must be from 1 to {most_threads}, the cores that this process may use, but "
            f"got {options.threads}"
        )

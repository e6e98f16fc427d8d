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
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lth_bench.errors import UserError, describe_error
from lth_bench.interchange.forms import FORMS, DeployedForm, forms_of
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


Tell = Callable[[str, float], None]
"""Takes what is being done, in words, and the share of the rounds that is done, in [0, 1]."""


def silent(what: str, share: float) -> None:
    """Takes it and does nothing."""


def time_ticket(ticket: SavedTicket, options: TimingOptions, tell: Tell = silent) -> list[FormTime]:
    """Time every form of a ticket on random inputs, in eval mode and the dtype that it was trained
    in. A form that cannot be run, or whose outputs differ from the masked network's, is not
    available, and has the reason; the others are timed. `tell` is called between the blocks, so
    that nothing that it does is timed.
    """
    tell("making its forms", 0.0)
    device = torch.device(options.device)
    forms = forms_of(ticket, device)  # which traces gradients
    with prepared(options.device), torch.inference_mode():
        dtype = next(iter(ticket.module().parameters())).dtype
        rng = torch.Generator().manual_seed(0)
        x = examples.random(options.batch_size, ticket.input_shape, dtype, rng)
        tell("comparing the forms' outputs", 0.0)
        forms = list(_agreeing(forms, x, device))
        forms, peaks = _peaks(forms, x, device)
        forms, times = _times(forms, x, options, tell)
        dense = times.get("dense")
        return [_time(form, times.get(form.name), dense, peaks.get(form.name)) for form in forms]


def not_available(reason: str) -> list[FormTime]:
    """Of every form, for a ticket of which none can be made or run."""
    return [{"form": name, "reason": reason} for name in FORMS]


def _agreeing(
    forms: Sequence[DeployedForm], x: Tensor, device: torch.device
) -> Iterator[DeployedForm]:
    """The forms; not available where they cannot be run on the device, or differ. The dense network
    has other values, and is compared with nothing.
    """
    (masked,) = (form for form in forms if form.name == "masked")
    masked, expected = _outputs(masked, x, device)
    for form in forms:
        if form.name == "masked":
            yield masked
            continue
        found, out = _outputs(form, x, device)
        if form.name == "dense" or out is None:
            yield found
        elif expected is None:
            why = f"the masked network, which it is compared with, failed: {masked.reason}"
            yield _without(form, why)
        elif out.shape != expected.shape:
            yield _without(form, f"its outputs have shape {[*out.shape]}, not {[*expected.shape]}")
        else:
            limit = HALF_TOLERANCE if form.name == "2:4" else TOLERANCE.get(x.dtype, 1e-4)
            off = float((out - expected).abs().max()) / (float(expected.abs().max()) or 1.0)
            why = f"its outputs differ from the masked network's by {off:.2g} of the largest"
            yield form if off <= limit else _without(form, why)


def _outputs(
    form: DeployedForm, x: Tensor, device: torch.device
) -> tuple[DeployedForm, Tensor | None]:
    """The form and its outputs, on the CPU; or the form as not available, and None."""
    if form.network is None:
        return form, None
    try:
        with _on(form, device) as network:
            return form, network(x.to(device)).to("cpu")
    except Exception as error:  # too little memory, a kernel that torch lacks, a user's network
        return _without(form, describe_error(error)), None


def _without(form: DeployedForm, reason: str) -> DeployedForm:
    return replace(form, network=None, reason=reason)


def _peaks(
    forms: Sequence[DeployedForm], x: Tensor, device: torch.device
) -> tuple[list[DeployedForm], Mapping[str, int]]:
    """Bytes allocated on a GPU at most by each network and one batch; none on a CPU. A form that
    cannot be run is no longer available.
    """
    found, peaks = [], {}
    for form in forms:
        if device.type == "cuda" and form.network is not None:
            try:
                peaks[form.name] = _peak(form, x, device)
            except Exception as error:  # as above: memory is shared with other programs
                form = _without(form, describe_error(error))
        found.append(form)
    return found, peaks


def _peak(form: DeployedForm, x: Tensor, device: torch.device) -> int:
    with _on(form, device) as network:
        x = x.to(device)
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        network(x)
        torch.cuda.synchronize(device)
        return int(torch.cuda.max_memory_allocated(device))


@contextmanager
def _on(form: DeployedForm, device: torch.device) -> Iterator[nn.Module]:
    assert form.network is not None
    try:
        yield form.network.to(device)
    finally:
        form.network.to("cpu")


class _Block:
    """A form's block of runs, which is timed again and again until it fails."""

    def __init__(self, form: DeployedForm) -> None:
        assert form.network is not None
        self.network = form.network
        self.seconds: list[float] = []
        self.reason: str | None = None
        """Why it failed."""

    def attempt(self, do: Callable[[], None]) -> None:
        if self.reason is not None:
            return
        try:
            do()
        except Exception as error:  # as above
            self.reason = describe_error(error)
            with suppress(Exception):
                self.network.to("cpu")  # what it held is for the others

    def begin(self, x: Tensor, options: TimingOptions) -> None:
        self.timer = _timer()(
            "network(x)",
            globals={"network": self.network.to(options.device), "x": x.to(options.device)},
            num_threads=options.threads,
            timer=_clock(options),
        )
        self.runs = self.timer.blocked_autorange(min_run_time=AUTORANGE_SECONDS).number_per_run

    def time(self) -> None:
        self.seconds.append(self.timer.timeit(self.runs).median)


def _times(
    forms: Sequence[DeployedForm], x: Tensor, options: TimingOptions, tell: Tell
) -> tuple[list[DeployedForm], Mapping[str, Tensor]]:
    """Seconds of a batch by form: float64 [repeats], each the mean over a block. A form that fails
    on the way is no longer available.
    """
    blocks = {form.name: _Block(form) for form in forms if form.network is not None}
    with suppress(Exception):  # where even this is too much, each form says so
        x = x.to(options.device)
    for name, block in blocks.items():
        tell(f"{name}, warming up", 0.0)
        block.attempt(partial(block.begin, x, options))
    order, rng = list(blocks.items()), random.Random(0)
    for done in range(options.repeats):
        rng.shuffle(order)  # no form always follows the same one, or an interruption
        for name, block in order:
            tell(f"{name}, round {done + 1} of {options.repeats}", done / options.repeats)
            block.attempt(block.time)
    failed = {name: b.reason for name, b in blocks.items() if b.reason is not None}
    times = {
        name: torch.tensor(block.seconds, dtype=torch.float64)
        for name, block in blocks.items()
        if name not in failed
    }
    left = [_without(f, failed[f.name]) if f.name in failed else f for f in forms]
    return left, times


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


def _time(
    form: DeployedForm, times: Tensor | None, dense: Tensor | None, peak: int | None
) -> FormTime:
    """Without speed-ups where the dense network could not be timed."""
    if times is None:
        return {"form": form.name, "reason": form.reason}
    low, median, high = _quartiles(times)
    found: FormTime = {
        "form": form.name, "reason": None, "bytes": form.bytes, "peak_memory": peak,
        "repeats": len(times), "median_seconds": median, "seconds_low": low, "seconds_high": high,
    }  # fmt: skip
    if dense is not None:
        speed_low, speed, speed_high = _quartiles(dense / times)
        found |= {"speedup": speed, "speedup_low": speed_low, "speedup_high": speed_high}
    return found


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

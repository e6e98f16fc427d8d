"""What a training leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lth_bench.masks import Mask
from lth_bench.training.checkpoints.callback_state import CallbackState
from lth_bench.training.request import Values
from lth_bench.training.state import Cost, CurvePoint

OnEval = Callable[[CurvePoint], None]


@dataclass(frozen=True)
class Outcome:
    """What a training leaves behind. All values are copies and obey the mask."""

    values: Values
    mask: Mask
    step: int
    curve: tuple[CurvePoint, ...]
    best: Values
    best_step: int
    checkpoints: dict[int, Values]
    cost: Cost
    stopped: bool
    cohort_size: int = 1
    """Members of the stack that it was computed in; 1 is a training alone."""
    variant: str = "plain"
    """The layout that computed it."""
    owner: str = ""
    """The experiment that it was trained for, which pays for it; "" where that is not known."""
    device: str = ""
    """Where it was trained, such as `cuda:1`; "" where an old version did not keep that."""
    device_name: str = ""
    """The device's own name, such as `NVIDIA H200`, or `cpu`."""
    peak_memory: int | None = None
    """Bytes that its cohort held on the device at most; None on a CPU."""
    memo: CallbackState | None = None
    """What `until` kept; None without one, or where that cannot be written."""

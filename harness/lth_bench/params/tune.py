"""Where tuning looks for a parameter's value, as the parameter's own class declares it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from lth_bench.params.types import members


@dataclass(frozen=True)
class Tune:
    """What tuning tries, where that is less than the whole range:

        batch_size: Annotated[int, Range(1, 10**6), Tune(16, 512, log=True)] = 128

    On a parameter that is a table, such as PerKind, it holds for each of its numbers. A suite can
    narrow it, widen it within the range, or leave the parameter out.
    """

    low: float | None = None
    """Smallest value tried; the range's own end where not given."""
    high: float | None = None
    """Largest value tried."""
    log: bool = False
    """Whether values are spread evenly over their logarithm."""
    step: float | None = None
    """Distance between values; none when `log`."""
    search: bool = True
    """False: tuned only where a suite names the parameter."""


def tune_in(annotation: Any) -> Tune | None:
    """The `Tune` that an annotation carries, or that one of its union's members does."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *metadata = get_args(annotation)
            found = next((m for m in metadata if isinstance(m, Tune)), None)
            if found is not None:
                return found
        elif hasattr(annotation, "__value__"):
            annotation = annotation.__value__
        else:
            return next((t for t in map(tune_in, members(annotation)) if t is not None), None)

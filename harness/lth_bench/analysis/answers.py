"""Which test examples tickets get right, and how a mean or a difference would vary on other ones.

The table `answers` has a bit for each example, in the order of the test split, of metrics that are
the fraction of examples that are right. Verdicts never use them: they are about other seeds on the
task's own examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lth_bench.stats import Interval, Summary, examples_variance, wider_interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lth_bench.analysis.samples import Sample

Packed = bytes | None
"""The answers of one ticket, as in the table; None where there are none."""

OTHER_DATA = "± other data"
"""Header of the half-width of a difference's interval for other test examples too."""
NOT_RECORDED = "recorded by a version that kept no answers"
ONE_SEED = "one seed"
NO_RESULT = "no result"
ADDED = "seeds were added until decided: the interval would be of a mean that is exaggerated"
NO_FRACTION = "{metric} is not a fraction of test examples"
"""Why a row has no such interval."""
OLD = (
    "no interval for other test data: which test examples each ticket gets right was not recorded; "
    "`lth-bench run … --rerun` trains them again and records it"
)
"""What is said of a database's rows where no answers were recorded."""
SOME = (
    "rows without an interval for other test data: which test examples their tickets get right, or "
    "those of what they are compared with, was not recorded; `lth-bench run … --rerun` trains them "
    "again and records it"
)


def not_recorded(sides: Sequence[str], *, every: bool, shipped: bool) -> str:
    """What is said of a comparison whose `sides`, of A and B, lack answers, on every line or on
    some; none of them where the two have answers to other test examples.

    Advice is about the side that lacks them: the reference results, which A is if `shipped`, stay
    as they are, whatever a user runs again.
    """
    head = f"{'no interval' if every else 'lines without an interval'} for other test data: "
    if not sides:
        return head + "A and B were judged by other numbers of test examples"
    head += f"which test examples each ticket of {' and '.join(sides)} gets right was not recorded"
    advice = []
    if shipped and "A" in sides:
        advice.append(
            "A, the reference results, stays without; methods of it that you run yourself have it"
        )
    own = [side for side in sides if not (shipped and side == "A")]
    if own:
        whose = " and ".join(own)
        advice.append(f"`lth-bench run … --rerun` with the results of {whose} records it")
    return "; ".join([head, *advice])


def complete(packed: Sequence[Packed], examples: int | None) -> bool:
    """Whether each of these tickets has an answer to every test example."""
    size = ((examples or 0) + 7) // 8
    return bool(examples) and all(x is not None and len(x) == size for x in packed)


def unpacked(packed: Sequence[Packed], examples: int | None) -> NDArray[np.uint8] | None:
    """0 or 1 by ticket and test example, [n, N]; None unless every ticket has N answers."""
    import numpy as np

    if not examples or not complete(packed, examples):
        return None
    whole = np.frombuffer(b"".join(x for x in packed if x is not None), dtype=np.uint8)
    return np.unpackbits(whole.reshape(len(packed), -1), axis=1, count=examples)


def averaged(samples: Sequence[Sample], seeds: Sequence[int]) -> NDArray[np.float64] | None:
    """What each seed gives on each test example, its mean over the samples, [n, N]: those of one
    label at several densities. None unless every seed has its answers in each.
    """
    import numpy as np

    found = [unpacked([s.answers.get(seed) for seed in seeds], s.examples) for s in samples]
    known = [x for x in found if x is not None]
    if len(known) < len(found) or len({x.shape for x in known}) != 1:
        return None
    mean: NDArray[np.float64] = np.mean(np.stack(known), axis=0, dtype=np.float64)
    return mean


def of_pairs(
    summary: Summary, own: Sequence[Sample], base: Sequence[Sample], seeds: Sequence[int]
) -> Interval | None:
    """The interval of the mean difference own − base for other test examples too, of each seed's
    means over the samples.

    `summary` is that of these seeds' differences. None at one seed, and where answers are missing.
    """
    a, b = averaged(own, seeds), averaged(base, seeds)
    if a is None or b is None or a.shape != b.shape:
        return None
    return _wider(summary, a - b)


def of_mean(summary: Summary, own: Sequence[Packed], examples: int | None) -> Interval | None:
    """The interval of a mean over seeds for other test examples too.

    `summary` is that of the seeds' values, and `own` their answers in any order. None at one seed,
    and where answers are missing.
    """
    return _wider(summary, unpacked(own, examples))


def of_difference(
    summary: Summary, own: Sequence[Packed], base: Sequence[Packed], examples: int | None
) -> Interval | None:
    """The same of the paired differences own − base; both are in the same order of seeds."""
    import numpy as np

    a, b = unpacked(own, examples), unpacked(base, examples)
    if a is None or b is None or a.shape != b.shape:
        return None
    return _wider(summary, np.subtract(a, b, dtype=np.int8))


def _wider(summary: Summary, values: NDArray[Any] | None) -> Interval | None:
    if values is None or summary.n < 2 or len(values) != summary.n or values.shape[1] < 2:
        return None
    return wider_interval(summary, examples_variance(values))

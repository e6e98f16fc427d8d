"""Which densities a method can have, where it says so."""

from __future__ import annotations

from typing import Any

from lth_bench.errors import Unreachable, UserError, told
from lth_bench.system.blame import ends_the_run


def reaches(strategy: Any) -> tuple[float, ...] | None:
    """The densities that a strategy says it can have, from dense to sparse; None for any.

    A class attribute `reaches`, or a property where they depend on the parameters. UserError where
    that raises, or gives no numbers.
    """
    try:
        found = getattr(strategy, "reaches", None)
        return None if found is None else tuple(sorted(map(float, found), reverse=True))
    except BaseException as error:  # whatever a plugin's property raises or returns
        if ends_the_run(error):
            raise
        raise UserError(
            f"{type(strategy).__name__}.reaches must be the densities that the method can have, "
            f"such as (0.5,), but {told(error)}"
        ) from error


def is_reachable(strategy: Any, density: float, total: int) -> bool:
    """Whether a density of `total` weights is among them: as many weights as one of them."""
    known, k = reaches(strategy), _count(density, total)
    return known is None or any(_count(d, total) == k for d in known)


def require_reachable(strategy: Any, density: float, total: int) -> None:
    """Unreachable for a density that the strategy says it cannot have."""
    if not is_reachable(strategy, density, total):
        there = ", ".join(f"{d:g}" for d in reaches(strategy) or ())
        raise Unreachable(f"the method reaches the densities {there} alone, and not {density:g}")


def _count(density: float, total: int) -> int:
    from lth_bench.masks import count_at

    return count_at(density, total)

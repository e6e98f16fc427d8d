"""Which densities a method can reach, if it declares them."""

from __future__ import annotations

from typing import Any

from lth_bench.errors import Unreachable, UserError, describe_error
from lth_bench.system.blame import ends_the_run


def reaches(strategy: Any) -> tuple[float, ...] | None:
    """The densities a strategy declares it can reach, from dense to sparse; None for any.

    Declared as a class attribute `reaches`, or as a property if they depend on the parameters.
    UserError if that raises, or is not made of numbers.
    """
    try:
        found = getattr(strategy, "reaches", None)
        return None if found is None else tuple(sorted(map(float, found), reverse=True))
    except BaseException as error:  # a plugin's property may raise or return anything
        if ends_the_run(error):
            raise
        raise UserError(
            f"{type(strategy).__name__}.reaches must be the densities that the method can reach, "
            f"such as (0.5,), but {describe_error(error)}"
        ) from error


def is_reachable(strategy: Any, density: float, total: int) -> bool:
    """Whether a density is declared: one of the declared densities gives the same count of `total`
    weights.
    """
    known, k = reaches(strategy), _count(density, total)
    return known is None or any(_count(d, total) == k for d in known)


def require_reachable(strategy: Any, density: float, total: int) -> None:
    """Raise Unreachable for a density that the strategy declares it cannot reach."""
    if not is_reachable(strategy, density, total):
        there = ", ".join(f"{d:g}" for d in reaches(strategy) or ())
        raise Unreachable(f"the method only reaches densities {there}, not {density:g}")


def _count(density: float, total: int) -> int:
    from lth_bench.masks import count_at

    return count_at(density, total)

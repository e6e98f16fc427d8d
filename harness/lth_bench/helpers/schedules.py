"""Schedules over rounds or steps: decreasing densities, decaying rates.

All are pure functions of a position `t` in a schedule of length `n`, in rounds or in steps. Before
the schedule (t < 0) and after it (t > n) they hold their first and last value.
"""

from __future__ import annotations

import math


def exponential_density(t: float, n: float, final: float, initial: float = 1.0) -> float:
    """initial · (final / initial)^(t/n): each round keeps the same fraction.

    `final` and `initial` are densities in (0, 1]; so is the answer. SynFlow (Tanaka et al., 2020,
    algorithm 1) keeps `exponential_density(e + 1, 100, ρ)` after its round e = 0, 1, …; Iterative
    SNIP and FORCE (de Jorge et al., 2021) have the same schedule, exp(−(e + 1)·|ln ρ|/n).
    """
    _require(n, final=final, initial=initial)
    at = _progress(t, n)
    return final if at == 1 else initial * math.pow(final / initial, at)


def polynomial_density(
    t: float, n: float, final: float, initial: float = 1.0, power: float = 3.0
) -> float:
    """final + (initial − final) · (1 − t/n)^power: fast at first, slow towards the end.

    `final` and `initial` are densities in (0, 1]; so is the answer. Power 3 is the cubic schedule
    of gradual magnitude pruning (Zhu & Gupta, 2017, equation 1, which states it for the sparsity
    s = 1 − density), power 1 a straight line. For a ramp that starts at step t₀, give `t − t₀`.
    """
    _require(n, final=final, initial=initial)
    if not power > 0:
        raise ValueError(f"power must be above 0, but got {power}")
    return final + (initial - final) * math.pow(1 - _progress(t, n), power)


def cosine(t: float, n: float, initial: float, final: float = 0.0) -> float:
    """final + (initial − final) / 2 · (1 + cos(π t/n)): half a cosine from `initial` to `final`.

    For any quantity. RigL's fraction of rewired connections (Evci et al., 2020, section 3) is
    `cosine(t, T_end, α)`.
    """
    _require(n)
    return final + (initial - final) / 2 * (1 + math.cos(math.pi * _progress(t, n)))


def _progress(t: float, n: float) -> float:
    return min(max(t / n, 0.0), 1.0)


def _require(n: float, **densities: float) -> None:
    if not n > 0:
        raise ValueError(f"n, the length of the way, must be above 0, but got {n}")
    for name, density in densities.items():
        if not 0 < density <= 1:
            raise ValueError(f"{name} must be a density in (0, 1], but got {density}")

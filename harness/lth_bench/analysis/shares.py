"""How much of a network its densities speak of."""

from __future__ import annotations

ENOUGH = 0.95
"""Prunable share of the parameters from which nothing is said: biases and norms are the rest."""


def prunable_share(prunable: int | None, parameters: int | None) -> str:
    """`320 of 5,706 parameters (5.6%) are prunable, and densities count these alone`; "" where
    that is nearly all of them, or not known.
    """
    if not parameters or prunable is None or prunable >= ENOUGH * parameters:
        return ""
    return (
        f"{prunable:,} of {parameters:,} parameters ({100 * prunable / parameters:.1f}%) are "
        f"prunable, and densities count these alone"
    )

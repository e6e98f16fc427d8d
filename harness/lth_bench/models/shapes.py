"""Checks of the input that a network is built for."""

from __future__ import annotations

from lth_bench.errors import UserError


def require_size(model: str, input_shape: tuple[int, int, int], least: int, why: str) -> None:
    """UserError for images below `least` pixels high or wide. `why` says what needs them."""
    _, height, width = input_shape
    if min(height, width) < least:
        raise UserError(
            f"{model} needs images of at least {least}×{least} pixels ({why}), but got "
            f"{height}×{width}; choose another model or dataset"
        )

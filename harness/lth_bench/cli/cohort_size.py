"""The value of `--width`."""

from __future__ import annotations

from lth_bench.errors import UserError

WIDEST = 256


def read_width(text: str) -> int | None:
    """`auto` as None, or a power of two: at other widths a CPU's vectors split a member's numbers
    otherwise than its neighbour's. UserError for anything else.
    """
    if text == "auto":
        return None
    width = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= width <= WIDEST or width & (width - 1):
        raise UserError(
            f"--width takes auto or a power of two from 1 to {WIDEST}, but got {text!r}; "
            f"--width 1 trains one network at a time"
        )
    return width

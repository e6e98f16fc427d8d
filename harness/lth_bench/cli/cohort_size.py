"""The value of `--cohort-size`."""

from __future__ import annotations

from lth_bench.errors import UserError

LARGEST = 256


def read_cohort_size(text: str) -> int | None:
    """`auto` as None, or a power of two: at other sizes a CPU's vectors split a member's numbers
    otherwise than its neighbour's. UserError for anything else.
    """
    if text == "auto":
        return None
    size = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= size <= LARGEST or size & (size - 1):
        raise UserError(
            f"--cohort-size takes auto or a power of two from 1 to {LARGEST}, but got {text!r}; "
            f"--cohort-size 1 trains one network at a time"
        )
    return size

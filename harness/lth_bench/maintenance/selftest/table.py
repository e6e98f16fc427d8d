"""Figures in columns, without more than Python."""

from __future__ import annotations

from collections.abc import Sequence


def text(headings: Sequence[str], lines: Sequence[Sequence[str]], left: int = 2) -> str:
    """Columns in line; the first `left` of them to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(headings, *lines, strict=True)]
    ruler = ["─" * width for width in widths]
    shown = []
    for line in (headings, ruler, *lines):
        padded = (
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        shown.append("  ".join(padded).rstrip())
    return "\n".join(shown)

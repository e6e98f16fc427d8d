"""Intervals in characters: `├──●─┼┤`, on one scale for a table's rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Whiskers = tuple[float | None, float | None, float | None]
"""Low, mean and high; None where there is none."""

UNICODE = {"line": "─", "low": "├", "high": "┤", "mean": "●", "zero": "│", "cross": "┼",
           "left": "◄", "right": "►"}  # fmt: skip
ASCII = {"line": "-", "low": "[", "high": "]", "mean": "o", "zero": "|", "cross": "+", "left": "<",
         "right": ">"}  # fmt: skip

ROOM = 0.05
"""Of the scale's width, left free at both ends."""


@dataclass(frozen=True, kw_only=True)
class IntervalScale:
    """From values to columns, with 0 on it. The better side is on the right."""

    low: float
    high: float
    """Above `low`, both in the unit of the intervals."""
    width: int
    """In columns."""
    higher: bool = True
    """Whether larger values are better; if not, they are drawn on the left."""
    plain: bool = False
    """Whether only ASCII can be shown."""

    @classmethod
    def over(
        cls, intervals: Sequence[Whiskers], width: int, higher: bool = True, plain: bool = False
    ) -> IntervalScale:
        """A scale of the half of the intervals whose means are nearest to 0, and of the first one,
        so that a method far behind does not shrink the others; what lies beyond ends in an arrow.
        """
        known = [(abs(one[1]), one) for one in intervals if one[1] is not None]
        near = sorted(known, key=lambda pair: pair[0])[: (len(known) + 1) // 2]
        ends = [0.0, *(x for _, one in (*near, *known[:1]) for x in one if x is not None)]
        low, high = min(ends), max(ends)
        space = ROOM * (high - low) or 1.0
        return cls(low=low - space, high=high + space, width=width, higher=higher, plain=plain)

    def column(self, value: float) -> int:
        """Where a value is drawn; outside of 0 to width − 1 if it lies beyond the scale."""
        share = (value - self.low) / (self.high - self.low)
        return round((share if self.higher else 1 - share) * (self.width - 1))

    def draw(self, interval: Whiskers) -> str:
        """An interval in `width` characters; only the line at 0 where there is no mean."""
        signs = ASCII if self.plain else UNICODE
        cells = [" "] * self.width
        zero = self.column(0.0)
        cells[zero] = signs["zero"]
        low, mean, high = interval
        if mean is None:
            return "".join(cells)
        middle = self.column(mean)
        ends = sorted(self.column(x) for x in (low, high) if x is not None) or [middle, middle]
        left, right = max(0, ends[0]), min(self.width - 1, ends[-1])
        for at in range(left, right + 1):
            cells[at] = signs["cross"] if at == zero else signs["line"]
        for name, at, inside in (("low", ends[0], ends[0] < middle),
                                 ("high", ends[-1], ends[-1] > middle)):  # fmt: skip
            if inside and 0 <= at < self.width:
                cells[at] = signs[name]
        if ends[0] < 0:
            cells[0] = signs["left"]
        if ends[-1] >= self.width:
            cells[-1] = signs["right"]
        if 0 <= middle < self.width:
            cells[middle] = signs["mean"]
        return "".join(cells)

    def heading(self, left: str, right: str) -> str:
        """What stands above: the values of both ends, and 0 where there is room for it."""
        cells = [" "] * self.width
        zero = self.column(0.0)
        if len(left) + len(right) < self.width:
            cells[: len(left)], cells[self.width - len(right) :] = left, right
        if all(x == " " for x in cells[max(0, zero - 1) : zero + 2]):
            cells[zero] = "0"
        return "".join(cells)


def none_known(intervals: Iterable[Whiskers]) -> bool:
    """Whether there is nothing to draw."""
    return all(mean is None for _, mean, _ in intervals)

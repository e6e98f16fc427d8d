"""What is computed twice and compared, such as two reads of one view: equal but for roundoff.

DuckDB's threads add up a mean in any order, so that its last bits differ from read to read, and so
do those of whatever is computed from it: rows, data frames, exported files.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from lth_bench.store.glossary import VIEWS

RELATIVE = 1e-9
ABSOLUTE = 1e-12
"""For a difference that is nothing but roundoff."""


class Close(float):
    """A float that equals others within roundoff, on either side of `==`."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]  # equal ones could not have equal hashes

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, int | float) or isinstance(other, bool):
            return False
        if math.isnan(self) or math.isnan(other):
            return math.isnan(self) and math.isnan(other)
        return math.isclose(self, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __repr__(self) -> str:
        return f"{float(self):.10g}"


def close(found: Any) -> Any:
    """The same, with every float in it a `Close`; arrays are lists."""
    if isinstance(found, float):
        return Close(found)
    if isinstance(found, Mapping):
        return {key: close(value) for key, value in found.items()}
    if isinstance(found, list | tuple):
        return type(found)(close(value) for value in found)
    if hasattr(found, "tolist"):
        return close(found.tolist())
    return found


def close_rows(rows: Iterable[Any]) -> list[Any]:
    """Rows in an order that is theirs alone, as `close`."""
    return sorted(map(close, rows), key=repr)


def rows_of(name: str, rows: Iterable[Any]) -> list[Any]:
    """Rows of a table or view of results, sorted: a view's as `close_rows`, a table's to the last
    bit, for it holds what the journal holds.
    """
    return close_rows(rows) if name in VIEWS else sorted(rows, key=repr)


def close_text(cell: str) -> Any:
    """The cell of a CSV file: a number as `close`, other text as it is."""
    try:
        return Close(cell)
    except ValueError:
        return cell

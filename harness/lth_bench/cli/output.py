"""Printing to stdout: tables for people, one JSON object for programs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from lth_bench.output.columns import Columns

PIPED_WIDTH = 160
"""Columns where the output is not a terminal, so that tables in a log are not wrapped at 80."""


def console() -> Console:
    """The console of stdout, for data."""
    from lth_bench.output.columns import Uncropped

    return Uncropped(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)


def table(*columns: str) -> Columns:
    """An empty table in the style of all commands."""
    from lth_bench.output.columns import table

    return table(*columns)


def print_json(value: dict[str, Any]) -> None:
    """Print one JSON object. ValueError for NaN and infinity, which JSON does not have."""
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False, default=str) + "\n")

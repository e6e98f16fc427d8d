"""The papers' figures, one row each of `suites/papers/published.csv`: claims name them.

A row is a value with its protocol: which network and data, how the masks were found, how many
weights remained, over how many seeds. `basis` says how the value is known: `data` computed from
results that the authors published, `source` read in the paper or its code, `unverified` quoted at
second hand, so that a threshold keeps a margin to it.
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from lth_bench.errors import UserError
from lth_bench.params import dotted, show
from lth_bench.params.build import Keys
from lth_bench.suite.source import FOLDER

FILE = FOLDER / "papers" / "published.csv"
NEAREST = 3
"""Names that the message of an unknown one gives."""
IN_PERCENT = ("%", "points")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One published figure."""

    name: str
    """PAPER/WHAT: `renda2020/r20-iterative-lrr-21`."""
    paper: str
    where: str
    """Table, figure or data of the paper."""
    what: str
    """The method, or what is subtracted or divided."""
    network: str
    dataset: str
    pruning: str
    """How the masks were found: `iterative` or `one-shot`; "" where that is no question."""
    density: float | None
    """Weights remaining, in (0, 1]; None where that is no question."""
    low: float
    high: float
    """The same as `low`, unless the paper gives a range."""
    sd: float | None
    """Standard deviation over the seeds, in `unit`; None where not given."""
    unit: str
    """`%`, `points`, `ratio`, `steps`, or "" for a plain number."""
    n: int | None
    """Seeds; None where not stated."""
    basis: str
    """`data`, `source` or `unverified`."""
    method: str
    """The strategy here that is the figure's method, or STRATEGY/CONTROL; "" if there is none."""
    versus: str
    """What is subtracted from it (`points`) or divides it (`ratio`); else ""."""
    metric: str
    """The metric here; "" without a method."""

    @property
    def ends(self) -> tuple[float, float]:
        """Lowest and highest value as claims state them: fractions instead of percent."""
        scale = 100 if self.unit in IN_PERCENT else 1
        return self.low / scale, self.high / scale

    @property
    def text(self) -> str:
        """`Renda et al. (2020), data published with the paper: fine-tuning, ResNet-20 on …`."""
        kept = "" if self.density in (None, 1) else f" at {100 * (self.density or 0):g}% of weights"
        how = f", {self.pruning}" if self.pruning else ""
        seeds = "" if self.n is None else f" (n = {self.n})"
        place = f"{self.network} on {self.dataset}{kept}{how}{seeds}"
        return f"{self.paper}, {self.where}: {self.what}; {place}"


@cache
def figures() -> Mapping[str, Figure]:
    """Every row by its name, in the order of the file."""
    with FILE.open(encoding="utf-8", newline="") as file:
        rows = [_figure(row) for row in csv.DictReader(file)]
    return {row.name: row for row in rows}


def _figure(row: Mapping[str, str]) -> Figure:
    numbers: dict[str, Any] = {
        "density": float(row["density"]) if row["density"] else None,
        "low": float(row["low"]),
        "high": float(row["high"]),
        "sd": float(row["sd"]) if row["sd"] else None,
        "n": int(row["n"]) if row["n"] else None,
    }
    return Figure(**{**row, **numbers})


def quoted(names: tuple[str, ...], compare: str, at: Keys) -> tuple[float, float]:
    """The value of one row, or the difference or ratio of two, as a claim states it.

    UserError for a name that no row has, with the nearest ones, and for two rows of different
    units.
    """
    found = [_named(name, at) for name in names]
    if len(found) == 1:
        return found[0].ends
    of, versus = found
    if of.unit != versus.unit:
        raise UserError(
            f"{dotted(at)} names figures of different units: {of.name} is in {show(of.unit)}, "
            f"{versus.name} in {show(versus.unit)}",
            at,
        )
    (low, high), (versus_low, versus_high) = of.ends, versus.ends
    if compare == "ratio":
        return low / versus_high, high / versus_low
    return low - versus_high, high - versus_low


def _named(name: str, at: Keys) -> Figure:
    known = figures()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, NEAREST, cutoff=0.4)
    hint = f"; the nearest are {', '.join(near)}" if near else ""
    raise UserError(
        f"{dotted(at)}: no published figure is named {show(name)}{hint}. All are in {FILE.name} "
        f"beside the papers' suites; a number works too",
        at,
    )

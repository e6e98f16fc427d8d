"""What a metric is: its unit, which way is better, how it is written, what difference matters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lth_bench.analysis.numbers import MINUS, count
from lth_bench.store.metric import (
    POINTS_MARGIN,
    RELATIVE_MARGIN,
    MetricSplit,
    MetricUnit,
    require_metric,
    rule_of,
    split_of,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


WRITTEN = {"rmse": "RMSE", "r2": "R²", "map": "mAP", "f1": "F1"}
"""How sentences and axes write what names have in small letters."""


@dataclass(frozen=True)
class Measure:
    """One metric."""

    name: str
    unit: MetricUnit
    """Of its values; a fraction is written in percent and its differences in points."""
    higher: bool
    """Whether larger values are better."""
    known: bool = True
    """False where `higher` is only assumed, as for a plugin's metric."""

    @property
    def split(self) -> MetricSplit:
        """The data that it is measured on; "" where it is none of a split."""
        return split_of(self.name)

    @property
    def is_fraction(self) -> bool:
        """Whether values lie in [0, 1] and are written in percent."""
        return self.unit == "fraction"

    @property
    def worst(self) -> float | None:
        """What a seed counts as that the method lost; None where there is no worst value."""
        return (0.0 if self.higher else 1.0) if self.is_fraction else None

    @property
    def worst_words(self) -> str:
        """What a seed that the method lost does in a ranking: `counts as accuracy 0`."""
        if self.worst is None:
            return "ranks behind all others"
        return f"counts as {self.short} {self.worst:g}"

    @property
    def direction(self) -> str:
        """Which way is better, in words: `lower is better`."""
        better = "higher is better" if self.higher else "lower is better"
        return better if self.known else f"{better} (assumed)"

    @property
    def sign(self) -> int:
        """1 where larger values are better, otherwise −1."""
        return 1 if self.higher else -1

    @property
    def difference_unit(self) -> str:
        """Of a difference: "points", "steps", …; "" for a plain number."""
        return "points" if self.is_fraction else self.unit

    @property
    def value_unit(self) -> str:
        """Of a value as it is written: "%", "steps", …; "" for a plain number."""
        return "%" if self.is_fraction else self.unit

    @property
    def heading(self) -> str:
        """Name with the unit of values, for a table: `test_accuracy in %`."""
        return f"{self.name} in {self.value_unit}" if self.value_unit else self.name

    @property
    def column(self) -> str:
        """The same for a column's header: `accuracy %`, `test_loss`."""
        return f"{self.short} {self.value_unit}".rstrip()

    @property
    def short(self) -> str:
        """The name; test accuracy is simply accuracy."""
        return "accuracy" if self.name == ACCURACY.name else self.name

    @property
    def words(self) -> str:
        """The name in a sentence: `test accuracy`, `test RMSE`."""
        return " ".join(WRITTEN.get(word, word) for word in self.name.split("_"))

    @property
    def without_split(self) -> str:
        """The name in a sentence without the split: `accuracy`, `RMSE`."""
        return self.words.removeprefix(f"{self.split} ") if self.split else self.words

    @property
    def title(self) -> str:
        """The same as a heading or an axis: `Test accuracy`."""
        return self.words[:1].upper() + self.words[1:]

    @property
    def is_accuracy(self) -> bool:
        """Whether it is one of the accuracies, whose error is 1 − it."""
        return self.name.endswith("accuracy")

    def value(self, x: float) -> str:
        """A value, without its unit."""
        if self.is_fraction:
            return minus(f"{100 * x:.2f}")
        if self.unit in ("steps", "examples"):
            return count(x) if x >= 0 else minus(f"-{count(-x)}")
        if self.unit == "s" and abs(x) >= 10:
            return minus(f"{x:,.1f}")
        return minus(f"{x:.3g}" if self.unit else f"{x:.4g}")

    def difference(self, x: float) -> str:
        """A difference with its sign, without its unit."""
        text = self.value(x)
        return text if text.startswith(MINUS) else f"+{text}"

    def half_width(self, mean: float | None, high: float | None, low: float | None = None) -> str:
        """What follows ± of a mean; empty where one value has no interval.

        Of an interval whose ends are not equally far, as that of a chance, the farther: `low`
        tells.
        """
        if mean is None or high is None:
            return ""
        return self.value(high - mean if low is None else max(high - mean, mean - low))

    def with_half(self, mean: float, high: float | None, low: float | None = None) -> str:
        """A mean with what follows ±, if it has an interval: `97.80 ± 0.50`."""
        half = self.half_width(mean, high, low)
        return f"{self.value(mean)} ± {half}" if half else self.value(mean)

    def difference_with_half(self, mean: float, high: float | None) -> str:
        """The same of a difference: `+0.40 ± 0.99`."""
        half = self.half_width(mean, high)
        return f"{self.difference(mean)} ± {half}" if half else self.difference(mean)

    def margin(self, given: float | None, reference: float) -> float:
        """The margin in the unit of the values; `given` or the default.

        Of fractions it is absolute. Of everything else it is relative to `reference`, since half
        a step, or half a second, means nothing.
        """
        stated = self.stated_margin(given)
        if self.is_fraction:
            return stated
        return max(stated * abs(reference), 1e-12)  # a margin is above 0, whatever is compared

    def stated_margin(self, given: float | None) -> float:
        """The margin as it is stated, absolute or relative; `given` or the default."""
        if given is not None:
            return given
        return POINTS_MARGIN if self.is_fraction else RELATIVE_MARGIN

    def margin_words(self, given: float | None, whose: str = "A") -> str:
        """The margin for a legend: `0.5 points`, `5% of A's mean`."""
        number, unit = self.margin_parts(given, whose)
        return number + unit

    def margin_parts(self, given: float | None, whose: str) -> tuple[str, str]:
        """The margin's number, and what follows it: `0.5` and ` points`."""
        number = f"{100 * self.stated_margin(given):.6g}"
        return number, " points" if self.is_fraction else f"% of {whose}'s mean"


def measure(metric: str) -> Measure:
    """What is known of a metric by its name: a column of `tickets_flat`, or a plugin's."""
    rule = rule_of(metric)
    if rule is None:
        return Measure(metric, "", True, known=False)
    return Measure(metric, rule.unit, rule.higher)


ACCURACY = Measure("test_accuracy", "fraction", True)
"""The metric of every board, claim and figure that names no other."""


def measured(con: DuckDBPyConnection, metric: str) -> Measure:
    """A metric that the results have, or an objective's that they are to have.

    UnknownName, with those there are, for any other.
    """
    said = con.execute(
        "SELECT unit, higher_is_better FROM measures WHERE metric = ?", [metric]
    ).fetchone()
    if said is not None:
        return Measure(metric, *said)
    require_metric(con, metric)
    return measure(metric)


def primary_measures(con: DuckDBPyConnection) -> dict[int, Measure]:
    """What each task is judged by, by its number in the table `tasks`."""
    found = con.execute("SELECT task, metric FROM tasks ORDER BY task").fetchall()
    known = {name: measured(con, name) for name in {name for _, name in found}}
    return {task: known[name] for task, name in found}


def named_once(measures: Iterable[Measure]) -> list[Measure]:
    """Each metric once: accuracy first, the others by name."""
    found = {known.name: known for known in measures}
    return sorted(found.values(), key=lambda known: (known.name != ACCURACY.name, known.name))


def minus(text: str) -> str:
    """The number with a true minus sign; a hyphen in an exponent stays."""
    return f"{MINUS}{text[1:]}" if text.startswith("-") else text

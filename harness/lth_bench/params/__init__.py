"""Parameters: the fields of frozen dataclasses, checked against type and range.

Whatever a user sets (a strategy's, model's, dataset's or recipe's options) is a field:

    rate: Annotated[float, Range(0, 1, open_low=True)] = 0.2
    \"\"\"What it does, and its unit.\"\"\"

A field's type is int, float, bool, str, a Literal, `X | None`, `int | float`, `tuple[T, ...]`,
`Mapping[str, T]`, or another frozen dataclass, which a suite writes as a table (or as one number,
where the class has a classmethod `of(number)`).
"""

from lth_bench.params.build import build
from lth_bench.params.describe import Param, canonical, parameters, plain
from lth_bench.params.types import Range, Tune, dotted, show

__all__ = ["Param", "Range", "Tune", "build", "canonical", "dotted", "parameters", "plain", "show"]

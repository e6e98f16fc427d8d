from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest

from lth_bench.errors import UserError
from lth_bench.params import Range, parameters


@dataclass(frozen=True)
class Base:
    """A base."""

    rate: Annotated[float, Range(0, 1, open_low=True)] = 0.2
    """Fraction removed
    each round."""
    bare: int = 3
    kind: Literal["layer", "global"] = "layer"
    """How to rank."""


@dataclass(frozen=True)
class Child(Base):
    steps: Annotated[int, Range(0)] | None = None
    """Length in steps."""
    rate: Annotated[float, Range(0, 1)] = 0.3
    iterative = True


@dataclass(frozen=True)
class Needs:
    size: tuple[Annotated[int, Range(1)], ...]
    """Sizes."""


def test_names_docs_ranges_and_choices():
    rate, bare, kind = parameters(Base)
    assert (rate.name, rate.default, rate.required) == ("rate", 0.2, False)
    assert rate.doc == "Fraction removed each round."
    assert rate.range == Range(0, 1, open_low=True)
    assert rate.type_name == "float"
    assert (bare.doc, bare.range, bare.choices) == ("", None, ())
    assert kind.choices == ("layer", "global")
    assert kind.type_name == "'layer' | 'global'"


def test_inherited_fields_keep_their_documentation():
    found = {param.name: param for param in parameters(Child)}
    assert list(found) == ["rate", "bare", "kind", "steps"]
    assert found["rate"].doc == "Fraction removed each round."
    assert found["rate"].default == 0.3
    assert found["steps"].doc == "Length in steps."
    assert found["steps"].range == Range(0, math.inf)
    assert found["steps"].type_name == "int | None"


def test_required():
    (size,) = parameters(Needs)
    assert size.required
    assert size.default is None
    assert size.type_name == "tuple[int, ...]"
    assert size.range == Range(1)


@dataclass
class Thawed:
    x: int = 1


@dataclass(frozen=True)
class Strange:
    x: complex = 1j


@dataclass(frozen=True)
class Misspelt:
    x: Flaot = 1.0  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("cls", "part"),
    [
        (int, "must be a frozen dataclass"),
        (Thawed, "must be frozen"),
        (Strange, "Strange.x: a parameter's type is"),
        (Misspelt, "annotation cannot be read: name 'Flaot'"),
    ],
)
def test_a_plugins_mistakes_are_named(cls, part):
    with pytest.raises(UserError, match=re.escape(part)):
        parameters(cls)


@pytest.mark.parametrize(
    ("limits", "text", "inside", "outside"),
    [
        (Range(0, 1), "[0, 1]", [0, 0.5, 1], [-0.1, 1.1, math.nan]),
        (Range(0, 1, open_low=True), "(0, 1]", [0.1, 1], [0]),
        (Range(0, 1, open_high=True), "[0, 1)", [0], [1]),
        (Range(1), ">= 1", [1, 10**300], [0]),
        (Range(0, open_low=True), "> 0", [1e-300], [0]),
        (Range(high=3), "<= 3", [3, -5], [4]),
    ],
)
def test_range(limits, text, inside, outside):
    assert str(limits) == text
    assert all(number in limits for number in inside)
    assert not any(number in limits for number in outside)

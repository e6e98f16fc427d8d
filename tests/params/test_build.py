from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.errors import UserError
from lth_bench.params import Range, build, canonical


@dataclass(frozen=True)
class Rates:
    conv: Annotated[float, Range(0, 1)] = 0.2
    output: Annotated[float, Range(0, 1)] = 0.2

    @classmethod
    def of(cls, number: float) -> Rates:
        return cls(number, number)


@dataclass(frozen=True)
class Shape:
    depth: Annotated[int, Range(1, 100)]
    width: int = 1


@dataclass(frozen=True, eq=False)
class Method:
    rate: Rates = Rates(output=0.1)
    hidden: tuple[Annotated[int, Range(1)], ...] = (300, 100)
    betas: tuple[float, float] = (0.9, 0.999)
    optimizer: Literal["sgd", "adam"] = "sgd"
    steps: Annotated[int, Range(1)] | None = None
    drop: Annotated[float, Range(0, 1, open_low=True, open_high=True)] | None = 0.3
    number: int | float = 1
    flag: bool = False
    text: str = ""
    shape: Shape | None = None
    free: Mapping[str, object] = field(default_factory=dict)
    iterative = True

    def __post_init__(self) -> None:
        if self.flag and not self.text:
            raise ValueError("flag needs text")


def refused(values: Mapping[str, object], cls: type[Any] = Method) -> UserError:
    with pytest.raises(UserError) as caught:
        build(cls, values, "strategy 'm'")
    assert str(caught.value).startswith("strategy 'm': ")
    return caught.value


def test_defaults_stay():
    assert canonical(build(Method, {})) == {}


@pytest.mark.parametrize(
    ("values", "name", "expected"),
    [
        ({"rate": 0.5}, "rate", Rates(0.5, 0.5)),
        ({"rate": 1}, "rate", Rates(1.0, 1.0)),
        ({"rate": {"conv": 0.3}}, "rate", Rates(0.3, 0.1)),
        ({"rate": Rates(0.4, 0.4)}, "rate", Rates(0.4, 0.4)),
        ({"hidden": [5]}, "hidden", (5,)),
        ({"hidden": []}, "hidden", ()),
        ({"betas": [0, 1]}, "betas", (0.0, 1.0)),
        ({"steps": 7}, "steps", 7),
        ({"steps": None}, "steps", None),
        ({"drop": 0.5}, "drop", 0.5),
        ({"number": 2}, "number", 2),
        ({"number": 2.5}, "number", 2.5),
        ({"shape": {"depth": 3}}, "shape", Shape(3)),
        ({"free": {"a": [1]}}, "free", {"a": [1]}),
    ],
)
def test_accepts(values, name, expected):
    value = getattr(build(Method, values), name)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("values", "path", "parts"),
    [
        ({"rat": 1}, ("rat",), ["unknown key rat", "'rate'"]),
        ({"rate": {"cnv": 1}}, ("rate", "cnv"), ["rate.cnv", "'conv'"]),
        ({"rate": 1.5}, ("rate",), ["a number in [0, 1]", "1.5"]),
        ({"rate": {"conv": 3}}, ("rate", "conv"), ["rate.conv must be", "[0, 1]", "got 3"]),
        ({"rate": "x"}, ("rate",), ["a table of conv, output, or one number", "'x'"]),
        ({"rate": True}, ("rate",), ["got true"]),
        ({"hidden": 3}, ("hidden",), ["a list, each element an integer >= 1", "got 3"]),
        ({"hidden": [3, 0]}, ("hidden", 1), ["hidden[1]", "an integer >= 1", "got 0"]),
        ({"betas": [0.1]}, ("betas",), ["a list of 2"]),
        ({"optimizer": "sdg"}, ("optimizer",), ["'sgd', 'adam'", "did you mean 'sgd'"]),
        ({"optimizer": 3}, ("optimizer",), ["one of", "got 3"]),
        ({"steps": 0}, ("steps",), ["an integer >= 1", "got 0"]),
        ({"steps": 2.0}, ("steps",), ["an integer", "got 2.0"]),
        ({"steps": True}, ("steps",), ["got true"]),
        ({"drop": 1}, ("drop",), ["a number in (0, 1)", "got 1"]),
        ({"drop": math.nan}, ("drop",), ["nan"]),
        ({"number": math.inf}, ("number",), ["inf"]),
        ({"betas": [10**400, 0]}, ("betas", 0), ["more than 80 digits"]),
        ({"flag": 1}, ("flag",), ["true or false", "got 1"]),
        ({"flag": True}, (), ["flag needs text"]),
        ({"text": 1}, ("text",), ["a string"]),
        ({"shape": {}}, ("shape",), ["missing key shape.depth", "an integer in [1, 100]"]),
        ({"shape": {"depth": 0}}, ("shape", "depth"), ["shape.depth", "got 0"]),
        ({"shape": 3}, ("shape",), ["a table of depth, width", "got 3"]),
        ({"free": 3}, ("free",), ["a table"]),
        ({"text": ["x" * 1000]}, ("text",), ["..."]),
    ],
)
def test_refuses(values, path, parts):
    error = refused(values)
    assert error.path == path
    assert len(str(error)) < 300
    for part in parts:
        assert part in str(error)


def test_post_init_may_name_the_key():
    @dataclass(frozen=True)
    class Inner:
        low: float = 0.0

        def __post_init__(self) -> None:
            if self.low < 0:
                raise UserError("low must not be negative", ("low",))

    @dataclass(frozen=True)
    class Outer:
        # a class of this function cannot be found by name, so it is named by the object
        inner: object = None

    Outer.__annotations__["inner"] = Inner | None
    error = refused({"inner": {"low": -1}}, Outer)
    assert error.path == ("inner", "low")


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["sgd", "adam"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["conv", "output", "depth", "width"]) | st.text(max_size=3),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
names = st.sampled_from(list(Method.__dataclass_fields__)) | st.text(max_size=4)


@given(st.dictionaries(names, values, max_size=4))
def test_any_value_is_built_or_refused(given_values):
    try:
        method = build(Method, given_values, "m")
    except UserError:
        return
    again = build(Method, canonical(method), "m")
    assert canonical(again) == canonical(method)


@dataclass(frozen=True)
class Inner:
    rate: Annotated[float, Range(0, 1)] = 2.0


def broken(**fields: Any) -> type[Any]:
    """A frozen dataclass `Mine` with fields given as (annotation, default)."""
    body = {"__annotations__": {n: a for n, (a, _) in fields.items()}, "__qualname__": "Mine"}
    return dataclass(frozen=True)(type("Mine", (), body | {n: d for n, (_, d) in fields.items()}))


@pytest.mark.parametrize(
    ("annotation", "default", "said"),
    [
        (Annotated[float, Range(0, 1)], 2.0, "Mine.x must be a number in [0, 1], but got 2.0"),
        (float, "much", "Mine.x must be a number, but got 'much'"),
        (float, math.nan, "Mine.x must be a"),
        (int, 0.5, "but got 0.5"),
        (int, None, "but got None"),
        (bool, 1, "but got 1"),
        (Literal["a", "b"], "c", "but got 'c'"),
        (tuple[Annotated[int, Range(1, 9)], ...], (1, 0), "Mine.x[1] must be"),
        (Annotated[float, Range(0, 1)] | None, 7.0, "but got 7.0"),
        (Inner, Inner(), "default of Inner.rate"),
    ],
)
@pytest.mark.parametrize("values", [{}, {"y": 2}])
def test_a_default_keeps_what_the_class_says(annotation, default, said, values):
    cls = broken(x=(annotation, default), y=(int, 1))
    with pytest.raises(UserError) as caught:
        build(cls, values)
    assert "the default of " in caught.value.message
    assert said in caught.value.message
    assert "change the default" in caught.value.message


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (float, 1), (float | None, None), (int | float, 0.5), (tuple[int, ...], ()),
        (Annotated[float, Range(0, 1)], 0), (Mapping[str, float], {"a": 1.0}),
    ],
)  # fmt: skip
def test_a_default_that_could_be_given_is_none_to_refuse(annotation, default):
    given = (annotation, field(default_factory=lambda: default)) if default == {"a": 1.0} else None
    cls = broken(x=given or (annotation, default))
    assert build(cls, {}).x == default

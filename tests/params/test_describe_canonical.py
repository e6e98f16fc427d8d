from __future__ import annotations

import json
from dataclasses import dataclass

from lth_bench.params import build, canonical, plain


@dataclass(frozen=True)
class Rates:
    conv: float = 0.2
    output: float = 0.2

    @classmethod
    def of(cls, number: float) -> Rates:
        return cls(number, number)


@dataclass(frozen=True, eq=False)
class Method:
    zeta: float = 0.3
    rate: Rates = Rates(output=0.1)
    other: Rates | None = None
    sizes: tuple[float, ...] = (1.0, 2.0)


@dataclass(frozen=True)
class Needs:
    depth: int
    width: int = 2


def test_defaults_are_left_out_however_they_are_written():
    assert canonical(Method(zeta=0.3, rate=Rates(0.2, 0.1), sizes=(1, 2))) == {}


def test_only_what_differs_is_kept_sorted():
    found = canonical(Method(zeta=1, rate=Rates(0.5, 0.1)))
    assert json.dumps(found) == '{"rate": {"conv": 0.5}, "zeta": 1.0}'


def test_an_int_in_a_float_field_is_that_float():
    assert json.dumps(canonical(Method(sizes=(3, 4)))) == '{"sizes": [3.0, 4.0]}'


def test_a_table_in_place_of_none_is_kept_even_at_its_own_defaults():
    found = canonical(Method(other=Rates()))
    assert found == {"other": {}}
    assert build(Method, found).other == Rates()


def test_required_parameters_are_always_kept():
    assert canonical(Needs(depth=3)) == {"depth": 3}


def test_plain_lists_every_field():
    assert plain(Rates()) == {"conv": 0.2, "output": 0.2}
    assert plain((1, (2,))) == [1, [2]]

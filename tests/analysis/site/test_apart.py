from __future__ import annotations

import pytest

from lth_bench.analysis.site import Made, apart
from lth_bench.analysis.site.apart import CONSEQUENCES

ALIKE = {"torch": ("2.15.0",), "device": ("cpu",), "suite version": ("1",), "machine": ("host-1",)}


def made(database: str, **changes: tuple[str, ...]) -> Made:
    values = ALIKE | {key.replace("_", " "): value for key, value in changes.items()}
    return Made(database=database, suite="s", values=values)


def test_what_is_alike_is_not_said() -> None:
    assert apart([made("a"), made("b")]) == []


@pytest.mark.parametrize("key", ["torch", "device", "suite version"])
def test_what_differs_is_said_with_what_follows(key: str) -> None:
    (one,) = apart([made("a"), made("b", **{key.replace(" ", "_"): ("other",)})])
    assert (one.what, one.consequence) == (key, CONSEQUENCES[key])
    assert one.values == {"a": ALIKE[key], "b": ("other",)}


def test_data_and_code_are_named() -> None:
    results = [
        Made(database=name, suite="s", values={"data: digits": (code,)})
        for name, code in ("ax", "by")
    ]
    (one,) = apart(results)
    assert one.what == "data: digits" and one.consequence == CONSEQUENCES["data"]


def test_what_was_not_recorded_differs_from_nothing() -> None:
    assert apart([made("a"), made("b", torch=())]) == []


def test_machines_of_one_database_differ_and_numbers_of_two_say_nothing() -> None:
    assert apart([made("a"), made("b", machine=("host-2",))]) == []
    (one,) = apart([made("a", machine=("host-1", "host-2"))])
    assert one.what == "machine"


def test_the_gravest_comes_first_and_a_version_says_that_the_file_differs() -> None:
    results = [
        made("a", suite_file=("x",), torch=("1",)),
        made("b", suite_file=("y",), suite_version=("2",)),
    ]
    assert [one.what for one in apart(results)] == ["suite version", "torch"]

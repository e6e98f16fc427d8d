"""From which density on a form is faster, and how it is said."""

from __future__ import annotations

import math

import pytest

from lth_bench.analysis.boards.break_even import BreakEven, FormSpeed, break_even, in_words


def speeds(*rows: tuple[float, float, bool]) -> list[FormSpeed]:
    return [FormSpeed(*row) for row in rows]


CROSSING = speeds((0.4, 0.5, False), (0.2, 0.8, False), (0.1, 2.0, True), (0.05, 3.0, True))


def test_the_estimate_is_where_the_speed_up_crosses_one() -> None:
    found = break_even(CROSSING)
    assert found.from_density == 0.1
    # log-log: of the way from 0.1 (2 times) to 0.2 (0.8 times), log 2 / log 2.5
    share = math.log(2.0) / math.log(2.5)
    assert found.estimate == pytest.approx(0.1 * 2**share)


def test_one_that_is_never_and_one_that_is_always_faster() -> None:
    assert break_even(speeds((0.5, 0.9, False), (0.1, 0.99, False))) == BreakEven(None, None)
    assert break_even(speeds((0.1, 1.2, True), (0.5, 1.1, True))) == BreakEven(0.5, None)


def test_a_faster_density_above_a_slower_one_does_not_count() -> None:
    assert break_even(speeds((0.5, 1.3, True), (0.1, 0.9, False))) == BreakEven(None, None)


def test_a_denser_one_that_is_no_slower_bounds_it() -> None:
    found = break_even(speeds((0.5, 1.01, False), (0.1, 1.5, True)))
    assert found == BreakEven(0.1, 0.1)


def test_words() -> None:
    told = in_words(
        "csr",
        {"imp": CROSSING, "snip": CROSSING, "rigl": speeds((0.4, 0.7, False), (0.1, 0.9, False))},
    )
    assert told == (
        "CSR, against dense: imp, snip faster from 10.00% down, up to 3 times; break-even at about "
        "16.89%; rigl not faster at any density, down to 10.00%."
    )
    always = in_words("shrunk", {"l1": speeds((0.5, 1.5, True), (0.2, 4.0, True))})
    assert "l1 faster at every density, from 50.00% down, up to 4 times." in always


def test_one_density_says_nothing_of_others() -> None:
    told = in_words("csr", {"imp": speeds((0.13, 1.5, True)), "snip": speeds((0.13, 0.9, False))})
    assert told == (
        "CSR, against dense: imp faster at 13.00%, the only density that was timed, up to 1.5 "
        "times; snip not faster at 13.00%, the only density that was timed."
    )


def test_a_mask_alone_is_never_faster_and_what_seems_so_is_explained() -> None:
    never = in_words("masked", {"imp": speeds((0.1, 1.01, False), (0.2, 0.99, False))})
    assert never.startswith("masked: never faster than dense; its zeros are multiplied")
    some = in_words("masked", {"imp": speeds((0.1, 1.4, True), (0.2, 0.99, False))})
    assert "1 of 2 rows that measured up to 1.4 times faster" in some
    assert "max pooling" in some

"""What the arguments of a run accept, on the command line and from Python."""

from __future__ import annotations

import pytest

from lth_bench.errors import UserError
from lth_bench.running.arguments import LARGEST, cohort_size, duration


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("90", 90), ("0.5", 0.5), ("45s", 45), ("10m", 600), ("2h", 7200), ("1.5H", 5400),
     ("1h30m", 5400), (" 1d ", 86400), (90, 90), (0.5, 0.5)],
)  # fmt: skip
def test_a_duration_is_seconds(value, seconds):
    assert duration("--timeout", value) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "0", "0m", "-5", "ten", "10 m", "10ms", "1e3", "inf", "nan", "m", "1h30", "٣", "1_0"],
)
def test_an_invalid_duration_is_refused(text):
    with pytest.raises(UserError, match=r"--timeout takes a duration above 0.*10m.*but got"):
        duration("--timeout", text)


@pytest.mark.parametrize("text", ["0", "-1", "3", "12", "512", "1e1", "fast", "", "4.0", "²"])
def test_invalid_cohort_sizes_are_refused(text):
    with pytest.raises(UserError) as caught:
        cohort_size("--cohort-size", text)
    wanted = f"--cohort-size takes auto or a power of two from 1 to {LARGEST}, but got {text!r}"
    assert wanted in caught.value.message
    assert "\n" not in caught.value.message


def test_valid_cohort_sizes():
    assert cohort_size("--cohort-size", "auto") is None
    assert [cohort_size("--cohort-size", str(2**i)) for i in range(9)] == [2**i for i in range(9)]
    assert cohort_size("cohort_size", 4) == 4

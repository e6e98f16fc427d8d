"""Durations on the command line."""

from __future__ import annotations

import pytest

from lth_bench.cli.durations import read_duration
from lth_bench.errors import UserError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("0.5", 0.5), ("45s", 45), ("10m", 600), ("2h", 7200), ("1.5H", 5400),
     ("1h30m", 5400), (" 1d ", 86400)],
)  # fmt: skip
def test_a_duration_is_seconds(text, seconds):
    assert read_duration("--timeout", text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "0", "0m", "-5", "ten", "10 m", "10ms", "1e3", "inf", "nan", "m", "1h30", "٣", "1_0"],
)
def test_what_is_none_is_refused(text):
    with pytest.raises(UserError, match=r"--timeout takes a duration above 0.*10m.*but got"):
        read_duration("--timeout", text)

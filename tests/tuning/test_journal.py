"""A study whose data has changed since its trials were trained."""

from __future__ import annotations

import json

import pytest

from lth_bench.errors import UserError
from lth_bench.store.paths import Paths

TUNE = """
[tune]
budget = { trials = 2 }
seeds = 1
strategies = ["snip"]
"""


def experiments(results):
    lines = map(json.loads, Paths(results).journal.read_text().splitlines())
    return [r for r in lines if r["record"] == "experiment"]


def test_new_trials_are_not_compared_with_those_on_other_data(read, tune, inline, tmp_path):
    results = tmp_path / "r.duckdb"
    tune(read(TUNE), results)
    trained = [e.label for e in inline]
    (today,) = {r["fingerprint"] for r in experiments(results)}
    journal = Paths(results).journal
    journal.write_text(journal.read_text().replace(today, "0" * 40))
    with pytest.raises(
        UserError,
        match=r"the data of digits has changed .*; start its studies again with --restart",
    ):
        tune(read(TUNE), results)
    assert len(inline) == len(trained)
    again = tune(read(TUNE), results, restart=True)
    assert again.ended == {"complete": 2}
    assert [e.label for e in inline[len(trained) :]] == trained
    assert {r["fingerprint"] for r in experiments(results)[-3:]} == {today}
    tune(read(TUNE), results)
    assert len(inline) == 2 * len(trained)

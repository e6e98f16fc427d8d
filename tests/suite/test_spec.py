from __future__ import annotations

import json

from lth_bench.suite import load_suite
from lth_bench.suite.spec import summary


def test_counts_include_the_dense_runs(write):
    found = json.loads(json.dumps(summary(load_suite(write()))))
    # three pairs and two dense runs, at two seeds
    assert found["tickets"] == (3 * 2 + 2) * 2
    assert found["strategies"][1] == {
        "label": "snip-big",
        "use": "snip",
        "controls": [],
        "tasks": 1,
    }


def test_controls_and_a_listed_dense(write):
    path = write('use = "imp"', 'use = "dense"\n[[strategies]]\nuse = "imp"\ncontrols = ["reinit"]')
    found = summary(load_suite(path))
    assert found["tickets"] == (2 * 2 * 2 + 2 + 2) * 2

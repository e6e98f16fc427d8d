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


def test_rows_at_density_one_and_ablations_of_the_whole_suite(write):
    """Of `dense_rewind` one and its control for each of two tasks at two seeds, and no ablation;
    without a training of its own no control either. An ablation of the others has no controls.
    """
    path = write('use = "imp"', 'use = "dense_rewind"\n[[strategies]]\nuse = "imp"')
    suite = load_suite(path, ['suite.ablations=["half_data"]', 'suite.controls=["reinit"]'])
    others = (3 * 2 * 2 + 3 * 2 + 2) * 2
    found = summary(suite, {"dense": False, "dense_rewind": True})
    assert found["tickets"] == others + 2 * 2 * 2
    assert summary(suite, {"dense_rewind": False})["tickets"] == others + 2 * 2

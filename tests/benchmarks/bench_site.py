"""How long a site of 20 suites takes, and how large it is.

`make bench ARGS="-k site"`. Prints numbers; nothing is asserted but that the site is whole.
"""

from __future__ import annotations

import json
import os
import platform
import runpy
import subprocess
import sys
import time
from pathlib import Path

from lth_bench.store import fold

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))
LTH_BENCH = str(Path(sys.executable).with_name("lth-bench"))

LABELS = ("dense", "imp", "late_rewind", "one_shot", "early_bird", "snip", "rigl", "random")
SUITES = 20


def test_site_of_20_suites(tmp_path: Path) -> None:
    """Of 20 suites, each with 2 tasks, 8 labels, 5 seeds, 4 densities and a control: 80
    experiments and 630 tickets a suite.
    """
    scenarios = [
        RECORDS["Scenario"](
            suite=f"suite{number:02}", run_id=f"run-{number}", config=str(number),
            tasks=[("mlp", "digits", "mlp"), (f"conv{number}", "cifar10", "paper")],
            strategies=LABELS, seeds=range(5), densities=[0.5, 0.2, 0.1, 0.05],
            controls=("reinit",), weights=True, curve_points=100,
        )
        for number in range(SUITES)
    ]  # fmt: skip
    paths = RECORDS["write"](tmp_path / "results.duckdb", *scenarios)
    fold(paths)
    command = [LTH_BENCH, "site", str(tmp_path / "site"), "--results", str(paths.results), "--json"]
    began = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    found = json.loads(done.stdout)
    pages = list((tmp_path / "site" / "tickets").glob("*.html"))
    print("\n" + json.dumps({
        "suites": SUITES, "experiments": sum(len(s.experiments()) for s in scenarios),
        "seconds": round(seconds, 1), "user": round(os.times().children_user, 1),
        "pages": found["pages"], "mb": round(found["bytes"] / 1e6, 1),
        "kb_a_page_of_tickets": round(sum(p.stat().st_size for p in pages) / len(pages) / 1e3, 1),
        "cpu": platform.processor() or platform.machine(), "cores": os.cpu_count(),
    }))  # fmt: skip
    assert len(list((tmp_path / "site" / "suites").glob("*.html"))) == SUITES

"""`python tests/soak/journal_cost.py [SUITE]`: what the journal takes of a run's time.

Its records are written and flushed to the disk one by one, by the coordinating process.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from lth_bench.store.journal import Journal

if __name__ == "__main__":
    spent: list[float] = []
    append = Journal.append

    def timed(self: Journal, record: dict[str, object]) -> None:
        began = time.perf_counter()
        append(self, record)
        spent.append(time.perf_counter() - began)

    Journal.append = timed  # type: ignore[assignment,method-assign]
    suite = sys.argv[1] if len(sys.argv) > 1 else "quickstart"
    with tempfile.TemporaryDirectory() as folder:
        sys.argv = ["lth-bench", "run", suite, "--results", str(Path(folder) / "results.duckdb")]
        from lth_bench.cli import main

        began = time.perf_counter()
        try:
            main()
        except SystemExit as error:
            seconds = time.perf_counter() - began
            print(
                f"{suite}: {seconds:.1f} s, exit {error.code}; {len(spent)} records appended in "
                f"{sum(spent):.3f} s ({sum(spent) / seconds:.2%}), the slowest in "
                f"{1000 * max(spent):.1f} ms"
            )

"""Results: an append-only journal, the source of truth, and a DuckDB file built from it.

Nothing here imports torch, and duckdb is imported only where a database is opened.
"""

from lth_bench.store.fold import FoldReport, fold, rebuild
from lth_bench.store.frames import Results
from lth_bench.store.journal import Journal, finished
from lth_bench.store.paths import Paths
from lth_bench.store.reading import reading

__all__ = [
    "FoldReport",
    "Journal",
    "Paths",
    "Results",
    "finished",
    "fold",
    "reading",
    "rebuild",
]

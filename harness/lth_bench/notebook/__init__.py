"""Results in a notebook: frames that are read like the report, what came of a suite, and figures.

Beside `api`, since it shows what `output` draws; every object is also of use without a notebook:
a frame is pandas', a figure has its SVG.
"""

from lth_bench.notebook.database import NotebookResults, results

__all__ = ["NotebookResults", "results"]

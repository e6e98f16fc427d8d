"""Strategies in a training loop of one's own: the same strategy object and `on_step` as in a run.

`setup.py` is the function that users call. `selection.py` asks the strategy's hooks, which find
`loop_bench.py` in the place of a task, and `sparsifier.py` holds the mask while the loop trains.
"""

from lth_bench.own_loop.setup import sparsify
from lth_bench.own_loop.sparsifier import Sparsifier

__all__ = ["Sparsifier", "sparsify"]

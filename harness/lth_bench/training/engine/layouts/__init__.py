"""Layouts: where a cohort's tensors are stored, and the training step computed on them."""

from lth_bench.training.engine.layouts.base import Layout
from lth_bench.training.engine.layouts.choose import LayoutType, kind_of, make_layout, ways_to_stack

__all__ = ["Layout", "LayoutType", "kind_of", "make_layout", "ways_to_stack"]

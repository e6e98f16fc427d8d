"""Where a cohort's tensors lie, and the step computed on them."""

from lth_bench.training.layouts.base import Layout
from lth_bench.training.layouts.choose import Kind, kind_of, make_layout, ways_to_stack

__all__ = ["Kind", "Layout", "kind_of", "make_layout", "ways_to_stack"]

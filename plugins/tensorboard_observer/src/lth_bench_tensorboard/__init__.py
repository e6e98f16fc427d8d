"""TensorBoard as an observer of lth-bench."""

from lth_bench_tensorboard.observer import TensorBoard

__all__ = ["TensorBoard"]
__version__ = "0.1.0"

"""Self-tests of a device, run in child processes that may raise, hang or die.

`lth-bench doctor --device` and `tests/benchmarks/training/gpu.py` use them. They import only torch
and the training engine, so that they run on a machine with nothing but PyTorch.
"""

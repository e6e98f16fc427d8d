"""What a device can do, measured by processes that may raise, hang or die without harm.

`lth-bench doctor --device` and `tests/benchmarks/training/gpu.py` are made of this. Nothing here
imports more than torch and the training engine, so that it runs on a machine with PyTorch alone.
"""

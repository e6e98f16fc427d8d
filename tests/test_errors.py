"""Errors that are told apart."""

from __future__ import annotations

import pytest
import torch

from lth_bench.errors import out_of_memory


def test_memory_that_is_too_small_is_recognised():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)  # 4 PiB
    assert out_of_memory(caught.value)
    assert out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert out_of_memory(MemoryError())
    assert out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling …"))
    assert not out_of_memory(RuntimeError("shapes cannot be multiplied"))
    assert not out_of_memory(ValueError("out of memory"))

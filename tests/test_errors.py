"""Errors that are told apart."""

from __future__ import annotations

import pytest
import torch

from lth_bench.errors import near_names, out_of_memory


def test_memory_that_is_too_small_is_recognised():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)  # 4 PiB
    assert out_of_memory(caught.value)
    assert out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert out_of_memory(MemoryError())
    assert out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling …"))
    assert not out_of_memory(RuntimeError("shapes cannot be multiplied"))
    assert not out_of_memory(ValueError("out of memory"))


class _Shy:
    def __dir__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("work", "end"),
    [
        (lambda: torch.zeros(1).nunel(), "; did you mean 'numel'?"),
        (lambda: torch.zeros(1).zzzzzzzzzzz, ""),
        (lambda: _Shy().name, ""),
        (lambda: {}["name"], ""),
    ],
)
def test_names_that_are_near(work, end):
    with pytest.raises((AttributeError, KeyError)) as caught:
        work()
    assert near_names(caught.value) == end


def test_an_attribute_error_without_a_name_suggests_nothing():
    assert near_names(AttributeError("told by hand")) == ""

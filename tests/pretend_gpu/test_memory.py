import gc

import pytest
import torch

import pretend_gpu as gpus

MIB = 2**20


@pytest.mark.gpus(devices=2, memory=64 * MIB, taken=MIB)
def test_bytes_are_counted_by_storage_and_device(pretend_gpu):
    x = torch.empty(MIB, device="cuda:1")
    views = x.view(2, -1).detach()[0]
    assert torch.cuda.memory_allocated(1) == 4 * MIB and torch.cuda.memory_allocated(0) == 0
    del x
    assert torch.cuda.memory_allocated(1) == 4 * MIB
    assert torch.cuda.mem_get_info(1) == (59 * MIB, 64 * MIB)
    del views
    assert torch.cuda.memory_allocated(1) == 0
    assert torch.cuda.max_memory_allocated(1) == 4 * MIB
    torch.cuda.reset_peak_memory_stats(1)
    assert torch.cuda.max_memory_allocated(1) == 0


@pytest.mark.gpus(memory=16 * MIB)
def test_a_full_device_raises_as_torch_does(pretend_gpu):
    held = torch.empty(3 * MIB, device="cuda")
    with pytest.raises(torch.OutOfMemoryError, match="Tried to allocate 8"):
        torch.empty(2 * MIB, device="cuda")
    del held
    torch.empty(2 * MIB, device="cuda")


def test_what_a_graph_uses_is_held_until_it_is_gone(pretend_gpu):
    x, graph = torch.ones(MIB).cuda(), torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        (x * 2).add_(1)
    assert torch.cuda.memory_allocated() == 8 * MIB
    del x
    assert torch.cuda.memory_allocated() == 8 * MIB
    pretend_gpu.captures.clear()
    del graph
    gc.collect()
    assert torch.cuda.memory_allocated() == 0


def test_memory_runs_out_where_it_is_told_to(pretend_gpu):
    x = torch.ones(3).cuda()

    def evaluation():
        return x * 2

    pretend_gpu.fault = gpus.OutOfMemory(inside="evaluation")
    x.add_(1)
    with pytest.raises(torch.OutOfMemoryError):
        evaluation()
    evaluation()
    pretend_gpu.fault = gpus.OutOfMemory(after=pretend_gpu.launched + 2)
    x.add_(1)
    x.add_(1)
    with pytest.raises(torch.OutOfMemoryError):
        x.add_(1)
    pretend_gpu.fault = gpus.OutOfMemory(capturing=True)
    x.add_(1)
    with (
        pytest.warns(UserWarning, match="Graph is empty"),
        pytest.raises(torch.OutOfMemoryError),
        torch.cuda.graph(torch.cuda.CUDAGraph()),
    ):
        x.add_(1)

import threading

import pytest
import torch

import pretend_gpu as gpus


def captured(function, *stream):
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream[0] if stream else torch.cuda.Stream()):
        function()
    return graph


def test_a_replay_works_on_the_storages_of_the_capture(pretend_gpu):
    x, total = torch.ones(2).cuda(), torch.zeros(()).cuda()
    out = []

    def step():
        y = x.mul(3)
        out[:] = [y[0]]
        total.add_(y.sum())

    graph = captured(step)
    total.zero_()
    graph.replay()
    x.fill_(2.0)
    graph.replay()
    assert total.item() == 6 + 12 and out[0].item() == 6.0
    held, x = x, torch.zeros(2).cuda()  # another tensor of that name changes nothing
    graph.replay()
    assert total.item() == 30 and held.tolist() == [2.0, 2.0]
    assert [op.name for op in graph.operations] == ["mul", "sum", "add_"]
    assert pretend_gpu.replays == 3


def test_a_number_from_the_host_is_what_it_was(pretend_gpu):
    x, rate = torch.zeros(()).cuda(), torch.tensor(2.0)
    graph = captured(lambda: x.add_(rate))
    x.zero_()
    rate.fill_(100.0)
    graph.replay()
    assert x.item() == 2.0


@pytest.mark.parametrize(
    "forbidden",
    [
        lambda x: x.sum().item(),
        lambda x: x[x > 0],
        lambda x: x.cpu(),
        lambda x: x.to("cpu", non_blocking=True),
        lambda x: x.copy_(torch.ones(3)),
        lambda x: torch.rand(3, device="cuda"),
        lambda x: torch.nn.functional.dropout(x),
        lambda x: torch.cuda.synchronize(),
    ],
)
def test_a_capture_refuses_reads_copies_and_draws(pretend_gpu, forbidden):
    x = torch.ones(3).cuda()
    with pytest.raises(RuntimeError, match="previous error during capture") as failed:
        captured(lambda: forbidden(x))
    cause = failed.value.__context__
    assert "not permitted when stream is capturing" in str(cause) and "test_graphs" in str(cause)
    assert len(pretend_gpu.failed_captures) == 1 and not pretend_gpu.captures
    forbidden(x)  # all of it is fine outside


@pytest.mark.gpus(devices=2)
def test_a_capture_on_another_devices_stream_is_empty(pretend_gpu):
    x = torch.ones(3, device="cuda:1")
    for stream in (
        torch.cuda.Stream(0),
        None,
    ):  # a stream of the thread's device, which is 0
        with pytest.warns(UserWarning, match="The CUDA Graph is empty"):
            captured(lambda: x.add_(1), stream)
    assert x.tolist() == [3.0] * 3  # it ran at once
    assert len(captured(lambda: x.add_(1), torch.cuda.Stream(1)).operations) == 1


def test_other_threads_are_not_captured(pretend_gpu):
    x, y = torch.ones(3).cuda(), torch.ones(3).cuda()

    def step():
        x.add_(1)
        thread = threading.Thread(target=lambda: y.add_(1).tolist())
        thread.start()
        thread.join()

    assert [op.name for op in captured(step).operations] == ["add_"]
    assert y.tolist() == [2.0] * 3


def test_forks_are_recorded_and_must_join(pretend_gpu):
    x, parts = torch.ones(4).cuda(), [torch.zeros(4).cuda() for _ in range(2)]
    side = [torch.cuda.Stream() for _ in parts]

    def step(join=True):
        origin = torch.cuda.current_stream()
        x.mul_(1)
        for stream, part in zip(side, parts, strict=True):
            stream.wait_stream(origin)
            with torch.cuda.stream(stream):
                part.add_(x)
        for stream in side if join else side[:1]:
            origin.wait_stream(stream)
        if join:
            parts[0].add_(parts[1])

    graph = captured(step)
    lines = graph.by_stream()
    assert [[op.name for op in line] for line in lines.values()] == [
        ["mul_", "add_"],
        ["add_"],
        ["add_"],
    ]
    assert list(lines) == [graph.origin, *(s.stream_id for s in side)]
    first, second = (lines[s.stream_id] for s in side)
    assert gpus.shared(first, second) == []
    assert gpus.shared(lines[graph.origin], first) == [("mul_", "add_"), ("add_", "add_")]
    with pytest.raises(RuntimeError, match="unjoined work"):
        captured(lambda: step(join=False))


def test_backward_runs_on_the_streams_of_forward(pretend_gpu):
    weights = [torch.ones(4).cuda().requires_grad_() for _ in range(2)]
    x = torch.ones(4).cuda()
    side = [torch.cuda.Stream() for _ in weights]

    def step():
        origin, losses = torch.cuda.current_stream(), []
        for stream, weight in zip(side, weights, strict=True):
            weight.grad = None
            stream.wait_stream(origin)
            with torch.cuda.stream(stream):
                losses.append((weight * x).exp().sum())
        for stream in side:
            origin.wait_stream(stream)
        (losses[0] + losses[1]).backward()

    lines = captured(step).by_stream()
    first, second = ([op.name for op in lines[s.stream_id]] for s in side)
    assert first == second == ["mul", "exp", "sum", "mul", "mul"]  # two of them backward
    assert gpus.shared(lines[side[0].stream_id], lines[side[1].stream_id]) == []

import pytest
import torch


def test_what_no_stream_waits_for_is_a_race(pretend_gpu):
    x, side = torch.ones(3).cuda(), torch.cuda.Stream()
    torch.cuda.synchronize()
    with torch.cuda.stream(side):
        y = x * 2
    assert not pretend_gpu.races
    y.add_(1)
    assert len(pretend_gpu.races) == 1 and "add_ at" in pretend_gpu.races[0]
    x.add_(1)  # is read there, perhaps still
    assert len(pretend_gpu.races) == 2
    pretend_gpu.races.clear()


@pytest.mark.parametrize("how", ["stream", "event", "synchronize", "host"])
def test_what_is_waited_for_is_none(pretend_gpu, how):
    x, side = torch.ones(3).cuda(), torch.cuda.Stream()
    here = torch.cuda.current_stream()
    side.wait_stream(here)
    with torch.cuda.stream(side):
        x.mul_(2)
        if how == "event":
            event = torch.cuda.Event()
            event.record()
    if how == "stream":
        here.wait_stream(side)
    elif how == "event":
        here.wait_event(event)
    elif how == "synchronize":
        torch.cuda.synchronize()
    else:
        side.synchronize()
    assert x.add_(1).tolist() == [3.0] * 3
    assert not pretend_gpu.races


def test_streams_are_the_threads_own_and_nest(pretend_gpu):
    one, two = torch.cuda.Stream(), torch.cuda.Stream()
    default = torch.cuda.current_stream()
    with torch.cuda.stream(one):
        with torch.cuda.stream(two):
            assert torch.cuda.current_stream() is two
        assert torch.cuda.current_stream() is one
    assert torch.cuda.current_stream() is default is torch.cuda.default_stream()

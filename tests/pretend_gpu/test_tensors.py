import copy
import threading

import pytest
import torch
from torch import nn


@pytest.mark.gpus(devices=2)
def test_tensors_know_their_device_and_mix_with_no_other(pretend_gpu):
    zero = torch.arange(3.0, device="cuda")
    one = torch.arange(3.0, device="cuda:1")
    assert (zero.device.index, one.device.index) == (0, 1)
    assert (zero * 2 + 1).tolist() == [1.0, 3.0, 5.0]
    for other in (one, torch.arange(3.0)):
        with pytest.raises(RuntimeError, match="same device"):
            zero + other
    assert (zero + torch.tensor(2.0)).tolist() == [2.0, 3.0, 4.0]  # a number from the host may
    assert one.to("cuda:0").add_(zero).tolist() == [0.0, 2.0, 4.0]
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        torch.ones(1, device="cuda:2")


@pytest.mark.gpus(devices=2)
def test_the_current_device_is_the_threads_own(pretend_gpu):
    torch.cuda.set_device("cuda:1")
    seen = []

    def elsewhere():
        seen.append(torch.ones(1, device="cuda").device.index)
        with torch.cuda.device(1):
            seen.append(torch.cuda.current_device())

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [0, 1]
    assert torch.ones(1, device="cuda").device.index == torch.cuda.current_device() == 1


def test_a_module_moves_as_on_a_gpu(pretend_gpu):
    module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 2))
    module[2].weight = module[2].weight  # and is shared with whoever holds it
    held, before = module[0].weight, module[0].weight.detach().clone()
    module.to("cuda").to(memory_format=torch.channels_last)
    assert module[0].weight is held and isinstance(held, nn.Parameter)
    assert held.device == module[1].running_mean.device == torch.device("cuda:0")
    assert torch.equal(held.cpu(), before)
    twin = copy.deepcopy(module)
    assert isinstance(twin[0].weight, nn.Parameter) and twin[0].weight.requires_grad
    with torch.no_grad():
        twin[0].weight.zero_()
    assert torch.equal(held.cpu(), before)
    assert type(copy.deepcopy(module).to("cpu")[0].weight) is nn.Parameter


def test_gradients_are_those_of_the_cpu(pretend_gpu):
    def gradients(device):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
        net.append(nn.Linear(64, 3))
        x = torch.randn(5, 1, 6, 6)
        net.to(device)
        net(x.to(device)).logsumexp(1).sum().backward()
        return [p.grad.cpu() for p in net.parameters()]

    for mine, theirs in zip(gradients("cuda"), gradients("cpu"), strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.gpus(devices=2)
def test_each_device_draws_from_its_own_generator(pretend_gpu):
    before = torch.get_rng_state()
    torch.cuda.manual_seed_all(5)
    zero, one = torch.rand(4, device="cuda:0"), torch.rand(4, device="cuda:1")
    assert zero.tolist() == one.tolist()
    torch.rand(1, device="cuda:1")
    torch.cuda.default_generators[0].manual_seed(5)
    assert torch.rand(4, device="cuda:0").tolist() == zero.tolist() != torch.rand(4).tolist()
    torch.set_rng_state(before)
    torch.rand(3, device="cuda")
    assert torch.equal(torch.get_rng_state(), before)


def test_waits_and_copies_are_counted_with_file_and_line(pretend_gpu):
    x = torch.ones(3).cuda()
    pretend_gpu.reset()
    y = x * 2
    assert not pretend_gpu.waits and pretend_gpu.launches == {"mul": 1}
    y.sum().item()
    x[x > 0]
    x[x > 0] = 2.0  # fills by a mask: nothing is read
    y.cpu()
    torch.ones(3).to("cuda", non_blocking=True)
    torch.cuda.synchronize()
    found = [(p.what, n) for p, n in pretend_gpu.waits.items()]
    assert found == [
        ("_local_scalar_dense", 1),
        ("index by booleans", 1),
        ("copy to the host", 1),
        ("synchronize", 1),
    ]
    assert all(p.file == __file__ for p in [*pretend_gpu.waits, *pretend_gpu.copies])
    assert len({p.line for p in pretend_gpu.waits}) == 4
    assert [p.what for p in pretend_gpu.copies] == ["copy to the host", "copy to the device"]


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.sum().item(),
        lambda x: bool((x > 0).any()),
        lambda x: x[x > 0],
        lambda x: x.tolist(),
        lambda x: x.cpu(),
        lambda x: x.copy_(torch.ones(3)),
        lambda x: torch.equal(x, x),
        lambda x: x.nonzero(),
        lambda x: torch.tensor([1.0], device="cuda"),
    ],
)
def test_sync_debug_mode_refuses_what_waits(pretend_gpu, read):
    x = torch.ones(3).cuda()
    torch.cuda.set_sync_debug_mode("error")
    with pytest.raises(RuntimeError, match=r"synchronizing CUDA operation.*test_tensors"):
        read(x)
    torch.cuda.set_sync_debug_mode("default")
    read(x)


def test_numpy_takes_no_device_tensor(pretend_gpu):
    with pytest.raises(TypeError, match="to numpy"):
        torch.ones(3).cuda().numpy()

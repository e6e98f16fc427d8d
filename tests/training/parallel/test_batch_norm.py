"""The module that a rank trains is another in the same memory."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lth_bench.training.parallel.batch_norm import replica


def network() -> nn.Sequential:
    inner = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4, momentum=None), nn.ReLU())
    return nn.Sequential(inner, nn.Flatten(), nn.Linear(16, 3), nn.BatchNorm1d(3, affine=False))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_replica_shares_every_tensor_in_the_same_order(device: str) -> None:
    """Of a device only the kind of batch norm is asked here."""
    module = network()
    module[2].bias.requires_grad_(False)
    twin = replica(module, torch.device(device))
    ours, theirs = module.state_dict(keep_vars=True), twin.state_dict(keep_vars=True)
    assert list(ours) == list(theirs) and len(ours) == 12
    for key, tensor in ours.items():
        assert theirs[key].data_ptr() == tensor.data_ptr(), key
        assert theirs[key].requires_grad == tensor.requires_grad
        assert isinstance(tensor, nn.Parameter) == isinstance(theirs[key], nn.Parameter)
    names = [name for name, _ in module.named_parameters()]
    assert [name for name, _ in twin.named_parameters()] == names
    kinds = {type(m) for m in twin.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)}
    assert (nn.SyncBatchNorm in kinds) == (device == "cuda")
    # the first one can still be called by one rank alone
    assert type(module[0][1]) is nn.BatchNorm2d and "forward" not in vars(module[0][1])
    assert module(torch.randn(2, 1, 4, 4)).shape == (2, 3)
    assert int(twin.get_buffer("0.1.num_batches_tracked")) == 1

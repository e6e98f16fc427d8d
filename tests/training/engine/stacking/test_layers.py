"""Layers that hold several members, against the members' own layers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lth_bench.training.engine.stacking.layers import by_member, example_major, stack_layers

M, N = 3, 4

CASES = {
    "linear": (lambda: nn.Linear(5, 2), (5,)),
    "linear without bias": (lambda: nn.Linear(5, 2, bias=False), (5,)),
    "linear over tokens": (lambda: nn.Linear(5, 2), (6, 5)),
    "conv": (lambda: nn.Conv2d(2, 5, 3), (2, 6, 6)),
    "conv with everything": (
        lambda: nn.Conv2d(4, 6, (3, 2), stride=(1, 2), padding=1, dilation=(2, 1), groups=2),
        (4, 7, 6),
    ),
    "conv padded to the same size": (
        lambda: nn.Conv2d(2, 3, 3, padding="same", bias=False),
        (2, 5, 5),
    ),
    "depthwise": (lambda: nn.Conv2d(4, 4, 3, groups=4), (4, 5, 5)),
    "batch norm": (lambda: nn.BatchNorm2d(3, eps=0.01, momentum=0.4), (3, 5, 5)),
    "batch norm of features": (lambda: nn.BatchNorm1d(5), (5,)),
    "batch norm of a sequence": (lambda: nn.BatchNorm1d(5), (5, 6)),
    "conv, norm, linear": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(36, 3)
        ),
        (2, 5, 5),
    ),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_all_members_at_once_are_each_member_s_own(case):
    torch.manual_seed(0)
    make, shape = CASES[case]
    alone = [make().double() for _ in range(M)]
    for module in alone:
        for value in (*module.parameters(), *module.buffers()):
            if value.is_floating_point():
                nn.init.uniform_(value, 0.5, 1.5)
    across = example_major(alone[0])
    assert across == (not case.startswith("linear"))
    stacked = stack_layers(alone[0], M, across)
    state = stacked.state_dict(keep_vars=True)
    assert state.keys() == alone[0].state_dict().keys()
    with torch.no_grad():
        for key, tensor in state.items():
            tensor.copy_(torch.stack([m.state_dict()[key] for m in alone]))
    for training in (True, False):
        stacked.train(training)
        x = torch.randn(M, N, *shape, dtype=torch.float64, requires_grad=True)
        rows = (x.transpose(0, 1) if across else x).flatten(0, 1)
        out = by_member(stacked(rows), M, across)
        weight = torch.randn_like(out)
        got = torch.autograd.grad((weight * out).sum(), (x, *stacked.parameters()))
        for i, module in enumerate(alone):
            module.train(training)
            own = x[i].detach().requires_grad_()
            expected = module(own)
            torch.testing.assert_close(out[i], expected, rtol=0, atol=1e-13)
            grads = torch.autograd.grad((weight[i] * expected).sum(), (own, *module.parameters()))
            for a, b in zip(got, grads, strict=True):
                torch.testing.assert_close(a[i], b, rtol=0, atol=1e-12)
            for key, value in module.state_dict().items():
                torch.testing.assert_close(state[key][i], value, rtol=0, atol=1e-13)


def test_input_without_gradient_needs_none_of_the_first_layer():
    stacked = stack_layers(nn.Linear(5, 2), M, False)
    stacked(torch.randn(M * N, 5)).sum().backward()
    assert stacked.weight.grad.shape == (M, 2, 5)


@pytest.mark.parametrize(
    "layer",
    [
        nn.LayerNorm(4),
        nn.Conv1d(2, 2, 1),
        nn.ConvTranspose2d(2, 2, 1),
        nn.Embedding(3, 2),
        nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"),
        nn.BatchNorm2d(2, affine=False),
        nn.BatchNorm2d(2, track_running_stats=False),
        nn.BatchNorm2d(2, momentum=None),
        nn.PReLU(),
    ],
    ids=repr,
)
def test_layers_without_a_stacked_form(layer):
    assert stack_layers(nn.Sequential(nn.Flatten(), layer), M, True) is None


def test_a_layer_that_is_used_twice_stays_one_layer():
    layer = nn.Linear(4, 4)
    stacked = stack_layers(nn.Sequential(layer, nn.ReLU(), layer), M, False)
    assert stacked[0] is stacked[2]
    assert stacked[0] is not layer
    assert [k for k, _ in stacked.named_parameters()] == ["0.weight", "0.bias"]


def test_rows_of_both_orders():
    rows = torch.arange(M * N)
    assert by_member(rows, M, False).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert by_member(rows, M, True).tolist() == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]


class Uncopied(nn.Linear):
    def __deepcopy__(self, memo: object) -> nn.Module:
        raise NotImplementedError("not written yet")


def test_an_error_of_the_users_layer_is_not_taken_for_a_layer_without_a_stacked_form():
    assert stack_layers(nn.Sequential(nn.Conv2d(1, 1, 1, padding_mode="circular")), 2, True) is None
    with pytest.raises(NotImplementedError, match="not written yet"):
        stack_layers(nn.Sequential(Uncopied(2, 2)), 2, False)

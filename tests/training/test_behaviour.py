"""Which networks have their channels last in memory."""

from __future__ import annotations

import torch
from torch import nn

from lth_bench.training.behaviour import takes_channels_last


class Views(nn.Module):
    """As much code is written: a view where a reshape would do."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 5, 3), nn.Linear(80, 3)

    def forward(self, x):
        h = self.conv(x)
        return self.fc(h.view(h.size(0), -1))


def test_convolutions_do_unless_the_network_views_their_output():
    reshapes = nn.Sequential(nn.Conv2d(1, 5, 3), nn.Flatten(), nn.Linear(80, 3))
    linear = nn.Sequential(nn.Flatten(), nn.Linear(36, 3))
    state = torch.get_rng_state()
    for module, expected in ((reshapes, True), (linear, False), (Views(), False)):
        before = {k: v.clone() for k, v in module.state_dict().items()}
        state = torch.get_rng_state()
        assert takes_channels_last(module, (1, 6, 6)) is expected
        assert torch.equal(torch.get_rng_state(), state)
        assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
        assert all(p.is_contiguous() for p in module.parameters())

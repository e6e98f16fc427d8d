"""Cohort size 1: the network itself."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from lth_bench.training.engine.layouts.base import Layout


class Plain(Layout):
    """One member, trained as any PyTorch network is. The one layout that knows `parametrize`."""

    variant = "plain"

    def make_tensors(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        module = self.network.module
        kept = module.state_dict(keep_vars=True)
        parameters = dict(module.named_parameters())
        return dict(parameters), {k: v for k, v in kept.items() if k not in parameters}

    def member(self, tensor: Tensor, slot: int) -> Tensor:
        return tensor

    def backward(self, x: Tensor, y: Tensor) -> None:
        logits = self.network.forward(x, self.masks[0], self.parametrize)
        loss = F.cross_entropy(logits, y, label_smoothing=self.recipe.label_smoothing)
        self.losses += loss.detach()
        for penalty in self.penalties.values():
            loss = loss + penalty(self.parameters)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's stub

    def evaluated(self) -> Tensor:
        data = self.data
        return self.network.evaluated(data.val, data, self.masks[0], self.parametrize)

"""The loop that lottery-ticket research code has, open_lth (Frankle, 2020) foremost.

A DataLoader over images that are converted one by one, one training at a time, the weights
multiplied by their masks in every forward pass, a scheduler stepped every iteration, losses read
with `.item()`, the test set evaluated at the start and after every epoch. Nothing here is slowed
down on purpose, and nothing of this package's engine is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from lth_bench.training.recipe import Recipe

Loader = DataLoader[Any]


class Masked(nn.Module):
    """A network whose pruned weights are set to zero before every forward pass."""

    def __init__(self, network: nn.Module, masks: Mapping[str, Tensor]) -> None:
        """`masks` maps a parameter's name to zeros and ones of its shape."""
        super().__init__()
        self.network = network
        for name, mask in masks.items():
            self.register_buffer(_buffer(name), mask.float())

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to logits [N, classes]."""
        for name, parameter in self.network.named_parameters():
            if hasattr(self, _buffer(name)):
                parameter.data *= getattr(self, _buffer(name))
        logits: Tensor = self.network(x)
        return logits


def _buffer(name: str) -> str:
    return "mask_" + name.replace(".", "_")


def make_loader(
    images: Dataset[Any], batch_size: int, workers: int, device: torch.device, train: bool
) -> Loader:
    """A loader as its defaults are, apart from the number of workers."""
    return DataLoader(
        images,
        batch_size=batch_size,
        shuffle=train,
        drop_last=train,
        num_workers=workers,
        pin_memory=device.type == "cuda",
    )


class Trainer:
    """One training: a masked network, its optimizer and its schedule."""

    def __init__(self, model: Masked, recipe: Recipe, device: torch.device) -> None:
        self.model, self.device = model.to(device), device
        if recipe.optimizer == "sgd":
            self.optimizer: torch.optim.Optimizer = torch.optim.SGD(
                model.parameters(),
                lr=recipe.lr,
                momentum=recipe.momentum,
                weight_decay=recipe.weight_decay,
            )
        else:
            self.optimizer = torch.optim.Adam(
                model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay
            )
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda _: 1.0)

    def train(self, batches: Iterable[tuple[Tensor, Tensor]]) -> float:
        """One pass over the batches; the mean training loss."""
        total, count = 0.0, 0
        for examples, labels in batches:
            examples, labels = examples.to(self.device), labels.to(self.device)
            self.optimizer.zero_grad()
            self.model.train()
            loss = F.cross_entropy(self.model(examples), labels)
            loss.backward()
            self.optimizer.step()
            self.scheduler.step()
            total += loss.item()
            count += 1
        return total / max(1, count)

    def evaluate(self, loader: Loader) -> tuple[float, float]:
        """Mean loss and accuracy over all images of a loader."""
        self.model.eval()
        loss = right = torch.zeros((), device=self.device)
        count = 0
        with torch.no_grad():
            for examples, labels in loader:
                examples, labels = examples.to(self.device), labels.to(self.device)
                logits = self.model(examples)
                loss = loss + F.cross_entropy(logits, labels) * len(labels)
                right = right + (logits.argmax(1) == labels).sum()
                count += len(labels)
        return loss.item() / count, right.item() / count


def prune(network: nn.Module, masks: Mapping[str, Tensor], rate: float) -> dict[str, Tensor]:
    """New masks without the fraction `rate` of the survivors that is smallest, over all layers."""
    weights = {name: network.get_parameter(name).detach().cpu() for name in masks}
    kept = torch.cat([weights[name][mask.cpu() > 0].abs() for name, mask in masks.items()])
    threshold = kept.sort().values[int(rate * len(kept)) - 1]
    return {
        name: torch.where(weights[name].abs() > threshold, mask.cpu(), 0.0)
        for name, mask in masks.items()
    }


def prunable(network: nn.Module) -> list[str]:
    """The parameters that masks apply to: weights of convolutions and linear layers."""
    kinds = (nn.Conv2d, nn.Linear)
    return [f"{name}.weight" for name, part in network.named_modules() if isinstance(part, kinds)]

"""Several members in one computation, their tensors stacked along a first dimension."""

from __future__ import annotations

import contextlib
import copy
import warnings
from abc import abstractmethod
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vmap

from lth_bench.training.data import TaskData
from lth_bench.training.layouts.base import Layout
from lth_bench.training.layouts.layers import by_member, example_major, stack, stack_layers
from lth_bench.training.network import EVAL_BATCH, Network
from lth_bench.training.recipe import Recipe


class Stacked(Layout):
    """Common to both ways to compute a stack. Backward is plain autograd through the stack: the
    members' losses are summed, and each depends on its own weights alone.
    """

    def member(self, tensor: Tensor, slot: int) -> Tensor:
        return tensor[slot]

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Logits [width, N, classes] of a batch's rows."""

    @abstractmethod
    def training(self, mode: bool) -> None:
        """Batch norm's mode, and that of whatever else distinguishes."""

    def _logits(self, x: Tensor) -> Tensor:
        with self.network.autocast():
            return self.forward(x.to(self.network.dtype)).to(self.network.dtype)

    def _by_member(self, rows: Tensor) -> Tensor:
        """[rows, …] as [width, N, …]."""
        return by_member(rows, self.width, self.example_major)

    def backward(self, x: Tensor, y: Tensor) -> None:
        logits = self._logits(x)
        losses = F.cross_entropy(
            logits.flatten(0, 1),
            self._by_member(y).flatten(),
            label_smoothing=self.recipe.label_smoothing,
            reduction="none",
        )
        losses = losses.view(self.width, -1).mean(1)
        self.losses += losses.detach()
        total = losses.sum()
        for slot, penalty in self.penalties.items():
            total = total + penalty({k: p[slot] for k, p in self.parameters.items()})
        total.backward()  # type: ignore[no-untyped-call]  # torch's stub

    @torch.no_grad()
    def evaluate(self, live: Sequence[int]) -> dict[int, tuple[float, float]]:
        data, split = self.data, self.data.val
        loss = torch.zeros(self.width, device=self.device, dtype=torch.float64)
        right = torch.zeros(self.width, device=self.device, dtype=torch.int64)
        # on a CPU the stack's activations should stay in the caches
        size = EVAL_BATCH if self.static else max(1, EVAL_BATCH // self.width)
        self.training(False)
        for i in range(0, len(split), size):
            x, y = data.normalise(split.x[i : i + size]), split.y[i : i + size]
            shape = x.shape
            x = x[:, None] if self.example_major else x[None]
            at = 1 if self.example_major else 0
            x = x.expand(*(self.width if d == at else n for d, n in enumerate(x.shape)))
            logits = self._logits(x.reshape(-1, *shape[1:]))
            found = F.cross_entropy(logits.flatten(0, 1), y.repeat(self.width), reduction="none")
            loss += found.view(self.width, -1).sum(1)
            right += (logits.argmax(2) == y).sum(1)
        self.training(True)
        losses, rights = loss.tolist(), right.tolist()
        return {slot: (losses[slot] / len(split), rights[slot] / len(split)) for slot in live}


class Explicit(Stacked):
    """Every layer computes its members at once: batched products, grouped convolutions, one batch
    norm over all members' channels (HFTA; Wang et al., 2021).
    """

    variant = "stacked"

    def __init__(self, network: Network, data: TaskData, recipe: Recipe, width: int) -> None:
        # convolutions find their groups side by side where rows run through the members first
        self.example_major = example_major(network.module)  # type: ignore[misc]
        super().__init__(network, data, recipe, width)

    def make_tensors(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        module = stack_layers(self.network.module, self.width, self.example_major)
        if module is None:
            raise ValueError("this network has layers that cannot be stacked one by one")
        self.module: nn.Module = module.train()
        return dict(module.named_parameters()), dict(module.named_buffers())

    def forward(self, x: Tensor) -> Tensor:
        return self._by_member(self.module(x))

    def training(self, mode: bool) -> None:
        self.module.train(mode)


@contextlib.contextmanager
def without_slow_warnings() -> Iterator[None]:
    """torch.func says of an operation that it computes it member by member: right, only slow, and
    nothing that a user could change (adaptive pooling is one). The width is measured anyway.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
        yield


class Vmapped(Stacked):
    """Any module: its forward pass under `torch.func.vmap`."""

    variant = "vmap"

    def make_tensors(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        self.module = copy.deepcopy(self.network.module).train()
        width = self.width
        parameters = {
            k: stack(p, width).requires_grad_() for k, p in self.module.named_parameters()
        }
        return parameters, {k: stack(b, width) for k, b in self.module.named_buffers()}

    def forward(self, x: Tensor) -> Tensor:
        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
            out: Tensor = functional_call(self.module, (parameters, buffers), (x,))
            return out

        with without_slow_warnings():
            logits: Tensor = vmap(one)(self.parameters, self.buffers, self._by_member(x))
        return logits

    def training(self, mode: bool) -> None:
        self.module.train(mode)

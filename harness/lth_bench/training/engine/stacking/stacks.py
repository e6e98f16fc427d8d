"""Several members of a network in one module: their tensors, and a forward pass of all of them."""

from __future__ import annotations

import contextlib
import copy
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from lth_bench.training.engine.stacking.layers import by_member, example_major, stack, stack_layers


class Stack(ABC):
    """`members` members of a network, which is left as it is.

    Every tensor of the state dict gains a first dimension of `members`. Parameters that the network
    holds frozen stay frozen, and parts that it holds in eval mode stay in eval mode.
    """

    module: nn.Module
    """Whose parts have the modes that count."""
    example_major: bool = False
    """Whether rows run through all members' first example, then their second, …"""
    tensors: dict[str, Tensor]
    """[members, …] by key of the state dict; one tensor may have several keys. Parameters are
    leaves."""

    def __init__(self, module: nn.Module, members: int) -> None:
        self.members = members
        self.parameter_names = frozenset(k for k, _ in module.named_parameters())
        """Each parameter once, under its first name."""

    @property
    def parameters(self) -> dict[str, Tensor]:
        """The parameters, frozen ones too."""
        return {k: t for k, t in self.tensors.items() if k in self.parameter_names}

    @property
    def buffers(self) -> dict[str, Tensor]:
        """Everything else in the state dict, further names of shared parameters too."""
        return {k: t for k, t in self.tensors.items() if k not in self.parameter_names}

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Logits [members, N, classes] of a batch's rows."""

    def by_member(self, rows: Tensor) -> Tensor:
        """[rows, …] as [members, N, …]."""
        return by_member(rows, self.members, self.example_major)


class ByLayer(Stack):
    """Every layer computes its members at once: batched products, grouped convolutions, one batch
    norm over all members' channels (HFTA; Wang et al., 2021).
    """

    def __init__(self, module: nn.Module, members: int) -> None:
        super().__init__(module, members)
        # convolutions find their groups side by side where rows run through the members first
        self.example_major = example_major(module)
        stacked = stack_layers(module, members, self.example_major)
        if stacked is None:
            raise ValueError("this network has layers that cannot be stacked one by one")
        self.module = stacked
        self.tensors = dict(stacked.state_dict(keep_vars=True))

    def forward(self, x: Tensor) -> Tensor:
        return self.by_member(self.module(x))


class ByVmap(Stack):
    """Any network: its forward pass under `torch.func.vmap`."""

    def __init__(self, module: nn.Module, members: int) -> None:
        super().__init__(module, members)
        self.module = copy.deepcopy(module)
        self.tensors = _stacked(self.module, members, stack)
        self._once = _names(self.tensors)

    def forward(self, x: Tensor) -> Tensor:
        def one(values: dict[str, Tensor], x: Tensor) -> Tensor:
            out: Tensor = functional_call(self.module, values, (x,))
            return out

        values = {k: self.tensors[k] for k in self._once}
        with _without_slow_warnings():
            logits: Tensor = vmap(one)(values, self.by_member(x))
        return logits


class ByMember(Stack):
    """Any network: one member after the other, each as alone and in the same memory format."""

    def __init__(self, module: nn.Module, members: int) -> None:
        super().__init__(module, members)
        self.module = copy.deepcopy(module)
        self.tensors = _stacked(self.module, members, _side_by_side)
        self._once = _names(self.tensors)

    def one(self, slot: int, leaves: Mapping[str, Tensor], x: Tensor) -> Tensor:
        """Logits [N, classes] of a member; `leaves` stand for its parameters in the graph of a
        backward pass.
        """
        held = {k: self.tensors[k].detach()[slot] for k in self._once if k not in leaves}
        out: Tensor = functional_call(self.module, {**held, **leaves}, (x,))
        return out

    def forward(self, x: Tensor) -> Tensor:
        rows = self.by_member(x)
        names = [k for k in self._once if self.tensors[k].requires_grad]
        return torch.stack(
            [
                self.one(slot, {k: self.tensors[k][slot] for k in names}, part)
                for slot, part in enumerate(rows)
            ]
        )


def _stacked(
    module: nn.Module, members: int, make: Callable[[Tensor, int], Tensor]
) -> dict[str, Tensor]:
    """The tensors of the state dict, each `members` times; shared ones stay shared."""
    made: dict[int, Tensor] = {}
    found = {}
    for key, tensor in module.state_dict(keep_vars=True).items():
        if id(tensor) not in made:
            made[id(tensor)] = make(tensor, members).requires_grad_(tensor.requires_grad)
        found[key] = made[id(tensor)]
    return found


def _names(tensors: Mapping[str, Tensor]) -> list[str]:
    """Each tensor under its first name: torch.func gives it to the others that share it."""
    return list({id(t): k for k, t in reversed(list(tensors.items()))}.values())


def _side_by_side(tensor: Tensor, members: int) -> Tensor:
    """`members` copies along a new first dimension; each lies in memory as the tensor does."""
    made = torch.empty_strided(
        (members, *tensor.shape),
        (tensor.numel(), *tensor.stride()),
        dtype=tensor.dtype,
        device=tensor.device,
    )
    return made.copy_(tensor.detach())


@contextlib.contextmanager
def _without_slow_warnings() -> Iterator[None]:
    """torch.func says of an operation that it computes it member by member: right, only slow, and
    nothing that a user could change (adaptive pooling is one). The cohort size is measured anyway.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
        yield

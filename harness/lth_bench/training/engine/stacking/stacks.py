"""Several members of a network in one module: their tensors and a joint forward pass."""

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
    """`members` members of a network, which itself is not changed.

    Every tensor of the state dict gains a leading dimension of `members`. Frozen parameters stay
    frozen, and submodules held in eval mode stay in eval mode.
    """

    module: nn.Module
    """The module whose submodules' train and eval modes apply."""
    example_major: bool = False
    """Whether rows are ordered by example, then member."""
    tensors: dict[str, Tensor]
    """[members, …] by state-dict key; shared tensors appear under several keys. Parameters are
    leaves."""

    def __init__(self, module: nn.Module, members: int) -> None:
        self.members = members
        self.parameter_names = frozenset(k for k, _ in module.named_parameters())
        """Names of the parameters, shared ones under their first name only."""

    @property
    def parameters(self) -> dict[str, Tensor]:
        """All parameters, including frozen ones."""
        return {k: t for k, t in self.tensors.items() if k in self.parameter_names}

    @property
    def buffers(self) -> dict[str, Tensor]:
        """Everything else in the state dict, including the further names of shared parameters."""
        return {k: t for k, t in self.tensors.items() if k not in self.parameter_names}

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Logits [members, N, classes] from a batch's rows."""

    def by_member(self, rows: Tensor) -> Tensor:
        """[rows, …] as [members, N, …]."""
        return by_member(rows, self.members, self.example_major)


class ByLayer(Stack):
    """Every layer computes its members at once: batched products, grouped convolutions, one batch
    norm over all members' channels (HFTA; Wang et al., 2021).
    """

    def __init__(self, module: nn.Module, members: int) -> None:
        super().__init__(module, members)
        # example-major rows put the groups of a convolution side by side
        self.example_major = example_major(module)
        stacked = stack_layers(module, members, self.example_major)
        if stacked is None:
            raise ValueError("this network has layers without a stacked form")
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
    """Any network: members in sequence, each as alone and in the same memory format."""

    def __init__(self, module: nn.Module, members: int) -> None:
        super().__init__(module, members)
        self.module = copy.deepcopy(module)
        self.tensors = _stacked(self.module, members, _side_by_side)
        self._once = _names(self.tensors)

    def one(self, slot: int, leaves: Mapping[str, Tensor], x: Tensor) -> Tensor:
        """Logits [N, classes] of a member; `leaves` replace its parameters, so that a backward pass
        ends there.
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
    """The state dict's tensors, each repeated `members` times; shared tensors stay shared."""
    made: dict[int, Tensor] = {}
    found = {}
    for key, tensor in module.state_dict(keep_vars=True).items():
        if id(tensor) not in made:
            made[id(tensor)] = make(tensor, members).requires_grad_(tensor.requires_grad)
        found[key] = made[id(tensor)]
    return found


def _names(tensors: Mapping[str, Tensor]) -> list[str]:
    """Each tensor's first name only: torch.func uses it for the tensor's other names too."""
    return list({id(t): k for k, t in reversed(list(tensors.items()))}.values())


def _side_by_side(tensor: Tensor, members: int) -> Tensor:
    """`members` copies along a new first dimension, each in the tensor's own memory format."""
    made = torch.empty_strided(
        (members, *tensor.shape),
        (tensor.numel(), *tensor.stride()),
        dtype=tensor.dtype,
        device=tensor.device,
    )
    return made.copy_(tensor.detach())


@contextlib.contextmanager
def _without_slow_warnings() -> Iterator[None]:
    """Suppress torch.func's warning that it computes an operation member by member: correct, just
    slow, and nothing a user can change (adaptive pooling, for example). The cohort size is measured
    anyway.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
        yield

"""A ticket in the forms in which its network can be run, and the bytes that each takes.

`dense` is the unpruned network, with fresh values: the time of its kernels does not depend on them.
`masked` has zeros where weights are pruned, in dense tensors. `csr` stores the kept weights of
linear layers and plain convolutions in compressed rows. `shrunk` is the smaller dense network
without the channels and neurons that have no effect. `2:4` uses a GPU's kernels for two weights in
every four.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lth_bench.errors import UserError, describe_error
from lth_bench.interchange.saved_ticket import SavedTicket
from lth_bench.masks.layers import layer_name
from lth_bench.structure.compact import compact_network

SEMI_STRUCTURED = (8, 0)
"""Compute capability of NVIDIA's GPUs from which on they have kernels for 2:4 sparsity."""


@dataclass(frozen=True, kw_only=True)
class DeployedForm:
    """A ticket in one form, or why there is none."""

    name: str
    """A key of FORMS."""
    network: nn.Module | None
    """In eval mode, on the CPU; None where the form is not available."""
    reason: str | None = None
    """Why it is not available."""

    @property
    def bytes(self) -> int | None:
        """Of all parameters and buffers; of compressed rows, values and indices."""
        if self.network is None:
            return None
        return sum(_bytes(tensor) for tensor in self.network.state_dict().values())


class FormSource(NamedTuple):
    """What forms are made from."""

    masked: nn.Module
    """The ticket's network with zeros where weights are pruned."""
    ticket: SavedTicket
    device: torch.device


def forms_of(ticket: SavedTicket, device: torch.device) -> list[DeployedForm]:
    """Every form of FORMS, in their order, for a device."""
    source = FormSource(ticket.module(ticket.masked()), ticket, device)
    found = []
    for name, make in FORMS.items():
        try:
            network = make(source)
            found.append(DeployedForm(name=name, network=network.eval()))
        except UserError as error:
            found.append(DeployedForm(name=name, network=None, reason=error.message))
        except Exception as error:  # a network of the user's, which does what it likes
            found.append(DeployedForm(name=name, network=None, reason=describe_error(error)))
    return found


class CSRLinear(nn.Module):
    """A linear layer with its weight [out, in] in compressed rows."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.register_buffer("weight", _csr(linear.weight))
        self.register_buffer("bias", linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """[…, in] to […, out]."""
        out = (self.weight @ x.reshape(-1, x.shape[-1]).t()).t()
        if self.bias is not None:
            out = out + self.bias
        return out.reshape(*x.shape[:-1], out.shape[-1])


class CSRConv2d(nn.Module):
    """A convolution with its weight [out, in · height · width of the kernel] in compressed rows,
    times the patches of the image, which is how torch can use such a weight.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.register_buffer("weight", _csr(conv.weight.flatten(1)))
        self.register_buffer("bias", conv.bias)
        self.conv = {
            key: getattr(conv, key) for key in ("kernel_size", "padding", "stride", "dilation")
        }

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to [N, out, H', W']."""
        n, patches = len(x), F.unfold(x, **self.conv)
        columns = patches.movedim(0, 1).flatten(1)  # [C · kernel, N · H' · W']
        out = self.weight @ columns
        if self.bias is not None:
            out = out + self.bias[:, None]
        size = [
            (x.shape[2 + i] + 2 * self.conv["padding"][i]
             - self.conv["dilation"][i] * (self.conv["kernel_size"][i] - 1) - 1)
            // self.conv["stride"][i] + 1
            for i in (0, 1)
        ]  # fmt: skip
        return out.view(len(out), n, *size).movedim(1, 0)


def _csr(weight: Tensor) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        found = weight.detach().to_sparse_csr()
        # 32-bit indices: what the kernels take without converting, and half the memory
        rows, columns = found.crow_indices().int(), found.col_indices().int()
        return torch.sparse_csr_tensor(
            rows, columns, found.values(), size=found.shape, check_invariants=False
        )


def _compressed(source: FormSource) -> nn.Module:
    """A copy with the layers of the mask that torch can compute so."""
    found = copy.deepcopy(source.masked)
    replaced = 0
    for key in source.ticket.mask.items_by_key():
        name = layer_name(key)
        if name not in dict(found.named_modules()) or not name:
            continue
        layer = found.get_submodule(name)
        owner, _, last = name.rpartition(".")
        made: nn.Module | None = None
        if type(layer) is nn.Linear:
            made = CSRLinear(layer)
        elif type(layer) is nn.Conv2d and _is_plain(layer):
            made = CSRConv2d(layer)
        if made is not None:
            setattr(found.get_submodule(owner), last, made.train(layer.training))
            replaced += 1
    if not replaced:
        raise UserError("it has no linear layer and no plain convolution")
    return found


def _is_plain(conv: nn.Conv2d) -> bool:
    return conv.groups == 1 and conv.padding_mode == "zeros" and not isinstance(conv.padding, str)


def _shrunk(source: FormSource) -> nn.Module:
    small = compact_network(source.masked, source.ticket.input_shape)
    if _parameters(small) == _parameters(source.masked):
        raise UserError("every channel and neuron has an effect, so there is nothing to cut out")
    return small


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _semi_structured(source: FormSource) -> nn.Module:
    device = source.device
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < SEMI_STRUCTURED:
        raise UserError("this device has no kernels for 2:4 sparsity")
    found = copy.deepcopy(source.masked).to(device)
    layers = [x for x in found.modules() if type(x) is nn.Linear and _is_two_of_four(x.weight)]
    if not layers:
        raise UserError("no linear layer keeps at most two weights in every four")
    for layer in layers:
        packed = torch.sparse.to_sparse_semi_structured(layer.weight.detach())
        layer.weight = nn.Parameter(packed, requires_grad=False)
    return found


def _is_two_of_four(weight: Tensor) -> bool:
    if weight.shape[1] % 4:
        return False
    return int((weight.view(len(weight), -1, 4) != 0).sum(-1).max()) <= 2


def _bytes(tensor: Any) -> int:
    if tensor.layout == torch.sparse_csr:
        parts = (tensor.crow_indices(), tensor.col_indices(), tensor.values())
        return sum(map(_bytes, parts))
    packed = getattr(tensor, "packed", None)  # of two weights in four, values with their places
    if packed is not None:
        return sum(_bytes(t) for t in (packed, getattr(tensor, "meta", None)) if t is not None)
    return int(tensor.numel() * tensor.element_size())


FORMS: dict[str, Callable[[FormSource], nn.Module]] = {
    "dense": lambda source: source.ticket.unpruned(),
    "masked": lambda source: source.masked,
    "csr": _compressed,
    "shrunk": _shrunk,
    "2:4": _semi_structured,
}
"""How each form is made."""

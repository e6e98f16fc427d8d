"""To and from `torch.nn.utils.prune`, and masks from plain state dicts."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from lth_bench.errors import UserError
from lth_bench.masks import Mask, layer_name
from lth_bench.models.matrices import looks_prunable, matrices_of


def prune_with_torch(module: nn.Module, mask: Mask) -> nn.Module:
    """Put a mask on a module as `torch.nn.utils.prune` does, in place, and return the module.

    Each pruned parameter `weight` becomes `weight_orig`, a buffer `weight_mask` and a `weight` that
    is their product in every forward pass; `prune.remove` makes it permanent. What a structured
    mask holds at zero (biases, γ, β) is masked too. UserError where the module lacks a parameter of
    the mask, has it in another shape, or is pruned there already, and for a mask that freezes
    pruned weights.
    """
    if mask.frozen:
        raise UserError(
            "torch's pruning sets pruned weights to zero, and this mask freezes them at other "
            "values; take the ticket's final values as they are"
        )
    entries = mask.items_by_key()
    for key, kept in entries.items():
        shape = _parameter(module, key).shape
        if shape != kept.shape:
            raise UserError(
                f"the mask of {key!r} has shape {list(kept.shape)}, but the module's parameter has "
                f"{list(shape)}; give the mask of this network"
            )
    for key, kept in entries.items():
        owner, _, name = key.rpartition(".")
        device = _parameter(module, key).device
        part = module.get_submodule(owner)
        prune.custom_from_mask(part, name, kept.to(device))  # type: ignore[no-untyped-call]
    return module


def _parameter(module: nn.Module, key: str) -> nn.Parameter:
    try:
        return module.get_parameter(key)
    except AttributeError:
        name = type(module).__name__
        if f"{key}_orig" in dict(module.named_parameters()):
            raise UserError(
                f"{key!r} of {name} is pruned by torch already; make that permanent with "
                f"torch.nn.utils.prune.remove, or give an unpruned module"
            ) from None
        raise UserError(
            f"{name} has no parameter {key!r}, which the mask covers; give the network of this mask"
        ) from None


def mask_from(source: nn.Module | Mapping[str, Tensor]) -> Mask:
    """The mask that a module or a state dict carries.

    If it was pruned by `torch.nn.utils.prune`, or is a file of `lth-bench export ticket --form
    masks`: its `…_mask` tensors, and layers without one are kept whole. Otherwise a weight that is
    exactly zero counts as pruned. Layers are a module's convolutions, linear layers, attention and
    recurrent layers; a state dict's entries of two dimensions or more that are named as theirs
    (`….weight`, `….in_proj_weight`, `….weight_ih_l0`); masks of vectors are what the mask holds at
    zero. UserError where there is no layer.
    """
    values = dict(source.state_dict() if isinstance(source, nn.Module) else source)
    masks = {k.removesuffix("_mask"): v.bool() for k, v in values.items() if k.endswith("_mask")}
    kept = {}
    for key, tensor in values.items():
        plain = key.removesuffix("_mask").removesuffix("_orig")
        masked = plain in masks and tensor.ndim >= 2  # whatever a model or a suite declared
        if not masked and not (looks_prunable(plain, tensor) and _is_layer(source, plain)):
            continue
        if plain in masks:
            kept[plain] = masks[plain].clone()
        else:
            kept[plain] = torch.ones_like(tensor, dtype=torch.bool) if masks else tensor != 0
    if not kept:
        raise UserError(
            f"there is no layer's weight among {', '.join(list(values)[:5]) or 'no entries'}; give "
            f"a module with convolutions or linear layers, or its state dict"
        )
    held = {key: mask.clone() for key, mask in masks.items() if mask.ndim < 2}
    return Mask({layer_name(key): found for key, found in kept.items()}, held)


def _is_layer(source: nn.Module | Mapping[str, Tensor], key: str) -> bool:
    if not isinstance(source, nn.Module):
        return True
    owner, _, name = key.rpartition(".")
    return name in {matrix.parameter for matrix in matrices_of(source.get_submodule(owner))}

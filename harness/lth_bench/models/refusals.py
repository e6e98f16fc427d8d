"""Requirements on a network to be pruned and trained here; every error says what to do."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize

from lth_bench.errors import UserError, describe_error
from lth_bench.system.blame import ends_the_run


def title(module: nn.Module) -> str:
    """The network's name in messages."""
    return f"the network {type(module).__name__}"


def require_complete(module: nn.Module) -> None:
    """UserError for a network whose layers are hidden, or not yet initialised."""
    if isinstance(module, torch.jit.ScriptModule):
        raise UserError(
            f"{title(module)} is a TorchScript module, which hides its layers; use the network "
            f"that it was made from"
        )
    for name, part in module.named_modules():
        tensors = [*part.parameters(recurse=False), *part.buffers(recurse=False)]
        if any(is_lazy(t) for t in tensors):
            raise UserError(
                f"{title(module)}: layer {name!r} ({type(part).__name__}) is lazy: it has no "
                f"weights before its first input; give its size, or run the network on one "
                f"batch in the model's build"
            )


def require_own_weight(module: nn.Module, name: str) -> None:
    """UserError if a layer's weight is computed from other tensors before every forward pass."""
    layer = module.get_submodule(name)
    if isinstance(layer._parameters.get("weight"), nn.Parameter):
        return
    made = ", ".join(
        repr(f"{name}.{key}")
        for key, _ in (*layer.named_parameters(), *layer.named_buffers())
        if key != "bias"
    )
    if parametrize.is_parametrized(layer, "weight"):
        how = "torch.nn.utils.parametrize.remove_parametrizations(layer, 'weight')"
    elif "weight_mask" in layer._buffers:
        how = "torch.nn.utils.prune.remove(layer, 'weight')"
    elif "weight_g" in layer._parameters:
        how = "torch.nn.utils.remove_weight_norm(layer)"
    else:
        how = "torch.nn.utils.remove_spectral_norm(layer)"
    raise UserError(
        f"{title(module)}: the weight of layer {name!r} is computed from {made or 'nothing'} "
        f"before every forward pass, so no mask can keep it at zero; in the model's build, make "
        f"it a parameter again with {how}, or leave out that wrapper"
    )


def require_trainable(module: nn.Module) -> None:
    """UserError for a network whose parameters are all frozen."""
    if not any(p.requires_grad for p in module.parameters()):
        raise UserError(
            f"{title(module)} has no trainable parameter: all have requires_grad=False; leave "
            f"some of them trainable"
        )


def copied(module: nn.Module, memo: dict[int, Any] | None = None) -> nn.Module:
    """A `copy.deepcopy`. UserError for a network that cannot be copied, since every training needs
    a copy.
    """
    try:
        return copy.deepcopy(module, memo)
    except BaseException as error:  # the user's code may raise anything
        if ends_the_run(error):
            raise
        raise UserError(
            f"{title(module)} cannot be copied ({describe_error(error)}); it must not "
            f"hold tensors computed from parameters, locks, files or generators"
        ) from error


def require_outputs(module: nn.Module, answer: Any, wanted: tuple[int, ...], mode: str) -> None:
    """UserError unless two examples give outputs [2, *wanted]."""
    if isinstance(answer, Tensor) and answer.shape == (2, *wanted):
        return
    got = list(answer.shape) if isinstance(answer, Tensor) else f"a {type(answer).__name__}"
    more = ""
    if not isinstance(answer, Tensor):
        more = (
            "; there is only one loss: make the model's forward return just the logits, "
            "or build it without auxiliary outputs"
        )
    raise UserError(
        f"{title(module)} must return outputs of shape {[2, *wanted]} for two examples, but "
        f"{mode} it returns {got}{more}"
    )


def attempt(module: nn.Module, twin: nn.Module, x: Tensor) -> Any:
    """The output of `twin`, a copy of `module`, for x [N, …]. UserError if it raises."""
    try:
        with torch.no_grad():
            return twin(x.clone())
    except BaseException as error:  # the user's network may raise anything
        if ends_the_run(error):
            raise
        tokens = "" if x.is_floating_point() else " of tokens"
        other = "images of another size" if x.ndim == 4 else "another dataset"
        raise UserError(
            f"{title(module)} cannot take an input of shape {list(x.shape[1:])}{tokens}: "
            f"{describe_error(error)}; choose another model, or {other}"
        ) from error

"""What a network must be to be pruned and trained here; every refusal says what to do."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize

from lth_bench.errors import UserError, told
from lth_bench.system.blame import ends_the_run


def title(module: nn.Module) -> str:
    """How messages name a network."""
    return f"the network {type(module).__name__}"


def require_complete(module: nn.Module) -> None:
    """UserError for a network whose layers cannot be seen, or still wait for their first input."""
    if isinstance(module, torch.jit.ScriptModule):
        raise UserError(
            f"{title(module)} is made by TorchScript, which hides its layers; give the network "
            f"that it was made from"
        )
    for name, part in module.named_modules():
        tensors = [*part.parameters(recurse=False), *part.buffers(recurse=False)]
        if any(is_lazy(t) for t in tensors):
            raise UserError(
                f"{title(module)}: layer {name!r} ({type(part).__name__}) gets its size from its "
                f"first input, and so has no weights to begin with; give the size, or run the "
                f"network on one batch in the model's build"
            )


def require_own_weight(module: nn.Module, name: str) -> None:
    """UserError where a layer's weight is computed from other tensors before every pass."""
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
        f"before every pass, so no mask can hold it at zero; in the model's build, make it a "
        f"parameter again with {how}, or leave that wrapper out"
    )


def require_trainable(module: nn.Module) -> None:
    """UserError for a network all of whose parameters are frozen."""
    if not any(p.requires_grad for p in module.parameters()):
        raise UserError(
            f"{title(module)} has no parameter that trains: all have requires_grad=False; leave "
            f"some of them as they are"
        )


def copied(module: nn.Module, memo: dict[int, Any] | None = None) -> nn.Module:
    """A copy, as of `copy.deepcopy`. UserError for a network that cannot be copied, since every
    training needs one.
    """
    try:
        return copy.deepcopy(module, memo)
    except BaseException as error:  # whatever the user's parts raise
        if ends_the_run(error):
            raise
        raise UserError(
            f"{title(module)} cannot be copied ({told(error)}); tensors that "
            f"were computed from parameters, locks, files and generators cannot be parts of it"
        ) from error


def require_outputs(module: nn.Module, answer: Any, wanted: tuple[int, ...], mode: str) -> None:
    """UserError unless two examples were answered with outputs [2, *wanted]."""
    if isinstance(answer, Tensor) and answer.shape == (2, *wanted):
        return
    got = list(answer.shape) if isinstance(answer, Tensor) else f"a {type(answer).__name__}"
    more = ""
    if not isinstance(answer, Tensor):
        more = (
            "; there is one loss, of one answer: let the model's forward return the logits alone, "
            "or build it without auxiliary outputs"
        )
    raise UserError(
        f"{title(module)} must answer two examples with logits of shape {[2, *wanted]}, but "
        f"answers {mode} with {got}{more}"
    )


def attempt(module: nn.Module, twin: nn.Module, x: Tensor) -> Any:
    """What `twin`, a copy of `module`, answers to x [N, …]. UserError where it raises."""
    try:
        with torch.no_grad():
            return twin(x.clone())
    except BaseException as error:  # whatever the user's network raises
        if ends_the_run(error):
            raise
        tokens = "" if x.is_floating_point() else " of tokens"
        other = "images of another size" if x.ndim == 4 else "another dataset"
        raise UserError(
            f"{title(module)} cannot take an input of shape {list(x.shape[1:])}{tokens}: "
            f"{told(error)}; choose another model, or {other}"
        ) from error

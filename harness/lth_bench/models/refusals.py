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


def require_own_weight(module: nn.Module, name: str, parameter: str = "weight") -> None:
    """UserError if a layer's weight is computed from other tensors before every forward pass."""
    layer = module.get_submodule(name)
    if isinstance(layer._parameters.get(parameter), nn.Parameter):
        return
    made = ", ".join(
        repr(f"{name}.{key}")
        for key, _ in (*layer.named_parameters(), *layer.named_buffers())
        if _makes(key, parameter)
    )
    if parametrize.is_parametrized(layer, parameter):
        how = f"torch.nn.utils.parametrize.remove_parametrizations(layer, {parameter!r})"
    elif f"{parameter}_mask" in layer._buffers:
        how = f"torch.nn.utils.prune.remove(layer, {parameter!r})"
    elif f"{parameter}_g" in layer._parameters:
        how = "torch.nn.utils.remove_weight_norm(layer)"
    else:
        how = "torch.nn.utils.remove_spectral_norm(layer)"
    if parameter != "weight":
        how = how.replace("norm(layer)", f"norm(layer, {parameter!r})")
    what = "weight" if parameter == "weight" else parameter
    raise UserError(
        f"{title(module)}: the {what} of layer {name!r} is computed from {made or 'nothing'} "
        f"before every forward pass, so no mask can keep it at zero; in the model's build, make "
        f"it a parameter again with {how}, or leave out that wrapper"
    )


def _makes(key: str, parameter: str) -> bool:
    """Whether a layer's tensor is one that `parameter` is computed from."""
    if parameter == "weight":
        return key != "bias"
    return key.startswith((f"{parameter}_", f"parametrizations.{parameter}."))


def require_plain_name(module: nn.Module, key: str) -> None:
    """UserError for a weight whose module is called with a slash, which separates a layer's module
    from its parameter.
    """
    if "/" in key:
        raise UserError(
            f"{title(module)}: a prunable layer's name must not contain a slash, but got {key!r}; "
            f"rename that module"
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

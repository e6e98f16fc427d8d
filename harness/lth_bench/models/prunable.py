"""Which layers of a network are prunable: every convolution and linear layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lth_bench.data.info import Targets, output_shape
from lth_bench.errors import UserError
from lth_bench.masks.layers import Layer, LayerKind
from lth_bench.models.operations import record
from lth_bench.models.products import product_of
from lth_bench.models.refusals import (
    attempt,
    require_complete,
    require_outputs,
    require_own_weight,
    require_trainable,
    title,
)
from lth_bench.models.tracing import to_trace
from lth_bench.system.blame import ends_the_run
from lth_bench.system.guard import unchanged

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def prunable_layers(
    module: nn.Module,
    input_shape: tuple[int, ...],
    classes: int,
    targets: Targets = "class",
) -> tuple[Layer, ...]:
    """Every convolution's and linear layer's weight, in order of registration.

    A layer registered under several names appears once, under the first. The `output` layer is the
    last one used that has as many outputs as there are classes. `module` is not changed.

    UserError if the network cannot take an input of `input_shape`, does not return outputs
    [N, classes] ([N, T, classes] for targets that are tokens) in both modes, has nothing to prune
    or train, or has a layer whose weight is not a parameter.
    """
    require_complete(module)
    found = _layers(module)
    if not found:
        raise UserError(f"{title(module)} has no convolution and no linear layer to prune")
    require_trainable(module)
    used = _used(module, found, input_shape, output_shape(input_shape, classes, targets))
    output = next((n for n in reversed(used) if found[n].shape[0] == classes), None)

    def kind(name: str, weight: Tensor) -> LayerKind:
        if name == output:
            return "output"
        return "linear" if weight.ndim == 2 else "conv"

    return tuple(Layer(n, kind(n, w), tuple(w.shape)) for n, w in found.items())


def layers_by_name(module: nn.Module) -> dict[str, Layer]:
    """The prunable layers of any network, without a forward pass, whatever its inputs.

    The last one counts as the output. UserError for a layer whose weight is not a parameter.
    """
    found = _layers(module)
    kinds: dict[str, LayerKind] = {n: "linear" if w.ndim == 2 else "conv" for n, w in found.items()}
    if found:
        kinds[next(reversed(found))] = "output"
    return {n: Layer(n, kinds[n], tuple(w.shape)) for n, w in found.items()}


def _layers(module: nn.Module) -> dict[str, Tensor]:
    """Module name → weight. A weight shared by two layers counts once."""
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, part in module.named_modules():
        if isinstance(part, (*CONVOLUTIONS, nn.Linear)):
            require_own_weight(module, name)
            if id(part.weight) not in seen:
                seen.add(id(part.weight))
                found[name] = part.weight
    return found


def _used(
    module: nn.Module,
    found: dict[str, Tensor],
    input_shape: tuple[int, ...],
    wanted: tuple[int, ...],
) -> list[str]:
    """Layer names in the order in which a forward pass uses their weights."""
    twin, examples = to_trace(module, input_shape)
    with unchanged():
        answer = attempt(module, twin, examples)
        require_outputs(module, answer, wanted, "in eval mode")
        watched = {name: twin.get_parameter(f"{name}.weight") for name in found}
        recorded = record(twin, examples, watched)
        _to_training(twin, module)
        try:
            with torch.no_grad():
                answer = twin(examples.clone())
        except (
            BaseException
        ) as error:  # two examples may be too few; if not, training will raise it again
            if ends_the_run(error):
                raise
        else:
            require_outputs(module, answer, wanted, "in training mode")
    products = [product_of(operation) for operation in recorded.operations]
    pieces = [piece for p in products if p is not None for piece in (p.a, p.b)]
    return [name for piece in pieces for name in sorted(piece.weights)]


def _to_training(twin: nn.Module, module: nn.Module) -> None:
    """Set training mode, except for parts that the network holds in eval mode."""
    for name, part in module.named_modules():
        twin.get_submodule(name).training = part.training or not module.training

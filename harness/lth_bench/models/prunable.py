"""Which layers of a network are prunable: by default every convolution, linear layer, attention and
recurrent layer; a model or a suite adds others or leaves some out.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from lth_bench.data.info import Targets, output_shape
from lth_bench.errors import UserError
from lth_bench.masks.layers import Layer, LayerKind
from lth_bench.models.declared import NOTHING_DECLARED, Declared
from lth_bench.models.matrices import DEFAULT, Matrix, matrices_of
from lth_bench.models.operations import record
from lth_bench.models.products import product_of
from lth_bench.models.refusals import (
    attempt,
    require_complete,
    require_outputs,
    require_own_weight,
    require_plain_name,
    require_trainable,
    title,
)
from lth_bench.models.tracing import to_trace
from lth_bench.system.blame import ends_the_run
from lth_bench.system.guard import unchanged

Matrices = Mapping[str, tuple[Tensor, Matrix]]
"""State-dict key → the prunable weight."""


def prunable_layers(
    module: nn.Module,
    input_shape: tuple[int, ...],
    classes: int,
    targets: Targets = "class",
    declared: Declared = NOTHING_DECLARED,
) -> tuple[Layer, ...]:
    """The prunable layers of a network, in order of registration.

    By default those of `matrices_of`; `declared` adds parameters and leaves some out. A weight with
    several names, such as an embedding's that is also the head's, appears once, under the first.
    The `output` layer is the last one used that has as many outputs as there are classes. `module`
    is not changed.

    UserError if the network cannot take an input of `input_shape`, does not return outputs
    [N, classes] ([N, T, classes] for targets that are tokens) in both modes, has nothing to prune
    or train, or has a layer whose weight is not a parameter; and for what is declared but is not
    there, or is not a matrix.
    """
    require_complete(module)
    found = _found(module, declared)
    require_trainable(module)
    used = _used(module, found, input_shape, output_shape(input_shape, classes, targets))
    output = next((k for k in reversed(used) if classes in _outputs(*found[k])), None)
    return tuple(m.layer(k, w, _kind(module, k, k == output)) for k, (w, m) in found.items())


def layers_by_name(module: nn.Module) -> dict[str, Layer]:
    """The default prunable layers of any network, without a forward pass, whatever its inputs.

    The last one counts as the output, unless it is recurrent or attention's. UserError for a layer
    whose weight is not a parameter.
    """
    found = _default(module)
    single = [key for key, (_, matrix) in found.items() if matrix.blocks == 1]
    output = single[-1] if single else None
    layers = [m.layer(k, w, _kind(module, k, k == output)) for k, (w, m) in found.items()]
    return {layer.name: layer for layer in layers}


def _found(module: nn.Module, declared: Declared) -> dict[str, tuple[Tensor, Matrix]]:
    default = _default(module)
    wanted = declared.among(title(module), dict(module.named_parameters()), tuple(default))
    if not wanted:
        raise UserError(
            f"{title(module)} has nothing to prune: no {DEFAULT} layer; name what to prune in "
            f"the model's attribute or the task's key `prunable`"
        )
    parameters = dict(module.named_parameters())
    for key in wanted:
        require_plain_name(module, key)
    return {
        key: default.get(key, (weight, _added(module, key)))
        for key, weight in parameters.items()
        if key in wanted
    }


def _default(module: nn.Module) -> dict[str, tuple[Tensor, Matrix]]:
    """State-dict key → weight. A weight with several names has the first, as in
    `named_parameters`.
    """
    names = {id(p): key for key, p in module.named_parameters()}
    found: dict[str, tuple[Tensor, Matrix]] = {}
    for name, part in module.named_modules():
        for matrix in matrices_of(part):
            require_own_weight(module, name, matrix.parameter)
            weight = part.get_parameter(matrix.parameter)
            found.setdefault(names[id(weight)], (weight, matrix))
    return {key: found[key] for key in names.values() if key in found}


def _added(module: nn.Module, key: str) -> Matrix:
    """A parameter that a declaration adds; an embedding is [in, out]."""
    owner, _, parameter = key.rpartition(".")
    table = isinstance(module.get_submodule(owner), nn.Embedding | nn.EmbeddingBag)
    return Matrix(parameter, transposed=table)


def _kind(module: nn.Module, key: str, is_output: bool) -> LayerKind:
    if is_output:
        return "output"
    owner = module.get_submodule(key.rpartition(".")[0])
    return "conv" if isinstance(owner, _ConvNd) and key.endswith("weight") else "linear"


def _outputs(weight: Tensor, matrix: Matrix) -> tuple[int, ...]:
    """How many outputs a weight may have. A parameter outside of torch's layers may be used either
    way round.
    """
    if matrix.blocks > 1:
        return ()
    if matrix.transposed:
        return (weight.shape[1] * matrix.groups,)
    return (weight.shape[0],)


def _used(
    module: nn.Module,
    found: Matrices,
    input_shape: tuple[int, ...],
    wanted: tuple[int, ...],
) -> list[str]:
    """Keys of the weights in the order in which a forward pass uses them."""
    twin, examples = to_trace(module, input_shape)
    with unchanged():
        answer = attempt(module, twin, examples)
        require_outputs(module, answer, wanted, "in eval mode")
        watched = {key: twin.get_parameter(key) for key in found}
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
    return [key for piece in pieces for key in sorted(piece.weights)]


def _to_training(twin: nn.Module, module: nn.Module) -> None:
    """Set training mode, except for parts that the network holds in eval mode."""
    for name, part in module.named_modules():
        twin.get_submodule(name).training = part.training or not module.training

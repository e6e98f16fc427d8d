"""The two uses of torch-pruning: the dependency graph, and cutting units out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from lth_bench.errors import UserError
from lth_bench.models import examples
from lth_bench.models.tracing import Outputs
from lth_bench.structure.groups import UnitGroup


@cache
def _torch_pruning() -> Any:
    """Its counter of operations, which is not used here, imports timm where that is installed, and
    with it torchvision and torch's compiler: longer than everything else that a process imports.
    """
    unasked = {} if "timm" in sys.modules else {"timm": None}
    sys.modules.update(unasked)  # type: ignore[arg-type]  # None: it cannot be imported
    try:
        import torch_pruning
    finally:
        for name in unasked:
            del sys.modules[name]
    return torch_pruning


def trace(module: nn.Module, input_shape: tuple[int, ...]) -> Any:
    """torch-pruning's DependencyGraph of a network with input [N, *input_shape].

    It works through autograd and leaves `module` in eval mode with every parameter requiring
    gradients: pass a copy. UserError if torch-pruning cannot trace the network.
    """
    like = next(module.parameters())
    module.requires_grad_(True)
    example = examples.zeros(2, input_shape, like.dtype, like.device)
    try:
        with torch.enable_grad(), Outputs() as seen:
            graph = (
                _torch_pruning()
                .DependencyGraph()
                .build_dependency(
                    module, example, forward_fn=lambda network, x: network(x), verbose=False
                )
            )
    except Exception as error:  # torch-pruning may raise anything
        raise refusal(module, f"torch-pruning cannot trace it ({error!r})") from error
    graph.network, graph.most = module, seen.elements // len(example)
    return graph


def coupled(graph: Any, layer: nn.Module, units: Sequence[int]) -> Any:
    """torch-pruning's group of everything removed together with these outputs of `layer`.

    UserError if it finds more positions than any tensor has: reshapes that split units, such as
    attention windows, make its list grow without end.
    """
    fn = graph.get_pruner_of_module(layer).prune_out_channels
    names = _torch_pruning().DependencyGraph.get_pruning_group.__globals__
    group: Any = names["Group"]

    class Bounded(group):  # type: ignore[misc]  # torch-pruning has no types
        def add_dep(self, dep: Any, idxs: Any) -> Any:
            if len(idxs) > graph.most:
                raise refusal(
                    graph.network, "torch-pruning cannot follow units through its reshapes"
                )
            return super().add_dep(dep, idxs)

    names["Group"] = Bounded  # its search is unbounded
    try:
        return graph.get_pruning_group(layer, fn, list(units))
    finally:
        names["Group"] = group


def cut(
    module: nn.Module,
    input_shape: tuple[int, ...],
    groups: Sequence[UnitGroup],
    removed: Sequence[Tensor],
) -> None:
    """Cut units out of `module` in place. `removed` has a bool [size] for each group."""
    graph = trace(module, input_shape)
    for group, gone in zip(groups, removed, strict=True):
        if bool(gone.any()):
            units = torch.nonzero(gone.cpu()).flatten().tolist()
            coupled(graph, module.get_submodule(group.layers[0]), units).prune(record_history=False)


def refusal(module: nn.Module, why: str) -> UserError:
    """The error for a network whose units cannot be removed."""
    return UserError(
        f"{type(module).__name__} does not support structured pruning: {why}. It needs "
        f"plain convolutions (or depthwise ones), linear layers and batch norm, with convolutions "
        f"on shortcuts; choose another model, or an unstructured strategy"
    )

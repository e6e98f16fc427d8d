"""A ticket found on one task, put onto the network of another (Morcos et al., 2019, "One ticket to
win them all", section 3).

Mask and rewound values go to the other network as they are, up to the classifier where the classes
differ: that is new, with the target's own initial values and a random mask that keeps as many
weights as the target density lacks. The step it is rewound to is the same fraction of training.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from lth_bench.errors import Unreachable
from lth_bench.masks import Layer, Mask, count_at
from lth_bench.training.dispatch.workbench import Workbench
from lth_bench.training.randomness import generator
from lth_bench.training.state import RewindPoint

Classifier = Literal["auto", "new"]
"""`auto`: as on the source task where its shape is the same; `new`: always new."""


class Fitted(NamedTuple):
    """A ticket on the target's network."""

    mask: Mask
    start: RewindPoint
    note: str
    """What a reader of its row must know; "" if nothing."""


def classifier_keys(shapes: Iterable[str], layers: Iterable[Layer]) -> set[str]:
    """State-dict keys of the modules that compute the outputs: weights and biases."""
    modules = {x.key.rpartition(".")[0] for x in layers if x.kind == "output"}
    return {key for key in shapes if key.rpartition(".")[0] in modules}


def misfit(
    source: Mapping[str, tuple[int, ...]],
    target: Mapping[str, tuple[int, ...]],
    layers: Iterable[Layer],
) -> str | None:
    """Why a ticket does not fit another network, given the shapes of both state dicts and the
    target's prunable layers; None if it does. The classifier may have another number of outputs.
    """
    replaced = classifier_keys(target, layers)
    for key in (*source, *(key for key in target if key not in source)):
        there, here = source.get(key), target.get(key)
        if there == here:
            continue
        if there is None or here is None or key not in replaced or there[1:] != here[1:]:
            return f"{key} is {_sized(there)} where it is found and {_sized(here)} here"
    return None


def _sized(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else str(list(shape))


class Transfer:
    """Puts tickets of one task onto the network of another."""

    def __init__(self, source: Workbench, target: Workbench, classifier: Classifier) -> None:
        """The networks must fit: see `misfit`."""
        self._source, self._target = source, target
        keys = classifier_keys(target.shapes, target.layers)
        differ = any(source.shapes[key] != target.shapes[key] for key in keys)
        self._new = keys if differ or classifier == "new" else set()

    def fit(self, mask: Mask, start: RewindPoint, density: float, seed: int) -> Fitted:
        """The ticket on the target's network, at this density of it.

        A mask of whole units keeps all the new classifier's weights on the units that remain. Any
        other has the target's count exactly, unless the classifier is too small for that; the note
        then says so.
        """
        source, target = self._source, self._target
        note = ""
        if mask.frozen:
            raise Unreachable(
                "its pruned weights are frozen at values of the network that it was found on"
            )
        kept = {name: tensor.to(target.device) for name, tensor in mask.kept.items()}
        new = [layer for layer in target.layers if layer.key in self._new]
        if new and mask.held:
            for layer in new:
                kept[layer.name] = _on_units(kept[layer.name], layer)
        elif new:
            others = sum(int(kept[x.name].sum()) for x in target.layers if x not in new)
            wanted = count_at(density, sum(x.numel for x in target.layers)) - others
            space = sum(x.numel for x in new)
            count = min(max(wanted, 1), space)
            kept |= _drawn(new, count, seed, target.device)
            if count != wanted:
                note = (
                    f"the new classifier keeps {count} of its {space} weights, where the density "
                    f"asks for {wanted}"
                )
        initial = target.initial(seed).values
        values = {
            key: value if key in self._new else start.values[key].to(value.device, value.dtype)
            for key, value in initial.items()
        }
        held = {key: x.to(target.device) for key, x in mask.held.items() if key not in self._new}
        step = round(start.step * target.total_steps / source.total_steps)
        return Fitted(Mask(kept, held, target.layers), RewindPoint(values, step), note)


def _on_units(found: Tensor, layer: Layer) -> Tensor:
    """All weights of the layer on the inputs that some weight of the found mask reads."""
    pattern = found.any(dim=0, keepdim=True)
    return pattern.expand(layer.shape).clone()


def _drawn(
    layers: Iterable[Layer], count: int, seed: int, device: torch.device
) -> dict[str, Tensor]:
    """A random mask of so many weights over these layers."""
    layers = list(layers)
    order = torch.randperm(
        sum(x.numel for x in layers), generator=generator("new classifier", seed)
    )
    flat = torch.zeros(len(order), dtype=torch.bool)
    flat[order[:count]] = True
    parts = torch.split(flat, [x.numel for x in layers])
    return {x.name: p.view(x.shape).to(device) for x, p in zip(layers, parts, strict=True)}

"""A callback's memory as JSON and tensors, so that it survives the process. No pickles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lth_bench.masks import Layer, Layers, Mask


@dataclass(frozen=True)
class CallbackState:
    """A callback's memory in stored form."""

    document: Any
    tensors: dict[str, Tensor]

    def restored(self, device: torch.device, layers: Sequence[Layer]) -> Any:
        """A copy of the original memory."""
        return restore(self.document, self.tensors, device, layers)


PLAIN = (type(None), bool, int, str)


class Unwritable(TypeError):
    """A value of a type that cannot be stored."""


def flatten(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Convert a value to JSON; its tensors are added to `tensors` under new names.

    Supported: None, bool, int, float, str, list, tuple, dict, Tensor, Mask and Layers, but no
    subclasses, which would be restored as the base class. Raises Unwritable for anything else. An
    object referenced twice is restored as two.
    """
    kind = type(value)
    if kind in PLAIN:
        return value
    if kind is float:
        return {"float": value.hex()}  # NaN and infinity too
    if kind is Tensor:
        name = str(len(tensors))
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": name, "device": value.device.type}
    if kind in (list, tuple):
        return {kind.__name__: [flatten(v, tensors) for v in value]}
    if kind is dict:
        return {"dict": [[flatten(k, tensors), flatten(v, tensors)] for k, v in value.items()]}
    if kind is Layers:
        return {"layers": flatten(dict(value), tensors)}
    if kind is Mask:
        parts = [value.kept, value.held, value.layers is not None]
        return {"mask": flatten(parts + [value.frozen] * bool(value.frozen), tensors)}
    raise Unwritable(f"a {kind.__name__} in a callback's memo cannot be written to disk")


def callback_state_of(value: Any) -> CallbackState | None:
    """A memory in stored form; None if it cannot be stored."""
    tensors: dict[str, Tensor] = {}
    try:
        return CallbackState(flatten(value, tensors), tensors)
    except Unwritable:
        return None


def restore(
    document: Any, tensors: Mapping[str, Tensor], device: torch.device, layers: Sequence[Layer]
) -> Any:
    """A copy of the value given to `flatten`; tensors that were on a GPU are moved to `device`."""
    if not isinstance(document, dict):
        return document
    ((kind, content), *more) = document.items()

    def inner(part: Any) -> Any:
        return restore(part, tensors, device, layers)

    match kind:
        case "float":
            return float.fromhex(content)
        case "tensor":
            on_cpu = more == [("device", "cpu")]
            return tensors[content].to(torch.device("cpu") if on_cpu else device, copy=True)
        case "list":
            return [inner(v) for v in content]
        case "tuple":
            return tuple(inner(v) for v in content)
        case "dict":
            return {inner(k): inner(v) for k, v in content}
        case "layers":
            return Layers(inner(content))
        case "mask":
            kept, held, told, *frozen = inner(content)
            return Mask(kept, held, layers if told else None, *frozen)
    raise ValueError(f"{kind!r} is no kind of value in a memo")

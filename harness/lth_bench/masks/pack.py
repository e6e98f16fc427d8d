"""Masks as packed bits: one bit a weight, so that a mask on disk is 32 times smaller."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from lth_bench.masks.mask import Mask


def pack(mask: Mask) -> dict[str, Tensor]:
    """uint8 vectors of packed bits, keyed `kept:NAME` and `held:KEY`, on the CPU."""
    named = {f"kept:{n}": t for n, t in mask.kept.items()}
    named |= {f"held:{n}": t for n, t in mask.held.items()}
    return {
        name: torch.from_numpy(np.packbits(t.cpu().numpy().reshape(-1)))
        for name, t in named.items()
    }


def unpack(packed: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> Mask:
    """The mask of `pack`; `shapes` maps every layer name and held key to its shape."""
    parts: dict[str, dict[str, Tensor]] = {"kept": {}, "held": {}}
    for tagged, bits in packed.items():
        tag, name = tagged.split(":", 1)
        shape = shapes[name]
        flat = np.unpackbits(bits.numpy(), count=int(np.prod(shape))).astype(bool)
        parts[tag][name] = torch.from_numpy(flat.reshape(shape))
    return Mask(parts["kept"], parts["held"])

"""Content addresses: hashes of everything that decides a training's result, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import torch
from torch import Tensor

from lth_bench.masks import Mask
from lth_bench.masks.mask import tagged

ENGINE_REVISION = 4
"""Increased whenever the engine computes other numbers for the same request."""


def digest(document: object) -> str:
    """160-bit hash of a JSON document with sorted keys."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()


def hash_tensors(tensors: Mapping[str, Tensor]) -> str:
    """160-bit hash of names, types, shapes and bytes. −0.0 is hashed as 0.0, since they
    are equal.
    """
    h = hashlib.blake2b(digest_size=20)
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        if tensor.is_floating_point():
            tensor = tensor + 0.0
        h.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        h.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return h.hexdigest()


def hash_mask(mask: Mask) -> str:
    """160-bit hash of a mask's content."""
    return hash_tensors({**mask.items_by_key(), **tagged(mask)})


def numerics(device: torch.device, dtype: str) -> dict[str, object]:
    """What decides the last bits: device, precision, threads, torch and engine version.

    Cohort size and layout do too. They are recorded with every training but not part of its
    address: a training done at another cohort size is reused.
    """
    return {
        "engine": ENGINE_REVISION,
        "device": device_name(device),
        "threads": 0 if device.type == "cuda" else torch.get_num_threads(),
        "dtype": dtype,
        "torch": torch.__version__,
    }


def device_name(device: torch.device) -> str:
    """The name of a GPU, or `cpu`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type

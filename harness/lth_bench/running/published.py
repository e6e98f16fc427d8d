"""Weights that torchvision publishes, as safetensors files in the user's cache."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from lth_bench.errors import UnknownName, UserError, describe_error
from lth_bench.store.paths import disk_error

OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")
"""Files of densenets have `denselayer1.norm.1.weight` where the network has `norm1.weight`."""
AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
"""Classifiers of googlenet and inception_v3 that the model `torchvision` leaves out."""


def published_file(name: str, what: str) -> Path:
    """The weights of this name, such as `ResNet18_Weights.DEFAULT`, downloaded if need be.

    `what` begins messages. UserError for an unknown name, and for weights that cannot be had.
    """
    import torchvision  # 4 s
    from safetensors.torch import save

    from lth_bench.data.root import offline, user_cache

    models = torchvision.models
    enums = [models.get_model_weights(one) for one in models.list_models(module=models)]
    names = {f"{enum.__name__}.{key}": enum[key] for enum in enums for key in enum.__members__}
    if name not in names:
        raise UnknownName("weights of torchvision", name, names)
    weights = names[name]
    file = Path(torch.hub.get_dir()) / "checkpoints" / weights.url.rpartition("/")[2]
    if not file.exists() and offline():
        raise UserError(
            f"{what}: {file} is missing, and LTH_BENCH_OFFLINE forbids to download it from "
            f"{weights.url}; put it there"
        )
    try:
        # no pickle's code: tensors only
        state = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
        tensors = as_built(state)
    except Exception as error:  # of the network, the disk, or a damaged file
        raise UserError(
            f"{what}: {weights.url} cannot be loaded ({describe_error(error)}); put the file "
            f"at {file}"
        ) from error
    target = user_cache() / "starts" / f"{file.stem}.safetensors"
    content = save(tensors)
    if not target.exists() or target.read_bytes() != content:
        write_whole(target, content)
    return target


def as_built(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A published file's tensors by the keys of the network that the model `torchvision` builds."""
    return {
        OLD_DENSENET.sub(r"\1\2", key): value.detach().contiguous()
        for key, value in state.items()
        if not key.startswith(AUXILIARY)
    }


def write_whole(target: Path, content: bytes | Path) -> None:
    """Write bytes, or a copy of a file, whole or not at all."""
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            aside.write_bytes(content)
        else:
            shutil.copyfile(content, aside)
        os.replace(aside, target)
    except OSError as error:
        raise disk_error(error, target, "write") from error
    finally:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)

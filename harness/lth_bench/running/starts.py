"""The starts of a plan: found before anything trains, and kept beside the trainings from them."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from lth_bench.errors import UnknownName, UserError, describe_error
from lth_bench.store.paths import disk_error
from lth_bench.training.start import Start, check_start, hash_file, kept_start

if TYPE_CHECKING:
    from lth_bench.running.plan import Planned
    from lth_bench.suite.start import StartSpec


def find_start(spec: StartSpec, module: nn.Module, label: str, dtype: str) -> Start:
    """The start of a network, whose own values do not matter. UserError for one that does not
    fit it.
    """
    what = f"start {spec.name!r} of model {label!r}"
    path = spec.file if spec.weights is None else _published(spec.weights, what)
    return check_start(
        path,
        what,
        module.state_dict(),
        parameters=[name for name, _ in module.named_parameters()],
        patterns=spec.drawn,
        dtype=torch.float64 if dtype == "float64" else torch.float32,
    )


def keep_starts(planned: Iterable[Planned], artifacts: Path) -> None:
    """Copy the files that experiments start from beside the trainings.

    So a file that is changed or removed later changes no result, and a ticket's initial values can
    be loaded as long as its trainings can. UserError for a file that has changed since the plan.
    """
    starts = {p.start.sha256: p.start for p in planned if p.start is not None}
    for sha256, start in starts.items():
        target = kept_start(artifacts, sha256)
        if target.exists() and hash_file(target) == sha256:
            continue
        _write(target, start.path)
        if hash_file(target) != sha256:
            target.unlink()
            raise UserError(
                f"{start.path} was changed while the run began; start it again when the file is "
                f"complete"
            )


def _write(target: Path, content: bytes | Path) -> None:
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


def _published(name: str, what: str) -> Path:
    """torchvision's weights as a safetensors file in the user's cache, downloaded if need be."""
    import torchvision
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
    except Exception as error:  # of the network, the disk, or a damaged file
        raise UserError(
            f"{what}: {weights.url} cannot be loaded ({describe_error(error)}); put the file "
            f"at {file}"
        ) from error
    target = user_cache() / "starts" / f"{file.stem}.safetensors"
    content = save({k: v.contiguous() for k, v in state.items()})
    if not target.exists() or target.read_bytes() != content:
        _write(target, content)
    return target

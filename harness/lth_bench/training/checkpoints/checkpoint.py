"""Checkpoints of unfinished trainings, from which a rerun resumes bit for bit. No pickles.

`<artifacts>/trainings/<key>.partial/` holds `partial.json` and one safetensors file, named in the
JSON with its digest, with the parameters, buffers, optimizer state, mask, best values so far and
requested checkpoints. The JSON has the rest, floats exactly. A new state is written beside the old
one and becomes valid when the JSON is replaced, so a process killed in between leaves the old one.
Damaged files count as missing, and the training restarts. Readers and writers hold the lock of the
training's key.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lth_bench.masks import Layer, Mask
from lth_bench.masks.mask import pack, unpack
from lth_bench.system.files import read_json, read_regular
from lth_bench.training import callback_state as memo
from lth_bench.training.keys import digest
from lth_bench.training.request import Values
from lth_bench.training.state import CurvePoint

SUFFIX = ".partial"
FACTS = "partial.json"
MEMORY = 256
"""Maximum size of a callback's memory, and of a checkpoint, in multiples of the network's size."""


@dataclass(frozen=True, kw_only=True)
class CheckpointHead:
    """What decides whether a training can resume from a checkpoint."""

    done: int
    """Steps since the training's start."""
    cohort_size: int
    variant: str
    checkpoints: frozenset[int]
    searches: frozenset[str] = frozenset()
    """The addresses of the searches whose memory is stored."""


@dataclass(frozen=True, kw_only=True)
class TrainingCheckpoint:
    """A training between two steps. All tensors are copies, on the CPU once loaded."""

    head: CheckpointHead
    layout: dict[str, Tensor]
    """The member's state in its layout: see `Layout.state`."""
    mask: Mask
    best: Values
    best_step: int
    best_loss: float
    checkpoints: dict[int, Values]
    curve: tuple[CurvePoint, ...]
    loss_before: float
    evaluated_at: int
    flops_masked: int
    seconds: float
    memo: dict[str, Any]
    """The memory of `on_step`."""
    memos: dict[str, dict[str, Any]]
    """The memory of each search's `until`, by address."""
    random: Tensor
    """The state of torch's CPU generator, which a callback may use."""


class CheckpointStore:
    """The checkpoints of unfinished trainings in one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, key: str) -> Path:
        """Where a training's checkpoint is, or would be, stored."""
        return self.root / f"{key}{SUFFIX}"

    def head(self, key: str) -> CheckpointHead | None:
        """How far a training got; None without a checkpoint."""
        try:
            return _head(self._facts(key))
        except Exception:  # missing or damaged
            return None

    def put(self, key: str, checkpoint: TrainingCheckpoint) -> None:
        """Store a training's state in place of an earlier one. Raises OSError from the disk, and
        `callback_state.Unwritable` if a callback's memory cannot be stored.
        """
        from safetensors.torch import save  # not installed where only the engine is benchmarked

        folder = self.folder(key)
        kept: dict[str, Tensor] = {}
        tensors = {f"layout/{k}": v for k, v in checkpoint.layout.items()}
        tensors |= {f"best/{k}": v for k, v in checkpoint.best.items()}
        for step, values in checkpoint.checkpoints.items():
            tensors |= {f"{step}/{k}": v for k, v in values.items()}
        tensors |= {f"mask/{k}": v for k, v in pack(checkpoint.mask).items()}
        tensors["random"] = checkpoint.random
        memory = memo.flatten(checkpoint.memo, kept)
        memories = {name: memo.flatten(m, kept) for name, m in checkpoint.memos.items()}
        tensors |= {f"memo/{k}": v for k, v in kept.items()}
        content = save({k: v.detach().cpu().contiguous() for k, v in tensors.items()})
        name = f"{checkpoint.head.done}.safetensors"
        facts = {
            "file": name,
            "digest": _digest(content),
            "done": checkpoint.head.done,
            "width": checkpoint.head.cohort_size,
            "variant": checkpoint.head.variant,
            "checkpoints": sorted(checkpoint.head.checkpoints),
            "searches": sorted(checkpoint.head.searches),
            "best_step": checkpoint.best_step,
            "best_loss": checkpoint.best_loss.hex(),
            "curve": [p.stored() for p in checkpoint.curve],
            "loss_before": checkpoint.loss_before.hex(),
            "evaluated_at": checkpoint.evaluated_at,
            "flops_masked": checkpoint.flops_masked,
            "seconds": checkpoint.seconds,
            "memo": memory,
            "memos": memories,
        }
        aside = folder / f".{FACTS}"
        try:
            if folder.is_symlink():  # possibly malicious: write and remove nothing elsewhere
                folder.unlink()
            # never recreate the results folder: if it was moved, its owner will restore it
            for place in (self.root.parent, self.root, folder):
                place.mkdir(exist_ok=True)
            _write(folder / name, content)
            _write(aside, json.dumps({"facts": facts, "digest": digest(facts)}).encode())
            os.replace(aside, folder / FACTS)
        except OSError:
            with contextlib.suppress(OSError):
                (folder / name).unlink()
            raise
        for other in folder.glob("*.safetensors"):
            if other.name != name:
                other.unlink(missing_ok=True)

    def get(
        self,
        key: str,
        layers: Sequence[Layer],
        shapes: Mapping[str, tuple[int, ...]],
        device: torch.device,
    ) -> TrainingCheckpoint | None:
        """A checkpoint, or None. `device` is where the callback's memory is loaded to."""
        from safetensors.torch import load

        by_name = {**shapes, **{layer.name: layer.shape for layer in layers}}
        try:
            facts = self._facts(key)
            name = facts["file"]
            if os.path.basename(name) != name:
                return None
            content = read_regular(self.folder(key) / name, most_bytes(by_name, MEMORY))
            if _digest(content) != facts["digest"]:
                return None
            tensors = load(content)

            def part(prefix: str) -> dict[str, Tensor]:
                found = {k: v for k, v in tensors.items() if k.startswith(f"{prefix}/")}
                return {k.removeprefix(f"{prefix}/"): v for k, v in found.items()}

            def state(prefix: str) -> dict[str, Tensor]:
                found = part(prefix)
                if {k: tuple(v.shape) for k, v in found.items()} != dict(shapes):
                    raise ValueError(f"{prefix}: tensors do not match the network's")
                return {k: found[k] for k in shapes}

            mask = unpack(part("mask"), by_name)
            mask = Mask(mask.kept, mask.held, layers, mask.frozen)
            mask.require(layers)
            head = _head(facts)
            random, now = tensors["random"], torch.get_rng_state()
            if (random.shape, random.dtype) != (now.shape, now.dtype):
                return None
            return TrainingCheckpoint(
                head=head,
                layout=part("layout"),
                mask=mask,
                best=state("best"),
                best_step=int(facts["best_step"]),
                best_loss=float.fromhex(facts["best_loss"]),
                checkpoints={s: state(str(s)) for s in head.checkpoints},
                curve=tuple(CurvePoint.of(p) for p in facts["curve"]),
                loss_before=float.fromhex(facts["loss_before"]),
                evaluated_at=int(facts["evaluated_at"]),
                flops_masked=int(facts["flops_masked"]),
                seconds=float(facts["seconds"]),
                memo=memo.restore(facts["memo"], part("memo"), device, layers),
                memos={
                    key: memo.restore(facts["memos"][key], part("memo"), device, layers)
                    for key in head.searches
                },
                random=random,
            )
        except Exception:  # missing or damaged: restart
            return None

    def drop(self, key: str) -> None:
        """Delete the checkpoint of a finished training."""
        shutil.rmtree(self.folder(key), ignore_errors=True)

    def _facts(self, key: str) -> dict[str, Any]:
        document = read_json(self.folder(key) / FACTS)
        facts: dict[str, Any] = document["facts"]
        if digest(facts) != document["digest"]:
            raise ValueError(f"the facts of {key} are damaged")
        return facts


def _head(facts: Mapping[str, Any]) -> CheckpointHead:
    return CheckpointHead(
        done=int(facts["done"]),
        cohort_size=int(facts["width"]),
        variant=str(facts["variant"]),
        checkpoints=frozenset(map(int, facts["checkpoints"])),
        searches=frozenset(facts["searches"]),
    )


def _write(path: Path, content: bytes) -> None:
    """Write a new file, replacing a link of that name."""
    path.unlink(missing_ok=True)
    with path.open("xb") as file:
        file.write(content)


def most_bytes(shapes: Mapping[str, tuple[int, ...]], copies: int) -> int:
    """Maximum size of a file with this many copies of a network's values; longer files are not
    read.
    """
    return (1 << 26) + copies * 16 * sum(math.prod(shape) for shape in shapes.values())


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()

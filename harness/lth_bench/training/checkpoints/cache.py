"""Finished trainings on disk, by content address. No pickles.

`<artifacts>/trainings/<key>/` holds `training.json` (curve, cost, digest of each file) and one
safetensors file per state. Pruned weights, which are zero, are not stored. A training is stored
completely or not at all (written elsewhere, then renamed). A lock file per key keeps processes that
share the folder from training a key twice; it is an operating-system lock, released when its
process dies. A damaged file counts as missing, and the training is repeated.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import torch
from filelock import FileLock, Timeout
from safetensors.torch import load, save
from torch import Tensor

from lth_bench.errors import TrainingNotKept
from lth_bench.masks import Layer, Mask
from lth_bench.masks.mask import pack, unpack
from lth_bench.system.files import read_json, read_regular
from lth_bench.training.callback_state import CallbackState
from lth_bench.training.checkpoints.checkpoint import MEMORY, most_bytes
from lth_bench.training.state import Cost, CurvePoint, Outcome

Shapes = Mapping[str, tuple[int, ...]]


class Lease(Protocol):
    """A locked key."""

    def release(self) -> None: ...


class TrainingCache:
    """The finished trainings in one folder."""

    def __init__(self, root: Path, since: float | None = None) -> None:
        """With `since` (seconds since the epoch), trainings stored before that count as missing."""
        self.root, self._since = root, since

    def _make_folder(self) -> None:
        """Recreate the folder if it was removed during the run. The results' own folder is not
        recreated: without it nothing can be recorded.
        """
        self.root.parent.mkdir(exist_ok=True)
        self.root.mkdir(exist_ok=True)

    def folder(self, key: str) -> Path:
        """Where a training is, or would be, stored."""
        return self.root / key

    def lease(self, key: str) -> Lease | None:
        """Lock a key for training, until `release`; None if another process has it."""
        with _disk_errors(self.root):
            self._make_folder()
            lock = FileLock(self.root / f"{key}.lock")
            try:
                lock.acquire(blocking=False)
            except Timeout:
                return None
        return lock

    def put(self, key: str, outcome: Outcome) -> None:
        """Store a finished training with all of its checkpoints. Raises TrainingNotKept."""
        target = self.folder(key)
        aside = self.root / f".{key}.{uuid.uuid4().hex}"
        with _disk_errors(self.root):
            try:
                self._make_folder()
                aside.mkdir()
                self._write(aside, outcome)
                if target.exists():  # replace an entry that lacked a checkpoint
                    shutil.rmtree(target)
                os.replace(aside, target)
            finally:
                shutil.rmtree(aside, ignore_errors=True)

    @staticmethod
    def _write(folder: Path, outcome: Outcome) -> None:
        # a checkpoint may have been under another mask, which is not stored: a tensor with a
        # non-zero weight outside the final mask is stored whole
        states = {"final": outcome.values, "best": outcome.best}
        states |= {f"step-{step}": values for step, values in outcome.checkpoints.items()}
        packed = {name: _sparse(values, outcome.mask) for name, values in states.items()}
        packed["mask"] = pack(outcome.mask)
        if outcome.memo is not None:
            packed["memo"] = outcome.memo.tensors
        digests = {}
        for name, tensors in packed.items():
            content = save(tensors)
            digests[name] = _digest(content)
            (folder / f"{name}.safetensors").write_bytes(content)
        facts = {
            "step": outcome.step,
            "best_step": outcome.best_step,
            "stopped": outcome.stopped,
            "width": outcome.cohort_size,
            "variant": outcome.variant,
            "owner": outcome.owner,
            "device": outcome.device,
            "device_name": outcome.device_name,
            "peak_memory": outcome.peak_memory,
            "curve": [p.stored() for p in outcome.curve],
            "cost": asdict(outcome.cost),
            "checkpoints": sorted(outcome.checkpoints),
            "digests": digests,
            "memo": outcome.memo.document if outcome.memo is not None else None,
        }
        (folder / "training.json").write_text(json.dumps(facts))

    def kept(self, key: str) -> frozenset[int]:
        """The steps of a finished training's stored checkpoints; empty if it is not stored."""
        try:
            return frozenset(map(int, self._facts(key)["checkpoints"]))
        except Exception:  # missing or damaged
            return frozenset()

    def get(
        self, key: str, layers: Sequence[Layer], shapes: Shapes, checkpoints: frozenset[int]
    ) -> Outcome | None:
        """A finished training with at least these checkpoints, on the CPU; None if
        there is none.
        """
        if not checkpoints <= self.kept(key) or self._too_old(key):
            return None
        by_name = {**shapes, **{layer.name: layer.shape for layer in layers}}
        try:
            facts = self._facts(key)
            most = most_bytes(by_name, copies=1)
            mask = unpack(self._tensors(key, "mask", facts, most), by_name)
            mask = Mask(mask.kept, mask.held, layers, mask.frozen)

            def state(name: str) -> dict[str, Tensor]:
                return _whole(self._tensors(key, name, facts, most), mask, shapes)

            return Outcome(
                values=state("final"),
                mask=mask,
                step=int(facts["step"]),
                curve=tuple(CurvePoint.of(p) for p in facts["curve"]),
                best=state("best"),
                best_step=int(facts["best_step"]),
                checkpoints={s: state(f"step-{s}") for s in checkpoints},
                cost=Cost(**facts["cost"]),
                stopped=bool(facts["stopped"]),
                cohort_size=int(facts["width"]),
                variant=str(facts["variant"]),
                owner=str(facts.get("owner", "")),
                device=str(facts.get("device", "")),
                device_name=str(facts.get("device_name", "")),
                peak_memory=facts.get("peak_memory"),
                memo=self._memo(key, facts, most_bytes(by_name, MEMORY)),
            )
        except Exception:  # missing or damaged: train again
            return None

    def _memo(self, key: str, facts: Mapping[str, Any], limit: int) -> CallbackState | None:
        if facts.get("memo") is None:
            return None
        return CallbackState(facts["memo"], self._tensors(key, "memo", facts, limit))

    def _too_old(self, key: str) -> bool:
        if self._since is None:
            return False
        try:
            return (self.folder(key) / "training.json").stat().st_mtime < self._since
        except OSError:
            return True

    def _facts(self, key: str) -> dict[str, Any]:
        facts: dict[str, Any] = read_json(self.folder(key) / "training.json")
        return facts

    def _tensors(
        self, key: str, name: str, facts: Mapping[str, Any], limit: int
    ) -> dict[str, Tensor]:
        content = read_regular(self.folder(key) / f"{name}.safetensors", limit)
        if _digest(content) != facts["digests"][name]:
            raise ValueError(f"{name}.safetensors of {key} is damaged")
        return load(content)


@contextmanager
def _disk_errors(root: Path) -> Iterator[None]:
    """Turn disk errors into TrainingNotKept with advice."""
    try:
        yield
    except OSError as error:
        raise TrainingNotKept(
            f"cannot store a training in {root}: {error}. Everything recorded before is safe. "
            "Free some space, make the folder writable or restore it, then rerun the command to "
            "resume"
        ) from error


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _sparse(values: Mapping[str, Tensor], mask: Mask) -> dict[str, Tensor]:
    """The values on the CPU; for a tensor that is zero outside the mask, only its kept entries."""
    kept = mask.to(torch.device("cpu")).items_by_key()
    tensors = {}
    for key, value in values.items():
        tensor = value.detach().cpu()  # a GPU's snapshots are already in host memory
        if key in kept and not bool(kept[key].all()) and not bool(tensor[~kept[key]].any()):
            tensor = tensor[kept[key]]
        tensors[key] = tensor.contiguous()
    return tensors


def _whole(tensors: Mapping[str, Tensor], mask: Mask, shapes: Shapes) -> dict[str, Tensor]:
    """The inverse of `_sparse`, keyed in the network's order."""
    kept = mask.items_by_key()
    values = {}
    for key, shape in shapes.items():
        tensor = tensors[key]
        if tensor.shape != torch.Size(shape):
            whole = torch.zeros(shape, dtype=tensor.dtype)
            whole[kept[key]] = tensor
            tensor = whole
        values[key] = tensor
    return values

"""Finished trainings on disk, found by their content address. Never a pickle.

`<artifacts>/trainings/<key>/` holds `training.json` (curve, cost, each file's digest) and one
safetensors file a state. Of a pruned weight nothing is stored: it is zero. A training appears
whole or not at all (written aside, then renamed), and a lock file guards each key, so that no key
is trained twice by processes that share the folder; the lock is the operating system's, so it dies
with its holder. A file that is damaged in any way counts as absent, and the training is done again.
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
    """A key that is held."""

    def release(self) -> None: ...


class TrainingCache:
    """The trainings below one folder."""

    def __init__(self, root: Path, since: float | None = None) -> None:
        """With `since` (seconds since the epoch) what was kept before counts as absent."""
        self.root, self._since = root, since

    def _make_folder(self) -> None:
        """Where it was removed in mid-run. Not the folder of the results, without which nothing can
        be recorded.
        """
        self.root.parent.mkdir(exist_ok=True)
        self.root.mkdir(exist_ok=True)

    def folder(self, key: str) -> Path:
        """Where a training lies, or will."""
        return self.root / key

    def lease(self, key: str) -> Lease | None:
        """Hold a key while it is trained, until `release`; None where another process has it."""
        with _disk_errors(self.root):
            self._make_folder()
            lock = FileLock(self.root / f"{key}.lock")
            try:
                lock.acquire(blocking=False)
            except Timeout:
                return None
        return lock

    def put(self, key: str, outcome: Outcome) -> None:
        """Keep a finished training, with all of its checkpoints, or raise TrainingNotKept."""
        target = self.folder(key)
        aside = self.root / f".{key}.{uuid.uuid4().hex}"
        with _disk_errors(self.root):
            try:
                self._make_folder()
                aside.mkdir()
                self._write(aside, outcome)
                if target.exists():  # an entry that lacked a checkpoint is replaced
                    shutil.rmtree(target)
                os.replace(aside, target)
            finally:
                shutil.rmtree(aside, ignore_errors=True)

    @staticmethod
    def _write(folder: Path, outcome: Outcome) -> None:
        # in mid-training the network may have been under another mask, which is not kept:
        # a weight that is outside the final one and not zero makes its tensor be stored whole
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
        """The steps whose checkpoints a finished training has; none where there is no training."""
        try:
            return frozenset(map(int, self._facts(key)["checkpoints"]))
        except Exception:  # no such training, or a damaged one
            return frozenset()

    def get(
        self, key: str, layers: Sequence[Layer], shapes: Shapes, checkpoints: frozenset[int]
    ) -> Outcome | None:
        """A finished training with at least these checkpoints, on the CPU, or None."""
        if not checkpoints <= self.kept(key) or self._too_old(key):
            return None
        by_name = {**shapes, **{layer.name: layer.shape for layer in layers}}
        try:
            facts = self._facts(key)
            most = most_bytes(by_name, copies=1)
            mask = unpack(self._tensors(key, "mask", facts, most), by_name)
            mask = Mask(mask.kept, mask.held, layers)

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
        except Exception:  # whatever a missing or damaged file raises: train again
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
    """What the disk refuses, as a TrainingNotKept that says what to do."""
    try:
        yield
    except OSError as error:
        raise TrainingNotKept(
            f"cannot keep a training in {root}: {error}. What was recorded before is kept. "
            "Free some space, make the folder writable or bring it back, then rerun the command to "
            "resume"
        ) from error


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _sparse(values: Mapping[str, Tensor], mask: Mask) -> dict[str, Tensor]:
    """The values on the CPU; of a tensor that is zero outside the mask, the survivors only."""
    kept = mask.to(torch.device("cpu")).items_by_key()
    tensors = {}
    for key, value in values.items():
        tensor = value.detach().cpu()  # a GPU's snapshots are in the host's memory already
        if key in kept and not bool(kept[key].all()) and not bool(tensor[~kept[key]].any()):
            tensor = tensor[kept[key]]
        tensors[key] = tensor.contiguous()
    return tensors


def _whole(tensors: Mapping[str, Tensor], mask: Mask, shapes: Shapes) -> dict[str, Tensor]:
    """What `_sparse` was given, keyed in the network's order."""
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

"""Decoded arrays kept on disk, so that later runs neither decode nor import a decoder."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path
from safetensors import SafetensorError, safe_open

from lth_bench.data.arrays import Arrays, DatasetInfo
from lth_bench.data.root import writable

FOLDER = ".lth_bench_cache"
REVISION = 1
"""Raised whenever a reader decodes the same files to other arrays."""
PARTS = ("train_x", "train_y", "test_x", "test_y")


class ArrayCache:
    """The decoded copy of one dataset: below the data root, or in the user's cache folder.

    The second where the root is read-only. The copy belongs to the files it was made from, by
    name, size and time of change, and to the options that it was decoded with.
    """

    def __init__(
        self, dataset: str, root: Path, sources: Iterable[object], options: Mapping[str, object]
    ) -> None:
        about = [REVISION, dataset, [str(s) for s in sources], dict(options)]
        key = hashlib.blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=10)
        self.name = f"{dataset}-{key.hexdigest()}"
        self.file = f"{self.name}.safetensors"
        self.folders = (root / FOLDER, user_cache_path("lth-bench") / "arrays")

    def info(self) -> DatasetInfo | None:
        """The sizes of a decoded copy, from its header; None without one."""
        for path in self._existing():
            with contextlib.suppress(SafetensorError, OSError, KeyError, ValueError):
                with safe_open(path, framework="pt") as opened:
                    train, test = (opened.get_slice(x).get_shape() for x in ("train_x", "test_x"))
                    classes = int(opened.metadata()["classes"])
                return DatasetInfo((train[1], train[2], train[3]), classes, train[0], test[0])
        return None

    def fingerprint(self) -> str | None:
        """The content's fingerprint by the header of a decoded copy; None without one."""
        for path in self._existing():
            with (
                contextlib.suppress(SafetensorError, OSError, KeyError, ValueError),
                safe_open(path, framework="pt") as opened,
            ):
                return str(opened.metadata()["fingerprint"])
        return None

    def get(self, decode: Callable[[], Arrays]) -> Arrays:
        """The decoded copy, or what `decode` returns, which is then kept.

        Processes that ask at the same time decode once. Where nothing can be written, a warning
        says so and the next run decodes again.
        """
        found = self._read()
        if found is not None:
            return found
        folder = next(filter(writable, self.folders), None)
        if folder is None:
            return self._unkept(decode(), f"neither {' nor '.join(map(str, self.folders))} can be")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / f"{self.file}.lock")
            lock.acquire()
        except OSError as error:
            return self._unkept(decode(), f"{folder}: {error}")
        try:
            found = self._read()
            return found if found is not None else self._keep(folder, decode())
        finally:
            lock.release()

    def _existing(self) -> list[Path]:
        return [folder / self.file for folder in self.folders if (folder / self.file).is_file()]

    def _read(self) -> Arrays | None:
        """A copy whose content still has the fingerprint it was written with."""
        for path in self._existing():
            # a damaged copy can be made again: it counts as absent, and is overwritten
            with contextlib.suppress(SafetensorError, OSError, KeyError, ValueError):
                with safe_open(path, framework="pt") as opened:
                    about = opened.metadata()
                    train_x, train_y, test_x, test_y = map(opened.get_tensor, PARTS)
                arrays = Arrays(train_x, train_y, test_x, test_y, int(about["classes"]))
                if arrays.fingerprint() == about["fingerprint"]:
                    return arrays
        return None

    def _keep(self, folder: Path, arrays: Arrays) -> Arrays:
        from safetensors.numpy import save_file  # torch's refuses parts of one tensor

        about = {"classes": str(arrays.classes), "fingerprint": arrays.fingerprint()}
        tensors = {part: getattr(arrays, part).contiguous().numpy() for part in PARTS}
        part = folder / f"{self.file}.part"  # one writer: the lock is held
        try:
            save_file(tensors, part, about)
            os.replace(part, folder / self.file)
        except (SafetensorError, OSError) as error:
            part.unlink(missing_ok=True)
            return self._unkept(arrays, f"{folder}: {error}")
        return arrays

    def _unkept(self, arrays: Arrays, reason: str) -> Arrays:
        warnings.warn(
            f"the decoded copy of a dataset could not be kept, so every run decodes it anew: "
            f"{reason}; it takes {_gigabytes(arrays):.2f} GB",
            stacklevel=2,
        )
        return arrays


def _gigabytes(arrays: Arrays) -> float:
    return sum(int(getattr(arrays, part).nbytes) for part in PARTS) / 1e9


def stamp(path: Path, name: str | None = None) -> str:
    """What a decoded copy remembers of a source file: name, size and time of change."""
    status = path.stat()
    return f"{name or path.name} {status.st_size} {status.st_mtime_ns}"

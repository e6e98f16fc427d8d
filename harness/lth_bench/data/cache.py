"""Decoded arrays cached on disk, so that later runs neither decode nor import a decoder."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from filelock import FileLock
from safetensors import SafetensorError, safe_open

from lth_bench.data.arrays import Arrays, DatasetInfo, seen_shape
from lth_bench.data.root import user_cache, writable

REVISION = 1
"""Increased whenever a reader decodes the same files to other arrays."""
PARTS = ("train_x", "train_y", "test_x", "test_y")
_DAMAGED = (SafetensorError, OSError, KeyError, ValueError, TypeError)
"""What reading a missing or invalid file raises."""


class ArrayCache:
    """The decoded copy of one dataset, in the user's cache folder, since the data itself may be in
    a shared folder.

    The copy belongs to its source files, by path, size and modification time, and to the decoding
    options.
    """

    def __init__(
        self, dataset: str, sources: Iterable[object], options: Mapping[str, object]
    ) -> None:
        about = [REVISION, dataset, [str(s) for s in sources], dict(options)]
        key = hashlib.blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=10)
        self.name = f"{dataset}-{key.hexdigest()}"
        self.file = f"{self.name}.safetensors"
        self.folder = user_cache() / "arrays"

    def info(self) -> DatasetInfo | None:
        """The sizes of a decoded copy, from its header; None without one."""
        with contextlib.suppress(*_DAMAGED):
            with safe_open(self.path, framework="pt") as opened:
                train, test = (opened.get_slice(x).get_shape() for x in ("train_x", "test_x"))
                about = opened.metadata()
            stored = (train[1], train[2], train[3])
            return DatasetInfo(
                seen_shape(stored, _seen(about)), int(about["classes"]), train[0], test[0],
                stored_shape=stored,
            )  # fmt: skip
        return None

    def fingerprint(self) -> str | None:
        """The content's fingerprint from a decoded copy's header; None without one."""
        with (
            contextlib.suppress(*_DAMAGED),
            safe_open(self.path, framework="pt") as opened,
        ):
            return str(opened.metadata()["fingerprint"])
        return None

    def get(self, decode: Callable[[], Arrays]) -> Arrays:
        """The decoded copy, or the result of `decode`, which is then stored.

        Concurrent processes decode only once. If nothing can be written, a warning says so and the
        next run decodes again.
        """
        found = self._read()
        if found is not None:
            return found
        try:
            lock = self.lock(self.file)
        except OSError as error:
            return self._unkept(decode(), error)
        try:
            found = self._read()
            return found if found is not None else self._keep(decode())
        finally:
            lock.release()

    @property
    def path(self) -> Path:
        """The copy's file, which may not exist."""
        return self.folder / self.file

    def lock(self, file: str) -> FileLock:
        """Create and hold a lock file in the folder. OSError if that fails."""
        if not writable(self.folder):
            raise PermissionError(errno.EACCES, f"{self.folder} cannot be written to")
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / f"{file}.lock")
        lock.acquire()
        return lock

    def _read(self) -> Arrays | None:
        """A copy whose content still has its recorded fingerprint."""
        # a damaged copy counts as missing and is overwritten
        with contextlib.suppress(*_DAMAGED):
            with safe_open(self.path, framework="pt") as opened:
                about = opened.metadata()
                train_x, train_y, test_x, test_y = map(opened.get_tensor, PARTS)
            arrays = Arrays(
                train_x, train_y, test_x, test_y, classes=int(about["classes"]), seen=_seen(about)
            )
            if arrays.fingerprint() == about["fingerprint"]:
                return arrays
        return None

    def _keep(self, arrays: Arrays) -> Arrays:
        from safetensors.numpy import save_file  # torch's version refuses views of one tensor

        about = {"classes": str(arrays.classes), "fingerprint": arrays.fingerprint()}
        if arrays.seen is not None:
            about["seen"] = str(arrays.seen)
        tensors = {part: getattr(arrays, part).contiguous().numpy() for part in PARTS}
        part = self.folder / f"{self.file}.part"  # one writer: the lock is held
        try:
            save_file(tensors, part, about)
            os.replace(part, self.path)
        except (SafetensorError, OSError) as error:
            part.unlink(missing_ok=True)
            return self._unkept(arrays, error)
        return arrays

    def _unkept(self, arrays: Arrays, error: Exception) -> Arrays:
        warnings.warn(
            f"the decoded copy of a dataset could not be stored in {self.folder}, so every run "
            f"decodes it again: {getattr(error, 'strerror', None) or error}. It takes "
            f"{_gigabytes(arrays):.2f} GB; set LTH_BENCH_CACHE to use another folder",
            stacklevel=2,
        )
        return arrays


def _seen(about: Mapping[str, str]) -> int | None:
    """Of a copy's header."""
    return int(about["seen"]) if "seen" in about else None


def _gigabytes(arrays: Arrays) -> float:
    return sum(int(getattr(arrays, part).nbytes) for part in PARTS) / 1e9


def stamp(path: Path) -> str:
    """How a decoded copy identifies a source file: path, size and modification time."""
    status = path.stat()
    return f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"

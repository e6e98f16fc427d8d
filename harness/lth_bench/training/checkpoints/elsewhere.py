"""Trainings kept on another machine: fetched when they are wanted, and brought there when finished.

Where machines share no folder, each worker has a folder of its own on its node's disk, and the
coordinator's has all trainings. In between is the process that watches over the worker; the two
talk over a pipe, since only that process is part of the cluster.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path

from lth_bench.errors import TrainingNotKept
from lth_bench.system.files import read_regular
from lth_bench.training.checkpoints.cache import TrainingCache
from lth_bench.training.state import Outcome

FETCH, KEEP, OFFER = b"fetch", b"keep", b"offer"
HAVE, MISSING = b"1", b"0"
FILES = re.compile(r"(training\.json|[a-z]+(-\d+)?\.safetensors)")
"""What a training's folder has."""
LARGEST = 1 << 34
"""Bytes of a file that travels, at most."""

Files = Mapping[str, bytes]


class FetchingCache(TrainingCache):
    """A folder of this machine's, and behind it the coordinator's."""

    def __init__(self, way: Connection, root: Path, since: float | None = None) -> None:
        super().__init__(root, since)
        self._way = way
        self._there: set[str] = set()
        """Keys that the coordinator has too. A folder of this machine's may have more."""

    def kept(self, key: str) -> frozenset[int]:
        """The steps of a finished training's checkpoints; empty if it is stored nowhere."""
        own = super().kept(key)
        if key in self._there:
            return own
        if own:
            self._bring(OFFER, key)  # it is from another run here
        elif self._ask(FETCH, key) == HAVE:
            self._there.add(key)
            own = super().kept(key)
        return own

    def put(self, key: str, outcome: Outcome) -> None:
        """Store a finished training here and at the coordinator's. Raises TrainingNotKept."""
        super().put(key, outcome)
        self._bring(KEEP, key)

    def _bring(self, what: bytes, key: str) -> None:
        answer = self._ask(what, key)
        if answer != HAVE:
            raise TrainingNotKept(answer.decode())
        self._there.add(key)

    def _ask(self, what: bytes, key: str) -> bytes:
        self._way.send_bytes(what + b" " + key.encode())
        return self._way.recv_bytes()


def take(root: Path, key: str) -> tuple[float, Files] | None:
    """A kept training's time and files; None where there is none."""
    folder = root / _checked(key)
    try:
        at = (folder / "training.json").stat().st_mtime
        names = [f.name for f in folder.iterdir() if FILES.fullmatch(f.name)]
        return at, {name: read_regular(folder / name, LARGEST) for name in names}
    except OSError:  # missing, or replaced at this moment
        return None


def store(root: Path, key: str, at: float, files: Files) -> None:
    """Keep a training that was taken elsewhere, completely or not at all. Raises OSError."""
    target = root / _checked(key)
    aside = root / f".{key}.{uuid.uuid4().hex}"
    aside.mkdir(parents=True)
    for name, content in files.items():
        if not FILES.fullmatch(name):
            raise OSError(f"a training has no file {name!r}")
        (aside / name).write_bytes(content)
    os.utime(aside / "training.json", (at, at))
    if target.exists():
        target.rename(root / f"{aside.name}.old")
    aside.rename(target)
    _remove(root / f"{aside.name}.old")


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _checked(key: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{8,128}", key):
        raise OSError(f"{key!r} is no key of a training")
    return key

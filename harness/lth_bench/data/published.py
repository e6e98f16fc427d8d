"""Datasets that torchvision downloads: finding, downloading and checking their files."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from lth_bench.data.arrays import Arrays, DatasetInfo
from lth_bench.data.cache import ArrayCache, stamp
from lth_bench.data.root import DataMissing, offline, writable
from lth_bench.errors import UserError
from lth_bench.system.files import read_regular

MAX_BYTES = 1 << 31
"""Maximum bytes of an unpacked file; the published ones have less than a tenth."""
TIMEOUT = 60.0
"""Seconds without a response after which a download fails."""


@dataclass(frozen=True)
class Published(ABC):
    """A dataset whose files are in the data root, in torchvision's layout.

    A subclass names the files and decodes them. They are read by lth-bench's own readers, which
    never run code from a file, with or without a checksum.
    """

    checksum: bool = True
    """Whether the files must be the published ones; `false` accepts any in the same format."""

    title: ClassVar[str]
    """The dataset's name in suites."""
    published: ClassVar[DatasetInfo]
    """The sizes of the published files."""

    def info(self, root: Path) -> DatasetInfo:
        """Known without the files if they must be the published ones."""
        return self.published if self.checksum else self.load(root).info

    def load(self, root: Path) -> Arrays:
        """Both splits. Missing files are downloaded unless `LTH_BENCH_OFFLINE` is set.

        DataMissing if they are not available; UserError naming a damaged file.
        """
        files = self._find(root)
        if files is None:
            self._fetch(root)
            files = self.find(root)
            assert files is not None, "torchvision put its files elsewhere"
        return self._cache(files).get(lambda: self.decode(files))

    def fingerprint(self, root: Path) -> str | None:
        """The content's fingerprint, if a decoded copy of the files has it. DataMissing without
        files: nothing is downloaded for this.
        """
        files = self._find(root)
        if files is None:
            raise DataMissing(
                f"dataset {self.title!r} was not found: looked for {self.needs(root)}"
            )
        return self._cache(files).fingerprint()

    def _cache(self, files: Sequence[Path]) -> ArrayCache:
        sources = [stamp(file) for file in files]
        return ArrayCache(self.title, sources, {"checksum": self.checksum})

    def read(self, file: Path) -> bytes:
        """A file's content. UserError if it cannot be read or is too long."""
        try:
            return read_regular(file, MAX_BYTES)
        except OSError as error:
            raise UserError(
                f"dataset {self.title!r}: {file} cannot be read ({error.strerror or error}); make "
                f"it readable, or put a good copy in its place"
            ) from error

    def _find(self, root: Path) -> list[Path] | None:
        """`find`, with an error for an unreadable folder."""
        try:
            return self.find(root)
        except OSError as error:
            raise UserError(
                f"dataset {self.title!r}: {error.filename or root} cannot be accessed "
                f"({error.strerror or error}); make it readable, or name another folder in "
                f"LTH_BENCH_DATA"
            ) from error

    @abstractmethod
    def find(self, root: Path) -> list[Path] | None:
        """The files to read; None if one is missing."""

    @abstractmethod
    def decode(self, files: Sequence[Path]) -> Arrays:
        """Read the files that `find` found. UserError naming a damaged file."""

    @abstractmethod
    def download(self, torchvision: Any, folder: str) -> None:
        """Let torchvision download into a folder and verify."""

    @abstractmethod
    def needs(self, root: Path) -> str:
        """For messages: which files are needed in which folder, and which are missing."""

    def require(self, file: str, data: bytes, md5: str | None) -> None:
        """UserError if a file's content does not have the published checksum."""
        got = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if self.checksum and md5 is not None and got != md5:
            raise UserError(
                f"dataset {self.title!r}: wrong checksum of {file}: its md5 is {got}, that of the "
                f"published file {md5}, so it is truncated or altered ({len(data):,} bytes); "
                f"delete it to have it downloaded again, or set checksum = false on the dataset "
                f"to take it as it is"
            )

    def damaged(self, file: str, problem: str) -> UserError:
        """The error for a file that is not in the expected format."""
        return UserError(
            f"dataset {self.title!r}: {file} {problem}; delete it to have it downloaded again, or "
            f"put a good copy in its place"
        )

    def arrays(self, files: Sequence[Path], *parts: Tensor) -> Arrays:
        """`Arrays`, or an error that names the files."""
        try:
            train_x, train_y, test_x, test_y = parts
            return Arrays(train_x, train_y, test_x, test_y, classes=self.published.classes)
        except ValueError as error:
            raise self.damaged(
                ", ".join(map(str, files)), f"do not fit together: {error}"
            ) from error

    def _fetch(self, root: Path) -> None:
        missing = f"dataset {self.title!r} was not found: looked for {self.needs(root)}"
        if offline():
            raise DataMissing(
                f"{missing}. LTH_BENCH_OFFLINE forbids the download: unset it, put the files "
                f"there, or name the folder that holds them in LTH_BENCH_DATA"
            )
        if not writable(root):
            raise DataMissing(
                f"{missing}. It cannot be downloaded, as {root} is read-only: put the files there, "
                f"or name another folder in LTH_BENCH_DATA"
            )
        print(f"downloading {self.title} to {root}", file=sys.stderr, flush=True)
        import torchvision  # 4 s

        try:
            root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=root, prefix=".download-") as folder:
                with _patient(), contextlib.redirect_stdout(sys.stderr):
                    self.download(torchvision, folder)
                _move(Path(folder), root)
        # torchvision raises RuntimeError for a download with a wrong checksum
        except (OSError, RuntimeError, HTTPException) as error:
            raise DataMissing(
                f"{missing}. The download failed ({error}): try again where there is a network, "
                f"put the files there yourself, or name the folder that holds them in "
                f"LTH_BENCH_DATA"
            ) from error


@contextlib.contextmanager
def _patient() -> Iterator[None]:
    """Set a timeout on sockets: torchvision sets none and could wait forever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _move(source: Path, target: Path) -> None:
    """Move every file below one folder to the same place below another, each atomically."""
    for file in sorted(source.rglob("*")):
        if file.is_file():
            place = target / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(file, place)

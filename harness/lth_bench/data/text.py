"""Text as sequences of bytes or characters, each place to be followed by the next token."""

from __future__ import annotations

import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch

from lth_bench.data.arrays import Arrays, DatasetInfo
from lth_bench.data.source_file import find_file, known_info, load_once
from lth_bench.errors import UserError
from lth_bench.params import Range
from lth_bench.system.files import read_regular

LARGEST = 1 << 30
"""Bytes of a text, at most."""

Length = Annotated[int, Range(2, 8192)]
Unit = Literal["bytes", "characters"]


@dataclass(frozen=True)
class Text:
    """Any text file, read as bytes or characters; suites write `text:NAME`.

    It is cut into sequences that follow each other without overlap; the last part of them is the
    test split, so that no text of it is seen in training.
    """

    name: str = ""
    """The file, absolute or below the data root."""
    length: Length = 64
    """Tokens of a sequence."""
    unit: Unit = "bytes"
    """What a token is. The vocabulary of bytes is 256; of characters those that occur."""
    test_fraction: Annotated[float, Range(0, 1, open_low=True, open_high=True)] = 0.1
    """Part of the sequences, from the end of the text, that becomes the test split."""

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("text needs a file: write text:NAME, or name = '...'")

    def info(self, root: Path) -> DatasetInfo:
        """From the file, which is read for it, once."""
        return known_info(self, self._path(root)) or self.load(root).info

    def load(self, root: Path) -> Arrays:
        """DataMissing where it is not; UserError where it is too short or no text."""
        path = self._path(root)
        return load_once(self, path, lambda: self._of_file(path))

    def _path(self, root: Path) -> Path:
        path = root / Path(self.name).expanduser()  # an absolute one stays as it is
        find_file("text", path)
        return path

    def _of_file(self, path: Path) -> Arrays:
        return sequences(str(path), _content(path), self.length, self.unit, self.test_fraction)


@dataclass(frozen=True)
class StdlibText:
    """Python's own sources: text that is always there. Modules in the order of their names."""

    length: Length = 64
    """Tokens of a sequence."""
    unit: Unit = "bytes"
    """What a token is. The vocabulary of bytes is 256; of characters those that occur."""
    size: Annotated[int, Range(1000, LARGEST)] = 1_000_000
    """Bytes of text, at most."""
    test_fraction: Annotated[float, Range(0, 1, open_low=True, open_high=True)] = 0.1
    """Part of the sequences, from the end of the text, that becomes the test split."""

    def info(self, root: Path) -> DatasetInfo:
        """From the files, which are read for it, once."""
        folder, modules = self._modules()
        return known_info(self, folder, modules) or self.load(root).info

    def load(self, root: Path) -> Arrays:
        """The modules at the top of the standard library."""
        folder, modules = self._modules()
        return load_once(self, folder, lambda: self._of_files(folder, modules), modules)

    def _modules(self) -> tuple[Path, list[Path]]:
        """The standard library's folder, and as many of its modules as have `size` bytes."""
        folder, chosen, there = Path(sysconfig.get_paths()["stdlib"]), [], 0
        for path in sorted(folder.glob("*.py")):
            if there >= self.size:
                break
            chosen.append(path)
            there += path.stat().st_size
        return folder, chosen

    def _of_files(self, folder: Path, modules: list[Path]) -> Arrays:
        content = b"".join(map(_content, modules))[: self.size]
        text = content.decode(errors="ignore").encode()  # no half character
        return sequences(str(folder), text, self.length, self.unit, self.test_fraction)


def _content(path: Path) -> bytes:
    try:
        return read_regular(path, LARGEST)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error})") from error


def sequences(where: str, content: bytes, length: int, unit: Unit, test_fraction: float) -> Arrays:
    """Inputs int64 [N, length] and at every place the token that follows, as targets.

    UserError where the text has less than two sequences.
    """
    tokens: np.ndarray
    if unit == "bytes":
        tokens, vocabulary = np.frombuffer(content, dtype=np.uint8), 256
    else:
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            raise UserError(
                f"{where}: byte {error.start:,} is not UTF-8, so characters cannot be told; set "
                f"unit = 'bytes', or convert the file"
            ) from error
        points = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
        known, tokens = np.unique(points, return_inverse=True)
        vocabulary = max(1, len(known))
    count = (len(tokens) - 1) // length
    if count < 2:
        raise UserError(
            f"{where} has {len(tokens):,} {unit}, and two sequences of {length} take "
            f"{2 * length + 1:,} with the token that follows; lower length, or take a longer text"
        )
    whole = torch.from_numpy(tokens[: count * length + 1].astype(np.int64))
    x, y = whole[:-1].view(count, length), whole[1:].view(count, length)
    k = count - min(max(1, round(test_fraction * count)), count - 1)
    return Arrays(
        x[:k].contiguous(), y[:k].contiguous(), x[k:].contiguous(), y[k:].contiguous(),
        classes=vocabulary,
        inputs="tokens", targets="tokens", vocabulary=vocabulary,
        bytes_per_token=len(content) / len(tokens),
    )  # fmt: skip

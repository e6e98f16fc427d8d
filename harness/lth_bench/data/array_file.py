"""Arrays in a file: NumPy's .npz, or safetensors."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from lth_bench.data.arrays import Arrays, DatasetInfo
from lth_bench.data.info import Inputs, Targets
from lth_bench.data.source_file import find_file, known_info, load_once, require_memory
from lth_bench.data.splits import split
from lth_bench.errors import UserError
from lth_bench.params import Range

SPLIT = ("train_x", "train_y", "test_x", "test_y")
WHOLE = ("x", "y")


@dataclass(frozen=True)
class ArrayFile:
    """Arrays of an .npz or .safetensors file; suites write `arrays:NAME`.

    The file holds `train_x`, `train_y`, `test_x` and `test_y`, or `x` and `y`, of which a part
    becomes the test split. What they are is told by their types: inputs uint8 [N, C, H, W] are
    images, integers [N, T] tokens, and floating point features; targets [N] of integers are
    classes, numbered from 0 without gaps, uint8 or truth values [N, L] several labels, floating
    point real numbers, and integers of the inputs' shape a token at every place.
    """

    name: str = ""
    """The file, absolute or below the data root."""
    test_fraction: Annotated[float, Range(0, 1, open_low=True, open_high=True)] = 0.2
    """Part that becomes the test split where the file has only `x` and `y`."""
    standardise: bool = True
    """Whether features are brought to mean 0 and deviation 1 by the training split's."""

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("arrays needs a file: write arrays:NAME, or name = '...'")

    def info(self, root: Path) -> DatasetInfo:
        """From the file, which is read for it, once."""
        return known_info(self, self._path(root)) or self.load(root).info

    def load(self, root: Path) -> Arrays:
        """DataMissing where it is not; UserError for a file that does not hold a dataset."""
        path = self._path(root)
        return load_once(self, path, lambda: self._of_file(path))

    def _path(self, root: Path) -> Path:
        path = root / Path(self.name).expanduser()  # an absolute one stays as it is
        if path.suffix not in (".npz", ".safetensors"):
            raise UserError(
                f"{path}: arrays are read from .npz and .safetensors files, which cannot run code; "
                f"convert it with numpy.savez or safetensors"
            )
        find_file("arrays", path)
        return path

    def _of_file(self, path: Path) -> Arrays:
        found = _read(path)
        try:
            return self._arrays(found)
        except ValueError as error:
            raise UserError(f"{path}: {error}") from error

    def _arrays(self, found: dict[str, Tensor]) -> Arrays:
        if all(name in found for name in SPLIT):
            parts = [found[name] for name in SPLIT]
        elif all(name in found for name in WHOLE):
            x, y = (found[name] for name in WHOLE)
            if len(x) != len(y) or len(x) < 2:
                raise ValueError(
                    f"x and y must have as many examples, two at least, but got {len(x)} and "
                    f"{len(y)}"
                )
            by_class = y.ndim == 1 and not y.is_floating_point() and not y.is_complex()
            strata = y.long() if by_class else torch.zeros(len(y), dtype=torch.int64)
            if int(strata.min()) < 0:
                raise ValueError(f"classes must be 0 or more, but one is {int(strata.min())}")
            count = min(max(1, round(self.test_fraction * len(x))), len(x) - 1)
            train, test = split(len(x), strata, count, "arrays")
            parts = [x[train], y[train], x[test], y[test]]
        else:
            raise ValueError(
                f"it must hold {', '.join(SPLIT)}, or x and y, but holds "
                f"{', '.join(sorted(found)) or 'nothing'}"
            )
        (train_x, inputs), (test_x, _) = (_as_inputs(x) for x in (parts[0], parts[2]))
        (train_y, targets), (test_y, _) = (
            _as_targets(y, x) for y, x in ((parts[1], train_x), (parts[3], test_x))
        )
        vocabulary = 0
        if inputs == "tokens":
            vocabulary = 1 + max(int(x.max()) for x in (train_x, test_x) if x.numel())
        if targets in ("class", "tokens"):
            classes = 1 + max(int(y.max()) for y in (train_y, test_y) if y.numel())
            if targets == "tokens":
                classes = vocabulary = max(classes, vocabulary)
        else:
            classes = train_y.shape[1]
        if targets == "class":
            _require_numbered(torch.cat([train_y, test_y]))
        if inputs == "features" and self.standardise:
            _require_varying(train_x)
        return Arrays(
            train_x, train_y, test_x, test_y, classes=classes, inputs=inputs, targets=targets,
            vocabulary=vocabulary, standardise=self.standardise,
        )  # fmt: skip


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise UserError(f"{path} is damaged or no safetensors file ({error})") from error
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:  # it may be compressed
                require_memory(path, sum(part.file_size for part in archive.infolist()))
        with np.load(path, allow_pickle=False) as opened:
            return {name: torch.from_numpy(opened[name]) for name in opened.files}
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path} is damaged, no .npz file, or holds objects, which are pickles and not read "
            f"({error}); save numbers alone"
        ) from error


def _as_inputs(x: Tensor) -> tuple[Tensor, Inputs]:
    if x.dtype == torch.uint8 and x.ndim == 4:
        return x, "images"
    if x.is_floating_point():
        return (x if x.dtype == torch.float64 else x.float()), "features"
    if x.ndim == 2 and not x.is_complex() and x.dtype != torch.bool:
        return x.long(), "tokens"
    raise ValueError(
        f"inputs must be uint8 [N, C, H, W] (images), integers [N, T] (tokens) or floating point "
        f"(features), but got {x.dtype} {list(x.shape)}"
    )


def _as_targets(y: Tensor, x: Tensor) -> tuple[Tensor, Targets]:
    if y.is_floating_point():
        y = y if y.dtype == torch.float64 else y.float()
        return (y[:, None] if y.ndim == 1 else y), "values"
    if y.ndim == 1 and not y.is_complex():
        return y.long(), "class"
    if y.ndim == 2 and y.dtype in (torch.uint8, torch.bool):
        return y.to(torch.uint8), "labels"
    if y.shape == x.shape and x.dtype == torch.int64 and not y.is_complex():
        return y.long(), "tokens"
    raise ValueError(
        f"targets must be integers [N] (classes), uint8 or bool [N, L] (labels), floating point "
        f"(values) or integers of the inputs' shape (tokens), but got {y.dtype} {list(y.shape)}"
    )


def _require_numbered(y: Tensor) -> None:
    """ValueError unless the classes, int64 [N], are numbered from 0 and two at least: a network has
    an output for every number up to the largest.
    """
    known = torch.unique(y)
    if len(known) < 2:
        raise ValueError(
            f"classes must be two at least, but every example is of class {known.tolist()[0]}"
        )
    gaps = (known != torch.arange(len(known))).nonzero()
    if len(gaps):
        raise ValueError(
            f"classes must be numbered from 0 without gaps, but there are {len(known):,} from "
            f"{int(known[0])} to {int(known[-1]):,}, and none is {int(gaps[0])}; number them with "
            f"numpy.unique(y, return_inverse=True)[1]"
        )


def _require_varying(train_x: Tensor) -> None:
    """ValueError where a column of a table, [N, features], is constant. Of features in more
    dimensions, such as a grid, some often are.
    """
    if train_x.ndim != 2 or not train_x.isfinite().all():  # `Arrays` names what is not finite
        return
    same = (train_x.amin(0) == train_x.amax(0)).nonzero().flatten().tolist()
    if same:
        shown = ", ".join(map(str, same[:5])) + (", …" if len(same) > 5 else "")
        raise ValueError(
            f"feature columns must vary, but {len(same)} of {train_x.shape[1]} have one value in "
            f"every training example: {shown} (column {same[0]} is "
            f"{float(train_x[0, same[0]]):g}); leave them out, or set standardise = false"
        )

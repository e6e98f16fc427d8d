"""The contracts of a dataset."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lth_bench.data.arrays import Arrays, require_known_classes
from lth_bench.data.info import DatasetInfo
from lth_bench.data.root import data_root
from lth_bench.errors import UserError, describe_error
from lth_bench.system.blame import ends_the_run
from lth_bench.testing.contract import Broken, NotApplicable, NotJudged, contract
from lth_bench.testing.parts.case import PartCase, call

SHARED = 0.05
"""Fraction of the test examples that may occur in training: real data has some duplicates."""


class DatasetCase(PartCase):
    """A dataset under test, with the data root that `LTH_BENCH_DATA` names."""

    group = "datasets"

    def __init__(
        self,
        cls: type[Any],
        params: Mapping[str, object] | None = None,
        root: Path | None = None,
    ) -> None:
        super().__init__(cls, params)
        self.root = data_root() if root is None else root

    @cached_property
    def loaded(self) -> Arrays | Broken:
        """What `load` gives, or what is wrong with it."""
        try:
            found = call("load", self.made.load, self.root)
        except Broken as broken:
            return broken
        if isinstance(found, Arrays):
            return found
        return Broken(f"load must return Arrays, but returned a {type(found).__name__}")

    @property
    def arrays(self) -> Arrays:
        """The data. NotJudged where there is none, which `loads` reports."""
        if isinstance(self.loaded, Broken):
            raise NotJudged("it cannot be loaded")
        return self.loaded


@contract(
    "load gives finite examples of the kinds that it names",
    meet="return lth_bench.Arrays with `inputs`, `targets` and, for tokens, `vocabulary`: uint8 "
    "images [N, C, H, W], floating point features [N, …] or int64 tokens [N, T]; and targets int64 "
    "[N], uint8 [N, L], floating point [N, D] or int64 [N, T]; data that is not there is a "
    "DataMissing that says where it was looked for",
)
def loads(case: DatasetCase) -> str:
    """Arrays checks types, shapes, ranges and finiteness."""
    case.made  # noqa: B018  # not judged if it cannot be made
    if isinstance(case.loaded, Broken):
        raise case.loaded
    info = case.loaded.info
    return (
        f"{info.inputs} {list(info.input_shape)} to {info.targets} ({info.classes}): "
        f"{info.train_size:,} training examples, {info.test_size:,} test examples"
    )


@contract(
    "info says what load gives",
    meet="return from info a DatasetInfo with the sizes and kinds of what load returns, without "
    "reading the data where it can",
)
def info(case: DatasetCase) -> None:
    """A plan knows info alone."""
    said = call("info", case.made.info, case.root)
    if not isinstance(said, DatasetInfo):
        raise Broken(f"info must return a DatasetInfo, but returned a {type(said).__name__}")
    try:
        said.require(case.arrays.info)
    except ValueError as error:
        raise Broken(str(error)) from error


@contract(
    "the data is the same every time",
    meet="draw from a generator of the dataset's own with a fixed seed, such as "
    "torch.Generator().manual_seed(0), and sort what a folder lists",
)
def deterministic(case: DatasetCase) -> None:
    """Whatever was drawn before; and `fingerprint` says what the data's own does."""
    first = case.arrays.fingerprint()
    with torch.random.fork_rng():
        torch.manual_seed(12345)
        again = call("load", case.made.load, case.root)
    if again.fingerprint() != first:
        raise Broken("a second load gives other data")
    quick = getattr(case.made, "fingerprint", None)
    known = call("fingerprint", quick, case.root) if callable(quick) else None
    if known not in (None, first):
        raise Broken(f"fingerprint says {str(known)[:20]!r}, and the data's is {first[:20]!r}")


@contract(
    "test examples are not training examples",
    meet="split before anything else, and keep copies of one example on one side",
)
def disjoint(case: DatasetCase) -> str:
    """As far as can be seen: examples whose inputs and targets are equal."""
    data = case.arrays
    known = set(_rows(data.train_x, data.train_y))
    twice = sum(row in known for row in _rows(data.test_x, data.test_y))
    whole = len(data.test_y)
    text = f"{twice:,} of {whole:,} test examples are in the training split too"
    if twice > SHARED * whole:
        raise Broken(text)
    return text if twice else ""


@contract(
    "there are two classes at least, and training has every one that the test split has",
    meet="split every class in proportion, or leave out those with too few examples",
)
def classes(case: DatasetCase) -> None:
    """What training never shows cannot be told."""
    if case.arrays.targets != "class":
        raise NotApplicable(f"its targets are {case.arrays.targets}")
    if case.arrays.classes < 2:
        raise Broken("it has one class, so there is nothing to learn")
    try:
        require_known_classes(case.arrays.train_y, case.arrays.test_y)
    except ValueError as error:
        raise Broken(str(error)) from error


@contract(
    "files are read below the root that is given, or the data needs none",
    meet="build every path from the argument: root / 'mine.csv'; where it is missing, raise "
    "lth_bench.data.root.DataMissing with the path",
)
def root(case: DatasetCase) -> str | None:
    """With an empty root: the same data, or an error that says where it was looked for."""
    first = case.arrays.fingerprint()
    with tempfile.TemporaryDirectory() as name:
        empty = Path(name)
        offline = os.environ.get("LTH_BENCH_OFFLINE")
        os.environ["LTH_BENCH_OFFLINE"] = "1"
        try:
            found = case.made.load(empty)
        except UserError as error:
            if name in error.message:
                return None
            raise Broken(
                f"with an empty data root load says {error.message!r:.200}, which does not name "
                f"the place where it looked, {name}"
            ) from error
        except BaseException as error:
            if ends_the_run(error):
                raise
            raise Broken(
                f"with an empty data root load raised {describe_error(error)} instead of a "
                f"DataMissing that says what to do"
            ) from error
        finally:
            del os.environ["LTH_BENCH_OFFLINE"]
            if offline is not None:
                os.environ["LTH_BENCH_OFFLINE"] = offline
        if found.fingerprint() != first:
            raise Broken("with an empty data root load gives other data and no error")
        if left := sorted(path.name for path in empty.iterdir()):
            raise Broken(f"load writes into the data root: {', '.join(left[:3])}")
    return "it needs no file below the data root"


def _rows(x: Tensor, y: Tensor) -> list[bytes]:
    import hashlib

    pairs = zip(x.flatten(1).numpy(), y.reshape(len(y), -1).numpy(), strict=True)
    return [hashlib.blake2b(a.tobytes() + b.tobytes(), digest_size=16).digest() for a, b in pairs]

"""Tables: scikit-learn's three small ones, and any CSV or Parquet file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch

from lth_bench.data.arrays import Arrays, DatasetInfo
from lth_bench.data.info import Targets
from lth_bench.data.source_file import find_file, known_info, load_once
from lth_bench.data.splits import split
from lth_bench.errors import UnknownName, UserError
from lth_bench.params import Range

OWN = {"wine": "load_wine", "breast_cancer": "load_breast_cancer", "diabetes": "load_diabetes"}
"""scikit-learn's tables, by name, and what loads them."""
FILES = {".csv": "read_csv", ".tsv": "read_csv", ".parquet": "read_parquet"}
"""Endings of files, and DuckDB's functions that read them."""
MOST_CLASSES = 1000


@dataclass(frozen=True)
class Tabular:
    """A table of numbers with one target column; suites write `tabular:wine`.

    `wine` (3 classes), `breast_cancer` (2 classes) and `diabetes` (a real number) come with
    scikit-learn; anything else is a CSV or Parquet file. Text columns become one column of 0 and 1
    for each of their values. The test split is fixed, and keeps the proportions of classes.
    """

    name: str = "wine"
    """One of scikit-learn's, or a file, absolute or below the data root."""
    target: str = ""
    """The column to predict; only of files."""
    task: Literal["auto", "classification", "regression"] = "auto"
    """`auto`: floating-point targets are values to predict, and all others are classes."""
    test_fraction: Annotated[float, Range(0, 1, open_low=True, open_high=True)] = 0.2
    """Part that becomes the test split."""

    def __post_init__(self) -> None:
        if self.name in OWN and self.target:
            raise ValueError(f"{self.name} has its own target; leave target out")
        if self.name not in OWN and Path(self.name).suffix not in FILES:
            known = [*OWN, *(f"a {ending} file" for ending in FILES)]
            raise ValueError(f"name must be one of {', '.join(known)}, but got {self.name!r}")
        if self.name not in OWN and not self.target:
            raise ValueError("target must name the column to predict")

    def info(self, root: Path) -> DatasetInfo:
        """From the table, which is read for it, once."""
        if self.name in OWN:
            return self.load(root).info
        path = self._path(root)
        return known_info(self, path) or self.load(root).info

    def load(self, root: Path) -> Arrays:
        """DataMissing where the file is not; UserError for what is no table, with the column."""
        if self.name in OWN:
            import sklearn.datasets  # 2 s

            bunch = getattr(sklearn.datasets, OWN[self.name])()
            columns = {str(c): v for c, v in zip(bunch.feature_names, bunch.data.T, strict=True)}
            return self._arrays(self.name, columns, bunch.target)
        path = self._path(root)
        return load_once(self, path, lambda: self._of_file(path))

    def _path(self, root: Path) -> Path:
        path = root / Path(self.name).expanduser()  # an absolute one stays as it is
        find_file("tabular", path)
        return path

    def _of_file(self, path: Path) -> Arrays:
        columns = _read(path)
        if self.target not in columns:
            raise UserError(f"{path}: {UnknownName('column', self.target, columns).message}")
        target = columns.pop(self.target)
        return self._arrays(str(path), columns, target)

    def _arrays(self, where: str, columns: dict[str, Any], target: Any) -> Arrays:
        y, classes, targets = self._targets(where, target)
        x = torch.from_numpy(_matrix(where, columns)).float()
        order = y if targets == "class" else torch.zeros(len(y), dtype=torch.int64)
        count = min(max(1, round(self.test_fraction * len(y))), len(y) - 1)
        train, test = split(len(y), order, count, "tabular")
        return Arrays(
            x[train],
            y[train],
            x[test],
            y[test],
            classes=classes,
            inputs="features",
            targets=targets,
        )

    def _targets(self, where: str, column: Any) -> tuple[torch.Tensor, int, Targets]:
        values = np.asarray(column)
        real = np.issubdtype(values.dtype, np.floating)
        what = f"{where}: column {self.target!r}" if self.target else where
        if len(values) < 2:
            raise UserError(f"{where} has {len(values)} rows, and two are the least")
        _require_known(what, values)
        if self.task == "regression" or (self.task == "auto" and real):
            try:
                numbers = values.astype(np.float64)
            except (TypeError, ValueError) as error:
                raise UserError(
                    f"{what} is text, which task = 'regression' cannot predict; set task = "
                    f"'classification'"
                ) from error
            return torch.from_numpy(numbers)[:, None], 1, "values"
        known, found = np.unique(values.astype(str) if values.dtype == object else values,
                                 return_inverse=True)  # fmt: skip
        if not 2 <= len(known) <= MOST_CLASSES:
            raise UserError(
                f"{what} has {len(known):,} different values, and classes are 2 to "
                f"{MOST_CLASSES:,}; name another target, or set task = 'regression'"
            )
        return torch.from_numpy(found.astype(np.int64)), len(known), "class"


def _read(path: Path) -> dict[str, Any]:
    """Columns of a file by name: numbers, or objects of text."""
    import duckdb

    try:
        with duckdb.connect() as con:
            found = con.execute(f"SELECT * FROM {FILES[path.suffix]}(?)", [str(path)]).fetchnumpy()
    except duckdb.Error as error:
        raise UserError(
            f"{path} cannot be read as a table: {str(error).splitlines()[0]}"
        ) from error
    return {name: np.ma.filled(column, _missing(column)) for name, column in found.items()}


def _missing(column: Any) -> Any:
    """What stands for a missing value: such a column holds no integers any more."""
    if np.ma.is_masked(column):
        if np.issubdtype(column.dtype, np.floating):
            return np.nan
        raise UserError(f"a column of type {column.dtype} has missing values; fill them in")
    return None


def _matrix(where: str, columns: dict[str, Any]) -> np.ndarray:
    """float64 [N, features]. UserError names the column that cannot be one."""
    found = []
    for name, column in columns.items():
        what = f"{where}: column {name!r}"
        values = np.asarray(column)
        _require_known(what, values)
        if values.dtype == object or values.dtype.kind in "US":
            text = values.astype(str)
            known = np.unique(text)
            if len(known) > MOST_CLASSES:
                raise UserError(
                    f"{what} is text with {len(known):,} different values; leave it out"
                )
            parts = [(text == value).astype(np.float64) for value in known]
        elif values.dtype.kind in "iufb":
            parts = [values.astype(np.float64)]
        else:
            raise UserError(f"{what} has type {values.dtype}, and features are numbers or text")
        if len(np.unique(values.astype(str) if values.dtype == object else values)) < 2:
            only = values[:1].tolist()[0]
            raise UserError(f"{what} has one value, {only!r:.40}, in every row; leave it out")
        found += parts
    if not found:
        raise UserError(f"{where} has no column beside the target")
    return np.stack(found, axis=1)


def _require_known(what: str, values: np.ndarray) -> None:
    """UserError where a value is missing, NaN or infinite."""
    if values.dtype == object:
        wrong = np.array([v is None for v in values])
    elif np.issubdtype(values.dtype, np.floating):
        wrong = ~np.isfinite(values)
    else:
        return
    if wrong.any():
        raise UserError(
            f"{what} has {int(wrong.sum()):,} missing, NaN or infinite values, the first in row "
            f"{int(wrong.argmax()) + 1:,}; fill them in, or leave the column or those rows out"
        )

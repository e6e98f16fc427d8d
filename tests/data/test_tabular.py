from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
import torch

from lth_bench.data.root import DataMissing
from lth_bench.data.tabular import Tabular
from lth_bench.errors import UserError

ROOT = Path("nowhere")


@pytest.mark.parametrize(
    ("name", "features", "outputs", "rows", "targets"),
    [
        ("wine", 13, 3, 178, "class"),
        ("breast_cancer", 30, 2, 569, "class"),
        ("diabetes", 10, 1, 442, "values"),
    ],
)
def test_the_tables_of_scikit_learn(name, features, outputs, rows, targets) -> None:
    dataset = Tabular(name)
    arrays = dataset.load(ROOT)
    dataset.info(ROOT).require(arrays.info)
    assert arrays.info.input_shape == (features,) and arrays.info.targets == targets
    assert arrays.classes == outputs and len(arrays.train_y) + len(arrays.test_y) == rows
    assert dataset.load(ROOT).fingerprint() == arrays.fingerprint()
    if targets == "class":  # the split keeps their proportions
        share = torch.bincount(arrays.test_y) / len(arrays.test_y)
        whole = torch.bincount(arrays.train_y) / len(arrays.train_y)
        assert torch.allclose(share, whole, atol=0.03)


@pytest.fixture
def table(tmp_path: Path):
    """`table(text, **options)`: a dataset of a CSV file in the data root."""

    def make(text: str, **options) -> Tabular:
        (tmp_path / "t.csv").write_text(text)
        return Tabular("t.csv", **{"target": "y", "test_fraction": 0.5, **options})

    return make


def test_a_csv_of_numbers_and_text(table, tmp_path) -> None:
    dataset = table("a,colour,y\n1,red,no\n2,blue,yes\n3,red,yes\n4,green,no\n")
    arrays = dataset.load(tmp_path)
    assert arrays.info.input_shape == (4,) and arrays.classes == 2
    x = torch.cat([arrays.train_x, arrays.test_x])
    y = torch.cat([arrays.train_y, arrays.test_y])
    assert {tuple(row): int(c) for row, c in zip(x.tolist(), y, strict=True)} == {
        (1, 0, 0, 1): 0, (2, 1, 0, 0): 1, (3, 0, 0, 1): 1, (4, 0, 1, 0): 0,
    }  # fmt: skip


def test_a_parquet_of_values(tmp_path) -> None:
    with duckdb.connect() as con:
        con.execute(
            f"COPY (SELECT i AS a, i * i AS b, i / 2.0 AS y FROM range(8) r(i)) "
            f"TO '{tmp_path / 'p.parquet'}'"
        )
    arrays = Tabular("p.parquet", target="y", task="regression").load(tmp_path)
    assert arrays.info.targets == "values"
    x = torch.cat([arrays.train_x, arrays.test_x])
    y = torch.cat([arrays.train_y, arrays.test_y])
    assert torch.allclose(x[:, :1].double() / 2, y) and torch.allclose(x[:, 0] ** 2, x[:, 1])


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("a,y\n1,0\n,1\n3,0\n", {}, "missing"),
        ("a,y\n1.5,0\nnan,1\n3,0\n", {}, r"column 'a' has 1 missing, NaN .* first in row 2"),
        ("a,b,y\n1,7,0\n2,7,1\n3,7,0\n", {}, r"column 'b' has one value, .*7.* in every row"),
        ("a,y\n1,0\n2,1\n", {"target": "z"}, "unknown column 'z'"),
        ("a,y\n1,5\n2,5\n", {}, "column 'y' has 1 different values"),
        ("a,y\n1,red\n2,blue\n", {"task": "regression"}, "is text, which task = 'regression'"),
        ("y\n1\n2\n", {}, "has no column beside the target"),
        ("a,y\n1,0\n", {}, "has 1 rows, and two are the least"),
        ("", {}, r"t\.csv is empty"),
    ],
)
def test_a_table_that_cannot_be_used(table, tmp_path, text, options, said) -> None:
    with pytest.raises(UserError, match=said):
        table(text, **options).load(tmp_path)


def test_names_that_are_no_table(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"name must be one of wine, .* a \.csv file, .*'iris'"):
        Tabular("iris")
    with pytest.raises(ValueError, match="target must name the column"):
        Tabular("a.csv")
    with pytest.raises(ValueError, match="wine has its own target"):
        Tabular("wine", target="y")
    with pytest.raises(DataMissing, match=r"looked for .*a\.csv"):
        Tabular("a.csv", target="y").load(tmp_path)

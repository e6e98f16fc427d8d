"""Every network of the zoo, held against plain torch and against the table."""

from __future__ import annotations

import re
from itertools import chain

import pytest

import zoo.nets  # noqa: F401  # fills the rows
from lth_bench.plugins import load_registry
from lth_bench.running.progress import Note
from zoo.benches import ZooWorker
from zoo.checks import ALIKE, SMALL_ONLY, STRATEGIES, played
from zoo.columns import COLUMNS, Subject, in_pairs
from zoo.rows import ROWS
from zoo.table import PATH, as_cell, as_parsed, parsed

TABLE = parsed(PATH.read_text())
PAIRS = in_pairs([row for row in ROWS.values() if not row.slow])


@pytest.mark.parametrize("name", PAIRS)
def test_some_cells_of_a_row(name):
    subject = Subject(ROWS[name], thorough=False)
    for column in PAIRS[name]:
        assert as_parsed(subject.cell(column)) == TABLE[name][column], column


# torch's compiler asks for the gradients of tensors that have none, and warns of it itself
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_all_cells_of_a_row(name):
    subject = Subject(ROWS[name], thorough=True)
    found = {column: as_parsed(subject.cell(column)) for column in COLUMNS}
    assert found == TABLE[name]


def test_the_table_is_whole():
    assert list(TABLE) == list(ROWS) and len(ROWS) >= 40
    assert all(list(row) == list(COLUMNS) for row in TABLE.values())


def test_every_method_has_a_column_or_one_that_asks_the_same_of_a_network():
    known = [*STRATEGIES, *chain(*ALIKE.values()), "n_m"]
    assert sorted(known) == sorted(load_registry(third_party=False).strategies)
    assert {*ALIKE} <= {*STRATEGIES}
    head = PATH.read_text().partition("| network |")[0]
    assert {*chain(*ALIKE.values()), "n_m"} <= {*re.findall(r"`(\w+)`", head)}


def test_a_cell_is_told_and_read():
    for cell in ("ok", "ok; a: b [c]", "skipped: no [x] at all", "0.91 (other)"):
        assert as_parsed(as_cell(as_parsed(cell))) == as_parsed(cell)


def test_every_family_meets_every_column_in_the_fast_tests():
    met = {(ROWS[name].family, column) for name, columns in PAIRS.items() for column in columns}
    assert met == {(row.family, column) for row in ROWS.values() for column in COLUMNS}


def test_at_most_three_networks_have_no_effective_density():
    none = [name for name, row in TABLE.items() if row["connected"].startswith("no number")]
    assert 0 < len(none) <= 3


def test_what_the_table_may_say():
    """No experiment fails; what is refused or skipped has its reason."""
    words = {
        "alone": "equal", "stacked": "by layer|by vmap|alone", "resumed": "equal", "FLOPs": "equal",
        "connected": r"1|0\.\d\d \(.*\)|no number \[.*\]", "paths": "equal|–",
        "units": r"equal|–|no units|refused \[.*\]",
    }  # fmt: skip
    for name, row in TABLE.items():
        for column, cell in row.items():
            pattern = words.get(column, r"ok|ok \[.*\]|skipped \[.*\]")
            if column in SMALL_ONLY and ROWS[name].family == "torchvision":
                pattern = "–"
            assert re.fullmatch(rf"{pattern}|refused \[.*\]", cell), (name, column, cell)
    refused = {name for name, row in TABLE.items() if row["alone"].startswith("refused")}
    assert refused == {name for name, row in ROWS.items() if row.family == "refused"}


@pytest.mark.parametrize(
    ("name", "note"),
    [
        (
            "unused_head",
            "m: weights of other reach no output, so the dense network's effective density",
        ),
        ("fourier", "m: no effective density: memory is read with another element size"),
        ("mlp", None),
    ],
)
def test_a_run_says_where_the_dense_network_is_not_connected_throughout(name, note):
    events = played(ZooWorker(ROWS[name]), "dense")
    found = [e.message for e in events if isinstance(e, Note)]
    assert [m[: len(note or "")] for m in found] == ([note] if note else [])

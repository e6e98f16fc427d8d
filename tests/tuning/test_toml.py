from __future__ import annotations

import math
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.tuning import toml

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.one_of(
    st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), TEXTS
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4)
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_what_is_written_reads_back(table: dict[str, object]) -> None:
    assert tomllib.loads("\n".join(toml.entries(table))) == table


def test_a_long_list_is_broken() -> None:
    lines = toml.entries({"densities": [0.123456789 + i for i in range(20)]})
    assert len(lines) == 22
    assert len(tomllib.loads("\n".join(lines))["densities"]) == 20


def test_what_toml_has_no_form_for() -> None:
    with pytest.raises(TypeError, match="TOML has no NoneType"):
        toml.value(None)
    assert math.isnan(tomllib.loads(f"x = {toml.value(math.nan)}")["x"])


@given(TEXTS)
def test_a_comment_stays_one(text: str) -> None:
    assert tomllib.loads("\n".join([*toml.comment(text), "x = 1"])) == {"x": 1}

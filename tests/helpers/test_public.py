"""Everything that is exported is there, is documented, and costs nothing at import."""

from __future__ import annotations

import inspect

import pytest

import lth_bench
from lth_bench import helpers


def test_helpers_are_exported_by_the_package():
    assert set(helpers.__all__) <= set(lth_bench.__all__)
    for name in helpers.__all__:
        assert getattr(lth_bench, name) is getattr(helpers, name)


@pytest.mark.parametrize("name", sorted(set(lth_bench.__all__) - {"hookimpl"}))
def test_every_export_exists_and_is_documented(name):
    assert inspect.getdoc(getattr(lth_bench, name)), name

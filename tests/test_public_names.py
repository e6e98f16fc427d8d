"""What `lth_bench` offers, and that strategies need no more: the built-in ones come through the
same door as everybody's.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

import lth_bench
from lth_bench import scaffold

PLUGINS = Path(__file__).resolve().parents[1] / "plugins"
SOURCES = sorted(p for p in PLUGINS.rglob("*.py") if "tests" not in p.relative_to(PLUGINS).parts)
PUBLIC = {"lth_bench": set(lth_bench.__all__), "lth_bench.testing": {"StrategyConformance"}}

INTERNAL = {f"ticket.{name}" for name in ("bench", "ledger", "context", "on_eval")}
"""Of a ticket, what plugins/README.md says may change."""


def inner_names(text: str) -> Iterator[str]:
    """What a module takes of lth_bench beside its public names."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.startswith("lth_bench."))
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if module == "lth_bench" or module.startswith("lth_bench."):
                allowed = PUBLIC.get(module, set())
                yield from (f"{module}.{a.name}" for a in node.names if a.name not in allowed)
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in INTERNAL:
            yield ast.unparse(node)
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "lth_bench":
            yield from (f"lth_bench.{name}" for name in {node.attr} - PUBLIC["lth_bench"])


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.relative_to(PLUGINS).as_posix())
def test_a_plugin_uses_public_names_alone(source: Path) -> None:
    assert list(inner_names(source.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("texts", [scaffold.package("idea"), scaffold.single_file("idea")])
def test_so_does_one_that_is_begun(texts: dict[str, str]) -> None:
    found = {str(n): list(inner_names(t)) for n, t in texts.items() if str(n).endswith(".py")}
    assert found
    assert not any(found.values()), found


def test_inner_names_are_found() -> None:
    text = (
        "import lth_bench, lth_bench.masks\nfrom lth_bench.errors import UserError\n"
        "from lth_bench import Mask, masks\nlth_bench.training\n"
    )
    assert list(inner_names(text)) == [
        "lth_bench.masks", "lth_bench.errors.UserError", "lth_bench.masks", "lth_bench.training",
    ]  # fmt: skip


def test_dir_lists_what_is_offered() -> None:
    assert set(lth_bench.__all__) <= set(dir(lth_bench))
    assert dir(lth_bench) == sorted(set(dir(lth_bench)))
    for name in lth_bench.__all__:
        assert getattr(lth_bench, name) is not None


@pytest.mark.parametrize("name", lth_bench.__all__)
def test_no_module_has_the_name_of_something_public(name: str) -> None:
    """An import of anything in such a folder would put the module in place of the function."""
    assert importlib.util.find_spec(f"lth_bench.{name}") is None

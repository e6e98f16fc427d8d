"""Which edits give a strategy's experiments and trainings new names, and which do not."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from lth_bench.plugins import load_registry, source
from lth_bench.plugins.source import source_hash

PLUGIN = """
    from dataclasses import dataclass
    from lth_bench import hookimpl
    import own_helper
    import other_distribution
    import other_target

    @dataclass(frozen=True, eq=False)
    class Mine:
        @hookimpl
        def select_mask(self, ticket):
            return own_helper.choose(ticket)
"""
FILES = {
    "plugin.py": PLUGIN,
    "own_helper.py": "import own_deeper\ndef choose(ticket): return own_deeper.x\n",
    "own_deeper.py": "x = 1\n",
    "README.md": "# a comment\n",
    "site-packages/other_distribution.py": "y = 1\n",
    "target/other_target.py": "z = 1\n",
    "target/other_target-1.0.dist-info/METADATA": "Name: other-target\nVersion: 1\n",
}


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A one-file plugin with helpers beside it, on the path as `PYTHONPATH=.` puts them."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(str(tmp_path / "site-packages"))
    monkeypatch.syspath_prepend(str(tmp_path / "target"))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    forget(tmp_path)


def forget(folder: Path) -> None:
    """As a new process would find it."""
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "") or "").startswith(str(folder)):
            del sys.modules[name]
    importlib.invalidate_caches()
    for cached in (source._hash_of, source._is_local, source._installed):
        cached.cache_clear()


def hash_now(folder: Path) -> str:
    forget(folder)
    registry = load_registry([folder / "plugin.py"], third_party=False)
    return source_hash(registry.get("strategies", "mine"))


@pytest.mark.parametrize(
    ("edited", "another"),
    [
        ("plugin.py", True),
        ("own_helper.py", True),
        ("own_deeper.py", True),
        ("README.md", False),
        ("site-packages/other_distribution.py", False),
        ("target/other_target.py", False),
    ],
)
def test_an_edit_counts_where_it_is_the_plugin_s_own_code(
    written: Path, edited: str, another: bool
) -> None:
    before = hash_now(written)
    assert hash_now(written) == before
    with (written / edited).open("a") as file:
        file.write("\n# edited\n")
    assert (hash_now(written) != before) is another


@pytest.mark.parametrize(
    "broken", ["raise RuntimeError('not on this machine')", "raise SystemExit(3)", "print 'old'"]
)
def test_a_package_that_cannot_be_imported_is_no_reason_to_fail(written: Path, broken: str) -> None:
    """Named by an import that is never run: finding a module in a package imports the package."""
    (written / "broken").mkdir()
    (written / "broken" / "__init__.py").write_text(broken + "\n")
    (written / "broken" / "part.py").write_text("x = 1\n")
    with (written / "own_helper.py").open("a") as file:
        file.write("def later():\n    import broken\n    import broken.part\n")
    before = hash_now(written)
    (written / "broken" / "__init__.py").write_text(broken + "  # edited\n")
    assert hash_now(written) != before


@pytest.mark.parametrize(("name", "another"), [("mine_y", True), ("theirs", False)])
def test_a_second_module_of_one_distribution_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, another: bool
) -> None:
    """Two lone modules, installed by one distribution; a third by another."""
    site = tmp_path / "site-packages"
    for distribution, modules in (("lth-bench-mine", ("mine_x", "mine_y")), ("x", ("theirs",))):
        info = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1\n")
        (info / "top_level.txt").write_text("\n".join(modules) + "\n")
    (site / "mine_x.py").write_text("import mine_y, theirs\nclass Mine: pass\n")
    (site / "mine_y.py").write_text("a = 1\n")
    (site / "theirs.py").write_text("b = 1\n")
    monkeypatch.syspath_prepend(str(site))
    hashes = []
    for content in ("c = 1\n", "c = 2\n"):
        (site / f"{name}.py").write_text(content)
        forget(site)
        hashes.append(source_hash(importlib.import_module("mine_x").Mine))
    forget(site)
    assert (hashes[0] != hashes[1]) is another


def test_a_strategy_built_on_a_shipped_one_counts_its_source(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "built_on.py"
    file.write_text("from lth_strategies.imp import IMP\nclass Mine(IMP):\n    pass\n")
    read: list[str] = []
    whole = Path.read_bytes

    def reading(path: Path) -> bytes:
        read.append(path.name)
        return whole(path)

    monkeypatch.setattr(Path, "read_bytes", reading)
    source_hash(load_registry([file], third_party=False).get("strategies", "mine"))
    assert {"built_on.py", "imp.py"} <= set(read)

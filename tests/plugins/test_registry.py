"""Finding plugins: installed ones, one-file ones, broken ones, and the hash of their source."""

from __future__ import annotations

import importlib.metadata
import sys
import textwrap
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest

from lth_bench.errors import UnknownName, UserError
from lth_bench.plugins import Entry, Registry, load_registry
from lth_bench.plugins.source import source_hash

IDEA = """
    from dataclasses import dataclass
    from lth_bench import Mask, hookimpl

    @dataclass(frozen=True, eq=False)
    class MyIdea:
        rate: float = 0.2

        @hookimpl
        def select_mask(self, ticket) -> Mask:
            return ticket.mask
"""


@pytest.fixture
def write(tmp_path):
    def make(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(content))
        return path

    return make


# ---- what is installed ----------------------------------------------------------------------


def test_the_built_in_strategies_are_plugins_like_any_other():
    registry = load_registry()
    built_in = {
        "imp", "one_shot", "late_rewind", "early_imp", "early_bird", "snip", "rigl", "dense",
        "random", "iter_snip", "force", "grasp", "magnitude_init", "lr_rewind", "fine_tune",
        "sculpt", "bimp", "gradual", "acdc", "granet", "set", "snfs", "srigl",
        "filter_l1", "slimming", "n_m", "supermask", "edge_popup",
        "signed_supermask", "aws", "dense_rewind",
    }  # fmt: skip
    assert built_in <= set(registry.strategies)
    for name in built_in:
        entry = registry.strategies[name]
        assert entry.origin == "lth-bench"
        assert entry.load().__module__.startswith("lth_strategies.")
    assert registry.get("strategies", "imp").__name__ == "IMP"


def test_an_unknown_name_comes_with_the_nearest_one():
    with pytest.raises(UnknownName, match=r"unknown strategy 'late_rewnd'.*'late_rewind'"):
        load_registry().get("strategies", "late_rewnd")
    with pytest.raises(UnknownName, match=r"no objectives are installed: reinstall lth-bench"):
        Registry().get("objectives", "cross_entropy")
    with pytest.raises(UnknownName, match="unknown dataset"):
        load_registry().get("datasets", "nmist")


def test_nothing_is_imported_until_it_is_asked_for():
    import subprocess

    code = (
        "import sys; from lth_bench.plugins import load_registry; r = load_registry();"
        "assert 'lth_strategies.imp' not in sys.modules; assert 'torch' not in sys.modules;"
        "print(len(r.strategies))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 8


def fake_points(monkeypatch, *points):
    real = importlib.metadata.entry_points()

    def select(**wanted):
        return [*real.select(**wanted), *(p for p in points if p.matches(**wanted))]

    both = SimpleNamespace(select=select)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda: both)


def test_a_plugin_that_fails_to_import_is_listed_with_its_reason(monkeypatch, write, tmp_path):
    write("broken_package_x.py", "import a_module_that_is_not_there\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    point = EntryPoint("mine", "broken_package_x:Mine", "lth_bench.strategies")
    gone = EntryPoint("gone", "no_such_package_x:Gone", "lth_bench.models")
    unnamed = EntryPoint("unnamed", "lth_strategies.imp:Nothing", "lth_bench.strategies")
    fake_points(monkeypatch, point, gone, unnamed)
    registry = load_registry()
    for group, name, reason in (
        ("strategies", "mine", "ModuleNotFoundError: No module named 'a_module_that_is_not_there'"),
        ("models", "gone", "ModuleNotFoundError: No module named 'no_such_package_x'"),
        ("strategies", "unnamed", "AttributeError: "),
    ):
        for _ in range(2):  # the second time it is remembered
            with pytest.raises(UserError, match=rf"plugin '{name}'.*cannot be loaded: {reason}"):
                registry.get(group, name)
        assert registry.groups[group][name].error.startswith(reason)
    # everything else works
    assert registry.get("strategies", "snip").__name__ == "SNIP"


def test_two_plugins_of_one_name_are_refused_and_both_named(monkeypatch):
    fake_points(monkeypatch, EntryPoint("imp", "somewhere:IMP", "lth_bench.strategies"))
    registry = load_registry()
    with pytest.raises(
        UserError, match=r"two plugins are called 'imp' among the strategies: .*lth-bench.*unknown"
    ):
        registry.get("strategies", "imp")
    # whoever does not ask for that name is not concerned
    assert registry.get("strategies", "snip").__name__ == "SNIP"
    # asked for the harness's own alone, the other does not count
    assert "imp" in load_registry(third_party=False).strategies


def test_one_name_may_stand_in_two_groups():
    registry = Registry(
        [
            Entry(name="x", group="models", origin="a", version="1"),
            Entry(name="x", group="datasets", origin="b", version="1"),
        ]
    )
    assert registry.models["x"].origin == "a"
    with pytest.raises(UserError, match="one of a 1, one of c 2; uninstall one or rename it"):
        registry.add(Entry(name="x", group="models", origin="c", version="2"))


# ---- one file -------------------------------------------------------------------------------


def test_a_file_s_strategies_load_by_path(write):
    path = write("idea.py", IDEA)
    registry = load_registry([path])
    entry = registry.strategies["my_idea"]
    assert entry.origin == str(path)
    assert entry.load()().rate == 0.2
    assert entry.load().__name__ == "MyIdea"
    assert "my_idea" not in load_registry().strategies


def test_a_name_of_one_s_own_and_names_in_snake_case(write):
    path = write(
        "names.py",
        IDEA
        + """
    class Named(MyIdea):
        name = "better"

    class IMPlike(MyIdea):
        pass

    class Version2(MyIdea):
        pass

    class NoStrategy:
        pass
    """,
    )
    names = set(load_registry([path]).strategies) - set(load_registry().strategies)
    assert names == {"my_idea", "better", "implike", "version2"}


def test_imported_strategies_are_not_the_file_s_own(write):
    path = write("child.py", "from lth_strategies.imp import IMP\nclass Child(IMP):\n    pass\n")
    registry = load_registry([path])
    assert registry.strategies["child"].origin == str(path)
    assert registry.strategies["imp"].origin == "lth-bench"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("def f(:\n", "fails to import: SyntaxError"),
        ("import nothing_like_it\n", "fails to import: ModuleNotFoundError"),
        ("1 / 0\n", "fails to import: ZeroDivisionError"),
        ("x = 1\n", "defines no plugin: .*select_mask"),
        ("", "defines no plugin"),
        ("from lth_strategies.imp import IMP\n", "defines no plugin"),
    ],
)
def test_a_file_that_is_no_plugin(content, message, write):
    path = write("broken.py", content)
    before = set(sys.modules)
    with pytest.raises(UserError, match=rf"(?s)broken\.py.*{message}"):
        load_registry([path])
    if "import:" in message:
        assert not [m for m in set(sys.modules) - before if "broken" in m]


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"no plugin file .*none\.py"):
        load_registry([tmp_path / "none.py"])
    with pytest.raises(UserError, match="no plugin file"):
        load_registry([tmp_path])
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UserError, match="must be a Python file"):
        load_registry([tmp_path / "notes.txt"])


def test_a_file_that_takes_a_known_name(write):
    path = write("clash.py", IDEA.replace("class MyIdea", "class Snip"))
    with pytest.raises(UserError, match=r"two plugins are called 'snip'.*lth-bench.*clash\.py"):
        load_registry([path])


def test_two_files_of_one_name_do_not_mix(write):
    a = write("a/idea.py", IDEA.replace("MyIdea", "First"))
    b = write("b/idea.py", IDEA.replace("MyIdea", "Second"))
    registry = load_registry([a, b])
    first, second = registry.get("strategies", "first"), registry.get("strategies", "second")
    assert first.__module__ != second.__module__
    assert sys.modules[first.__module__].__file__ == str(a)
    assert source_hash(first) != source_hash(second)


def test_what_a_file_defines_can_be_pickled_for_a_worker(write):
    import pickle

    cls = load_registry([write("idea.py", IDEA)]).get("strategies", "my_idea")
    assert type(pickle.loads(pickle.dumps(cls(0.4)))) is cls


# ---- the hash of the source -----------------------------------------------------------------


def test_editing_a_file_gives_another_hash(write, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = write("idea.py", IDEA)
    first = load_registry([path]).strategies["my_idea"]
    same = load_registry([path]).strategies["my_idea"]
    assert source_hash(first.load()) == source_hash(same.load())
    assert first.version == same.version
    write("idea.py", IDEA.replace("0.2", "0.3"))
    edited = load_registry([path]).strategies["my_idea"]
    assert source_hash(edited.load()) != source_hash(first.load())
    assert edited.version != first.version
    # of the same length within the same second: no stale bytecode
    assert edited.load()().rate == 0.3
    assert list(path.parent.iterdir()) == [path]


PACKAGE = {
    "__init__.py": "",
    "unrelated.py": "X = 1\n",
    "constants.py": "RATE = 0.3\n",
    "deep.py": "from .constants import RATE\n",
    "lazy.py": "Y = 2\n",
    "strategy.py": """
        from lth_bench import hookimpl
        from mypkg_NAME.deep import RATE

        class Mine:
            @hookimpl
            def select_mask(self, ticket):
                from . import lazy
                return ticket.mask
    """,
}


@pytest.mark.parametrize(
    ("edited", "changes"),
    [
        ("strategy.py", True), ("deep.py", True), ("constants.py", True), ("lazy.py", True),
        ("unrelated.py", False),
    ],
)  # fmt: skip
def test_editing_a_helper_module_gives_another_hash(edited, changes, write, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    hashes = []
    for turn in ("one", "two"):
        name = f"mypkg_{edited.removesuffix('.py')}"
        for file, content in PACKAGE.items():
            note = "# edited\n" if turn == "two" and file == edited else ""
            write(f"{name}/{file}", textwrap.dedent(content).replace("mypkg_NAME", name) + note)
        for module in [m for m in sys.modules if m.startswith(name)]:
            monkeypatch.delitem(sys.modules, module)
        importlib.invalidate_caches()
        module = importlib.import_module(f"{name}.strategy")
        hashes.append(source_hash(module.Mine))
    assert (hashes[0] != hashes[1]) is changes


def test_late_rewinding_s_hash_covers_imp_s_file(monkeypatch):
    from pathlib import Path

    from lth_bench.plugins import source
    from lth_strategies.late_rewind import LateRewind
    from lth_strategies.snip import SNIP

    def names(cls):
        return {Path(p).name for p in source._files(cls.__module__)}

    assert names(LateRewind) == {"late_rewind.py", "imp.py"}
    assert names(SNIP) == {"snip.py"}

from __future__ import annotations

import ast

import pytest

from lth_bench import scaffold
from lth_bench.errors import UserError
from lth_bench.plugins import Entry, Registry
from lth_bench.system.text import snake

EMPTY = Registry()


@pytest.mark.parametrize("name", ["a", "my_idea", "l1_norm", "snip2", "match", "a" * 40])
@pytest.mark.parametrize("single", [True, False])
def test_valid_names(name, single):
    scaffold.require_name(name, EMPTY, single)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "must start with a letter"),
        ("my-idea", "got 'my-idea'; try 'my_idea'"),
        ("MyIdea", "try 'my_idea'"),
        ("2fast", "try 'fast'"),
        ("_mine", "try 'mine'"),
        ("a__b", "try 'a_b'"),
        ("a/../b", "try 'a_b'"),
        ("größe", "got 'größe'"),
        ("a" * 41, "at most 40"),
        ("class", "'class' is a Python keyword"),
        ("json", "'json' is a module of Python's standard library"),
    ],
)
def test_invalid_names_are_refused(name, says):
    with pytest.raises(UserError) as caught:
        scaffold.require_name(name, EMPTY, True)
    assert says in str(caught.value)


def test_a_strategy_s_name_is_nobody_else_s():
    known = Registry(
        [Entry(name="mine", group="strategies", origin="lth-bench-theirs", version="1.2")]
    )
    with pytest.raises(UserError, match=r"'mine' of lth-bench-theirs 1\.2; choose another"):
        scaffold.require_name("mine", known, True)
    scaffold.require_name(
        "mine", Registry([Entry(name="mine", group="models", origin="x", version="1")]), True
    )


def test_modules_and_distributions_that_are_there(install):
    with pytest.raises(UserError, match=r"a module 'lth_bench' is already installed \(.*lth_bench"):
        scaffold.require_name("bench", EMPTY, False)
    with pytest.raises(UserError, match="a module 'torch' is already installed"):
        scaffold.require_name("torch", EMPTY, True)
    scaffold.require_name("torch", EMPTY, False)  # lth_torch is free
    install("lth-bench-mine", {"observers": {"other": "mine_x:Log"}}, "3.1")
    with pytest.raises(
        UserError, match=r"the distribution lth-bench-mine 3\.1 is already installed"
    ):
        scaffold.require_name("mine", EMPTY, False)
    scaffold.require_name("mine", EMPTY, True)


def test_a_file_of_that_name_here_is_no_clash(tmp_path, monkeypatch):
    (tmp_path / "my_idea_x.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    scaffold.require_name("my_idea_x", EMPTY, True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("my_idea", "MyIdea"),
        ("l1_norm", "L1Norm"),
        ("mask", "MaskStrategy"),
        ("range", "RangeStrategy"),
        ("rewind_point", "RewindPointStrategy"),
        ("annotated", "AnnotatedStrategy"),
        ("exception", "ExceptionStrategy"),
    ],
)
def test_a_class_hides_nothing_that_its_file_uses(name, expected):
    assert scaffold.class_name(name) == expected
    tree = ast.parse(scaffold.single_file(name)[f"{name}.py"])
    imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for a in n.names}
    assert expected not in imported


def test_names_in_snake_case():
    assert [snake(n) for n in ("MyIdea", "SNIP", "L1Norm", "RigL")] == [
        "my_idea", "snip", "l1_norm", "rig_l",
    ]  # fmt: skip

"""What a class says about itself before it is used: misspelt hooks, wrong signatures, flags."""

from __future__ import annotations

from dataclasses import dataclass, make_dataclass

import pytest

from lth_bench import hookimpl
from lth_bench.plugins import load_registry
from lth_bench.plugins.contract import HOOKS, METHODS, RESERVED, hooks_of, problems
from lth_bench.plugins.one_file import classes_of
from lth_bench.suite.start import COMMAND, DRAWN, START


class Good:
    @hookimpl
    def select_mask(self, ticket): ...


def strategy(**members):
    return type("Mine", (Good,), members)


def define(body: str, base: str = "Good"):
    """A class of this body; `hookimpl` and `Good` are at hand."""
    names = {"hookimpl": hookimpl, "Good": Good}
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    exec(f"class Mine({base}):\n{lines}\n", names)
    return names["Mine"]


def test_every_built_in_plugin_keeps_its_contract():
    for group, entries in load_registry(third_party=False).groups.items():
        for entry in entries.values():
            assert problems(group, entry.load()) == [], entry.name


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (
            "@hookimpl\ndef rewind_pont(self, ticket): ...",
            "rewind_pont is marked @hookimpl, but there is no such hook; did you mean rewind_point",
        ),
        ("@hookimpl\ndef prune(self, ticket): ...", "the hooks are select_mask, rewind_point"),
        ("def train(self, ticket): ...", "train is a hook's name, but the method lacks @hookimpl"),
        (
            "def rewind_pont(self, ticket): ...",
            "looks like the hook rewind_point .* @hookimpl def rewind_point\\(self, ticket\\)",
        ),
        ("@hookimpl\ndef train(self, tickett): ...", "train has an argument 'tickett'"),
        ("@hookimpl\ndef train(self, ticket, trained): ...", "train has an argument 'trained'"),
        (
            "@hookimpl\ndef train(self, *ticket): ...",
            "an argument '\\*ticket' that is never passed",
        ),
        ("@hookimpl\ndef train(self, *, ticket): ...", "an argument 'ticket' that is never passed"),
        ("@hookimpl\ndef train(self, ticket=None): ...", "has a default for ticket"),
        ("@hookimpl\ndef train(ticket): ...", "train lacks self"),
        ("@hookimpl\ndef train(): ...", "train lacks self"),
        ("@hookimpl\nasync def train(self, ticket): ...", "is a coroutine or a generator"),
        ("@hookimpl\ndef train(self, ticket):\n    yield", "is a coroutine or a generator"),
        ("@hookimpl(wrapper=True)\ndef train(self, ticket):\n    yield", "train is a wrapper"),
        ("itertive = True", "lth-bench does not read itertive; did you mean iterative"),
        ("dynamik: bool = True", "did you mean dynamic"),
        ("iterative = 'yes'", "iterative must be True or False, but got 'yes'"),
        ("iterative = 1", "iterative must be True or False, but got 1"),
        ("def dense_checkpoint(self, total_steps): ...", "did you mean dense_checkpoints"),
        (
            "def dense_checkpoints(self): ...",
            "called as dense_checkpoints\\(self, total_steps\\), but it is .*\\(self\\)",
        ),
        ("def start_step(self): ...", "called as start_step\\(self, total_steps\\)"),
    ],
)
def test_a_strategy_s_slips(body, says):
    found = problems("strategies", define(body))
    assert len(found) == 1
    import re

    assert re.search(says, found[0])


@pytest.mark.parametrize(
    "body",
    [
        "def retrain(self, ticket): ...",
        "def scores(self, ticket): ...",
        "def _score(self, ticket, trained): ...",
        "def select_masks(self, ticket): ...",  # it has select_mask
        "def helper(self, x=1): ...",
        "@hookimpl\ndef score(self, trained): ...",  # pluggy leaves out what is not taken
        "@hookimpl\ndef score(self, ticket, trained): ...",
        "@staticmethod\n@hookimpl\ndef train(ticket): ...",
        "@hookimpl(tryfirst=True)\ndef train(self, ticket): ...",
        "iterative = True\ndynamic = False\nstructured = True",
        "@property\ndef iterative(self): return True",
        "static = True\nnames = ('a',)",
        "def dense_checkpoints(self, total_steps): return []",
        "def search_steps(self, *arguments): return 0",
    ],
)
def test_what_is_no_slip(body):
    assert problems("strategies", define(body)) == []


def test_a_strategy_without_select_mask():
    found = problems("strategies", define("def select_maks(self, ticket): ...", "object"))
    assert len(found) == 2
    assert "select_maks looks like the hook select_mask" in found[0]
    assert "select_mask is missing" in found[1]


def test_an_observer_may_not_meddle():
    observer = define("@hookimpl\ndef on_round(self, ticket): ...")
    assert "cannot change a result, but this one implements select_mask" in "".join(
        problems("observers", observer)
    )
    quiet = define("@hookimpl\ndef on_evl(self, ticket, point): ...", "object")
    assert "did you mean on_eval" in "".join(problems("observers", quiet))


def test_models_and_datasets_have_their_methods():
    assert problems("models", Good) == ["build is missing; write build(self, input_shape, classes)"]
    wrong = define("def info(self, root): ...\ndef load(self): ...")
    (found,) = problems("datasets", wrong)
    assert found == "load is called as load(self, root), but it is load(self)"


@pytest.mark.parametrize("name", [START, DRAWN, COMMAND])
def test_a_models_parameter_is_not_called_as_a_key_that_suites_have(name):
    @dataclass(frozen=True)
    class Base:
        def build(self, input_shape, classes): ...

    cls = make_dataclass("Mine", [(name, int, 0), ("restart", int, 0)], bases=(Base,), frozen=True)
    (found,) = problems("models", cls)
    assert f"must not be called '{name}'" in found and "rename it" in found
    assert set(RESERVED["models"]) == {START, DRAWN, COMMAND}


def test_hooks_are_listed_in_the_order_of_their_calls():
    cls = define("@hookimpl\ndef score(self, ticket): ...\n@hookimpl\ndef train(self, ticket): ...")
    assert hooks_of(cls) == ("select_mask", "train", "score")
    assert set(HOOKS) >= {"on_round", "on_eval"}
    assert set(METHODS) == {"strategies", "models", "datasets", "objectives", "observers"}


# ---- what a file's classes are --------------------------------------------------------------


def kinds(tmp_path, body):
    path = tmp_path / "idea.py"
    path.write_text(f"from lth_bench import hookimpl\n{body}")
    return {found.name: found.group for found in classes_of(path)}


def test_a_file_may_hold_observers_and_bases(tmp_path):
    body = """
class _Base:
    @hookimpl
    def select_mask(self, ticket): ...
class Mixin:
    @hookimpl
    def rewind_point(self, ticket): ...
class Mine(_Base, Mixin): ...
class Log:
    @hookimpl
    def on_round(self, ticket, trained): ...
class Speed:
    @hookimpl
    def score(self, ticket): ...
class Helper:
    def score(self, x): ...
"""
    assert kinds(tmp_path, body) == {"mine": "strategies", "log": "observers", "speed": "observers"}


@pytest.mark.parametrize(
    "method",
    [
        "@hookimpl\n    def selct_mask(self, ticket): ...",
        "def selct_mask(self, ticket): ...",
        "def select_mask(self, ticket): ...",
    ],
)
def test_a_strategy_whose_only_hook_is_misspelt_is_told_so(tmp_path, method):
    path = tmp_path / "idea.py"
    path.write_text(f"from lth_bench import hookimpl\nclass Mine:\n    {method}\n")
    registry = load_registry([path])
    with pytest.raises(ValueError, match=r"plugin 'mine' of .*idea\.py .*selec?t_mask"):
        registry.get("strategies", "mine")

"""A plugin file that cannot be imported: why, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from lth_bench.errors import UserError
from lth_bench.plugins import load_registry

PACKAGE = "package of both, as `lth-bench plugin new NAME` does"


def refusal(folder: Path, text: str) -> str:
    file = folder / "idea.py"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        load_registry([file])
    return caught.value.message


@pytest.mark.parametrize(
    "statement", ["import scores", "from scores import f", "import scores.inner", "import parts"]
)
def test_a_neighbour_is_no_module(tmp_path: Path, statement: str) -> None:
    (tmp_path / "scores.py").write_text("f = 1\n")
    (tmp_path / "parts").mkdir()
    said = refusal(tmp_path, f"x = 1\n{statement}\n")
    assert "is in the same folder, but a one-file plugin must be self-contained" in said
    assert "(line 2)" in said
    assert PACKAGE in said


def test_nor_by_its_folder(tmp_path: Path) -> None:
    (tmp_path / "scores.py").write_text("f = 1\n")
    assert PACKAGE in refusal(tmp_path, "from . import scores\n")
    assert PACKAGE in refusal(tmp_path, "from .scores import f\n")


def test_what_is_not_installed_is_not_called_a_neighbour(tmp_path: Path) -> None:
    said = refusal(tmp_path, "import not_installed\n")
    assert "No module named 'not_installed'" in said
    assert "beside" not in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise SystemExit(3)", "SystemExit: 3 (line 1)"),
        ("raise GeneratorExit", "GeneratorExit:"),
        ("class B(BaseException): pass\nraise B('b')", "B: b (line 2)"),
        (
            "class E(Exception):\n    def __str__(self): raise SystemExit\nraise E",
            "E: its text raises SystemExit (line 3)",
        ),
        ("raise ValueError('x' * 10**6)", "(1,000,000 characters)"),
        ("x = (", "SyntaxError"),
    ],
)
def test_whatever_it_raises_is_told(tmp_path: Path, text: str, said: str) -> None:
    found = refusal(tmp_path, text)
    assert said in found
    assert len(found) < 3000


KINDS = """
from dataclasses import dataclass
from lth_bench import Arrays, DatasetInfo, Mask, Metric, Objective, hookimpl
from torch import nn

class Part(nn.Module):  # of a network; it is no plugin, whatever its methods are called
    def build(self, x): ...
    def load(self, root): ...

class Record:  # a helper
    def load(self, path): ...

class Keep:
    @hookimpl
    def select_mask(self, ticket): ...

@dataclass(frozen=True)
class Net:
    def build(self, input_shape, classes): return nn.Linear(*input_shape, classes)

@dataclass(frozen=True)
class _Base:
    def load(self, root): ...

@dataclass(frozen=True)
class Rows(_Base):
    name = "my_rows"
    def info(self, root): ...

class Tell:
    @hookimpl
    def on_round(self, ticket, trained): ...

@dataclass(frozen=True)
class Absolute(Objective):
    targets = ("values",)
    metrics = (Metric("mae", "", higher_is_better=False),)
    def losses(self, outputs, targets): return (outputs - targets).abs().mean(1)
    def measure(self, evidence, targets): return {"mae": 0.0}
"""


def test_one_file_holds_plugins_of_every_kind(tmp_path: Path) -> None:
    file = tmp_path / "all.py"
    file.write_text(KINDS)
    registry = load_registry([file])
    own = {
        group: [name for name, entry in entries.items() if entry.origin == str(file)]
        for group, entries in registry.groups.items()
    }
    assert own == {
        "strategies": ["keep"], "models": ["net"], "datasets": ["my_rows"],
        "objectives": ["absolute"], "observers": ["tell"],
    }  # fmt: skip
    for group, names in own.items():
        assert registry.get(group, names[0]).__module__.startswith("lth_bench_plugin_all_")


@pytest.mark.parametrize(
    ("old", "new", "group", "said"),
    [
        ("def info(self, root)", "def inf(self, root)", "datasets", "info is missing; write info("),
        ("def losses(self, outputs, targets)", "def loss(self, outputs, targets)", "objectives",
         "losses is missing; write losses(self, outputs, targets)"),
        ("def measure(self, evidence, targets)", "def measure(self, evidence)", "objectives",
         "measure is called as measure(self, evidence, targets), but it is measure(self, evi"),
        ('("values",)', '"values"', "objectives", "targets must be a tuple of 'class', 'labels'"),
        ('("values",)', '("numbers",)', "objectives", "but got ('numbers',)"),
        ("(Metric(", "list((Metric(", "objectives", "metrics must be a tuple of Metric"),
        ("False),)\n", "False),) * 2\n", "objectives", "metrics has 'mae' twice"),
        ("class Absolute(Objective)", "class Absolute", "objectives", "derives from lth_bench.obj"),
        ("def measure", "def evidance(self, outputs, targets): ...\n    def measure", "objectives",
         "lth-bench does not call evidance; did you mean evidence?"),
        ("def info", "def fingerprnt(self, root): ...\n    def info", "datasets",
         "did you mean fingerprint?"),
        ("input_shape, classes)", "shape)", "models", "build is called as build(self, input_shape"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_class_is_said_when_it_is_used(
    tmp_path: Path, old: str, new: str, group: str, said: str
) -> None:
    file = tmp_path / "all.py"
    assert old in KINDS
    text = KINDS.replace(old, new, 1)
    file.write_text(text.replace("False),)\n", "False),))\n") if "list(" in new else text)
    registry = load_registry([file])
    (name,) = (n for n, e in registry.groups[group].items() if e.origin == str(file))
    with pytest.raises(UserError) as caught:
        registry.get(group, name)
    assert said in caught.value.message

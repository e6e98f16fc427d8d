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

from __future__ import annotations

import re

import pytest

from lth_bench.analysis.evidence import Place, Task
from lth_bench.errors import UserError
from lth_bench.output.figures.files import make_folder, stems


def place(model: str, suite: str = "s") -> Place:
    return Place(suite, Task(model, "digits", "r"))


def test_names_read_like_the_task() -> None:
    assert stems([place("conv_bn(gamma_init=0.5)")]) == ["s-conv_bn-gamma_init-0-5-digits-r"]


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/passwd", "a\\b", "C:", '<b>"it\'s"</b>', "x\n\0y", "モデル", ""],
)
def test_no_name_leaves_the_folder_or_needs_quotes(name) -> None:
    (stem,) = stems([Place(name, Task(name, name, name))])
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", stem)


def test_places_of_one_name_get_different_ones_whatever_the_order() -> None:
    same = [place("m(1)"), place("m[1]"), place("M(1)"), place("other")]
    found = stems(same)
    assert len({stem.casefold() for stem in found}) == 4
    assert found[3] == "s-other-digits-r"
    assert stems(same[::-1]) == found[::-1]
    assert found[0].startswith("s-m-1-digits-r-")


def test_long_names_are_cut_and_told_apart() -> None:
    found = stems([place("m" * 300), place("m" * 299 + "n")])
    assert found[0] != found[1]
    assert all(len(stem) <= 80 for stem in found)


def test_a_file_in_the_place_of_the_folder(tmp_path) -> None:
    (tmp_path / "figures").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*figures.*another folder with --figures"):
        make_folder(tmp_path / "figures")

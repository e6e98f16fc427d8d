from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lth_bench.errors import UserError
from lth_bench.output.figures import write_figures
from lth_bench.store import fold
from lth_bench.store.database import open_safe

RECORDS = runpy.run_path(str(Path(__file__).parents[2] / "store" / "records.py"))

KINDS = ["accuracy", "accuracy-early-stop", "early-stop-step", "generalisation-gap", "cost", "kept",
         "learning-curves", "mask-distance", "weights-20"]  # fmt: skip

AGAIN = """
import sys
from pathlib import Path

import matplotlib

from lth_bench.output.figures import write_figures
from lth_bench.store.database import open_safe
from lth_bench.store.paths import Paths

matplotlib.rcParams.update({"font.size": 20, "axes.facecolor": "red"})  # as of a user's own
write_figures(open_safe(Paths(Path(sys.argv[1]))), Path(sys.argv[2]))
assert matplotlib.rcParams["font.size"] == 20
assert "matplotlib.pyplot" not in sys.modules
"""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """(database, folder, files): every kind of figure of one task with everything in it."""
    folder = tmp_path_factory.mktemp("drawn")
    scenario = RECORDS["Scenario"](
        weights=True, strategies=("dense", "imp", "early_bird"), controls=("reinit",),
        densities=(0.2,),
        outcomes={("imp", 1): ("diverged", "nan")},
    )  # fmt: skip
    paths = RECORDS["write"](folder / "results.duckdb", scenario)
    fold(paths)
    with open_safe(paths) as con:
        return paths.results, folder / "new" / "figures", write_figures(con, folder / "new/figures")


def test_every_figure_in_every_format(drawn) -> None:
    _, folder, files = drawn
    assert [file.name for file in files] == [
        f"quickstart-mlp-digits-mlp-{kind}.{format}"
        for kind in KINDS
        for format in ("svg", "pdf", "png")
    ]
    assert sorted(folder.iterdir()) == sorted(files)


def test_another_process_writes_the_same_bytes(drawn, tmp_path) -> None:
    results, _, files = drawn
    subprocess.run([sys.executable, "-c", AGAIN, results, tmp_path], check=True)
    assert len(files) == len(list(tmp_path.iterdir()))
    for file in files:
        assert file.read_bytes() == (tmp_path / file.name).read_bytes(), file.name


def test_pictures_are_not_blank_and_as_wide_as_a_column_or_a_page(drawn) -> None:
    from PIL import Image

    for file in drawn[2]:
        if file.suffix == ".png":
            with Image.open(file) as picture:
                assert picture.width in (3.3 * 300, 6.8 * 300)
                assert len(picture.convert("RGB").getcolors(1 << 24)) > 50, file.name


def test_drawings_name_what_they_show_and_no_date(drawn) -> None:
    for file in drawn[2]:
        if file.suffix == ".svg":
            text = file.read_text(encoding="utf-8")
            assert "quickstart: mlp on digits, mlp" in text
            assert "date>" not in text
            assert ElementTree.fromstring(text).tag.endswith("svg")
            assert text.count("<path") > 20


def test_documents_embed_their_fonts_as_journals_want_them(drawn) -> None:
    for file in drawn[2]:
        if file.suffix == ".pdf":
            data = file.read_bytes()
            assert data.startswith(b"%PDF")
            assert b"/FontFile2" in data
            assert b"/Type3" not in data
            assert b"CreationDate" not in data


@pytest.fixture
def only_svg(monkeypatch) -> None:
    """Where it does not matter, for time's sake."""
    monkeypatch.setattr("lth_bench.output.figures.files.FORMATS", ("svg",))


def names(files: list[Path]) -> set[str]:
    return {re.sub(r"^quickstart-mlp-digits-mlp-|\.\w+$", "", file.name) for file in files}


def test_what_has_no_data_is_left_out(results, tmp_path, only_svg) -> None:
    con = results(strategies=("dense",), seeds=(0,), curve_points=1)
    density = {"accuracy", "accuracy-early-stop", "early-stop-step", "generalisation-gap"}
    assert names(write_figures(con, tmp_path)) == density | {"cost"}


def test_one_strategy_one_seed_and_no_dense_run(results, tmp_path, only_svg) -> None:
    con = results(strategies=("imp",), seeds=(0,), densities=(0.5,))
    found = names(write_figures(con, tmp_path))
    assert found == set(KINDS[:4]) | {"kept", "learning-curves"}


def test_nothing_to_draw(results, tmp_path) -> None:
    assert write_figures(results(strategies=()), tmp_path) == []


def test_all_failed_and_suites_that_are_not_there(results, tmp_path) -> None:
    con = results(strategies=("imp",), outcomes={("imp", s): ("failed", "bug") for s in range(3)})
    assert write_figures(con, tmp_path) == []
    assert write_figures(con, tmp_path, ["other"]) == []


def test_names_with_markup_mathematics_and_any_letters(results, tmp_path, only_svg) -> None:
    odd = ['<b>"it\'s"</b>', "$\\frac{1}{2}$", "_hidden", "模型", "x" * 200]
    con = results(
        suite="../s", tasks=(("../../m(<i>x</i>)", "/d", "r"),), strategies=("dense", *odd),
        seeds=(0,), densities=(0.5,),
    )  # fmt: skip
    files = write_figures(con, tmp_path)
    assert {file.parent for file in files} == {tmp_path}
    assert all(file.name.startswith("s-m-i-x-i-d-r-") for file in files)


def test_a_disk_that_refuses(results, tmp_path) -> None:
    con = results(strategies=("dense",), seeds=(0,))
    (tmp_path / "quickstart-mlp-digits-mlp-accuracy.svg").mkdir()
    with pytest.raises(UserError, match=r"cannot write .*accuracy.svg: .*directory.*--figures"):
        write_figures(con, tmp_path)


def test_matplotlib_is_imported_when_something_is_drawn() -> None:
    code = "import sys, lth_bench.output.figures; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)

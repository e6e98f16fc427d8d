from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from thoroughness import some

from lth_bench.analysis.evidence import (
    Place,
    Task,
    TransferCell,
    TransferGrid,
    TransferGrids,
    gather,
    subjects,
)
from lth_bench.analysis.measures import ACCURACY
from lth_bench.errors import UserError
from lth_bench.output.paper import write_figures
from lth_bench.output.paper.files import make_folder, stems
from lth_bench.store import fold
from lth_bench.store.database import open_safe

RECORDS = runpy.run_path(str(Path(__file__).parents[2] / "store" / "records.py"))

FILES = sys.modules["lth_bench.output.paper.files"]

KINDS = ["accuracy", "accuracy-early-stop", "early-stop-step", "generalisation-gap", "cost",
         "ingredients-early_bird", "ingredients-imp", "before-rewinding", "kept", "units-in",
         "units-out", "mask-maps", "learning-curves", "mask-distance", "weights-20", "survival-20",
         "fates-20-initial", "fates-20-final", "survivors-grew", "pruned-grew", "moved-ratio",
         "procedure"]  # fmt: skip

AGAIN = """
import sys
from pathlib import Path

import matplotlib

from lth_bench.analysis.page import gather_report
from lth_bench.output.paper import write_figures
from lth_bench.store.database import open_safe
from lth_bench.store.paths import Paths

matplotlib.rcParams.update({"font.size": 20, "axes.facecolor": "red"})  # as of a user's own
found = gather_report(open_safe(Paths(Path(sys.argv[1]))))
write_figures(found.evidence, found.subjects, Path(sys.argv[2]))
assert matplotlib.rcParams["font.size"] == 20
assert "matplotlib.pyplot" not in sys.modules
"""


def written(con, folder: Path) -> list[Path]:
    return write_figures(gather(con), subjects(con), folder)


@pytest.fixture(scope="module")
def drawn(once):
    """(database, folder, files): every kind of figure of one task with everything in it."""
    folder = once("drawn", draw)
    files = [Path(name) for name in (folder / "files.txt").read_text().splitlines()]
    return folder / "results.duckdb", folder / "new" / "figures", files


@pytest.fixture(scope="module", params=some(["a few", "all"]))
def drawings(request, once) -> list[Path]:
    """Of a few kinds of figures, and of all."""
    if request.param == "all":
        return request.getfixturevalue("drawn")[2]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FILES, "PICTURES", FILES.PICTURES[::4])
        folder = once("few_drawn", draw)
    return sorted((folder / "new" / "figures").iterdir())


def draw(folder: Path) -> None:
    scenario = RECORDS["Scenario"](
        weights=True, strategies=("dense", "imp", "early_bird"), controls=("reinit",),
        densities=(0.2,),
        outcomes={("imp", 1): ("diverged", "nan")},
    )  # fmt: skip
    paths = RECORDS["write"](folder / "results.duckdb", scenario)
    fold(paths)
    with open_safe(paths) as con:
        files = written(con, folder / "new" / "figures")
    (folder / "files.txt").write_text("\n".join(map(str, files)))


@pytest.mark.slow
def test_every_figure_in_every_format(drawn) -> None:
    _, folder, files = drawn
    assert [file.name for file in files] == [
        f"quickstart-mlp-digits-mlp-{kind}.{format}"
        for kind in KINDS
        for format in ("svg", "pdf", "png")
    ]
    assert sorted(folder.iterdir()) == sorted(files)


@pytest.mark.slow
def test_another_process_writes_the_same_bytes(drawn, tmp_path) -> None:
    results, _, files = drawn
    subprocess.run([sys.executable, "-c", AGAIN, results, tmp_path], check=True)
    assert len(files) == len(list(tmp_path.iterdir()))
    for file in files:
        assert file.read_bytes() == (tmp_path / file.name).read_bytes(), file.name


def test_pictures_have_content_and_the_width_of_a_column_or_page(drawings) -> None:
    from PIL import Image

    for file in drawings:
        if file.suffix == ".png":
            with Image.open(file) as picture:
                assert picture.width in (3.3 * 300, 6.8 * 300)
                assert len(picture.convert("RGB").getcolors(1 << 24)) > 50, file.name


def test_svgs_have_a_title_and_no_date(drawings) -> None:
    for file in drawings:
        if file.suffix == ".svg":
            text = file.read_text(encoding="utf-8")
            assert "quickstart: mlp on digits, mlp" in text
            assert "date>" not in text
            assert ElementTree.fromstring(text).tag.endswith("svg")
            assert text.count("<path") > 20


def test_pdfs_embed_truetype_fonts(drawings) -> None:
    for file in drawings:
        if file.suffix == ".pdf":
            data = file.read_bytes()
            assert data.startswith(b"%PDF")
            assert b"/FontFile2" in data
            assert b"/Type3" not in data
            assert b"CreationDate" not in data


@pytest.fixture
def only_svg(monkeypatch) -> None:
    """Where it does not matter, for time's sake."""
    monkeypatch.setattr("lth_bench.output.paper.files.FORMATS", ("svg",))


def names(files: list[Path]) -> set[str]:
    return {re.sub(r"^quickstart-mlp-digits-mlp-|\.\w+$", "", file.name) for file in files}


def test_figures_without_data_are_left_out(results, tmp_path, only_svg) -> None:
    con = results(strategies=("dense",), seeds=(0,), curve_points=1)
    density = {"accuracy", "accuracy-early-stop", "early-stop-step", "generalisation-gap"}
    assert names(written(con, tmp_path)) == density | {"cost"}


def test_one_strategy_one_seed_and_no_dense_run(results, tmp_path, only_svg) -> None:
    con = results(strategies=("imp",), seeds=(0,), densities=(0.5,))
    found = names(written(con, tmp_path))
    assert found == set(KINDS[:4]) | {"kept", "learning-curves"}


def test_no_rows_give_no_figures(results, tmp_path) -> None:
    assert written(results(strategies=()), tmp_path) == []


def test_failures_only_and_unknown_suites_give_no_figures(results, tmp_path) -> None:
    con = results(strategies=("imp",), outcomes={("imp", s): ("failed", "bug") for s in range(3)})
    assert written(con, tmp_path) == []
    assert write_figures(gather(con, ["other"]), subjects(con), tmp_path) == []


def test_names_with_markup_mathematics_and_any_letters(results, tmp_path, only_svg) -> None:
    odd = ['<b>"it\'s"</b>', "$\\frac{1}{2}$", "_hidden", "模型", "x" * 200]
    con = results(
        suite="../s", tasks=(("../../m(<i>x</i>)", "/d", "r"),), strategies=("dense", *odd),
        seeds=(0,), densities=(0.5,),
    )  # fmt: skip
    files = written(con, tmp_path)
    assert {file.parent for file in files} == {tmp_path}
    assert all(file.name.startswith("s-m-i-x-i-d-r-") for file in files)


def test_a_file_that_cannot_be_written_is_an_error(results, tmp_path) -> None:
    con = results(strategies=("dense",), seeds=(0,))
    (tmp_path / "quickstart-mlp-digits-mlp-accuracy.svg").mkdir()
    with pytest.raises(UserError, match=r"cannot write .*accuracy.svg: .*directory.*--figures"):
        written(con, tmp_path)


def test_transferred_tickets_have_a_file_a_density(tmp_path, only_svg) -> None:
    tasks = [found(shared=["digits"]), found(shared=[]), found(shared=[], targets="cd")]
    files = write_figures([], [], tmp_path, tasks)
    assert [re.sub(r"-[0-9a-f]{8}-", "-#-", file.name) for file in files] == [
        "s-digits-transfer-50.svg", "s-digits-transfer-20.svg",
        "s-#-transfer-50.svg", "s-#-transfer-20.svg",
        "s-#-transfer-50.svg", "s-#-transfer-20.svg",
    ]  # fmt: skip
    assert len(set(files)) == 6


def found(shared, targets="ab") -> TransferGrids:
    cell = TransferCell(
        mean=0.9, high=None, difference=0.1, difference_high=None, n=1, lost=0, collapsed=0
    )
    grids = [
        TransferGrid(
            strategy="imp", label="imp", control="none", source="", target_density=density,
            cells={(0, 1): cell},
        )
        for density in (0.5, 0.2)
    ]  # fmt: skip
    return TransferGrids(
        suite="s",
        measure=ACCURACY,
        margin=0.005,
        shared=shared,
        sources="ab",
        targets=targets,
        grids=grids,
    )


def test_matplotlib_is_imported_only_to_draw() -> None:
    code = "import sys, lth_bench.output.paper; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# names


def place(model: str, suite: str = "s") -> Place:
    return Place(suite, Task(model, "digits", "r"))


def test_file_names_are_made_from_the_task() -> None:
    assert stems([place("conv_bn(gamma_init=0.5)")]) == ["s-conv_bn-gamma_init-0-5-digits-r"]


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/passwd", "a\\b", "C:", '<b>"it\'s"</b>', "x\n\0y", "モデル", ""],
)
def test_file_names_stay_in_the_folder_and_need_no_quotes(name) -> None:
    (stem,) = stems([Place(name, Task(name, name, name))])
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", stem)


def test_tasks_with_the_same_name_get_different_files() -> None:
    same = [place("m(1)"), place("m[1]"), place("M(1)"), place("other")]
    found = stems(same)
    assert len({stem.casefold() for stem in found}) == 4
    assert found[3] == "s-other-digits-r"
    assert stems(same[::-1]) == found[::-1]
    assert found[0].startswith("s-m-1-digits-r-")


def test_long_names_are_cut_and_stay_different() -> None:
    found = stems([place("m" * 300), place("m" * 299 + "n")])
    assert found[0] != found[1]
    assert all(len(stem) <= 80 for stem in found)


def test_a_file_in_place_of_the_folder_is_an_error(tmp_path) -> None:
    (tmp_path / "figures").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*figures.*another folder with --figures"):
        make_folder(tmp_path / "figures")

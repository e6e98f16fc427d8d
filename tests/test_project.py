"""The project's own promises: its documents, its packaging, the direction of its imports."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from documents import DOCUMENTS, FOLDERS, ROOT, TRACKED, blocks
from packaging.requirements import Requirement

import lth_bench

PACKAGE = ROOT / "harness" / "lth_bench"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LTH_BENCH = str(Path(sys.executable).with_name("lth-bench"))


def output(*command: str, cwd: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# documents


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", document.read_text())
    local = [t for t in targets if "://" not in t]
    assert [t for t in local if not (document.parent / t).exists()] == []


def test_make_commands_in_documents_are_targets() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    for document in DOCUMENTS:
        for block in blocks(document, "sh"):
            assert set(re.findall(r"^make ([a-z-]+)", block, re.M)) <= targets, document
    assert {"demo", "test", "lint"} <= targets


def test_every_folder_has_a_readme() -> None:
    folders = {p.relative_to(ROOT).parts[0] for p in TRACKED if p.parent != ROOT}
    seen = sorted(name for name in folders if not name.startswith("."))
    assert [name for name in seen if not (ROOT / name / "README.md").exists()] == []
    assert {*seen} <= {*FOLDERS}, "a new folder: name it in documents.FOLDERS"


@pytest.mark.slow
def test_the_guide_s_strategy_has_the_name_it_says(tmp_path: Path) -> None:
    guide = ROOT / "plugins" / "README.md"
    (tmp_path / "product.py").write_text(blocks(guide, "python")[0])
    (tmp_path / "blend.py").write_text(blocks(guide, "python")[1])
    files = ["--plugin", "product.py", "--plugin", "blend.py"]
    command = [LTH_BENCH, "ls", "strategies", *files, "--json"]
    listed = {row["name"]: row for row in json.loads(output(*command, cwd=tmp_path))["strategies"]}
    assert listed["product"]["error"] is None
    assert [p["name"] for p in listed["blend"]["parameters"]] == ["power"]


# packaging


def test_versions_agree() -> None:
    assert PROJECT["version"] == lth_bench.__version__


def test_constraints_pin_every_dependency_within_its_range() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    extras = PROJECT["optional-dependencies"]
    named = ("dev", "timm", "ray", "docs")
    wanted = [*PROJECT["dependencies"], *(line for name in named for line in extras[name])]
    for requirement in map(Requirement, wanted):
        pin = pins.pop(requirement.name)
        assert re.fullmatch(r"[0-9.]+", pin), f"{requirement.name}: no local versions"
        assert requirement.specifier.contains(pin), f"{requirement} is not met by {pin}"
    assert pins == {}


@pytest.mark.parametrize("group", ["strategies", "models", "datasets"])
def test_entry_points_import(group: str) -> None:
    declared = PROJECT["entry-points"][f"lth_bench.{group}"]
    installed = {
        p.name: p
        for p in entry_points(group=f"lth_bench.{group}")
        if p.dist is not None and p.dist.name == "lth-bench"
    }
    assert {name: p.value for name, p in installed.items()} == declared
    for name, point in installed.items():
        assert isinstance(point.load(), type), name


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("build", reason="the package `build` is not installed")
    pytest.importorskip("hatchling", reason="the package `hatchling` is not installed")
    folder = tmp_path_factory.mktemp("dist")
    # the wheel is made from the sdist, as an index's would be
    output(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT))
    return folder


def test_the_wheel_holds_the_packages_and_the_suites(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    top = ROOT / "suites"
    suites = {f"lth_bench/suites/{p.relative_to(top)}" for p in top.rglob("*.toml")}
    assert "lth_bench/suites/papers/snip_2019.toml" in suites
    assert suites | {"lth_bench/suites/papers/published.csv"} <= names
    folders = ("harness/lth_bench", "plugins/lth_strategies", "plugins/lth_observers")
    for folder in folders:
        top = ROOT / folder
        sources = {f"{top.name}/{p.relative_to(top)}" for p in top.rglob("*.py")}
        assert sources | {f"{top.name}/py.typed"} <= names
    others = {n.split("/")[0] for n in names} - {Path(folder).name for folder in folders}
    assert others == {f"lth_bench-{PROJECT['version']}.dist-info"}
    assert not [n for n in names if n.endswith(".pyc")]


def test_the_sdist_holds_what_the_tests_need(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {n.partition("/")[2] for n in tar.getnames()}
    assert {"Makefile", "constraints.txt", "LICENSE", ".ci/run", "tests/conftest.py"} <= names
    # suites/ is in the archive once, where harness/lth_bench/suites leads to it
    documents = {str(d.relative_to(ROOT)) for d in DOCUMENTS}
    assert {d for d in documents if not d.startswith("suites/")} <= names
    assert {"docs/build_site.py", ".github/workflows/ci.yml", "CITATION.cff"} <= names
    assert not [n for n in names if n.startswith((".venv", "reports/results"))]


# imports

HEAVY = ("torch", "torchvision", "duckdb", "optuna", "pandas", "scipy", "sklearn", "plotly", "ray")

IMPORTED_AT_HELP = """
import contextlib, io, json, sys
from lth_bench.cli import main
sys.argv = ["lth-bench", *sys.argv[1:]]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
print(json.dumps(sorted(sys.modules)))
"""


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"]], ids=" ".join)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    modules = json.loads(output(sys.executable, "-c", IMPORTED_AT_HELP, *arguments))
    assert "typer" in modules
    assert [m for m in HEAVY if m in modules] == []


def imports(file: Path) -> set[str]:
    """Every module a file imports, at its top or in a body, with the names taken from it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_the_core_names_no_method() -> None:
    assert [str(f) for f in PACKAGE.rglob("*.py") if "lth_strategies" in "".join(imports(f))] == []

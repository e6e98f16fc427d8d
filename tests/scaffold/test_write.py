from __future__ import annotations

import re
import subprocess
import sys
import tomllib

import pytest

from lth_bench import scaffold
from lth_bench.errors import UserError
from lth_bench.hookspecs import STRATEGY_HOOKS
from lth_bench.plugins import load_registry
from lth_bench.plugins.contract import hooks_of


def tree(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_a_package(tmp_path):
    target = tmp_path / "deep" / "lth-bench-my_idea"
    scaffold.write_folder(target, scaffold.package("my_idea"))
    assert tree(target) == [
        ".gitignore",
        "README.md",
        "my_idea.toml",
        "pyproject.toml",
        "src/lth_my_idea/__init__.py",
        "tests/test_my_idea.py",
    ]
    assert [p.name for p in target.parent.iterdir()] == [target.name]
    assert target.stat().st_mode & 0o777 == (tmp_path / "deep").stat().st_mode & 0o777
    project = tomllib.loads((target / "pyproject.toml").read_text())["project"]
    assert project["name"] == "lth-bench-my_idea"
    # or an editable installation without network would need a package beside hatchling
    hatch = tomllib.loads((target / "pyproject.toml").read_text())["tool"]["hatch"]
    assert hatch["build"]["dev-mode-dirs"] == ["src"]
    points = project["entry-points"]["lth_bench.strategies"]
    assert points == {"my_idea": "lth_my_idea:MyIdea"}


@pytest.mark.parametrize("name", ["my_idea", "a_b", "range"])
def test_every_hook_is_present_and_explained(tmp_path, name):
    scaffold.write_files(tmp_path, scaffold.single_file(name))
    registry = load_registry([tmp_path / f"{name}.py"])
    cls = registry.get("strategies", name)
    assert hooks_of(cls) == STRATEGY_HOOKS
    for hook in STRATEGY_HOOKS:
        assert len(getattr(cls, hook).__doc__) > 80
    for flag in ("iterative", "dynamic", "structured"):
        assert getattr(cls, flag) is False


def test_no_placeholder_is_left():
    for texts in (scaffold.package("my_idea"), scaffold.single_file("my_idea")):
        for name, text in texts.items():
            assert "$" not in text
            assert text.endswith("\n")
            assert max(map(len, text.splitlines())) <= 100, name


def test_what_is_written_is_in_good_style(tmp_path):
    pytest.importorskip("ruff", reason="ruff is not installed")
    scaffold.write_folder(tmp_path / "p", scaffold.package("my_idea"))
    # as by a person whose line is as long as ours, with ruff's other defaults and sorted imports
    options = ["--isolated", "--config", "line-length = 100"]
    for command in (
        ["check", "-q", "--extend-select", "I,B,UP,D1,ANN"],
        ["format", "-q", "--diff"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *options, "."],
            cwd=tmp_path / "p", capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_suite_compares_with_built_ins(tmp_path):
    text = scaffold.package("my_idea")["my_idea.toml"]
    used = set(re.findall(r'^use = "(\w+)"', text, re.M))
    assert used - {"my_idea"} < {*load_registry(third_party=False).strategies}
    assert used > {"my_idea", "imp", "one_shot", "snip", "rigl", "random", "dense"}
    assert "plugins" not in tomllib.loads(text)
    alone = tomllib.loads(scaffold.single_file("my_idea")["my_idea.toml"])
    assert alone["plugins"] == ["my_idea.py"]


def test_commands_in_the_package_s_readme_exist():
    from typer.testing import CliRunner

    from lth_bench.cli.app import app

    listing = CliRunner().invoke(app, ["--help"]).stdout
    readme = scaffold.package("my_idea")["README.md"]
    commands = re.findall(r"^lth-bench ([a-z]+)", readme, re.M)
    assert {"plugin", "run"} <= set(commands)
    for command in commands:
        assert re.search(rf"\b{command}\b", listing)


def test_what_exists_is_left_alone(tmp_path):
    target = tmp_path / "lth-bench-x"
    target.mkdir()
    (target / "mine").write_text("precious")
    with pytest.raises(UserError, match="already exists; remove it, or choose another"):
        scaffold.write_folder(target, scaffold.package("x"))
    assert tree(tmp_path) == ["lth-bench-x/mine"]
    (tmp_path / "x.toml").write_text("precious")
    with pytest.raises(UserError, match=r"x\.toml already exists"):
        scaffold.write_files(tmp_path, scaffold.single_file("x"))
    assert tree(tmp_path) == ["lth-bench-x/mine", "x.toml"]
    assert (tmp_path / "x.toml").read_text() == "precious"


@pytest.mark.parametrize("form", ["folder", "files"])
def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch, form):
    texts = {"a.py": "a", "b.py": "\ud800"}  # cannot be encoded, as a full disk cannot be written
    if form == "folder":
        with pytest.raises(UnicodeEncodeError):
            scaffold.write_folder(tmp_path / "x", texts)
    else:
        with pytest.raises(UnicodeEncodeError):
            scaffold.write_files(tmp_path, texts)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written: "):
        scaffold.write_folder(tmp_path / "file" / "x", scaffold.package("x"))
    with pytest.raises(UserError, match="file already exists"):
        scaffold.write_files(tmp_path / "file", scaffold.single_file("x"))

"""As a user meets it: a package, built, installed, tested and run, without a change."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ENV = {k: v for k, v in os.environ.items() if not k.startswith("LTH_BENCH")}


def call(*command, cwd: Path, site: Path | None = None) -> str:
    env = ENV if site is None else {**ENV, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        cwd=cwd, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


SMOKE = ["-s", "my_idea", "-m", "mlp", "--smoke", "--device", "cpu", "--workers", "1", "--json"]


@pytest.mark.slow
def test_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("hatchling", reason="the package `hatchling` is not installed")
    from typer.testing import CliRunner

    from lth_bench.cli.app import app

    call("lth_bench", "plugin", "new", "my_idea", cwd=tmp_path)
    folder = tmp_path / "lth-bench-my_idea"
    # what `pip install --no-build-isolation --no-deps .` does, without a pip of a second
    call("hatchling", "build", "-t", "wheel", "-d", tmp_path / "dist", cwd=folder)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    tested = call("pytest", "-q", "-p", "no:cacheprovider", cwd=folder, site=site)
    assert "passed" in tested
    assert "failed" not in tested
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(site))
    outcome = CliRunner().invoke(app, ["run", "my_idea.toml", *SMOKE])
    assert outcome.exception is None, outcome.exception
    assert json.loads(outcome.stdout)["statuses"] == {"ok": 3}  # dense, and two densities
    for name in [name for name in sys.modules if name.partition(".")[0] == "lth_my_idea"]:
        del sys.modules[name]


def test_a_single_file_with_its_suite_and_with_a_shipped_one(tmp_path, monkeypatch) -> None:
    from typer.testing import CliRunner

    from lth_bench.cli.app import app

    monkeypatch.chdir(tmp_path)
    for command in (
        "plugin new my_idea --single-file",
        "validate my_idea.toml --plugin my_idea.py",
        "validate quickstart --plugin my_idea.py -s my_idea -s imp",
    ):
        result = CliRunner().invoke(app, command.split())
        assert result.exception is None, result.exception
    assert " my_idea " in result.stdout

"""What the README and the documentation tell a reader to type: it can be typed, and it runs."""

from __future__ import annotations

import json
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import typer
from documents import DOCUMENTS, ROOT, blocks
from safetensors.torch import load_file

from lth_bench.cli.app import app
from lth_bench.store import Paths, fold

LTH_BENCH = str(Path(sys.executable).with_name("lth-bench"))
README = ROOT / "README.md"
TUTORIAL = ROOT / "docs" / "tutorial" / "first-comparison.md"
OWN_LOOP = ROOT / "docs" / "how-to" / "own-loop.md"
OWN_TASK = ROOT / "docs" / "how-to" / "own-task.md"
MODELS = ROOT / "docs" / "how-to" / "models.md"
OWN = {README, *(ROOT / "docs").rglob("*.md")} - {OWN_LOOP, OWN_TASK, MODELS}
"""Documents whose snippets are run here; those of others run beside what they explain."""


def commands(document: Path) -> Iterator[list[str]]:
    """Each `lth-bench` command of the shell blocks, as its arguments."""
    for block in blocks(document, "(?:sh|bash)"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["lth-bench"] and "…" not in line:
                yield words[1:]


def parse(command: Any, arguments: list[str], parent: Any = None) -> None:
    """Parse as the command line would, without running anything. Raises typer's usage errors."""
    context = command.make_context(command.name, list(arguments), parent=parent)
    rest = [*getattr(context, "_protected_args", ()), *context.args]
    if hasattr(command, "get_command"):
        found = command.get_command(context, rest[0])
        assert found is not None, f"no command {rest[0]}"
        parse(found, rest[1:], context)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_command_is_one_that_can_be_typed(document: Path) -> None:
    """Commands, options and the number of arguments, in every Markdown file."""
    for arguments in commands(document):
        if arguments and not arguments[0].startswith("--"):
            try:
                parse(typer.main.get_command(app), arguments)
            except Exception as error:
                pytest.fail(f"lth-bench {shlex.join(arguments)}: {error}")


def test_a_wrong_option_would_be_found() -> None:
    with pytest.raises(Exception, match="--nope"):
        parse(typer.main.get_command(app), ["run", "quickstart", "--nope"])


def test_there_is_no_promise_of_an_index() -> None:
    """Nothing is on an index yet: who followed such a line would get another package, or none."""
    for document in DOCUMENTS:
        text = document.read_text("utf-8")
        assert not re.search(r"(pip|uvx?|pipx)[a-z ]* install lth-bench\b(?! @)", text), document


# the README


def test_the_readme_is_short_and_says_what_this_is_not() -> None:
    text = README.read_text("utf-8")
    assert len(text.splitlines()) <= 120
    assert "What this is not" in text
    assert all(name in text for name in ("Wanda", "SparseGPT"))


def strategy(folder: Path) -> None:
    (text,) = blocks(README, "python")
    assert len([line for line in text.splitlines() if line.strip()]) <= 12
    (folder / "grown.py").write_text(text)


def outcome(folder: Path, *arguments: str) -> dict[str, Any]:
    options = ["--smoke", "--device", "cpu", "--workers", "1", "--cohort-size", "1"]
    options += ["--results", "r.duckdb", "--json"]
    done = subprocess.run(
        [LTH_BENCH, *arguments, *options], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_readme_s_strategy_runs_as_it_says(tmp_path: Path) -> None:
    strategy(tmp_path)
    (run,) = (c for c in commands(README) if c[:1] == ["run"])
    assert run[1:4] == ["quickstart", "--plugin", "grown.py"]
    # dense, imp and grown, at one seed
    assert outcome(tmp_path, *run)["statuses"] == {"ok": 3}


def test_the_readme_shows_what_compare_prints(tmp_path: Path) -> None:
    """Title and columns as they are today; the numbers are of a run and are not made again."""
    records = runpy.run_path(str(ROOT / "tests" / "store" / "records.py"))
    scenario = records["Scenario"](strategies=("dense", "imp", "grown"), densities=(0.36, 0.13))
    paths: Paths = records["write"](tmp_path / "r.duckdb", scenario)
    fold(paths)
    (compare,) = (c for c in commands(README) if c[:1] == ["compare"])
    done = subprocess.run(
        [LTH_BENCH, *compare, "--results", "r.duckdb"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    (shown,) = blocks(README, "text")
    printed = [line.split() for line in done.stdout.splitlines()]
    title, task, _, columns, *rows = (line.split() for line in shown.splitlines())
    assert title == printed[0][: len(title)]
    assert task in printed
    assert columns in printed
    assert len(rows) > 3


# the tutorial


@pytest.mark.slow
def test_the_tutorial_s_suite_runs(tmp_path: Path) -> None:
    strategy(tmp_path)
    (suite,) = blocks(TUTORIAL, "toml")
    (tmp_path / "idea.toml").write_text(suite)
    (run,) = (c for c in commands(TUTORIAL) if c[:2] == ["run", "idea.toml"])
    # dense and IMP at one seed; `grown` goes down the same schedule
    assert outcome(tmp_path, *run)["statuses"] == {"ok": 3}


# a task of one's own


@pytest.mark.slow
def test_the_own_task_runs_and_is_ranked_by_its_own_metric(tmp_path: Path) -> None:
    (code,), (suite,) = blocks(OWN_TASK, "python"), blocks(OWN_TASK, "toml")
    (tmp_path / "marked.py").write_text(code)
    (tmp_path / "marked.toml").write_text(suite)
    typed = [c for c in commands(OWN_TASK) if c[0] in ("validate", "run", "compare")]
    assert [c[0] for c in typed] == ["validate", "run", "compare"]
    assert all(c[1:] == ["marked.toml", "--plugin", "marked.py"] for c in typed[:2])
    # at one seed: dense, IMP's schedule, and SNIP and random tickets at each of two densities
    assert outcome(tmp_path, *typed[1])["statuses"] == {"ok": 6}
    with duckdb.connect(str(tmp_path / "r.duckdb"), read_only=True) as con:
        found = con.execute("SELECT DISTINCT metric, higher_is_better FROM tickets_flat").fetchall()
    assert found == [("test_mae", False)]


# a network of one's own

SUITE = """
schema_version = 1
[suite]
name = "mine"
densities = [0.5]
seeds = [0]
[[tasks]]
model = [MODELS]
dataset = "tabular:wine"
recipe = "short"
[recipes.short]
optimizer = "adam"
lr = 0.01
steps = 10
batch_size = 20
val_size = 20
eval_every = 5
[[strategies]]
use = "random"
"""


@pytest.mark.slow
def test_the_own_network_runs_and_a_trusted_pickle_becomes_a_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    network, conversion = blocks(MODELS, "python")
    text = MODELS.read_text("utf-8")
    named = re.findall(r'`("python:.*?"|\{ name = "python:.*? \})`', text)
    assert len(named) == 2
    (tmp_path / "mine.py").write_text(network)
    (tmp_path / "mine.toml").write_text(SUITE.replace("MODELS", ", ".join(named)))
    # dense and random, for each of the two
    ran = outcome(tmp_path, "run", "mine.toml", "--plugin", "mine.py")
    assert ran["statuses"] == {"ok": 4}
    exec(compile(conversion, str(MODELS), "exec"), {})
    assert {k: tuple(v.shape) for k, v in load_file("model.safetensors").items()} == {
        "weight": (3, 2), "bias": (3,),
    }  # fmt: skip


# all the others of docs/


def test_python_of_the_documentation_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is written, but on one network for a few steps, and without printing everything."""
    monkeypatch.chdir(tmp_path)
    found = [(d, text) for d in sorted(OWN - {README}) for text in blocks(d, "python")]
    assert found
    for document, text in found:
        asked = 'lth_bench.run("quickstart", '
        assert asked in text, f"{document}: how is this to be run quickly?"
        quick = (
            'smoke=True, device="cpu", workers=1, cohort_size=1, strategies="imp", models="mlp", '
        )
        exec(compile(text.replace(asked, asked + quick), str(document), "exec"), {})


def test_toml_of_the_documentation_is_toml() -> None:
    for document in OWN | {MODELS}:
        for text in blocks(document, "toml"):
            tomllib.loads(text)

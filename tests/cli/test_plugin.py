from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

import lth_bench.plugins
from lth_bench import hookimpl
from lth_bench.cli.app import app as every_command
from lth_bench.cli.plugin import app
from lth_bench.errors import UnknownName, UserError
from lth_bench.params import Range
from lth_bench.plugins import Entry, Registry


@dataclass(frozen=True, eq=False)
class Mine:
    """Prune [something] (Me, 2025).

    More of it.
    """

    rate: Annotated[float, Range(0, 1, open_low=True)] = 0.2
    """Fraction removed."""
    iterative = True

    @hookimpl
    def train(self, ticket): ...

    @hookimpl
    def select_mask(self, ticket): ...


class Log:
    """Writes a log."""

    @hookimpl
    def on_eval(self, ticket, point): ...


@pytest.fixture
def _registry(monkeypatch):
    entries = [
        Entry(
            name="mine", group="strategies", origin="lth-bench-mine", version="1.2", _loaded=Mine
        ),
        Entry(
            name="broken",
            group="strategies",
            origin="theirs",
            version="0.1",
            error="ImportError: no [such] module",
        ),
        Entry(name="twice", group="models", origin="one", version="1"),
        Entry(name="twice", group="models", origin="two", version="2"),
        Entry(name="mine", group="observers", origin="lth-bench-mine", version="1.2", _loaded=Log),
    ]
    monkeypatch.setattr(lth_bench.plugins, "load_registry", lambda *_: Registry(entries))


def run(*arguments, error=None):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if error is not None:
        assert isinstance(result.exception, error), result.exception
        return str(result.exception)
    assert result.exit_code == 0, result.exception
    return result.stdout


@pytest.mark.usefixtures("_registry")
def test_list():
    text = run("list")
    for part in (
        "Prune [something] (Me, 2025).",
        "select_mask train",
        "lth-bench-mine 1.2",
        "broken: ImportError: no [such] module",
        "two plugins are called 'twice'",
        "Writes a log.",
        "on_eval",
    ):
        assert part in text
    assert text.count("twice'") == 2


@pytest.mark.usefixtures("_registry")
def test_info():
    text = run("info", "mine")
    for part in (
        "mine, a strategy of lth-bench-mine 1.2",
        "hooks       select_mask, train",
        "kind        iterative",
        "rate: float (0, 1] = 0.2  Fraction removed.",
        "More of it.",
        "mine, an observer of lth-bench-mine 1.2",
    ):
        assert part in text
    assert "broken      ImportError: no [such] module" in run("info", "broken")
    assert "'mine'" in run("info", "mien", error=UnknownName)


@pytest.mark.usefixtures("_registry")
def test_json():
    rows = json.loads(run("list", "--json"))["plugins"]
    assert [(r["group"], r["name"], r["origin"]) for r in rows] == [
        ("strategies", "broken", "theirs"),
        ("strategies", "mine", "lth-bench-mine"),
        ("models", "twice", "one"),
        ("models", "twice", "two"),
        ("observers", "mine", "lth-bench-mine"),
    ]
    mine = rows[1]
    assert mine == json.loads(run("info", "mine", "--json"))["plugins"][0]
    assert mine["hooks"] == ["select_mask", "train"]
    assert (mine["iterative"], mine["dynamic"], mine["structured"]) == (True, False, False)
    assert mine["summary"] == "Prune [something] (Me, 2025)."
    assert mine["parameters"][0]["range"] == "(0, 1]"
    assert mine["class"].endswith(":Mine")
    assert rows[4]["iterative"] is None
    assert rows[4]["error"] is None
    assert "one of one 1, one of two 2" in rows[2]["error"]


def test_check_is_one_of_the_commands():
    assert "--network" in run("check", "--help")


def test_new_writes_files_and_prints_the_next_steps(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = run("new", "my_idea")
    assert "wrote lth-bench-my_idea/pyproject.toml" in text
    assert text.endswith(
        'next:\n  cd lth-bench-my_idea\n  pip install -e ".[test]"\n  pytest\n'
        "  lth-bench run my_idea.toml\n"
    )
    text = run("new", "other", "--single-file", "--output", "a b")
    assert (tmp_path / "a b" / "other.py").is_file()
    assert "cd 'a b'\n" in text
    assert "lth-bench run other.toml --plugin other.py\n" in text
    run("new", "other", "--single-file", "--output", "a b", error=UserError)
    run("new", "my_idea", error=UserError)
    assert "'imp' of lth-bench" in run("new", "imp", error=UserError)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a b", "lth-bench-my_idea"]


def test_commands_that_load_plugins_of_other_packages_can_leave_them_out():
    """Then LTH_BENCH_NO_PLUGINS holds for all of them."""
    found = [
        (name, options(command))
        for name, command in leaves(typer.main.get_command(every_command), "")
    ]
    with_files = {name for name, given in found if "--plugin" in given}
    # claims loads files to find mistakes in them, and nothing else
    assert with_files - {name for name, given in found if "--no-plugins" in given} == {"claims"}
    assert {"run", "compare", "export ticket", "ls papers", "why", "tune"} <= with_files


def options(command):
    return {text for parameter in command.params for text in parameter.opts}


def leaves(command, name):
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
    for key, found in (inner or {}).items():
        yield from leaves(found, f"{name} {key}".strip())

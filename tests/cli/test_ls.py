from __future__ import annotations

import json
import re
import sys
import types
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Literal

import pytest
from typer.testing import CliRunner

import lth_bench.plugins
from lth_bench import hookimpl
from lth_bench.cli.ls import app
from lth_bench.params import Range
from lth_bench.plugins import Entry, Registry


@dataclass(frozen=True)
class Prune:
    """Prune [something].

    More of it.
    """

    rate: Annotated[float, Range(0, 1, open_low=True)] = 0.2
    """Fraction removed."""
    sizes: tuple[int, ...] = (3, 4)
    kind: Literal["a", "b"] = "a"
    steps: int | None = None


@dataclass(frozen=True)
class Folder:
    path: str
    """Where the files are."""


class Curves:
    """Writes curves."""

    @hookimpl
    def on_eval(self, ticket, point):
        pass

    @hookimpl
    def score(self, ticket, trained):
        return {}


@pytest.fixture(autouse=True)
def _registry(monkeypatch):
    entries = [
        Entry(name="prune", group="strategies", origin="mine", version="1.2", _loaded=Prune),
        Entry(
            name="broken",
            group="strategies",
            origin="theirs",
            version="0.1",
            error="ImportError: no [such] module",
        ),
        Entry(name="plain", group="strategies", origin="theirs", version="0.1", _loaded=int),
        Entry(name="curves", group="observers", origin="mine", version="1.2", _loaded=Curves),
        Entry(name="folder", group="datasets", origin="mine", version="1.2", _loaded=Folder),
    ]
    monkeypatch.setattr(lth_bench.plugins, "load_registry", lambda *_: Registry(entries))


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.exception
    return result.stdout


def test_parameters_origin_and_broken_plugins():
    text = run("strategies", "--parameters")
    assert "Prune [something]." in text
    assert "rate: float (0, 1] = 0.2  Fraction removed." in text
    assert "sizes: tuple[int, ...] = [3, 4]" in text
    assert "kind: 'a' | 'b' = \"a\"" in text
    assert "steps: int | None = none" in text
    assert "mine 1.2" in text
    assert "cannot be loaded: ImportError: no [such] module" in text
    assert "must be a frozen dataclass" in text


def test_a_strategy_by_its_name():
    text = run("strategies", "prune")
    assert "rate: float (0, 1] = 0.2  Fraction removed." in text and "broken" not in text
    (row,) = json.loads(run("strategies", "prune", "--json"))["strategies"]
    assert row["name"] == "prune"
    result = CliRunner().invoke(app, ["strategies", "prine"])
    assert "did you mean 'prune'" in str(result.exception)


def test_an_overview_has_a_line_a_strategy_with_its_package():
    text = run("strategies")
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "others" in lines  # the package of none of these has families
    assert "prune Prune [something]. mine 1.2" in lines
    assert "broken cannot be loaded: ImportError: no [such] module theirs 0.1" in lines
    assert "Fraction removed" not in text
    assert "parameters: lth-bench ls strategies NAME" in lines[-1]


def test_built_in_strategies_come_by_family(monkeypatch):
    monkeypatch.undo()
    import lth_strategies

    text = run("strategies", "--no-plugins")
    names = [line.split()[0] for line in text.splitlines() if re.match(r"   \w", line)]
    assert names == [*chain(*lth_strategies.FAMILIES.values())]
    headings = [line.strip() for line in text.splitlines() if re.match(r" \w", line)]
    assert headings[1:] == [*lth_strategies.FAMILIES]
    assert "lth-bench 0" not in text  # all are of one package
    for line in text.splitlines()[:-1]:
        assert "N are kept. With" not in line  # a sentence each
    rows = json.loads(run("strategies", "--no-plugins", "--json"))["strategies"]
    assert {row["family"] for row in rows} == {*lth_strategies.FAMILIES}


def test_families_of_another_package_follow(monkeypatch):
    module = types.ModuleType("its_package")
    module.FAMILIES = {"by hand": ("prune",)}
    monkeypatch.setitem(sys.modules, "its_package", module)
    monkeypatch.setattr(Prune, "__module__", "its_package.prune")
    lines = [line.strip() for line in run("strategies").splitlines()]
    assert lines.index("by hand") < lines.index("others")


def test_json():
    broken, _, prune = json.loads(run("strategies", "--json"))["strategies"]
    assert broken["error"] == "ImportError: no [such] module"
    assert prune["error"] is None
    assert prune["summary"] == "Prune [something]."
    assert prune["parameters"][0] == {
        "name": "rate",
        "type": "float",
        "required": False,
        "default": 0.2,
        "range": "(0, 1]",
        "choices": [],
        "doc": "Fraction removed.",
    }


def test_required_parameters():
    assert "path: str required  Where the files are." in run("datasets")
    assert json.loads(run("models", "--json")) == {"models": []}


def test_observers():
    text = run("observers")
    assert "Writes curves." in text
    assert "hooks: score, on_eval" in text
    (row,) = json.loads(run("observers", "--json"))["observers"]
    assert (row["name"], row["hooks"], row["parameters"]) == ("curves", ["score", "on_eval"], [])


def test_nothing_installed():
    assert "no models installed" in run("models")


def test_suites():
    assert "quickstart" in run("suites")
    rows = {row["name"]: row for row in json.loads(run("suites", "--json"))["suites"]}
    assert rows["quickstart"]["seeds"] == [0, 1, 2, 3, 4]
    assert rows["quickstart"]["error"] is None


def test_objectives_say_what_they_learn_from_and_judge_by(monkeypatch):
    monkeypatch.undo()
    said = " ".join(CliRunner().invoke(app, ["objectives"]).stdout.split())
    assert "targets: values" in said
    assert "judged by rmse (lower is better); also measures r2 (higher is better)" in said
    assert "judged by accuracy in % (higher is better)" in said
    rows = json.loads(CliRunner().invoke(app, ["objectives", "--json"]).stdout)["objectives"]
    (row,) = (row for row in rows if row["name"] == "next_token")
    assert row["metrics"][0] == {"name": "perplexity", "unit": "", "higher_is_better": False}

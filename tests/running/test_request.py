"""One request, whether it comes from the command line or from Python."""

from __future__ import annotations

import math
import re
import sys
from dataclasses import fields
from importlib import import_module
from inspect import getdoc, signature
from pathlib import Path

import pytest
import typer
from typer.main import get_command

import lth_bench.api
from lth_bench.cli.app import app
from lth_bench.errors import UserError
from lth_bench.running.arguments import Shard
from lth_bench.running.request import Argument, Execution, RunRequest, SuiteSelection, _arguments

TYPED = {
    "suite": "quickstart", "results": Path("r.duckdb"), "device": "cpu", "executor": "ray",
    "address": "10.0.0.1:6379", "workers": 2, "seeds": "3", "strategies": ["imp"],
    "models": ["mlp"], "datasets": ["digits"],
    "overrides": ["suite.seeds=2"], "plugins": [Path("mine.py")], "add": ["snip"],
    "no_plugins": True, "smoke": True, "shard": "3/8", "until_decided": True,
    "cohort_size": "4", "exact_cohort_size": True, "timeout": "2m", "retry": ["oom,failed"],
    "rerun": True, "exit_first": True,
}  # fmt: skip
"""Every argument, as typer gives it."""
PYTHON = {
    **TYPED, "results": "r.duckdb", "seeds": 3, "strategies": "imp", "plugins": "mine.py",
    "shard": (3, 8), "cohort_size": 4, "timeout": 120.0, "retry": ("failed", "oom"),
}  # fmt: skip


def known() -> dict[str, Argument]:
    return {**_arguments(SuiteSelection), **_arguments(Execution)}


def test_the_command_line_and_python_make_the_same_request() -> None:
    typed, given = RunRequest.from_options(**TYPED), RunRequest.from_arguments(**PYTHON)
    assert (typed.selection, typed.execution) == (given.selection, given.execution)
    assert typed.execution == Execution(
        results=Path("r.duckdb"),
        device="cpu",
        executor="ray",
        address="10.0.0.1:6379",
        workers=2,
        cohort_size=4,
        exact_cohort_size=True,
        timeout=120,
        retry=frozenset({"oom", "failed"}),
        rerun=True,
        exit_first=True,
    )
    assert typed.selection.plugins == (Path("mine.py"),)
    assert typed.selection.shard == Shard(3, 8)
    assert TYPED.keys() == known().keys()


def test_missing_arguments_have_their_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LTH_BENCH_COHORT_SIZE", raising=False)
    monkeypatch.setattr(sys, "argv", ["lth-bench", "run", "a suite.toml"])
    typed = RunRequest.from_options(suite="a suite.toml", **dict.fromkeys(set(TYPED) - {"suite"}))
    given = RunRequest.from_arguments(
        suite="a suite.toml", results=None, workers=None, seeds=None, timeout=None
    )
    assert (typed.selection, typed.execution) == (given.selection, given.execution)
    assert typed.execution == Execution()
    assert typed.execution.timeout == math.inf
    # what an error asks to type is for a shell, whoever asked
    assert typed.shell_command == given.shell_command == "lth-bench run 'a suite.toml'"
    assert given.command == "lth_bench.run('a suite.toml')"


def test_the_environment_variable_sets_the_default_cohort_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LTH_BENCH_COHORT_SIZE", "8")
    assert RunRequest.from_arguments(suite="s").execution.cohort_size == 8
    assert RunRequest.from_arguments(suite="s", cohort_size=2).execution.cohort_size == 2


@pytest.mark.parametrize(
    ("argument", "value"),
    [("timeout", "ten"), ("cohort_size", "3"), ("retry", ["ok"]), ("workers", 0)],
)
def test_errors_name_the_option_or_the_argument(argument: str, value: object) -> None:
    option = known()[argument].option
    with pytest.raises(UserError, match=rf"^{option}( takes .* but got|: unknown)"):
        RunRequest.from_options(**{"suite": "quickstart", argument: value})
    with pytest.raises(UserError, match=rf"^{argument}( takes .* but got|: unknown)"):
        RunRequest.from_arguments(**{"suite": "quickstart", argument: value})


def test_an_exact_cohort_size_must_be_given() -> None:
    with pytest.raises(UserError, match=r"^--exact-cohort-size .* give --cohort-size a number too"):
        RunRequest.from_options(suite="s", cohort_size="auto", exact_cohort_size=True)
    with pytest.raises(UserError, match=r"^exact_cohort_size .* give cohort_size a number too"):
        RunRequest.from_arguments(suite="s", cohort_size="auto", exact_cohort_size=True)
    exact = RunRequest.from_options(suite="s", cohort_size="4", exact_cohort_size=True)
    assert exact.execution.retry_policy.cohort_size == 4
    some = RunRequest.from_options(suite="s", cohort_size="4", retry=["all"])
    assert some.execution.retry_policy.cohort_size is None
    assert some.execution.retry_policy.statuses == {"failed", "oom", "timeout", "diverged"}


@pytest.mark.parametrize("command", ["run", "plan", "tune", "validate"])
def test_every_command_has_the_same_options(command: str) -> None:
    """Of the options that a request has, each command has some, under the same names."""
    group = get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    options = {name for p in group.commands[command].params for name in p.opts}
    named = {a.option for a in known().values()}
    own = {
        "run": {"--json"},
        "plan": {"--json", "--estimate"},
        "validate": {"--json", "--download"},
        "tune": {"--json", "--budget", "--no-final", "--best", "--trial", "--output", "--storage",
                 "--restart", "--take-over"},
    }[command]  # fmt: skip
    long = {name for name in options if name.startswith("--")}
    assert long - own <= named
    if command == "run":
        assert long - own == named - {"SUITE"}


PARAMETERS = {
    "strategy": "strategies", "model": "models", "dataset": "datasets", "set_": "overrides",
    "plugin": "plugins",
}  # fmt: skip
"""A command's parameter, where it has another name than the field: it takes one at a time."""


@pytest.mark.parametrize("command", ["run", "plan", "tune", "validate"])
def test_the_defaults_of_a_command_are_those_of_the_request(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LTH_BENCH_COHORT_SIZE", raising=False)
    callback = import_module(f"lth_bench.cli.{command}").__dict__[command]
    given = {PARAMETERS.get(n, n): p.default for n, p in signature(callback).parameters.items()}
    options = {name: value for name, value in given.items() if name in known()}
    found = RunRequest.from_options(**options | {"suite": "s"})
    assert (found.selection, found.execution) == (SuiteSelection(suite="s"), Execution())


def test_the_defaults_in_python_are_those_of_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LTH_BENCH_COHORT_SIZE", raising=False)
    given = {n: p.default for n, p in signature(lth_bench.api.run).parameters.items()}
    found = RunRequest.from_arguments(**given | {"suite": "s"})
    assert (found.selection, found.execution) == (SuiteSelection(suite="s"), Execution())


def test_python_has_an_argument_for_every_field() -> None:
    names = {f.name for part in (SuiteSelection, Execution) for f in fields(part)}
    assert set(signature(lth_bench.api.run).parameters) == names


def test_the_docstring_of_run_explains_every_argument() -> None:
    text = getdoc(lth_bench.api.run) or ""
    arguments = text.partition("Args:")[2].partition("Returns:")[0]
    explained = re.findall(r"^    (\w+): ", arguments, re.MULTILINE)
    assert explained == list(signature(lth_bench.api.run).parameters)

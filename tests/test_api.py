"""`lth_bench.run`: what the command line accepts, and the rest refused by the argument's name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lth_bench
from lth_bench.errors import UserError
from lth_bench.running import runner

Asked = Callable[..., Any]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Asked:
    """`asked(…)`: the suite and settings of `lth_bench.run("quickstart", …)`; nothing trains."""
    monkeypatch.setattr(
        runner, "run_suite", lambda suite, _registry, request, _p: (suite, request.execution)
    )

    def run(**arguments: Any) -> Any:
        arguments = {"suite": "quickstart", "results": tmp_path / "r.duckdb", **arguments}
        return lth_bench.run(**arguments)

    return run


@pytest.mark.parametrize(
    ("given", "seeds"),
    [(3, (0, 1, 2)), ("3", (0, 1, 2)), ([4, 1], (4, 1)), ("4,", (4,)), (np.int64(2), (0, 1)),
     (range(2), (0, 1)), (np.array([5, 7]), (5, 7))],
)  # fmt: skip
def test_seeds(asked: Asked, given: Any, seeds: tuple[int, ...]) -> None:
    suite, _ = asked(seeds=given)
    assert suite.seeds == seeds


def test_one_text_is_one(asked: Asked) -> None:
    suite, _ = asked(strategies="imp", models="mlp", datasets="digits", retry="failed")
    assert {s.label for s in suite.strategies} == {"imp"}
    assert {t.model.label for t in suite.tasks} == {"mlp"}
    suite, settings = asked(overrides="suite.seeds=2", retry=["oom", "timeout"])
    assert len(suite.seeds) == 2
    assert settings.retry == {"oom", "timeout"}


def test_one_path_is_one(asked: Asked, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("x = 1\n")
    for given in (file, str(file), [file], (str(file),)):
        with pytest.raises(UserError, match="defines no plugin"):
            asked(plugins=given)


def test_numbers_and_texts_are_those_after_the_option(asked: Asked) -> None:
    _, settings = asked(cohort_size=4, timeout=2.5, workers=2)
    assert (settings.cohort_size, settings.timeout, settings.workers) == (4, 2.5, 2)
    _, settings = asked(cohort_size="auto", timeout="2m")
    assert (settings.cohort_size, settings.timeout) == (None, 120)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("seeds", 2.5), ("seeds", True), ("seeds", [0, 1.5]), ("seeds", [True]), ("seeds", b"3"),
        ("strategies", 3), ("strategies", ["imp", 3]), ("models", b"mlp"), ("datasets", 1.0),
        ("overrides", {"a": 1}.values()), ("overrides", 5), ("plugins", 3), ("plugins", [None]),
        ("add", 7), ("suite", 3), ("suite", None), ("results", 3), ("device", 0), ("device", None),
        ("workers", 1.5), ("workers", "2"), ("workers", 0), ("workers", True), ("cohort_size", [4]),
        ("cohort_size", True), ("timeout", [1]), ("timeout", True), ("retry", 3), ("smoke", "no"),
        ("rerun", 1), ("exit_first", None), ("no_plugins", "yes"),
    ],
)  # fmt: skip
def test_the_rest_is_refused_by_name(asked: Asked, argument: str, value: Any) -> None:
    with pytest.raises(UserError, match=rf"^{argument} takes "):
        asked(**{argument: value})

"""Densities that a method cannot have on a network are skipped, before anything is trained."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import pytest

from lth_bench.errors import Unreachable, UserError
from lth_bench.lottery.reachable import is_reachable, reaches, require_reachable
from lth_bench.plugins import load_registry
from lth_bench.running.plan import plan_suite
from lth_bench.suite.load import suite_of


class Any_:
    """Any density."""


class Few:
    reaches = (0.25, 0.5)


class ByParameter:
    n = 3

    @cached_property
    def reaches(self) -> tuple[float, ...]:
        return (1 / (1 + self.n),)


class Raises:
    @property
    def reaches(self) -> tuple[float, ...]:
        raise KeyError("n")


class Exits:
    @property
    def reaches(self) -> tuple[float, ...]:
        raise SystemExit("out")


def test_what_it_reaches() -> None:
    assert reaches(Any_()) is None
    assert reaches(Few()) == (0.5, 0.25)
    assert reaches(ByParameter()) == (0.25,)
    with pytest.raises(UserError, match=r"Raises\.reaches must be the densities .* KeyError: 'n'"):
        reaches(Raises())
    with pytest.raises(UserError, match=r"Exits\.reaches .* SystemExit: out"):
        reaches(Exits())


def test_as_many_weights_are_the_same_density() -> None:
    assert is_reachable(Few(), 0.5001, 100)
    assert not is_reachable(Few(), 0.5001, 10_000)
    with pytest.raises(Unreachable, match=r"only reaches densities 0\.5, 0\.25, not 0\.3$"):
        require_reachable(Few(), 0.3, 100)


def test_a_plan_has_no_training_for_them(tmp_path: Path) -> None:
    text = """
        schema_version = 1
        suite = { name = "demo", densities = [0.5, 0.3], seeds = [0] }
        recipes.short = { steps = 10, batch_size = 50, val_size = 97 }
        tasks = [{ model = { name = "mlp", hidden = [10] }, dataset = "digits", recipe = "short" }]
        strategies = [{ use = "half" }, { use = "random", controls = ["reinit"] }]
    """
    file = tmp_path / "half.py"
    file.write_text(
        "from dataclasses import dataclass\n"
        "from lth_bench import hookimpl\n"
        "@dataclass(frozen=True, eq=False)\n"
        "class Half:\n"
        "    reaches = (0.5,)\n"
        "    @hookimpl\n"
        "    def select_mask(self, ticket): ...\n"
    )
    suite = suite_of(text, tmp_path / "demo.toml")
    plan = plan_suite(suite, load_registry([file], third_party=False), tmp_path)
    fits = {(p.experiment.label, p.experiment.densities[0]): p.fits for p in plan.experiments}
    assert fits == {
        ("dense", 1.0): (),
        ("half", 0.5): (10,), ("half", 0.3): (),
        ("random", 0.5): (10, 10), ("random", 0.3): (10, 10),
    }  # fmt: skip

"""What `run`, `plan` and `validate` share: the suite that the options ask for, and its plugins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lth_bench.plugins import Registry
    from lth_bench.suite.spec import Suite


def load(
    suite: str,
    seeds: str | None,
    strategies: Sequence[str] | None,
    models: Sequence[str] | None,
    datasets: Sequence[str] | None,
    overrides: Sequence[str] | None,
    plugins: Sequence[Path] | None,
    smoke: bool,
    command: str,
    add: Sequence[str] | None = None,
    no_plugins: bool = False,
) -> tuple[Suite, Registry]:
    """The suite after `--add`, `--set` and the filters, and the registry for it."""
    from lth_bench.running.request import RunRequest, prepare

    return prepare(
        RunRequest(
            suite=suite,
            seeds=seeds,
            strategies=strategies or (),
            models=models or (),
            datasets=datasets or (),
            overrides=overrides or (),
            plugins=plugins or (),
            add=add or (),
            no_plugins=no_plugins,
            smoke=smoke,
            command=command,
        )
    )

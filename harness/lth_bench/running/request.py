"""A suite as somebody asks for it, on the command line or from Python, and the plugins for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lth_bench.plugins import Registry
    from lth_bench.suite.spec import Suite


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """What is asked for: the options that `run`, `plan`, `validate` and `lth_bench.run` share."""

    suite: str | Path
    seeds: str | Sequence[int] | None = None
    strategies: Sequence[str] = ()
    models: Sequence[str] = ()
    datasets: Sequence[str] = ()
    overrides: Sequence[str] = ()
    plugins: Sequence[Path] = ()
    add: Sequence[str] = ()
    no_plugins: bool = False
    smoke: bool = False
    command: str
    """What was typed; an error that asks for `--plugin` prints it."""


def prepare(request: RunRequest) -> tuple[Suite, Registry]:
    """The suite with additions, changes and filters, and the registry with its one-file plugins.

    Code that the suite itself names is not loaded unless `plugins` names it too. UserError for
    whatever is wrong; plugins' names and parameters are left to `suite.check`.
    """
    from lth_bench.plugins import load_registry
    from lth_bench.suite.additions import additions
    from lth_bench.suite.consent import require_plugins
    from lth_bench.suite.load import load_suite
    from lth_bench.suite.shipped import find
    from lth_bench.suite.smoke import smoke
    from lth_bench.suite.source import parse, read

    path = find(request.suite)
    document = parse(read(path), path)
    registry = load_registry(request.plugins, not request.no_plugins)
    added = additions(document, request.add, request.strategies, request.plugins, registry)
    suite = load_suite(
        path,
        request.overrides,
        request.seeds,
        request.strategies,
        request.models,
        request.datasets,
        added,
    )
    require_plugins(suite, request.plugins, request.command)
    return smoke(suite) if request.smoke else suite, registry

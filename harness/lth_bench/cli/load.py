"""What `run` and `plan` share: the suite that the options ask for, and the plugins for it."""

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
) -> tuple[Suite, Registry]:
    """The suite after `--set` and the filters, and the registry with its one-file plugins."""
    from lth_bench.plugins import load_registry
    from lth_bench.suite.consent import require_plugins
    from lth_bench.suite.load import load_suite
    from lth_bench.suite.smoke import smoke as shorten

    loaded = load_suite(
        suite, overrides or (), seeds, strategies or (), models or (), datasets or ()
    )
    files = list(plugins or ())
    require_plugins(loaded, files, command)
    if smoke:
        loaded = shorten(loaded)
    return loaded, load_registry(files)

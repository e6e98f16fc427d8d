"""`lth-bench why`: why an experiment was trained, reused, or would be trained again."""

from __future__ import annotations

from typing import Annotated

import typer

from lth_bench.cli.options import JsonOption, NoPluginsOption, PluginsOption, ResultsOption


def why(
    identity: Annotated[
        str,
        typer.Argument(metavar="EXPERIMENT", help="Beginning of an experiment's or ticket's id."),
    ],
    results: ResultsOption = None,
    plugin: PluginsOption = None,
    no_plugins: NoPluginsOption = False,
    json_: JsonOption = False,
) -> None:
    """Say why an experiment was trained or reused, and what a run would do with it now.

    Compares it with the one that was in its place before: source, parameters, data, recipe. Lists
    the trainings it found finished, and who had trained them. Ids: `lth-bench query "FROM
    experiments"`.
    """
    from lth_bench.cli.output import print_json
    from lth_bench.data.root import data_root
    from lth_bench.errors import UserError
    from lth_bench.maintenance.why import why as why_
    from lth_bench.maintenance.why.data import looker
    from lth_bench.maintenance.why.words import worded
    from lth_bench.plugins import load_registry
    from lth_bench.plugins.source import source_hash
    from lth_bench.store.paths import Paths, default_results
    from lth_bench.store.reading import reading, to_stderr

    registry = load_registry(plugin or (), not no_plugins)

    def source_now(strategy: str) -> str | None:
        try:
            return source_hash(registry.get("strategies", strategy))
        except UserError:
            return None

    paths = Paths(results or default_results())
    with reading(paths.results, to_stderr) as con:
        data_now = looker(registry, data_root())
        found = why_(con, identity, paths.artifacts, source_now, data_now)
    if json_:
        print_json(found)
    else:
        print(worded(found))

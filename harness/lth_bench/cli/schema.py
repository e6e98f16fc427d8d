"""`lth-bench schema`: the JSON Schema of suites, for editors."""

from __future__ import annotations

from lth_bench.cli.options import NoPluginsOption, PluginsOption


def schema(plugin: PluginsOption = None, no_plugins: NoPluginsOption = False) -> None:
    """Print a JSON Schema (draft-07) of suites, generated from the installed plugins.

    Save it, and start a suite with `#:schema ./suite.schema.json`: editors with a TOML language
    server then complete and validate it.
    """
    from lth_bench.cli.output import print_json
    from lth_bench.plugins import load_registry
    from lth_bench.suite.schema import json_schema

    print_json(json_schema(load_registry(plugin or (), not no_plugins)))

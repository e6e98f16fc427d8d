"""The reference pages, made from the code: each function returns a page's Markdown."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from typing import Any

GROUPS = {
    "hookspecs": "Hooks",
    "ticket": "What a hook receives",
    "ticket_view": "What an observer sees",
    "masks": "Masks and allocation",
    "training": "Training",
    "helpers": "Helpers",
    "structure": "Units and connectivity",
    "data": "Datasets and objectives",
    "objectives": "Datasets and objectives",
    "params": "Parameters",
    "running": "Planning",
    "errors": "Errors",
    "api": "Notebooks and scripts",
    "notebook": "Notebooks and scripts",
    "interchange": "Tickets outside of the harness",
    "own_loop": "Strategies in your own loop",
}
"""Headings of the API page, by the room of `lth_bench` that a name is defined in."""


def api() -> str:
    """Every public name of `lth_bench`, by the room that defines it, from its docstring."""
    import lth_bench

    groups: dict[str, list[str]] = {heading: [] for heading in GROUPS.values()}
    for name in lth_bench.__all__:
        groups[GROUPS[_home(name).split(".")[1]]].append(f"::: {_home(name)}.{name}")
    parts = [
        "# Python: `lth_bench`",
        "What strategies, models, datasets and notebooks import from `lth_bench`.",
    ]
    for heading, names in groups.items():
        parts.append(f"## {heading}")
        if heading == GROUPS["hookspecs"]:
            parts.append("::: lth_bench.hookspecs")
            names = []
        parts += names
    return "\n\n".join(parts) + "\n"


def _home(name: str) -> str:
    """The module that defines a public name: an object's own, a constant's as it is imported."""
    import lth_bench

    defined = getattr(getattr(lth_bench, name), "__module__", None)
    return defined if defined and defined.startswith("lth_bench.") else lth_bench._HOMES[name]


def testing() -> str:
    """`lth_bench.testing`, and the contracts of each kind of plugin."""
    from lth_bench import testing
    from lth_bench.testing import contracts, parts

    lines = ["# Python: `lth_bench.testing`", inspect.cleandoc(testing.__doc__ or "")]
    for name in testing.__all__:
        made = getattr(testing, name)
        if not inspect.ismodule(made):
            lines.append(f"::: {made.__module__}.{name}")
    for group, listed in {"strategies": contracts.CONTRACTS, **parts.CONTRACTS}.items():
        lines.append(f"## The contracts of {group}")
        lines += [f"**`{contract.name}`**: {contract.statement}" for contract in listed]
    return "\n\n".join(lines) + "\n"


def command_line() -> str:
    """Every command and option, from the typer app."""
    import typer
    from typer.cli import get_docs_for_click

    from lth_bench.cli.app import app

    command = typer.main.get_command(app)
    context = typer.Context(command, info_name="lth-bench")
    text = get_docs_for_click(obj=command, ctx=context, name="lth-bench", title="Command line")
    return _with_summaries(text, command).strip() + "\n"


def _with_summaries(text: str, group: Any) -> str:
    """The lists of commands with each one's whole summary; typer cuts them to 45 characters."""
    for name, command in group.commands.items():
        summary = " ".join((command.help or "").partition("\n\n")[0].split())
        short = f"* `{name}`: {command.get_short_help_str()}\n"
        text = text.replace(short, f"* `{name}`: {summary}\n")
        if hasattr(command, "commands"):
            text = _with_summaries(text, command)
    return text


def suite() -> str:
    """Every key of a suite, from its JSON schema without other distributions' plugins."""
    from lth_bench.plugins import load_registry
    from lth_bench.suite.schema import json_schema

    about = (
        "Every key of a suite, made from the schema that `lth-bench schema` prints and "
        "`lth-bench validate` checks. [How to write a suite](../how-to/suites.md) explains them."
    )
    parts = ["# Suites", about]
    for title, table in _tables(json_schema(load_registry((), False)), ""):
        parts += [f"## `{title}`" if title else "## At the top", table]
    return "\n\n".join(parts) + "\n"


def _tables(schema: Mapping[str, Any], title: str) -> Iterator[tuple[str, str]]:
    """Each table of a suite with its keys as Markdown, outermost first."""
    path = title.strip("[]")
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    inner: list[tuple[str, Mapping[str, Any]]] = []
    for key, value in schema["properties"].items():
        name = f"{path}.{key}" if path else key
        for form, found in (
            ("[{}]", value),
            ("[[{}]]", value.get("items")),
            ("[{}.NAME]", value.get("additionalProperties")),
        ):
            if isinstance(found, Mapping) and "properties" in found:
                inner.append((form.format(name), found))
        default = f"`{json.dumps(value['default'])}`" if "default" in value else ""
        rows.append(f"| `{key}` | {_kind(value)} | {default} | {_cell(value.get('description'))} |")
    yield title, "\n".join(rows)
    for name, table in inner:
        yield from _tables(table, name)


def _cell(text: str | None) -> str:
    """A text as it stands in a cell of a table."""
    return (text or "").replace("|", "\\|")


def _kind(value: Mapping[str, Any]) -> str:
    """What a key may hold, in words."""
    if "properties" in value:
        return "table"
    for several in ("anyOf", "oneOf"):
        if several in value:
            return " or ".join(dict.fromkeys(_kind(v) for v in value[several]))
    if "$ref" in value:
        return f"a {value['$ref'].rsplit('/', 1)[-1]}"
    if "const" in value:
        return f"`{json.dumps(value['const'])}`"
    if "enum" in value:
        return ", ".join(f"`{json.dumps(v)}`" for v in value["enum"])
    kind = value.get("type", "any")
    if kind == "array":
        items = value.get("items", {})
        each = items if isinstance(items, list) else [items]
        return "list of " + ", ".join(dict.fromkeys(_kind(item) for item in each))
    words = {"object": "table", "number": "number", "boolean": "true or false"}.get(kind, kind)
    low, high = value.get("minimum"), value.get("maximum")
    over, under = value.get("exclusiveMinimum"), value.get("exclusiveMaximum")
    if {low, high, over, under} == {None}:
        return str(words)
    left = f"({over}" if over is not None else f"[{low}" if low is not None else "(−∞"
    right = f"{under})" if under is not None else f"{high}]" if high is not None else "∞)"
    return f"{words} in {left}, {right}"


def catalogue() -> str:
    """Every shipped strategy, model, dataset and objective with its parameters, as `lth-bench ls`
    has them.
    """
    from lth_bench.cli.ls import plugins

    parts = ["# Built-in plugins", "What a suite can name, as `lth-bench ls` lists it."]
    for group in ("strategies", "models", "datasets", "objectives"):
        parts.append(f"## {group.capitalize()}")
        for row in plugins(group, [], no_plugins=True):
            parts += [f"### `{row['name']}`", row["summary"]]
            lines = ["| parameter | type | range | default | meaning |", "|---|---|---|---|---|"]
            for parameter in row["parameters"]:
                default = "required" if parameter["required"] else f"`{parameter['default']}`"
                cells = [f"`{parameter['name']}`", f"`{parameter['type']}`"]
                cells += [parameter["range"] or "", default, _cell(parameter["doc"])]
                lines.append(f"| {' | '.join(cells)} |")
            if row["parameters"]:
                parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def tables() -> str:
    """Every view and table with its columns, from the comments that the database carries."""
    import duckdb

    from lth_bench.store import schema
    from lth_bench.store.export import documented
    from lth_bench.store.glossary import VIEWS

    con = duckdb.connect()
    schema.create(con)
    about = dict(con.execute("SELECT table_name, comment FROM duckdb_tables()").fetchall()) | VIEWS
    intro = (
        "What `lth-bench query`, `lth_bench.results()` and any DuckDB client find in the database. "
        "Views come first; they are the stable interface. "
        "[Queries to copy](../how-to/query.md#queries-to-copy)."
    )
    parts = ["# Views and tables", intro]
    for name in documented():
        columns = con.execute(
            "SELECT column_name, data_type, coalesce(comment, '') FROM duckdb_columns() "
            "WHERE table_name = ? AND column_name <> 'journal_order' ORDER BY column_index",
            [name],
        ).fetchall()
        parts += [f"## {name}", about[name] or ""]
        rows = ["| column | type | meaning |", "|---|---|---|"]
        rows += [f"| `{column}` | `{kind}` | {_cell(text)} |" for column, kind, text in columns]
        parts.append("\n".join(rows))
    con.close()
    return "\n\n".join(parts) + "\n"

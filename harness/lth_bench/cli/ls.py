"""`lth-bench ls`: what is installed; papers and runs have files of their own."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lth_bench.cli.options import JsonOption, NoPluginsOption, PluginsOption
from lth_bench.cli.papers import papers
from lth_bench.cli.runs import runs

if TYPE_CHECKING:
    from lth_bench.params import Param
    from lth_bench.plugins import Entry


app = typer.Typer(
    help="List strategies, models, datasets, objectives, observers, suites, papers or runs.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command("strategies")
def strategies(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Only these, with their parameters."),
    ] = None,
    *,
    parameters: Annotated[
        bool, typer.Option("--parameters", metavar="", help="Every strategy with its parameters.")
    ] = False,
    plugin: PluginsOption = None,
    no_plugins: NoPluginsOption = False,
    json_: JsonOption = False,
) -> None:
    """List the strategies by family; with names, also parameters with defaults and ranges."""
    from lth_bench.cli.families import print_families
    from lth_bench.cli.output import print_json
    from lth_bench.errors import UnknownName

    rows = plugins("strategies", plugin or [], no_plugins)
    known = {row["name"]: row for row in rows}
    for name in names or ():
        if name not in known:
            raise UnknownName("strategy", name, known)
    chosen = [known[name] for name in names] if names else rows
    if json_:
        print_json({"strategies": chosen})
    elif names or parameters:
        _print_plugins(chosen)
    else:
        print_families(chosen)


@app.command("models")
def models(
    plugin: PluginsOption = None,
    no_plugins: NoPluginsOption = False,
    json_: JsonOption = False,
) -> None:
    """List the models: parameters with defaults and ranges, and the package of each."""
    _list("models", plugin, no_plugins, json_)


@app.command("datasets")
def datasets(
    plugin: PluginsOption = None,
    no_plugins: NoPluginsOption = False,
    json_: JsonOption = False,
) -> None:
    """List the datasets: parameters with defaults and ranges, and the package of each."""
    _list("datasets", plugin, no_plugins, json_)


@app.command("objectives")
def objectives(
    plugin: PluginsOption = None,
    no_plugins: NoPluginsOption = False,
    json_: JsonOption = False,
) -> None:
    """List the objectives: parameters with defaults and ranges, and the package of each."""
    _list("objectives", plugin, no_plugins, json_)


@app.command("observers")
def observers(
    plugin: PluginsOption = None,
    no_plugins: NoPluginsOption = False,
    json_: JsonOption = False,
) -> None:
    """List the observers: their hooks and the package of each. All installed ones are active."""
    _list("observers", plugin, no_plugins, json_)


@app.command("suites")
def suites(json_: JsonOption = False) -> None:
    """List the suites that come with lth-bench."""
    from lth_bench.cli.output import print_json

    rows = shipped_suites()
    if json_:
        print_json({"suites": rows})
    else:
        _print_suites(rows)


app.command("papers")(papers)
app.command("runs")(runs)


def _list(group: str, files: list[Path] | None, no_plugins: bool, json_: bool) -> None:
    from lth_bench.cli.output import console, print_json

    rows = plugins(group, files or [], no_plugins)
    if json_:
        print_json({group: rows})
    elif rows:
        _print_plugins(rows)
    else:
        console().print(f"no {group} installed")


def plugins(group: str, files: list[Path], no_plugins: bool = False) -> list[dict[str, Any]]:
    """Every plugin of a group; one that cannot be loaded has its reason under `error`."""
    from lth_bench.plugins import load_registry

    entries = load_registry(files, not no_plugins).groups[group]
    return [describe(entry) for _, entry in sorted(entries.items())]


def describe(entry: Entry) -> dict[str, Any]:
    """One plugin, JSON-able."""
    from lth_bench.cli.families import family_of
    from lth_bench.errors import UserError
    from lth_bench.params import parameters
    from lth_bench.plugins.contract import hooks_of
    from lth_bench.suite.schema import first_paragraph

    row: dict[str, Any] = {
        "name": entry.name,
        "summary": "",
        "origin": entry.origin,
        "version": entry.version,
        "parameters": [],
        "error": None,
        **({"family": ""} if entry.group == "strategies" else {}),
    }
    try:
        cls = entry.load()
        row["summary"] = first_paragraph(cls)
        if entry.group == "strategies":
            row["family"] = family_of(entry.name, cls)
        if entry.group == "observers":
            row["hooks"] = list(hooks_of(cls))
        else:
            if entry.group == "objectives":
                row["targets"] = list(cls.targets)
                row["metrics"] = [dataclasses.asdict(metric) for metric in cls.metrics]
            row["parameters"] = [parameter_row(param) for param in parameters(cls)]
    except UserError as error:
        row["error"] = entry.error or error.message
    return row


def parameter_row(param: Param) -> dict[str, Any]:
    """One parameter, JSON-able."""
    from lth_bench.params import plain

    return {
        "name": param.name,
        "type": param.type_name,
        "required": param.required,
        "default": plain(param.default, param.type),
        "range": str(param.range) if param.range is not None else None,
        "choices": list(param.choices),
        "doc": param.doc,
    }


def shipped_suites() -> list[dict[str, Any]]:
    """The shipped suites; one that cannot be read has its reason under `error`."""
    from lth_bench.errors import UserError
    from lth_bench.plugins import load_registry
    from lth_bench.suite import load_suite
    from lth_bench.suite.check import unpruned_only
    from lth_bench.suite.source import shipped
    from lth_bench.suite.spec import summary

    rows, registry = [], load_registry()
    for name, path in shipped().items():
        try:
            suite = load_suite(path)
            found = summary(suite, unpruned_only(suite, registry))
            rows.append({"name": name, "error": None, **found})
        except UserError as error:
            rows.append({"name": name, "error": error.message, "path": str(path)})
    return rows


def _print_plugins(rows: list[dict[str, Any]]) -> None:
    from rich.markup import escape

    from lth_bench.cli.output import console, table

    listing = table("name", "description and parameters", "origin")
    for row in rows:
        if row["error"] is not None:
            text = f"[red]cannot be loaded:[/] {escape(row['error'])}"
        else:
            heard = [f"  [cyan]hooks: {', '.join(row['hooks'])}[/]"] if "hooks" in row else []
            judges = [escape(text) for text in metric_lines(row)]
            lines = [escape(row["summary"])]
            lines += [*judges, *map(parameter_line, row["parameters"]), *heard]
            text = "\n".join(lines)
        listing.add_row(row["name"], text, escape(f"{row['origin']} {row['version']}".strip()))
    console().print(listing)


def metric_lines(row: dict[str, Any]) -> list[str]:
    """What an objective learns from and judges by; of other plugins nothing."""
    if "metrics" not in row:
        return []
    first, *others = (
        f"{m['name']}{' in %' if m['unit'] == 'fraction' else ''} "
        f"({'higher' if m['higher_is_better'] else 'lower'} is better)"
        for m in row["metrics"]
    )
    also = f"; also measures {', '.join(others)}" if others else ""
    return [f"  targets: {' or '.join(row['targets'])}", f"  judged by {first}{also}"]


def parameter_line(parameter: dict[str, Any]) -> str:
    """One parameter as a line of a table."""
    from rich.markup import escape

    limits = f" {parameter['range']}" if parameter["range"] else ""
    value = "required" if parameter["required"] else f"= {_short(parameter['default'])}"
    head = escape(f"{parameter['name']}: {parameter['type']}{limits} {value}")
    return f"  [cyan]{head}[/]  {escape(parameter['doc'])}".rstrip()


def _short(value: object) -> str:
    """A default value as in TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_short(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_short, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "none"
    return f'"{value}"' if isinstance(value, str) else f"{value:g}"


def _print_suites(rows: list[dict[str, Any]]) -> None:
    from rich.markup import escape

    from lth_bench.cli.output import console, table

    listing = table("name", "description", "tasks", "strategies", "seeds", "tickets")
    for row in rows:
        if row["error"] is not None:
            listing.add_row(row["name"], f"[red]cannot be read:[/] {escape(row['error'])}")
            continue
        counts = [len(row[key]) for key in ("tasks", "strategies", "seeds")]
        numbers = [f"{number:,}" for number in (*counts, row["tickets"])]
        listing.add_row(row["name"], escape(row["description"]), *numbers)
    console().print(listing)

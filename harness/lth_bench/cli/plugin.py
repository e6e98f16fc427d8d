"""`lth-bench plugin`: create a plugin; list, describe and check plugins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lth_bench.cli.options import JsonOption, NoPluginsOption, PluginsOption
from lth_bench.cli.plugin_check import check

if TYPE_CHECKING:
    from lth_bench.plugins import Entry, Registry

app = typer.Typer(
    help="Create a plugin of your own; list, describe and check plugins.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("check")(check)

FLAGS = ("iterative", "dynamic", "structured")


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The plugin's name in suites.")],
    *,
    model: Annotated[
        bool, typer.Option("--model", metavar="", help="Write a model instead of a strategy.")
    ] = False,
    dataset: Annotated[
        bool, typer.Option("--dataset", metavar="", help="Write a dataset instead.")
    ] = False,
    objective: Annotated[
        bool, typer.Option("--objective", metavar="", help="Write an objective instead.")
    ] = False,
    single_file: Annotated[
        bool,
        typer.Option(
            "--single-file", metavar="", help="Write only NAME.py and a suite, without a package."
        ),
    ] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Where to write it.")
    ] = Path(),
) -> None:
    """Write a working plugin to start from: a package lth-bench-NAME, or a single NAME.py.

    A strategy, unless --model, --dataset or --objective says otherwise. The package includes a test
    and a suite that uses the plugin. Replace its methods with your own.
    """
    from lth_bench import scaffold
    from lth_bench.errors import UserError
    from lth_bench.plugins import load_registry

    wanted = {"model": model, "dataset": dataset, "objective": objective}
    chosen = [kind for kind, given in wanted.items() if given] or ["strategy"]
    if len(chosen) > 1:
        raise UserError(f"give one of --{' and --'.join(chosen)}; a plugin is of one kind")
    (kind,) = chosen
    scaffold.require_name(name, load_registry(), single_file, kind)
    if single_file:
        folder, texts = output, scaffold.single_file(name, kind)
        scaffold.write_files(folder, texts)
    else:
        folder, texts = output / f"lth-bench-{name}", scaffold.package(name, kind)
        scaffold.write_folder(folder, texts)
    for path in texts:
        print(f"wrote {folder / path}")
    print("\nnext:")
    for line in _next(name, folder, single_file):
        print(f"  {line}")


def _next(name: str, folder: Path, single_file: bool) -> list[str]:
    import shlex

    enter = [] if folder == Path() else [f"cd {shlex.quote(str(folder))}"]
    if single_file:
        return [
            *enter,
            f"lth-bench plugin check {name} --plugin {name}.py",
            f"lth-bench run {name}.toml --plugin {name}.py --smoke",
            f"lth-bench run {name}.toml --plugin {name}.py",
        ]
    return [*enter, 'pip install -e ".[test]"', "pytest", f"lth-bench run {name}.toml"]


@app.command("list")
def list_(
    plugin: PluginsOption = None,
    no_plugins: NoPluginsOption = False,
    json_: JsonOption = False,
) -> None:
    """List every plugin: description, hooks and package; broken ones with the reason."""
    from lth_bench.cli.output import print_json
    from lth_bench.plugins import load_registry

    rows = [_row(*pair) for pair in _entries(load_registry(plugin or (), not no_plugins))]
    if json_:
        print_json({"plugins": rows})
    else:
        _print_list(rows)


@app.command("info")
def info(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A plugin's name in suites.")],
    plugin: PluginsOption = None,
    no_plugins: NoPluginsOption = False,
    json_: JsonOption = False,
) -> None:
    """Show one plugin: package, hooks, parameters with ranges, documentation."""
    from lth_bench.cli.output import print_json
    from lth_bench.errors import UnknownName
    from lth_bench.plugins import load_registry

    pairs = _entries(load_registry(plugin or (), not no_plugins))
    rows = [_row(*pair) for pair in pairs if pair[0].name == name]
    if not rows:
        raise UnknownName("plugin", name, {entry.name for entry, _ in pairs})
    if json_:
        print_json({"plugins": rows})
    else:
        for row in rows:
            _print_info(row)


def _entries(registry: Registry) -> list[tuple[Entry, Entry]]:
    """Each plugin's own entry, and the entry used for its name: rivals share a broken one."""
    return [
        (own, entry)
        for group in registry.groups.values()
        for _, entry in sorted(group.items())
        for own in entry.rivals or (entry,)
    ]


def _row(own: Entry, entry: Entry) -> dict[str, Any]:
    """One plugin, JSON-able; a broken one has its reason under `error`."""
    import inspect

    from lth_bench.cli.ls import parameter_row
    from lth_bench.errors import UserError
    from lth_bench.params import parameters
    from lth_bench.plugins.contract import hooks_of
    from lth_bench.suite.schema import first_paragraph

    row: dict[str, Any] = {
        "name": own.name,
        "group": own.group,
        "origin": own.origin,
        "version": own.version,
        "class": own.point.value if own.point is not None else None,
        "error": None,
        "summary": "",
        "doc": "",
        "hooks": [],
        **dict.fromkeys(FLAGS),
        "parameters": [],
    }
    try:
        cls = entry.load()
        if own.group != "observers":  # observers are created without arguments
            row["parameters"] = [parameter_row(parameter) for parameter in parameters(cls)]
    except UserError as error:
        return {**row, "error": entry.error or error.message}
    row["class"] = f"{cls.__module__}:{cls.__qualname__}"
    row["summary"], row["doc"] = first_paragraph(cls), inspect.getdoc(cls) or ""
    row["hooks"] = list(hooks_of(cls))
    if own.group == "strategies":
        row |= {flag: bool(getattr(cls, flag, False)) for flag in FLAGS}
    return row


def _print_list(rows: list[dict[str, Any]]) -> None:
    from rich.markup import escape

    from lth_bench.cli.output import console, table

    listing = table("group", "name", "description", "hooks", "origin")
    last = None
    for row in rows:
        text = f"[red]broken:[/] {escape(row['error'])}" if row["error"] else escape(row["summary"])
        listing.add_row(
            row["group"] if row["group"] != last else "",
            escape(row["name"]),
            text,
            " ".join(row["hooks"]),
            _origin(row),
        )
        last = row["group"]
    console().print(listing)


def _print_info(row: dict[str, Any]) -> None:
    from rich.markup import escape

    from lth_bench.cli.ls import parameter_line
    from lth_bench.cli.output import console
    from lth_bench.plugins.registry import SINGULAR

    out = console()
    kind = SINGULAR[row["group"]]
    article = "an" if kind[0] in "aeiou" else "a"
    out.print(f"[bold]{escape(row['name'])}[/], {article} {kind} of {_origin(row)}")
    if row["class"]:
        out.print(f"class       {escape(row['class'])}")
    if row["error"]:
        out.print(f"[red]broken[/]      {escape(row['error'])}")
        return
    if row["hooks"]:
        out.print(f"hooks       {', '.join(row['hooks'])}")
    if row["iterative"] is not None:
        kinds = [flag for flag in FLAGS if row[flag]]
        out.print(f"kind        {', '.join(kinds) or 'one shot (not iterative)'}")
    if row["parameters"]:
        out.print("parameters")
        for parameter in row["parameters"]:
            out.print(parameter_line(parameter))
    if row["doc"]:
        out.print()
        out.print(row["doc"], markup=False)


def _origin(row: dict[str, Any]) -> str:
    from rich.markup import escape

    return escape(f"{row['origin']} {row['version']}".strip())

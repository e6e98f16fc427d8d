"""`lth-bench site`: a folder of static pages about one or many databases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lth_bench.cli.options import JsonOption, NoPluginsOption, PluginsOption, SuitesOption


def site(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Folder to write: new, empty, or an earlier site."),
    ],
    *,
    results: Annotated[
        list[Path] | None,
        typer.Option(
            "--results",
            metavar="PATH",
            help="DuckDB file, or a snapshot; repeatable. By default LTH_BENCH_RESULTS, or "
            "reports/results.duckdb.",
        ),
    ] = None,
    suite: SuitesOption = None,
    title: Annotated[
        str, typer.Option("--title", metavar="TEXT", help="What the site and its data are called.")
    ] = "Lottery tickets, compared",
    author: Annotated[
        list[str] | None,
        typer.Option("--author", metavar="NAME", help="Whom to cite; repeatable."),
    ] = None,
    query: Annotated[
        Path | None,
        typer.Option(
            "--query",
            metavar="FOLDER",
            help="A copy of DuckDB-WASM, for a page of SQL queries; nothing is downloaded. Its "
            "checksums must be those of a SHA256SUMS in it, or of the version that is known.",
        ),
    ] = None,
    show_hosts: Annotated[
        bool,
        typer.Option(
            "--show-hosts", metavar="", help="Keep the names of machines and the paths of files."
        ),
    ] = False,
    plugin: PluginsOption = None,
    no_plugins: NoPluginsOption = False,
    json_: JsonOption = False,
) -> None:
    """Write a static site: suites, tasks, methods, tickets and the data, and print its first page.

    It needs no server and no network. Running it again replaces the site by a new one. Methods are
    described by their strategies' docstrings: name the file of a strategy that is not installed
    with `--plugin`.
    """
    from dataclasses import asdict

    from lth_bench.cli.output import print_json
    from lth_bench.output.site import (
        Database,
        SiteOptions,
        check_folder,
        find_query_files,
        replace_folder,
        write_site,
    )
    from lth_bench.plugins import load_registry
    from lth_bench.store.paths import Paths, default_results
    from lth_bench.store.public import named_apart
    from lth_bench.store.reading import to_stderr

    named = results or [default_results()]
    check_folder(folder)
    for path in named:
        Paths(path).require()
    registry = load_registry(plugin or (), not no_plugins)
    databases = [Database(*both) for both in zip(named, named_apart(named), strict=True)]
    options = SiteOptions(
        title=title,
        authors=author or (),
        suites=suite or (),
        hosts=show_hosts,
        query=None if query is None else find_query_files(query),
        plugins=registry,
    )
    with replace_folder(folder) as made:
        summary = write_site(databases, made, options, to_stderr)
    first = folder / "index.html"
    if json_:
        print_json({"site": str(first), **asdict(summary)})
    else:
        print(str(first))

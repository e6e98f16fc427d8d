"""`lth-bench export ticket`: one ticket as a safetensors file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lth_bench.cli import complete
from lth_bench.cli.options import (
    ArtifactsOption,
    JsonOption,
    NoPluginsOption,
    PluginsOption,
    ResultsOption,
)

FORMS, MOMENTS = ("dense", "masks", "shrunk"), ("final", "best", "start")


def ticket(
    identity: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="First characters of a ticket's id; or SUITE/LABEL, such as quickstart/dense, if "
            "that is one ticket.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", metavar="FILE", help="File to write, such as ticket.safetensors."),
    ],
    *,
    form: Annotated[
        str,
        typer.Option(
            "--form",
            metavar="FORM",
            help="What to write: dense (values, pruned weights at zero), masks, or shrunk (values "
            "of the network without its removed channels and neurons).",
            autocompletion=complete.one_of(*FORMS),
        ),
    ] = "dense",
    values: Annotated[
        str,
        typer.Option(
            "--values",
            metavar="MOMENT",
            help="Which values: final (after training), best (at the lowest validation loss), or "
            "start (before training).",
            autocompletion=complete.one_of(*MOMENTS),
        ),
    ] = "final",
    results: ResultsOption = None,
    artifacts: ArtifactsOption = None,
    plugin: PluginsOption = None,
    no_plugins: NoPluginsOption = False,
    force: Annotated[
        bool, typer.Option("--force", metavar="", help="Overwrite an existing file.")
    ] = False,
    json_: JsonOption = False,
) -> None:
    """Write a ticket as a safetensors file, with its recipe in the metadata.

    `lth-bench query "FROM tickets_flat"` lists the ids. `lth_bench.load_network(FILE)` builds the
    network from it, and plain PyTorch loads the dense values with `load_state_dict`.
    """
    from lth_bench.cli.output import print_json
    from lth_bench.errors import UserError
    from lth_bench.interchange import load_ticket
    from lth_bench.interchange.ticket_file import described, require_target, save_ticket
    from lth_bench.store.paths import default_results

    for option, given, allowed in (
        ("--form", form, FORMS),
        ("--values", values, MOMENTS),
    ):
        if given not in allowed:
            raise UserError(f"{option} must be {', '.join(allowed)}, but got {given!r}")
    require_target(output, force)
    found = load_ticket(
        results or default_results(),
        identity,
        artifacts=artifacts or (),
        plugins=plugin or (),
        no_plugins=no_plugins,
    )
    size = save_ticket(found, output, form, values, force)  # type: ignore[arg-type]
    if json_:
        print_json({"output": str(output), "bytes": size, "recipe": dict(found.recipe)})
    else:
        print(f"wrote {output} ({size / 1e3:,.0f} kB): {described(found.recipe)}")

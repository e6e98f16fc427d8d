"""`lth-bench ls papers`: what each paper claims, what this machine can check, what came out."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lth_bench.cli.options import (
    DeviceOption,
    JsonOption,
    NoPluginsOption,
    PluginsOption,
    ResultsOption,
)

if TYPE_CHECKING:
    from lth_bench.analysis.claims.verdicts import ShortVerdict
    from lth_bench.running.papers import PaperPart
    from lth_bench.suite.spec import Suite

COLOURS = {
    "reproduced": "green",
    "not reproduced": "red",
    "open": "yellow",
    "insufficient": "yellow",
}


def papers(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Only these papers' suites.")
    ] = None,
    *,
    results: ResultsOption = None,
    plugin: PluginsOption = None,
    no_plugins: NoPluginsOption = False,
    device: DeviceOption = "auto",
    estimate: Annotated[
        bool,
        typer.Option(metavar="", help="Time a few steps of each task that this machine can run."),
    ] = False,
    json_: JsonOption = False,
) -> None:
    """List the papers: what each claims, what can be checked here, and the verdicts there are."""
    from lth_bench.cli.output import print_json
    from lth_bench.data.root import data_root
    from lth_bench.errors import UnknownName
    from lth_bench.plugins import load_registry
    from lth_bench.running.papers import parts
    from lth_bench.store.paths import default_results, results_option
    from lth_bench.suite import load_suite
    from lth_bench.suite.source import papers as shipped
    from lth_bench.system import devices

    known = shipped()
    for name in names or ():
        if name not in known:
            raise UnknownName("paper", name, known)
    registry, root = load_registry(plugin or (), not no_plugins), data_root()
    used = devices.workers_for(devices.choose(device).names, None) if estimate else ()
    rows = []
    for name in names or known:
        suite = load_suite(known[name])
        verdicts = _verdicts(suite, results or default_results())
        found = parts(suite, registry, root, used)
        rows.append(_row(suite, found, verdicts, results_option(results)))
    if json_:
        print_json({"papers": rows})
    else:
        _print(rows)


def _verdicts(suite: Suite, results: Path) -> dict[str, ShortVerdict]:
    """Each claim's verdict and number of seeds; empty without results of the suite."""
    from lth_bench.analysis.claims.verdicts import verdicts
    from lth_bench.store.paths import Paths
    from lth_bench.store.reading import reading, to_stderr

    paths = Paths(results)
    if not (paths.results.exists() or paths.journal.exists()):
        return {}
    with reading(results, to_stderr) as con:
        return verdicts(con, suite)


def _row(
    suite: Suite, found: list[PaperPart], verdicts: dict[str, ShortVerdict], results: str
) -> dict[str, Any]:
    return {
        "name": suite.name,
        "description": suite.description,
        "parts": [
            {
                "dataset": part.dataset,
                "command": f"lth-bench run {quote(suite.name)} -d {part.dataset}{results}",
                "obstacle": part.obstacle,
                "trainings": part.trainings,
                "steps": part.steps,
                "seconds": part.seconds,
                "claims": [
                    {
                        "name": claim.name,
                        "text": claim.text,
                        "source": claim.source,
                        "figures": list(claim.figures),
                        "checkable": part.obstacle is None,
                        "verdict": known.verdict if (known := verdicts.get(claim.name)) else None,
                        "n": known.n if known else 0,
                    }
                    for claim in part.claims
                ],
            }
            for part in found
        ],
    }


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.text import Text

    from lth_bench.cli.output import console, table
    from lth_bench.system.text import printable

    for row in rows:
        listing = table("claim", "what it says", "verdict")
        listing.title = Text(printable(f"{row['name']}: {row['description']}"))
        listing.title_justify = "left"
        for part in row["parts"]:
            listing.add_section()
            listing.add_row(Text(part["dataset"], style="bold"), Text(_means(part)), "")
            for claim in part["claims"]:
                verdict = claim["verdict"] or ""
                said = f"{verdict} (n = {claim['n']})" if claim["n"] else verdict
                style = COLOURS.get(verdict, "dim")
                listing.add_row(
                    Text(f"  {claim['name']}"), Text(claim["text"]), Text(said, style=style)
                )
        console().print(listing)


def _means(part: dict[str, Any]) -> str:
    """How to check the claims, or why that cannot be done here."""
    from lth_bench.output.words import duration
    from lth_bench.system.text import printable

    if part["obstacle"] is not None:
        return f"cannot be checked here: {printable(part['obstacle'])}"
    size = f"{part['trainings']:,} trainings of {part['steps']:,} steps"
    takes = "" if part["seconds"] is None else f", about {duration(part['seconds'])} here"
    return f"{part['command']}: {size}{takes}"

"""`lth-bench validate`: is this suite right, and what does it ask for?"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lth_bench.cli.options import (
    AddOption,
    DatasetsOption,
    JsonOption,
    ModelsOption,
    NoPluginsOption,
    PluginsOption,
    SeedsOption,
    SetOption,
    StrategiesOption,
    SuiteArgument,
)


def validate(
    suite: SuiteArgument,
    *,
    seeds: SeedsOption = None,
    strategy: StrategiesOption = None,
    model: ModelsOption = None,
    dataset: DatasetsOption = None,
    set_: SetOption = None,
    plugin: PluginsOption = None,
    add: AddOption = None,
    no_plugins: NoPluginsOption = False,
    download: Annotated[
        bool,
        typer.Option(
            "--download",
            metavar="",
            help="Fetch and check all data that it needs, for machines without a network.",
        ),
    ] = False,
    json_: JsonOption = False,
) -> None:
    """Check a suite: every name and parameter, every network and dataset. Trains nothing."""
    from lth_bench.cli.output import print_json
    from lth_bench.data.root import data_root
    from lth_bench.errors import UserError
    from lth_bench.running.datasets import datasets, fetch, look_for_faults
    from lth_bench.running.plan import plan_suite
    from lth_bench.running.request import RunRequest, prepare
    from lth_bench.suite.check import check, unpruned_only
    from lth_bench.suite.spec import summary

    request = RunRequest.from_options(
        suite=suite,
        seeds=seeds,
        strategies=strategy,
        models=model,
        datasets=dataset,
        overrides=set_,
        plugins=plugin,
        add=add,
        no_plugins=no_plugins,
    )
    loaded, registry = prepare(request)
    check(loaded, registry)
    plan = plan_suite(loaded, registry, data_root())
    look = fetch if download else look_for_faults
    faults = plan.faults or look(plan.experiments, registry, data_root())
    if faults:
        raise UserError("\n".join(f"task {task} cannot run: {why}" for task, why in faults.items()))
    if loaded.tune is not None:
        from lth_bench.tuning.goal import goals_of

        goals_of(loaded, registry, data_root())
    found = summary(loaded, unpruned_only(loaded, registry))
    if download:
        labels = dict.fromkeys(one.label for one in datasets(plan.experiments, registry))
        found["data"] = {"root": str(data_root().absolute()), "datasets": list(labels)}
    if json_:
        print_json({"ok": True, **found})
    else:
        _print(found)


def _print(found: dict[str, Any]) -> None:
    from rich.markup import escape

    from lth_bench.cli.output import console, table

    out = console()
    out.print(f"[bold]{found['suite']}[/] version {found['version']}, {escape(found['path'])}")
    if found["description"]:
        out.print(found["description"], markup=False)
    tasks = table("model", "dataset", "recipe", "densities")
    for task in found["tasks"]:
        densities = " ".join(f"{density:g}" for density in task["densities"])
        tasks.add_row(escape(task["model"]), escape(task["dataset"]), task["recipe"], densities)
    out.print(tasks)
    strategies = table("label", "strategy", "controls", "tasks")
    for row in found["strategies"]:
        controls = " ".join(row["controls"]) or "-"
        strategies.add_row(row["label"], escape(row["use"]), controls, str(row["tasks"]))
    out.print(strategies)
    out.print(f"seeds {' '.join(map(str, found['seeds']))}; baseline {found['baseline']}")
    if found["claims"]:
        names = ", ".join(claim["name"] for claim in found["claims"])
        out.print(f"{len(found['claims'])} claims: {names}", markup=False)
    out.print(f"{found['tickets']:,} tickets, the dense runs included")
    if "data" in found:
        labels = ", ".join(found["data"]["datasets"])
        out.print(f"all data is here: {labels}; data root {found['data']['root']}", markup=False)
    out.print("[green]ok[/]")

"""`lth-bench plan`: what a run would do, and how long it would take here."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lth_bench.cli.options import (
    AddOption,
    CohortSizeOption,
    DatasetsOption,
    DeviceOption,
    JsonOption,
    ModelsOption,
    NoPluginsOption,
    PluginsOption,
    ResultsOption,
    SeedsOption,
    SetOption,
    ShardOption,
    SmokeOption,
    StrategiesOption,
    SuiteArgument,
    UntilDecidedOption,
    WorkersOption,
)


def plan(
    suite: SuiteArgument,
    *,
    results: ResultsOption = None,
    device: DeviceOption = "auto",
    workers: WorkersOption = None,
    estimate: Annotated[
        bool, typer.Option(metavar="", help="Time a few steps of each task on this device.")
    ] = True,
    seeds: SeedsOption = None,
    until_decided: UntilDecidedOption = False,
    strategy: StrategiesOption = None,
    model: ModelsOption = None,
    dataset: DatasetsOption = None,
    set_: SetOption = None,
    plugin: PluginsOption = None,
    add: AddOption = None,
    no_plugins: NoPluginsOption = False,
    smoke: SmokeOption = False,
    shard: ShardOption = None,
    cohort_size: CohortSizeOption = "auto",
    json_: JsonOption = False,
) -> None:
    """Show a suite's experiments: what is done, what is shared, and how long the rest takes."""
    import json

    from lth_bench.data.root import data_root
    from lth_bench.errors import UserError
    from lth_bench.running.datasets import datasets, look_for_faults
    from lth_bench.running.estimate import estimate_plan
    from lth_bench.running.pending import remaining
    from lth_bench.running.plan import plan_suite, require_some
    from lth_bench.running.provenance import Provenance, device_name
    from lth_bench.running.request import RetryPolicy, RunRequest, prepare_run
    from lth_bench.running.shard import shard_of
    from lth_bench.running.until_decided.expected import expected_seeds
    from lth_bench.running.until_decided.run import due_first
    from lth_bench.store.paths import Paths
    from lth_bench.suite.check import check
    from lth_bench.suite.spec import devices_per_training
    from lth_bench.system import devices
    from lth_bench.training.input.placement import memory_of

    request = RunRequest.from_options(
        suite=suite,
        results=results,
        device=device,
        workers=workers,
        seeds=seeds,
        until_decided=until_decided,
        strategies=strategy,
        models=model,
        datasets=dataset,
        overrides=set_,
        plugins=plugin,
        add=add,
        no_plugins=no_plugins,
        smoke=smoke,
        shard=shard,
        cohort_size=cohort_size,
    )
    loaded, registry = prepare_run(request)
    execution, root = request.execution, data_root()
    chosen = devices.choose(execution.device)
    check(loaded, registry)
    whole = planned = shard_of(plan_suite(loaded, registry, root), request.selection.shard)
    faults = planned.faults | look_for_faults(planned.experiments, registry, root)
    require_some([faults.get("/".join(p.experiment.task)) for p in planned.experiments])
    each = devices_per_training(loaded)
    worker_devices = devices.workers_for(chosen.names, execution.workers, each, imagined=True)
    provenance, paths = Provenance.of(device_name(chosen.names)), Paths(execution.results)
    left = remaining(
        planned,
        paths,
        registry=registry,
        root=root,
        workers=worker_devices,
        provenance=provenance,
        retry=RetryPolicy(),
    )
    done = set(left.ended)
    adaptive = None
    if loaded.decide is not None:
        work = due_first(whole, paths, left)
        assert work.due is not None
        adaptive = expected_seeds(whole, work.due.seeds)
        planned = adaptive.plan
        done &= {p.experiment.experiment_id for p in planned.experiments}
    outlook = None
    notes = [f"{task} cannot run: {fault}" for task, fault in faults.items()]
    notes += [*([adaptive.words] if adaptive else []), *planned.notes]
    memory = memory_of(worker_devices)
    for one in datasets((p for p in planned.experiments if p.fault is None), registry):
        try:
            note = one.placement(root, memory).note
        except UserError as error:  # it fits nowhere: its tasks will fail
            note = error.message
        notes += [note] if note else []
    notes += [*left.notes, *chosen.notes, *devices.too_few(chosen.names, each)]
    if estimate:
        outlook = estimate_plan(
            planned,
            done,
            registry=registry,
            root=root,
            devices=worker_devices,
            cohort_size=execution.cohort_size,
            paths=paths,
        )
    document = {**_document(planned, done, outlook), "notes": notes}
    if adaptive is not None:
        document["until_decided"] = {
            "seeds": adaptive.seeds,
            "fewest_experiments": adaptive.fewest,
            "most_experiments": adaptive.most,
        }
    if json_:
        print(json.dumps(document))
    else:
        _print(document)


def _document(planned: Any, done: set[str], outlook: Any) -> dict[str, Any]:
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for item in planned.experiments:
        e = item.experiment
        row = rows.setdefault(
            (" ".join(e.task), e.label),
            {
                "model": e.model_label,
                "dataset": e.dataset_label,
                "recipe": e.recipe_name,
                "strategy": e.label,
                "experiments": 0,
                "done": 0,
                "trainings": 0,
                "steps": 0,
            },
        )
        row["experiments"] += 1
        row["done"] += e.experiment_id in done
        row["trainings"] += len(item.fits)
        row["steps"] += sum(item.fits)
    suite = planned.suite
    return {
        "suite": suite.name,
        "experiments": len(planned.experiments),
        "done": len(done),
        "seeds": list(suite.seeds),
        "trainings": planned.trainings,
        "dense_runs": len(planned.dense_runs),
        "trainings_saved_by_sharing": planned.unshared_trainings - planned.trainings,
        "steps": planned.steps,
        "steps_saved_by_sharing": planned.unshared_steps - planned.steps,
        "tasks": _tasks(planned),
        "rows": list(rows.values()),
        "estimate": outlook.as_dict() if outlook is not None else None,
    }


def _tasks(planned: Any) -> list[dict[str, Any]]:
    """What goes into each task, what is to come out, and what judges it."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for item in planned.experiments:
        e, info = item.experiment, item.info
        if info is None or e.task in found:
            continue
        model, dataset, recipe = e.task
        found[e.task] = {
            "model": model,
            "dataset": dataset,
            "recipe": recipe,
            "data": info.words,
            "inputs": info.inputs,
            "targets": info.targets,
            "metric": f"test_{e.metric}",
            "unit": e.metric_unit,
            "higher_is_better": e.higher_is_better,
            "generalises_at": e.generalises_at,
        }
    return list(found.values())


def _judged(tasks: list[dict[str, Any]]) -> list[str]:
    """One line for each dataset and metric."""
    from lth_bench.analysis.measures import Measure

    said = []
    for task in tasks:
        known = Measure(task["metric"], task["unit"], task["higher_is_better"])
        line = f"{task['dataset']}: {task['data']}; judged by {known.heading}, {known.direction}"
        if (value := task["generalises_at"]) is not None:
            reached = f"{100 * value:g}%" if known.is_fraction else f"{value:g}"
            line += f"; a network generalises at {reached} of the validation split's"
        said.append(line)
    return list(dict.fromkeys(said))


def _print(document: dict[str, Any]) -> None:
    from rich.markup import escape
    from rich.text import Text

    from lth_bench.cli.output import console, table
    from lth_bench.output.words import duration

    listing = table("task", "strategy")
    listing.title = Text(f"{document['suite']}: {document['experiments']} experiments")
    listing.title_justify = "left"
    for name in ("experiments", "done", "trainings", "steps"):
        listing.add_column(name, justify="right")
    last = None
    for row in document["rows"]:
        task = f"{row['model']} / {row['dataset']} / {row['recipe']}"
        if last is not None and task != last:
            listing.add_section()
        listing.add_row(
            escape(task) if task != last else "",
            escape(row["strategy"]),
            *(f"{row[c]:,}" for c in ("experiments", "done", "trainings", "steps")),
        )
        last = task
    console().print(listing)
    print(
        f"about {document['trainings']:,} trainings of {document['steps']:,} steps, "
        f"{document['dense_runs']} of them dense runs that all strategies share; "
        f"{document['done']} experiments are done already"
    )
    saved, steps = document["trainings_saved_by_sharing"], document["steps_saved_by_sharing"]
    print(f"sharing dense runs and searches saves {saved:,} trainings and {steps:,} steps")
    for text in (*_judged(document["tasks"]), *document["notes"]):
        print(text)
    outlook = document["estimate"]
    if outlook is None:
        return
    if outlook["seconds"] is None:
        print(f"no estimate of time: {outlook['reason']}")
    else:
        used = f", which train for {outlook['efficiency']:.0%} of it" if outlook["seconds"] else ""
        print(
            f"about {duration(outlook['seconds'])} on {outlook['workers']} x {outlook['device']}"
            f"{used}, and {outlook['bytes'] / 1e9:.2f} GB of disk for what is left"
        )
        if outlook["measured"]:
            print(f"at the pace of earlier runs for {outlook['measured']} of its tasks")

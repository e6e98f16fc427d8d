"""`lth-bench plugin check`: does a plugin satisfy the contracts of its kind?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lth_bench.cli.options import JsonOption, NoPluginsOption, PluginsOption

if TYPE_CHECKING:
    from lth_bench.plugins import Registry
    from lth_bench.testing import ContractResult
    from lth_bench.testing.checking import PartGroup

STYLES = {"ok": "green", "broken": "bold red", "not judged": "yellow", "not applicable": "dim"}


def check(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The plugin's name in suites.")],
    *,
    plugin: PluginsOption = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Set a parameter of the plugin: rate=0.5; repeatable.",
        ),
    ] = None,
    network: Annotated[
        str,
        typer.Option(
            "--network",
            metavar="KIND",
            help="Of a strategy: test network for most contracts: linear, conv, batch_norm or "
            "residual.",
        ),
    ] = "batch_norm",
    density: Annotated[
        list[float] | None,
        typer.Option(
            "--density",
            metavar="X",
            help="Of a strategy: density to check at, in (0, 1); repeatable. By default those that "
            "the class declares, or 0.5 and 0.2.",
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind",
            metavar="KIND",
            help="Which plugin, where several have the name: strategy, model, dataset or "
            "objective.",
        ),
    ] = None,
    dataset: Annotated[
        str,
        typer.Option(
            "--dataset",
            "-d",
            metavar="NAME",
            help="Of a model: the dataset to build it for, such as tabular:wine. By default small "
            "examples of every kind.",
        ),
    ] = "",
    no_plugins: NoPluginsOption = False,
    json_: JsonOption = False,
) -> None:
    """Check a strategy, model, dataset or objective against every contract of its kind.

    Takes a few seconds. Exits with 1 if a contract is broken.
    """
    from typing import cast, get_args

    from lth_bench.cli.output import print_json
    from lth_bench.errors import SOME_FAILED, UnknownName, UserError
    from lth_bench.plugins import load_registry
    from lth_bench.plugins.registry import SINGULAR
    from lth_bench.suite.overrides import apply_overrides
    from lth_bench.testing import check as judge
    from lth_bench.testing import check_part
    from lth_bench.testing.networks import NetworkKind

    if network not in get_args(NetworkKind):
        raise UnknownName("network", network, get_args(NetworkKind))
    for x in density or ():
        if not 0 < x < 1:
            raise UserError(f"--density must be in (0, 1), but got {x:g}")
    params: dict[str, Any] = {}
    apply_overrides(params, set_ or ())
    registry = load_registry(plugin or [], not no_plugins)
    group = group_of(name, kind, registry)
    if group == "strategies":
        outcomes = _apart(
            lambda: judge(name, params, registry, cast("NetworkKind", network), density or ())
        )
    else:
        part = cast("PartGroup", group)
        outcomes = _apart(lambda: check_part(part, name, params, registry, dataset))
    if json_:
        print_json(document(name, params, outcomes, SINGULAR[group]))
    else:
        _print(name, outcomes)
    if any(o.status == "broken" for o in outcomes):
        raise typer.Exit(SOME_FAILED)


def _apart(work: Callable[[], Sequence[ContractResult]]) -> Sequence[ContractResult]:
    """Run it in its own thread: Ctrl-C reaches only the main thread, so a KeyboardInterrupt in this
    one was raised by a hook.
    """
    from concurrent.futures import Future
    from threading import Thread

    done: Future[Sequence[ContractResult]] = Future()

    def finish() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    Thread(target=finish, daemon=True).start()
    return done.result()


def group_of(name: str, kind: str | None, registry: Registry) -> str:
    """The group that has a plugin of this name. UserError where none has, or several have."""
    from lth_bench.errors import UnknownName, UserError
    from lth_bench.plugins.registry import SINGULAR

    groups = {SINGULAR[g]: g for g in registry.groups if g != "observers"}
    if kind is not None and kind not in groups:
        raise UnknownName("kind", kind, groups)
    having = [k for k, group in groups.items() if name in registry.groups[group]]
    if kind is not None:
        return groups[kind]
    if len(having) > 1:
        raise UserError(
            f"{name!r} is the name of a {' and a '.join(having)}; say which with --kind"
        )
    if not having and name in registry.observers:
        raise UserError(f"{name!r} is an observer, and observers have no contracts to check")
    if not having:
        known = {n for g in groups.values() for n in registry.groups[g]}
        own = {n for g in groups.values() for n, e in registry.groups[g].items() if e.point is None}
        raise UnknownName("plugin", name, own or known)
    return groups[having[0]]


def document(
    name: str, params: dict[str, Any], outcomes: Sequence[ContractResult], kind: str = "strategy"
) -> dict[str, Any]:
    """The document of `plugin check --json`."""
    from dataclasses import asdict

    return {
        kind: name,
        "params": params,
        "ok": all(o.status != "broken" for o in outcomes),
        "contracts": [asdict(o) for o in outcomes],
    }


def _print(name: str, outcomes: Sequence[ContractResult]) -> None:
    from rich.markup import escape

    from lth_bench.cli.output import console, table

    listing = table("contract", "", "requirement; what happened, and how to meet it")
    unjudged = [o for o in outcomes if o.status == "not judged"]
    broken = any(o.status == "broken" for o in outcomes)
    for o in outcomes:
        if o in unjudged and broken:
            continue  # a long list would hide the broken one
        text = escape(o.statement)
        if o.status == "broken":
            happened = f"[red]what happened:[/] {escape(o.what)}"
            text = f"{text}\n{happened}\n[bold]how to meet it:[/] {escape(o.meet)}"
        elif o.what:
            text = f"{text}\n[dim]{escape(o.what)}[/]"
        listing.add_row(o.contract, f"[{STYLES[o.status]}]{o.status}[/]", text)
    out = console()
    out.print(listing)
    counts = {status: sum(o.status == status for o in outcomes) for status in STYLES}
    names = {"not judged": "not judged until this is fixed"} if broken else {}
    shown = ", ".join(f"{n} {names.get(status, status)}" for status, n in counts.items() if n)
    out.print(f"{name}: {shown}", markup=False)
    for reason in dict.fromkeys(o.what for o in unjudged if not broken):
        out.print(reason, style="yellow", markup=False)

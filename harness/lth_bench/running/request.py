"""What a run is asked for: which suite, changed how, executed where.

`run`, `plan`, `tune`, `validate`, `lth_bench.run` and the settings of workers share these objects.
A field has the name of the Python argument; beside it stand its option and what reads its value.
"""

from __future__ import annotations

import math
import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_type_hints

from lth_bench.errors import UserError
from lth_bench.running import arguments
from lth_bench.running.arguments import Reader, Shard
from lth_bench.store.paths import default_results

if TYPE_CHECKING:
    from lth_bench.plugins import Registry
    from lth_bench.suite.spec import Suite

COHORT_SIZE = "LTH_BENCH_COHORT_SIZE"
"""The variable that gives the cohort size where no argument does."""


class Argument(NamedTuple):
    """How the value of a field is given."""

    option: str
    """On the command line; in Python the argument has the field's name."""
    read: Reader
    none: bool = False
    """Whether None from Python stands for the default."""


@dataclass(frozen=True, kw_only=True)
class SuiteSelection:
    """The suite, its changes and filters, and the code that may run for it."""

    suite: Annotated[str | Path, Argument("SUITE", arguments.suite)]
    """A path, or a shipped suite's name."""
    seeds: Annotated[
        str | Sequence[int] | None, Argument("--seeds", arguments.seeds, none=True)
    ] = None
    """A count, a list, or either as a string; None takes the suite's own."""
    strategies: Annotated[Sequence[str], Argument("--strategy", arguments.names)] = ()
    """Only these, by label or name; empty for all. So are the next two."""
    models: Annotated[Sequence[str], Argument("--model", arguments.names)] = ()
    datasets: Annotated[Sequence[str], Argument("--dataset", arguments.names)] = ()
    overrides: Annotated[Sequence[str], Argument("--set", arguments.names)] = ()
    """Changes to the suite: `recipes.paper.lr=0.05`."""
    plugins: Annotated[Sequence[Path], Argument("--plugin", arguments.paths)] = ()
    """Files of one-file plugins."""
    add: Annotated[Sequence[str], Argument("--add", arguments.names)] = ()
    """Strategies that the suite does not list."""
    no_plugins: Annotated[bool, Argument("--no-plugins", arguments.switch)] = False
    """Leave out what other distributions install."""
    smoke: Annotated[bool, Argument("--smoke", arguments.switch)] = False
    """Train a few steps of everything."""
    shard: Annotated[Shard | None, Argument("--shard", arguments.shard, none=True)] = None
    """Which part of it; None for all."""
    until_decided: Annotated[bool, Argument("--until-decided", arguments.switch)] = False
    """Add seeds where a comparison is open."""


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """Which finished experiments run again."""

    statuses: frozenset[str] = frozenset()
    """Those that ended so, of `pending.RETRIED`."""
    rerun: bool = False
    """All of them."""
    cohort_size: int | None = None
    """Those at another cohort size; None for none."""


@dataclass(frozen=True, kw_only=True)
class Execution:
    """Where results go, and on what and how experiments run."""

    results: Annotated[Path, Argument("--results", arguments.path, none=True)] = field(
        default_factory=default_results
    )
    """The DuckDB file."""
    device: Annotated[str, Argument("--device", arguments.text)] = "auto"
    """auto, cpu, cuda, or GPUs by number, such as cuda:0,cuda:1."""
    executor: Annotated[str, Argument("--executor", arguments.executor)] = "local"
    """Where workers run: local, on this machine, or ray, on a cluster."""
    address: Annotated[str | None, Argument("--address", arguments.text, none=True)] = None
    """Of the Ray cluster; None takes RAY_ADDRESS, or starts one here."""
    workers: Annotated[int | None, Argument("--workers", arguments.count, none=True)] = None
    """Worker processes; None is one a GPU, or one a core."""
    cohort_size: Annotated[int | None, Argument("--cohort-size", arguments.cohort_size)] = None
    """Trainings stacked into one computation; None measures what is fastest."""
    exact_cohort_size: Annotated[bool, Argument("--exact-cohort-size", arguments.switch)] = False
    """Rerun what was trained at another cohort size."""
    timeout: Annotated[float, Argument("--timeout", arguments.duration, none=True)] = math.inf
    """Seconds that an experiment may take, not counting the time in which others run."""
    retry: Annotated[frozenset[str], Argument("--retry", arguments.statuses)] = frozenset()
    """Statuses to rerun, of `pending.RETRIED`."""
    rerun: Annotated[bool, Argument("--rerun", arguments.switch)] = False
    """Run everything again, trainings included."""
    exit_first: Annotated[bool, Argument("--exitfirst", arguments.switch)] = False
    """Stop at the first failure."""

    @property
    def retry_policy(self) -> RetryPolicy:
        """What the request says of experiments that have finished."""
        exact = self.cohort_size if self.exact_cohort_size else None
        return RetryPolicy(statuses=self.retry, rerun=self.rerun, cohort_size=exact)


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """All that is asked for."""

    selection: SuiteSelection
    execution: Execution = field(default_factory=Execution)
    command: str = ""
    """What was typed: in a shell, or in Python."""
    shell_command: str = ""
    """The same in a shell; an error that asks for `--plugin` completes it."""

    @classmethod
    def from_options(cls, **options: Any) -> RunRequest:
        """The request that options of the command line make; None is an option not given."""
        given = {name: value for name, value in options.items() if value is not None}
        return cls._read(given, lambda _, argument: argument.option, typed(), typed())

    @classmethod
    def from_arguments(cls, **given: Any) -> RunRequest:
        """The request that arguments of `lth_bench.run` make."""
        if given.get("cohort_size") is None:  # typer reads the variable by itself
            given["cohort_size"] = os.environ.get(COHORT_SIZE, "auto")
        suite = str(given["suite"])
        shell = shlex.join(["lth-bench", "run", suite])
        part = given.get("shard")  # what the run's ending advises depends on it
        if isinstance(part, tuple):
            part = "/".join(map(str, part))
        told = "" if part is None else f", shard={part!r}"
        return cls._read(given, lambda name, _: name, f"lth_bench.run({suite!r}{told})", shell)

    @classmethod
    def _read(
        cls,
        given: Mapping[str, Any],
        named: Callable[[str, Argument], str],
        command: str,
        shell_command: str,
    ) -> RunRequest:
        parts: dict[type[Any], dict[str, Any]] = {SuiteSelection: {}, Execution: {}}
        unknown = set(given)
        for part, values in parts.items():
            for name, argument in _arguments(part).items():
                unknown.discard(name)
                if name in given and not (given[name] is None and argument.none):
                    values[name] = argument.read(named(name, argument), given[name])
        assert not unknown, unknown
        execution = Execution(**parts[Execution])
        if execution.exact_cohort_size and execution.cohort_size is None:
            known = _arguments(Execution)
            exact, size = (named(n, known[n]) for n in ("exact_cohort_size", "cohort_size"))
            raise UserError(f"{exact} needs a cohort size: give {size} a number too")
        if execution.address is not None and execution.executor != "ray":
            known = _arguments(Execution)
            address, executor = (named(n, known[n]) for n in ("address", "executor"))
            raise UserError(f"{address} is a Ray cluster's: give {executor} ray too")
        return cls(
            selection=SuiteSelection(**parts[SuiteSelection]),
            execution=execution,
            command=command,
            shell_command=shell_command,
        )


def _arguments(part: type[Any]) -> dict[str, Argument]:
    """Field → how its value is given."""
    hints = get_type_hints(part, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items()}


def typed() -> str:
    """The command line, as it was typed."""
    return shlex.join(["lth-bench", *sys.argv[1:]])


def prepare(request: RunRequest) -> tuple[Suite, Registry]:
    """The suite with additions, changes and filters, and the registry with its one-file plugins.

    Code that the suite itself names is not loaded unless `plugins` names it too. UserError for
    anything that is wrong; plugins' names and parameters are left to `suite.check`.
    """
    from lth_bench.plugins import load_registry
    from lth_bench.suite.check import require_plugins
    from lth_bench.suite.load import load_suite
    from lth_bench.suite.overrides import additions
    from lth_bench.suite.select import smoke
    from lth_bench.suite.source import find, parse, read

    wanted = request.selection
    path = find(wanted.suite)
    document = parse(read(path), path)
    registry = load_registry(wanted.plugins, not wanted.no_plugins)
    added = additions(document, wanted.add, wanted.strategies, wanted.plugins, registry)
    suite = load_suite(
        path,
        overrides=wanted.overrides,
        seeds=wanted.seeds,
        strategies=wanted.strategies,
        models=wanted.models,
        datasets=wanted.datasets,
        added=added,
    )
    require_plugins(suite, wanted.plugins, request.shell_command)
    return smoke(suite) if wanted.smoke else suite, registry


def prepare_run(request: RunRequest) -> tuple[Suite, Registry]:
    """The same for `run` and `plan`: with the rule by which seeds are added, where there is one."""
    from lth_bench.suite.decide import with_rule

    suite, registry = prepare(request)
    wanted = request.selection
    ruled = with_rule(
        suite,
        asked=wanted.until_decided,
        seeds=wanted.seeds,
        shard=wanted.shard,
        smoke=wanted.smoke,
    )
    return ruled, registry

"""Contracts on the class: its hooks, and how it is sent to other processes and machines."""

from __future__ import annotations

from lth_bench.errors import UserError, describe_error
from lth_bench.lottery.reachable import reaches
from lth_bench.plugins.contract import problems
from lth_bench.system.blame import ends_the_run
from lth_bench.testing.case import Case
from lth_bench.testing.contract import Broken, NotApplicable, contract
from lth_bench.testing.task import RECIPE


@contract(
    "hooks have the names and arguments of lth_bench.hookspecs and return the right types",
    meet="mark each hook with @hookimpl; return a Mask over all of ticket.layers from select_mask, "
    "a RewindPoint with every parameter and buffer from rewind_point, what ticket.fit returned "
    "from train, a mapping of new names to numbers from score, a list of steps "
    "from dense_checkpoints, a step from start_step and a number of steps from search_steps and "
    "train_steps",
)
def hooks(case: Case) -> None:
    """A misspelt hook would silently not be called, so anything that looks like a hook must be one.

    Examines the class, the return values of its hooks, and `dense_checkpoints`, `search_steps`,
    `start_step` and `train_steps`, which `lth-bench plan` calls without training.
    """
    found = problems("strategies", case.cls)
    if found:
        raise Broken("; ".join(found))
    fault = case.base.fault
    if fault is not None and fault.contract == "hooks":
        raise Broken(fault.what)
    if fault is None or fault.contract != "parameters":
        _planning(case)


def _planning(case: Case) -> None:
    """What the strategy declares for planning: steps of the schedule, from 0 to its end."""
    strategy = case.strategy()
    steps = RECIPE.steps
    assert steps is not None
    for name in ("dense_checkpoints", "search_steps", "start_step", "train_steps"):
        method = getattr(strategy, name, None)
        if method is None:
            continue
        try:
            answer = list(method(steps)) if name == "dense_checkpoints" else [method(steps)]
        except BaseException as error:  # a plugin's method may raise anything
            if ends_the_run(error):
                raise
            raise Broken(f"{name} raised {describe_error(error)}") from error
        odd = [n for n in answer if type(n) is not int or n < 0]
        if odd:
            raise Broken(f"{name} returned {odd[0]!r}, which is not a number of steps")
        within = name in ("dense_checkpoints", "start_step")
        if within and any(n > steps for n in answer):
            raise Broken(f"{name} asks for step {max(answer)} of a training of {steps} steps")
    try:
        reaches(strategy)
    except UserError as error:
        raise Broken(error.message) from error


@contract(
    "class and parameters travel to a spawned process by name and arrive unchanged",
    meet="define the class at the top level of a module, under its own name; give it fields of "
    "plain types only, and keep no function, file or generator on the instance",
)
def picklable(case: Case) -> None:
    """Workers are spawned: they import the class by its module's name and build it from the suite's
    parameters. An instance can be sent, too.
    """
    report = case.in_new_process
    if report.pickling:
        raise Broken(report.pickling)
    if report.importing:
        raise NotApplicable("not judged: the module cannot be imported there, see 'importable'")
    if report.unpickling:
        raise Broken(report.unpickling)
    if case.base.fault is not None and case.base.fault.contract == "parameters":
        case.require(case.base)


@contract(
    "the module can be imported where there is no GPU, and asks for none while it is imported",
    meet="create tensors and choose devices inside hooks: ticket.device says where values and "
    "masks live; at import define classes and functions only",
)
def importable(case: Case) -> None:
    """Planning, listing and reporting import every strategy, on any kind of machine, and a process
    that touches a GPU early holds memory on it.

    The module is imported in a fresh process from which GPUs are hidden.
    """
    report = case.in_new_process
    if report.importing:
        raise Broken(report.importing)

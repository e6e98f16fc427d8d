"""Hooks are called by name and answered by type."""

from __future__ import annotations

from lth_bench.errors import UserError, told
from lth_bench.lottery.reachable import reaches
from lth_bench.plugins.contract import problems
from lth_bench.system.blame import ends_the_run
from lth_bench.testing.case import Case
from lth_bench.testing.contract import Broken, contract
from lth_bench.testing.task import RECIPE


@contract(
    "hooks have the names and arguments of lth_bench.hookspecs and return the right types",
    meet="mark each hook with @hookimpl; return a Mask over all of ticket.layers from select_mask, "
    "a RewindPoint with every parameter and buffer from rewind_point, what ticket.fit returned "
    "from train, a mapping of new names to numbers from score, a list of steps "
    "from dense_checkpoints and a step from search_steps and start_step",
)
def hooks(case: Case) -> None:
    """A hook that is misspelt would silently not be called, so whatever looks like one is one.

    Looks at the class, at every answer of its hooks, and at `dense_checkpoints`, `search_steps`
    and `start_step`, which `lth-bench plan` calls without training.
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
    """What the strategy declares for planning: steps of the schedule, 0 to its end."""
    strategy = case.strategy()
    steps = RECIPE.steps
    assert steps is not None
    for name in ("dense_checkpoints", "search_steps", "start_step"):
        method = getattr(strategy, name, None)
        if method is None:
            continue
        try:
            answer = list(method(steps)) if name == "dense_checkpoints" else [method(steps)]
        except BaseException as error:  # whatever a plugin's method raises
            if ends_the_run(error):
                raise
            raise Broken(f"{name} raised {told(error)}") from error
        odd = [n for n in answer if type(n) is not int or n < 0]
        if odd:
            raise Broken(f"{name} answered {odd[0]!r}, which is no number of steps")
        if any(n > steps for n in answer):
            raise Broken(f"{name} asks for step {max(answer)} of a training of {steps} steps")
    try:
        reaches(strategy)
    except UserError as error:
        raise Broken(error.message) from error

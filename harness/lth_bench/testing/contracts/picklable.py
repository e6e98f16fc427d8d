"""Experiments run in worker processes."""

from __future__ import annotations

from lth_bench.testing.case import Case
from lth_bench.testing.contract import Broken, NotApplicable, contract


@contract(
    "class and parameters travel to a spawned process by name and arrive unchanged",
    meet="define the class at the top level of a module, under its own name; give it fields of "
    "plain types only, and keep no function, file or generator on the instance",
)
def picklable(case: Case) -> None:
    """Workers are spawned: they import the class by the name of its module and build it from the
    suite's parameters. An instance, too, can be sent.
    """
    report = case.elsewhere
    if report.pickling:
        raise Broken(report.pickling)
    if report.importing:
        raise NotApplicable("not judged: the module cannot be imported there, see 'importable'")
    if report.unpickling:
        raise Broken(report.unpickling)
    if case.base.fault is not None and case.base.fault.contract == "parameters":
        case.require(case.base)

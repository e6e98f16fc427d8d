"""A plugin can be listed on a laptop."""

from __future__ import annotations

from lth_bench.testing.case import Case
from lth_bench.testing.contract import Broken, contract


@contract(
    "the module can be imported where there is no GPU, and asks for none while it is imported",
    meet="create tensors and choose devices inside hooks: ticket.device says where values and "
    "masks live; at import define classes and functions only",
)
def importable(case: Case) -> None:
    """Planning, listing and reporting import every strategy, on machines of any kind, and a
    process that touches a GPU early holds memory on it.

    The module is imported in a fresh process from which GPUs are hidden.
    """
    report = case.elsewhere
    if report.importing:
        raise Broken(report.importing)

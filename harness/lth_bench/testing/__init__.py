"""Contract tests that every plugin inherits, shipped with the harness so that third parties run
the same ones as the built-in strategies.

    from lth_bench.testing import StrategyConformance

    class TestMine(StrategyConformance):
        strategy = "mine"        # its entry point's name, or the class itself
        params = {"rate": 0.2}   # optional: what a suite would write

`ModelConformance`, `DatasetConformance` and `ObjectiveConformance` are the same for a `model`, a
`dataset` and an `objective`.

`contracts.CONTRACTS` lists what is tested, `check` tests it without pytest, and
`lth-bench plugin check NAME` prints that as a table. README.md says how the pieces fit.
"""

from lth_bench.testing import contracts
from lth_bench.testing.case import Case
from lth_bench.testing.checking import ContractResult, check, check_part
from lth_bench.testing.conformance import StrategyConformance
from lth_bench.testing.contract import Contract, ContractBroken, NotApplicable
from lth_bench.testing.part_conformance import (
    DatasetConformance,
    ModelConformance,
    ObjectiveConformance,
)

__all__ = [
    "Case",
    "Contract",
    "ContractBroken",
    "ContractResult",
    "DatasetConformance",
    "ModelConformance",
    "NotApplicable",
    "ObjectiveConformance",
    "StrategyConformance",
    "check",
    "check_part",
    "contracts",
]

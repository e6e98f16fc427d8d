"""For each contract, strategies that break it fail exactly that one, and are told why."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest
import torch
from thoroughness import some

from lth_bench.testing import Case, ContractBroken, contracts
from lth_bench.testing.checking import judged
from lth_bench.testing.contracts import CONTRACTS
from lth_bench.testing.worker import find

FILES = [Path(__file__).with_name(name) for name in ("broken.py", "needs_gpu.py")]


def names():
    """Class names, read from the source so that collecting the tests imports no torch."""
    for file in FILES:
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name


@cache
def classes():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "init", lambda: None)  # as on a machine that has one
        modules = [find(f"conformance_{file.stem}", str(file)) for file in FILES]
    own = [v for m in modules for v in vars(m).values() if getattr(v, "breaks", None)]
    return {cls.__name__: cls for cls in own}


@cache
def case(name):
    """Shared by the tests below, so that its experiments are played once."""
    return Case(classes()[name])


@pytest.mark.parametrize("contract", some([c.name for c in CONTRACTS], 5))
def test_breaks_its_contract_and_no_other(contract):
    """The first of each contract's offenders, before every contract."""
    name = next(n for n, cls in classes().items() if cls.breaks[0] == contract)
    outcomes = [judged(c, case(name)) for c in CONTRACTS]
    broken = {o.contract: o.what for o in outcomes if o.status == "broken"}
    assert list(broken) == [contract], broken


@pytest.mark.parametrize("name", some(names(), 12))
def test_is_told_what_happened_and_how_to_meet_the_contract(name):
    """Every offender, before its own contract."""
    contract, message = classes()[name].breaks
    contract = getattr(contracts, contract)
    with pytest.raises(ContractBroken, match=message) as caught:
        contract(case(name))
    text = str(caught.value)
    assert text.startswith(f"{contract.name}: {contract.statement}\n  what happened: ")
    assert text.endswith(f"\n  how to meet it: {contract.meet}")

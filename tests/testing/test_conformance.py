"""The class that strategies inherit, and the function that needs no pytest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

import lth_bench.testing
from lth_bench import Change, Mask, hookimpl
from lth_bench.errors import UnknownName, Unreachable, UserError
from lth_bench.testing import (
    Case,
    ContractBroken,
    NotApplicable,
    StrategyConformance,
    check,
    contracts,
)
from lth_bench.testing.checking import find
from lth_bench.testing.contracts import CONTRACTS


def test_one_test_for_each_contract():
    tests = [name for name in vars(StrategyConformance) if name.startswith("test_")]
    assert tests == [f"test_{c.name}" for c in CONTRACTS]


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.name)
def test_a_contract_says_what_it_is_and_how_to_meet_it(contract):
    assert getattr(contracts, contract.name) is contract
    assert contract.statement
    assert "\n" not in contract.statement
    assert contract.meet
    assert contract.__doc__


def test_a_faultless_strategy_passes_everywhere(good):
    outcomes = {o.contract: (o.status, o.what) for o in check(good, {"power": 2.0})}
    why = "each density starts from the dense network and takes one round"
    assert outcomes.pop("nested_masks") == ("not applicable", why)
    assert set(outcomes.values()) == {("ok", "")}


def test_another_network_may_be_the_one_that_counts(good):
    found = {o.contract: o.status for o in check(good, network="linear")}
    assert found.pop("nested_masks") == "not applicable"
    assert set(found.values()) == {"ok"}


@dataclass(frozen=True, eq=False)
class OnlyWithNorms:
    """Cannot do without batch norm, and says so."""

    @hookimpl
    def select_mask(self, ticket):
        if not any("running" in key for key in ticket.initial.values):
            raise Unreachable("there is no γ to rank by")
        return Mask.top_k(abs(ticket.dense.trained.weights), ticket.target_count)


def test_a_network_that_the_method_cannot_do_is_not_applicable():
    case = Case(OnlyWithNorms)
    for contract in (contracts.linear, contracts.conv, contracts.residual):
        with pytest.raises(NotApplicable, match="there is no γ to rank by"):
            contract(case)
    contracts.batch_norm(case)
    # judged where it reaches nothing, nothing would be shown
    with pytest.raises(ContractBroken, match="no density was reached on the conv network"):
        contracts.exact_density(Case(OnlyWithNorms, network="conv"))


@dataclass(frozen=True, eq=False)
class RaisesEverywhere:
    """Somebody's typo."""

    @hookimpl
    def select_mask(self, ticket):
        return ticket.no_such_thing


@dataclass(frozen=True, eq=False)
class CountsInTheMemo:
    """Halves a bias in the fifth step."""

    @hookimpl
    def select_mask(self, ticket):
        return Mask.top_k(abs(ticket.dense.trained.weights), ticket.target_count)

    @hookimpl
    def train(self, ticket):
        def shrink_once(view):
            view.memo["seen"] = view.memo.get("seen", 0) + 1
            late = view.memo["seen"] == 5
            return Change(values={"fc.bias": view.values["fc.bias"] / 2}) if late else None

        return ticket.fit(on_step=shrink_once)


def test_what_the_memo_holds_survives_a_stop():
    """And the stops are real: each of two trainings goes on from a checkpoint, twice."""
    case = Case(CountsInTheMemo)
    contracts.resumes_as_undisturbed(case)
    assert case.resumed[1] == 4


def test_nothing_trained_is_nothing_to_go_on_with():
    with pytest.raises(NotApplicable, match="trains nothing that is saved"):
        contracts.resumes_as_undisturbed(Case(find("dense")))


def test_what_no_contract_claims_is_not_lost():
    """A hook that raises on every network is said once, with all of them, and nothing is judged by
    what did not run."""
    found = {o.contract: (o.status, o.what) for o in check(RaisesEverywhere)}
    broken = {name for name, (status, _) in found.items() if status == "broken"}
    assert broken == {"batch_norm"}
    assert "on the networks linear, conv, batch_norm and residual, " in found["batch_norm"][1]
    assert found["conv"] == ("not judged", "not judged: see 'batch_norm'")
    assert "raised AttributeError" in found["batch_norm"][1]
    assert "test_conformance.py:" in found["batch_norm"][1]
    early = "not judged: the experiment ended early, see 'batch_norm'"
    assert found["same_seed"] == ("not judged", early)


def test_names_and_parameters_that_are_wrong_are_the_user_s_mistake():
    with pytest.raises(UnknownName, match="unknown strategy 'inp'; did you mean 'imp'"):
        check("inp")
    with pytest.raises(UserError, match="'IMP': unknown key rate"):
        check("imp", {"rate": 0.5})
    with pytest.raises(UserError, match="no strategy is named; set `strategy`"):
        StrategyConformance().test_hooks()


def test_a_class_shares_its_case_and_a_subclass_has_its_own(good):
    class TestGood(StrategyConformance):
        strategy = good

    class TestSquare(TestGood):
        params = {"power": 2.0}

    assert TestGood._case() is TestGood._case()
    assert TestSquare._case() is not TestGood._case()
    assert TestSquare._case().params == {"power": 2.0}
    TestGood().test_parameters()
    with pytest.raises(pytest.skip.Exception, match="takes one round"):
        TestGood().test_nested_masks()


def test_a_broken_contract_fails_the_test():
    class TestRaises(StrategyConformance):
        strategy = RaisesEverywhere

    with pytest.raises(ContractBroken, match=r"how to meet it: go over ticket\.layers"):
        TestRaises().test_conv()


def test_pytest_is_not_needed():
    """No module of the package imports it, but for the one line that skips."""
    package = Path(lth_bench.testing.__file__).parent
    lines = [line for f in package.rglob("*.py") for line in f.read_text().splitlines()]
    imports = [line for line in lines if re.match(r"\s*(import|from) pytest", line)]
    assert len(imports) == 1
    assert imports[0].startswith(" ")


def test_not_applicable_is_no_failure():
    assert not issubclass(NotApplicable, AssertionError)
    assert issubclass(ContractBroken, AssertionError)

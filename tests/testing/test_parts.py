"""The contracts of models, datasets and objectives: wrong ones fail the one that they break."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from lth_bench.objectives import Objective
from lth_bench.testing import DatasetConformance, ModelConformance, ObjectiveConformance
from lth_bench.testing.checking import check_part
from lth_bench.testing.parts import CONTRACTS
from lth_bench.testing.worker import find

FILE = Path(__file__).with_name("parts.py")
NAMES = [
    node.name
    for node in ast.parse(FILE.read_text()).body
    if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
]


def named(name: str):
    return getattr(find("conformance_parts", str(FILE)), name)


def group_of(cls: type) -> str:
    if issubclass(cls, Objective):
        return "objectives"
    return "models" if hasattr(cls, "build") else "datasets"


@pytest.mark.parametrize("name", NAMES)
def test_breaks_its_contract_and_no_other_and_says_how_to_meet_it(name: str) -> None:
    cls = named(name)
    contract, said = cls.breaks
    outcomes = check_part(group_of(cls), cls)
    broken = {o.contract: o for o in outcomes if o.status == "broken"}
    assert list(broken) == [contract], {c: o.what for c, o in broken.items()}
    assert re.search(said, broken[contract].what)
    assert broken[contract].meet and broken[contract].statement


def test_every_contract_of_a_kind_is_broken_by_one() -> None:
    broken = {(group_of(named(name)), named(name).breaks[0]) for name in NAMES}
    shared = {"methods", "parameters", "picklable"}
    for group, contracts in CONTRACTS.items():
        own = {c.name for c in contracts} - shared - {"stackable", "prunable"}
        assert own <= {contract for kind, contract in broken if kind == group}
        assert len({c.name for c in contracts}) == len(contracts)


@pytest.mark.parametrize(("group", "name"), [
    ("models", "_Net"), ("datasets", "_Data"), ("objectives", "_Distance"),
])  # fmt: skip
def test_nothing_is_wrong_with_what_they_are_made_from(group: str, name: str) -> None:
    outcomes = check_part(group, named(name))
    assert {o.status for o in outcomes} == {"ok"} or group == "datasets"
    assert not [o for o in outcomes if o.status in ("broken", "not judged")]


@pytest.mark.parametrize(
    ("group", "name"),
    [
        *(("objectives", name) for name in (
            "cross_entropy", "weighted_cross_entropy", "focal", "binary_cross_entropy",
            "squared_error", "next_token",
        )),
        *(("datasets", name) for name in ("points", "modular", "digits")),
        *(("models", name) for name in ("mlp", "transformer")),
    ],
)  # fmt: skip
def test_built_in_ones_meet_every_contract(group: str, name: str) -> None:
    outcomes = check_part(group, name)
    assert {o.contract: o.what for o in outcomes if o.status in ("broken", "not judged")} == {}


def test_what_vmap_refuses_is_trained_alone_and_said(tmp_path) -> None:
    base = named("_Distance")

    @dataclass(frozen=True)
    class Branches(base):
        """Looks at values."""

        def losses(self, outputs, targets):
            found = super().losses(outputs, targets)
            return found if bool((found >= 0).all()) else -found

    (outcome,) = [o for o in check_part("objectives", Branches) if o.contract == "stackable"]
    assert outcome.status == "not applicable"
    assert "networks are trained one at a time" in outcome.what


def test_a_model_is_judged_on_a_dataset_by_name() -> None:
    outcomes = {o.contract: o for o in check_part("models", "mlp", dataset="points")}
    assert outcomes["builds"].what == "for features [2]"
    outcomes = {o.contract: o for o in check_part("models", "transformer", dataset="points")}
    assert outcomes["builds"].status == "broken"
    assert outcomes["output_shape"].status == "not judged"


class TestModel(ModelConformance):
    model = "mlp"
    params = {"hidden": [4]}


class TestDataset(DatasetConformance):
    dataset = "modular"


class TestObjective(ObjectiveConformance):
    objective = "focal"


def test_conformance_has_a_test_for_each_contract() -> None:
    for cls, group in ((TestModel, "models"), (TestDataset, "datasets")):
        assert {f"test_{c.name}" for c in CONTRACTS[group]} <= set(dir(cls))

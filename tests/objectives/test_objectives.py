"""Every objective: losses against torch's own, and what it takes from the training split."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.data.info import DatasetInfo
from lth_bench.errors import TrainingError, UserError
from lth_bench.objectives import CrossEntropy, require_fit
from lth_bench.objectives.binary import BinaryCrossEntropy
from lth_bench.objectives.cross_entropy import FocalLoss, WeightedCrossEntropy
from lth_bench.objectives.next_token import NextToken
from lth_bench.objectives.squared_error import SquaredError
from lth_bench.training.engine.loss import judge

CLASSES = DatasetInfo((1, 2, 2), 3, 8, 2)
VALUES = DatasetInfo((4,), 2, 8, 2, inputs="features", targets="values")
TEXT = DatasetInfo(
    (5,), 7, 8, 2, inputs="tokens", targets="tokens", vocabulary=7, bytes_per_token=1.5
)


def logits(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_cross_entropy() -> None:
    x, y = logits(4, 3), torch.tensor([0, 2, 1, 1])
    assert CrossEntropy().losses(x, y).mean() == pytest.approx(float(F.cross_entropy(x, y)))
    assert CrossEntropy().measure(torch.eye(3)[y], y) == {"accuracy": 1.0}


def test_weights_are_those_of_the_training_split() -> None:
    train = torch.tensor([0, 0, 0, 0, 0, 0, 1, 2])
    bound = WeightedCrossEntropy().bound(train, CLASSES)
    assert bound.weights == pytest.approx((8 / 18, 8 / 3, 8 / 3))
    x, y = logits(8, 3), train
    wanted = F.cross_entropy(x, y, torch.tensor(bound.weights, dtype=x.dtype), reduction="none")
    assert torch.allclose(bound.losses(x, y), wanted)
    # classes count alike, so one that is never found costs a third
    found = torch.eye(3)[torch.tensor([0, 0, 0, 0, 0, 0, 1, 1])]
    measured = bound.measure(bound.evidence(found, y), y)
    assert measured == pytest.approx({"balanced_accuracy": 2 / 3, "accuracy": 7 / 8})


@pytest.mark.parametrize("objective", [CrossEntropy(), FocalLoss(), WeightedCrossEntropy()])
def test_examples_that_are_right_are_the_accuracy(objective) -> None:
    y = torch.tensor([0, 2, 1, 1])
    bound = objective.bound(y, CLASSES)
    outputs = torch.tensor([[1.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    (found,) = bound.right(bound.evidence(outputs, y), y).items()
    assert (found[0], found[1].tolist()) == ("accuracy", [True, False, True, False])
    judged = judge(bound, [(outputs[:3], y[:3]), (outputs[3:], y[3:])])
    assert judged.right["accuracy"].tolist() == [True, False, True, False]


@pytest.mark.parametrize("objective", [BinaryCrossEntropy(), SquaredError(), NextToken()])
def test_metrics_that_are_no_fraction_of_examples_have_none(objective) -> None:
    assert objective.right(torch.ones(2, 2), torch.ones(2, 2)) == {}


class Wrong(CrossEntropy):
    """Says of the wrong examples that they are right."""

    def right(self, evidence, targets):
        return {"accuracy": evidence.argmax(1) != targets}


class Unknown(CrossEntropy):
    """Of a metric that it has not."""

    def right(self, evidence, targets):
        return {"recall": evidence.argmax(1) == targets}


@pytest.mark.parametrize(
    ("cls", "said"), [(Wrong, "whose fraction is accuracy of measure, 1"), (Unknown, "recall")]
)
def test_examples_that_contradict_the_metric_are_one_error(cls, said: str) -> None:
    y = torch.tensor([0, 2, 1, 1])
    with pytest.raises(TrainingError, match=said):
        judge(cls(), [(torch.eye(3)[y], y)])


def test_a_class_without_training_examples_has_weight_one() -> None:
    assert WeightedCrossEntropy().bound(torch.tensor([0, 1]), CLASSES).weights[2] == 1.0


@pytest.mark.parametrize("weights", [(1.0, 2.0), (0.0, 0.0, 0.0)])
def test_weights_that_do_not_fit(weights: tuple[float, ...]) -> None:
    with pytest.raises(UserError, match="weights must"):
        WeightedCrossEntropy(weights).bound(torch.tensor([0, 1]), CLASSES)


def test_focal_loss() -> None:
    x, y = logits(4, 3), torch.tensor([0, 2, 1, 1])
    p = x.softmax(1)[torch.arange(4), y]
    assert torch.allclose(FocalLoss(2.0).losses(x, y), -((1 - p) ** 2) * p.log())
    assert torch.allclose(FocalLoss(0.0).losses(x, y), CrossEntropy().losses(x, y))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_loss_has_a_finite_slope_where_a_class_is_certain(gamma: float) -> None:
    x = torch.tensor([[100.0, 0.0], [-100.0, 0.0]], requires_grad=True)
    FocalLoss(gamma).losses(x, torch.tensor([0, 0])).sum().backward()
    assert x.grad is not None and bool(x.grad.isfinite().all())


def test_binary_cross_entropy() -> None:
    x, y = logits(6, 3), torch.tensor([[1, 0, 0], [0, 1, 1]] * 3, dtype=torch.uint8)
    objective = BinaryCrossEntropy()
    assert objective.losses(x, y).mean() == pytest.approx(
        float(F.binary_cross_entropy_with_logits(x, y.double()))
    )
    assert objective.measure(y.double() - 0.5, y) == {"map": 1.0, "f1": 1.0}


def test_squared_error_is_learnt_standardised_and_judged_in_units() -> None:
    train = torch.tensor([[100.0, 1.0], [200.0, 3.0], [300.0, 5.0]])
    bound = SquaredError().bound(train, VALUES)
    assert bound.mean == pytest.approx((200, 3))
    assert bound.deviation == pytest.approx((math.sqrt(20000 / 3), math.sqrt(8 / 3)))
    perfect = (train.double() - torch.tensor(bound.mean)) / torch.tensor(bound.deviation)
    assert float(bound.losses(perfect, train).max()) == pytest.approx(0, abs=1e-12)
    seen = bound.evidence(torch.zeros(3, 2), train)  # the mean of everything
    assert bound.measure(seen, train) == pytest.approx(
        {"rmse": sum(bound.deviation) / 2, "r2": 0.0}, abs=1e-12
    )


def test_a_constant_target_is_refused_unless_its_deviation_is_given() -> None:
    train = torch.tensor([[1.0, 4.0], [2.0, 4.0]])
    with pytest.raises(UserError, match="component 1 of the targets is 4 in every training"):
        SquaredError().bound(train, VALUES)
    rounded = torch.full((3, 1), 0.1)  # whose mean in float64 is another number
    with pytest.raises(UserError, match=r"component 0 of the targets is 0.3 in every training"):
        SquaredError().bound(rounded.double() * 3, dataclasses.replace(VALUES, classes=1))
    raw = SquaredError(mean=(0.0,), deviation=(1.0,)).bound(train, VALUES)
    assert torch.equal(raw.evidence(train, train), train.double())


def test_next_token() -> None:
    x, y = logits(2, 5, 7), torch.randint(0, 7, (2, 5))
    objective = NextToken().bound(y, TEXT)
    loss = float(F.cross_entropy(x.flatten(0, 1), y.flatten()))
    assert objective.losses(x, y).mean() == pytest.approx(loss)
    assert objective.measure(objective.evidence(x, y), y) == pytest.approx(
        {"perplexity": math.exp(loss), "bits_per_byte": loss / math.log(2) / 1.5}
    )
    assert objective.measure(torch.tensor([1e4], dtype=torch.float64), y)["perplexity"] == math.inf


def test_even_guessing_has_the_vocabulary_as_perplexity() -> None:
    y = torch.randint(0, 7, (3, 5))
    objective = NextToken().bound(y, TEXT)
    found = objective.measure(objective.evidence(torch.zeros(3, 5, 7), y), y)
    assert found["perplexity"] == pytest.approx(7)


@pytest.mark.parametrize(
    ("objective", "info", "said"),
    [
        (CrossEntropy(), VALUES, "needs one class an example .* has real numbers; .*squared_error"),
        (SquaredError(), TEXT, "needs real numbers as targets.* a token at every place"),
        (CrossEntropy(), dataclasses.replace(CLASSES, classes=1), "has one class, so there is"),
        (NextToken(), dataclasses.replace(TEXT, classes=1), "has one token, so there is nothing"),
    ],
)
def test_targets_that_an_objective_cannot_learn(objective, info: DatasetInfo, said: str) -> None:
    with pytest.raises(UserError, match=said):
        require_fit("mine", objective, info, "data")
    require_fit("mine", CrossEntropy(), CLASSES, "data")


LABELS = DatasetInfo((4,), 3, 8, 2, inputs="features", targets="labels")
BUILT_IN = {
    "cross_entropy": (CrossEntropy(), CLASSES),
    "weighted": (WeightedCrossEntropy(), CLASSES),
    "focal": (FocalLoss(), CLASSES),
    "binary": (BinaryCrossEntropy(), LABELS),
    "squared_error": (SquaredError(), VALUES),
    "next_token": (NextToken(), TEXT),
}


def split(info: DatasetInfo, n: int, draws: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Outputs, of which some are equal, and targets."""
    outputs = torch.randint(-3, 4, (n, *info.output_shape), generator=draws).double()
    match info.targets:
        case "class":
            targets = torch.randint(0, info.classes, (n,), generator=draws)
        case "labels":
            targets = torch.randint(0, 2, (n, info.classes), generator=draws, dtype=torch.uint8)
        case "values":
            targets = torch.randn(n, info.classes, generator=draws)
        case "tokens":
            targets = torch.randint(0, info.classes, (n, *info.input_shape), generator=draws)
    return outputs, targets


@pytest.mark.parametrize("name", BUILT_IN)
@given(n=st.integers(2, 40), seed=st.integers(0, 2**31))
def test_neither_order_nor_batches_matter(name: str, n: int, seed: int) -> None:
    objective, info = BUILT_IN[name]
    draws = torch.Generator().manual_seed(seed)
    outputs, targets = split(info, n, draws)
    objective = objective.bound(targets, info)
    whole = judge(objective, [(outputs, targets)])
    order = torch.randperm(n, generator=draws)
    cut = int(torch.randint(1, n, (), generator=draws))
    batches = list(zip(outputs[order].split(cut), targets[order].split(cut), strict=True))
    again = judge(objective, batches)
    assert again.loss == pytest.approx(whole.loss, rel=1e-9)
    assert again.metrics == pytest.approx(whole.metrics, rel=1e-9, abs=1e-12)
    assert list(whole.metrics) == [metric.name for metric in objective.metrics]


@pytest.mark.parametrize("name", BUILT_IN)
def test_what_is_kept_of_a_split_is_no_larger_than_its_targets(name: str) -> None:
    """But for cross-entropy's logits: where it is judged by accuracy alone, the engine counts."""
    objective, info = BUILT_IN[name]
    outputs, targets = split(info, 8, torch.Generator())
    kept = objective.bound(targets, info).evidence(outputs, targets)
    assert len(kept) == 8
    assert kept.numel() <= targets.numel() or name == "cross_entropy"

"""An evaluation over several ranks has the bits of one device's."""

from __future__ import annotations

import math
import os
import signal
from dataclasses import dataclass
from typing import Any, cast

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lth_bench.lottery.defaults import TRAIN_SAMPLE
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.objectives.cross_entropy import FocalLoss
from lth_bench.training.engine import network
from lth_bench.training.engine.layouts import alone
from lth_bench.training.engine.loss import Judged
from lth_bench.training.engine.network import Network
from lth_bench.training.input.task_data import Share
from lth_bench.training.parallel.evaluation import Evaluations, leaves_no_trace, rows_of
from lth_bench.training.parallel.follower import NoCrew
from lth_bench.training.parallel.group import Ranks
from lth_bench.training.parallel.layout import DataParallel
from lth_bench.training.recipe import Recipe

SHORT = ("recipes.short.val_size=697", "recipes.short.steps=12", "recipes.short.eval_every=5")
"""697 validation, 500 test and 600 training examples: four, three and three batches of 200."""
PLUGIN = """
from dataclasses import dataclass
from typing import ClassVar

from lth_bench.objectives import CrossEntropy, Metric
from lth_bench.training.engine import network

network.EVAL_BATCH = 200


@dataclass(frozen=True)
class Ordered(CrossEntropy):
    metrics: ClassVar = (Metric("ordered", "", True), *CrossEntropy.metrics)

    def measure(self, evidence, targets):
        order = evidence.max(1).values.argsort().double()
        return {"ordered": float(order.cos().cumsum(0).sum()), **super().measure(evidence, targets)}
"""
"""An objective whose metric needs all predictions at once, in order; and batches of 200."""


@pytest.mark.parametrize("examples", [1, 7, 40, 97])
@pytest.mark.parametrize("ranks", [2, 3, 8])
def test_parts_are_whole_batches_in_order(examples: int, ranks: int) -> None:
    parts = [rows_of(Share(rank, ranks), examples, 10) for rank in range(ranks)]
    assert [i for part in parts for i in range(examples)[part]] == list(range(examples))
    assert parts[0].stop > 0 and all(
        part.start % 10 == 0 for part in parts if part.start < examples
    )
    batches = [math.ceil((part.stop - part.start) / 10) for part in parts]
    assert max(batches) - min(batches) <= 1


class Odd(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.fc = nn.Linear(36, classes)
        self.register_buffer("calls", torch.zeros(()))


class Draws(Odd):
    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(self.fc(x.flatten(1)), 0.5)


class Counts(Odd):
    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.fc(x.flatten(1))


@dataclass(frozen=True)
class Made:
    kind: type

    def build(self, _: Any, classes: int) -> nn.Module:
        return self.kind(classes)


@pytest.mark.parametrize(
    ("net", "alike"),
    [
        (MLP(hidden=(3,), dropout=0.5), True),
        (ConvBN(), True),
        (Made(Draws), False),
        (Made(Counts), False),
    ],
    ids=["dropout", "batch norm", "draws", "counts"],
)
def test_what_leaves_a_trace_is_not_shared(net: Any, alike: bool, make_bench: Any) -> None:
    bench = make_bench(net, Recipe(steps=4, batch_size=20, val_size=60))
    assert leaves_no_trace(bench.network) == alike


class Rank:
    """One of three that are all in this process; the leader is the last to evaluate."""

    def __init__(self, rank: int, given: list[list[Tensor | None]]) -> None:
        self.share, self._given, self._calls = Share(rank, 3), given, 0

    def spread(self, tensors: Any) -> None:
        """They share the network."""

    def settle(self) -> None:
        """None is lost."""

    def joined(self, part: Tensor | None, sizes: list[int]) -> Tensor | None:
        assert (0 if part is None else len(part)) == sizes[self.share.rank]
        kind, self._calls = self._calls, self._calls + 1
        self._given[kind].append(part)
        if self.share.rank:
            return None
        followers, own = self._given[kind][:-1], self._given[kind][-1]
        return torch.cat([x for x in (own, *followers) if x is not None])


@pytest.mark.parametrize(
    "kind", ["resident", "streamed", "without background", "on a GPU", "streamed to a GPU"]
)
@pytest.mark.parametrize("objective", [None, FocalLoss()], ids=["plain", "focal"])
@pytest.mark.parametrize("batch", [8, 20, 31])
def test_any_split_of_three_ranks(
    kind: str, objective: Any, batch: int, request: Any, make_bench: Any, monkeypatch: Any
) -> None:
    """61 validation examples and a sample of 50: in eight batches, or fewer than there are ranks"""
    for module in (network, alone):
        monkeypatch.setattr(module, "EVAL_BATCH", batch)
    about: dict[str, Any] = {"streamed": kind.startswith("streamed")}
    if kind.endswith("GPU"):
        request.getfixturevalue("pretend_gpu")
        about["device"] = torch.device("cuda:0")
    if kind == "without background":
        request.getfixturevalue("any_size")
        about["arrays"] = request.getfixturevalue("dark")
    recipe = Recipe(steps=4, batch_size=20, val_size=61)
    bench = make_bench(MLP(hidden=(12,)), recipe, objective=objective, **about)
    assert (bench.network.sparse_input_sequential(bench.data) is None) == ("arrays" not in about)
    bench.network.load(bench.initial(1).values)
    for name, split in ((None, bench.data.val), (50, bench.data.sample(50))):
        given: list[list[Tensor | None]] = [[], []]
        made = [
            Evaluations(bench.network, bench.data, cast("Ranks", Rank(rank, given)), NoCrew())
            for rank in range(3)
        ]
        for follower in made[1:]:
            follower.follow(name or "val", batch)
        bench.network.over_ranks = made[0]
        found = bench.network.evaluate(split, bench.data, bench.dense_mask(), name=name)
        assert len(given[0]) == 3
        bench.network.over_ranks = None
        one = bench.network.evaluate(split, bench.data, bench.dense_mask(), name=name)
        assert found == one  # to the bit
        assert all(torch.equal(right, one.right[key]) for key, right in found.right.items())
        assert found.right.keys() == one.right.keys() and found.right


def test_what_the_leader_does_alone(make_bench: Any) -> None:
    """What is one batch, what followers do not know, and what they would see otherwise."""
    recipe = Recipe(steps=4, batch_size=20, val_size=60)
    bench, other = (make_bench(MLP(hidden=(3,)), recipe) for _ in range(2))
    made = Evaluations(bench.network, bench.data, cast("Ranks", Rank(0, [])), NoCrew())
    assert made.possible
    assert made.judge(bench.data.val, bench.data, None, right=True) is None
    for split, data, name in (
        (bench.data.train, bench.data, None),
        (other.data.val, other.data, "val"),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(network, "EVAL_BATCH", 10)
            assert made.judge(split, data, name, right=True) is None


@pytest.fixture(scope="module")
def workers(places: Any, tmp_path_factory: Any) -> Any:
    """One with two devices, one with one; both evaluate 200 examples at a time: the other process
    loads the plugin too.
    """
    plugin = tmp_path_factory.mktemp("plugins") / "ordered.py"
    plugin.write_text(PLUGIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "EVAL_BATCH", 200)
        yield places.worker(2, (plugin,)), places.worker(1, (plugin,))


CASES = {
    "cross-entropy": (),
    "batch norm": ('tasks.0.model="conv_bn"',),
    "counts and classes": ('tasks.0.objective="focal"', "recipes.short.label_smoothing=0"),
    "all predictions at once": ('tasks.0.objective="ordered"', "recipes.short.label_smoothing=0"),
}


@dataclass
class Spy:
    """Evaluations of a leader, each done by it alone too."""

    lead: Any
    patch: pytest.MonkeyPatch

    def __post_init__(self) -> None:
        self.shared: list[object] = []
        """The names of the splits that were."""
        self.patch.setattr(self.lead, "tell", self._told(self.lead.tell))
        for kind, name in ((Network, "evaluate"), (DataParallel, "evaluate")):
            self.patch.setattr(kind, name, self._compared(getattr(kind, name)))

    def _told(self, tell: Any) -> Any:
        def told(*command: Any) -> None:
            if command[0] == "evaluate":
                self.shared.append(command[1])
            tell(*command)

        return told

    def _compared(self, evaluate: Any) -> Any:
        def compared(where: Any, *given: Any, **named: Any) -> Any:
            found = evaluate(where, *given, **named)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Evaluations, "judge", lambda *_, **__: None)
                alone = evaluate(where, *given, **named)
            assert found == alone  # to the bit
            if isinstance(found, Judged):
                assert found.right.keys() == alone.right.keys() and found.right
                assert all(torch.equal(x, alone.right[key]) for key, x in found.right.items())
            return found

        return compared


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_bits_are_those_of_one_device(case: str, places: Any, workers: Any) -> None:
    two, one = workers
    overrides = (*SHORT, *CASES[case])
    lead = places.leader(two)
    with pytest.MonkeyPatch.context() as patch:
        spy = Spy(lead, patch)
        ran = places.run_on(two, 2, *overrides)
        places.run_on(one, 1, *overrides).require_equal(ran)
        assert spy.shared[:3] == ["val"] * 3  # at steps 5, 10 and 12
        assert spy.shared[3] == "test" and spy.shared[-1] == TRAIN_SAMPLE
        spy.shared.clear()
        # what one device does while all have other values and statistics
        layout = lead._layout[2]
        before = layout.evaluate([0])
        with torch.no_grad():
            for tensor in layout.network.module.state_dict().values():
                tensor += tensor.abs().log1p().to(tensor.dtype)
        assert layout.evaluate([0]) != before
        assert spy.shared == ["val"] * 2


@pytest.mark.slow
@pytest.mark.parametrize("split", ["val", "test"])
def test_a_rank_that_is_lost_in_an_evaluation(split: str, places: Any, workers: Any) -> None:
    """The experiment has the cause, and the next one other followers."""
    two, _ = workers
    lead = places.leader(two)

    def tell(*command: Any, tell: Any = lead.tell) -> None:
        if command[:2] == ("evaluate", split):
            os.kill(lead._followers[0]._process.pid, signal.SIGKILL)
        tell(*command)

    seed = f"suite.seeds=[{len(split) + 10}]"  # that no other test has trained
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lead, "tell", tell)
        ran = places.run_on(two, 2, *SHORT, seed)
    assert ran.status == "failed" and not lead._followers
    assert ran.reason.startswith("rank 1 of 2 (cpu) was killed by SIGKILL")
    assert places.run_on(two, 2, *SHORT, seed).status == "ok"

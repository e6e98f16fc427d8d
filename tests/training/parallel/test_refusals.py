"""What cannot be spread over devices is refused, with what to do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lth_bench.errors import TrainingError
from lth_bench.models.mlp import MLP
from lth_bench.objectives import CrossEntropy
from lth_bench.training.parallel.refusals import leaves_parameters_out, require_parallel
from lth_bench.training.recipe import Recipe
from lth_bench.training.request import FitRequest

RECIPE = Recipe(steps=4, batch_size=20, val_size=60, devices=2)


class Rebinds(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))
        self.fc, self.idle = nn.Linear(36, 3), nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Any:
        self.seen = self.seen + 1
        return self.fc(x.flatten(1))


@dataclass(frozen=True)
class Rebinding:
    def build(self, input_shape: Any, classes: int) -> nn.Module:
        return Rebinds()


@dataclass(frozen=True, kw_only=True)
class Contrastive(CrossEntropy):
    """Every example against the batch's mean."""

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return super().losses(outputs - outputs.mean(0), targets)


@dataclass(frozen=True, kw_only=True)
class Weighted(CrossEntropy):
    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return 2 * super().losses(outputs, targets)


def test_networks_and_objectives(make_bench: Any) -> None:
    bench = make_bench(Rebinding(), RECIPE)
    with pytest.raises(
        TrainingError, match=r"replaces its buffer 'seen'.*devices = 2; set devices"
    ):
        require_parallel(bench.network, bench.data, RECIPE)
    assert leaves_parameters_out(bench.network)
    bench = make_bench(MLP(hidden=(3,)), RECIPE)
    assert not leaves_parameters_out(bench.network)
    require_parallel(bench.network, bench.data, RECIPE)
    bench.network.objective = Weighted()
    require_parallel(bench.network, bench.data, RECIPE)
    bench.network.objective = Contrastive()
    with pytest.raises(TrainingError, match="Contrastive: the loss of an example depends on"):
        require_parallel(bench.network, bench.data, RECIPE)


def test_a_process_with_one_device(make_bench: Any, request_of: Any) -> None:
    bench = make_bench(MLP(hidden=(3,)), RECIPE)
    assert bench.cohort_size(RECIPE) == 1
    request: FitRequest = request_of(bench)
    with pytest.raises(TrainingError, match="devices = 2, which the workers of `lth-bench run`"):
        bench.fit(request)
    alone = replace(RECIPE, devices=1)
    assert bench.fit(replace(request, recipe=alone)).step == 4

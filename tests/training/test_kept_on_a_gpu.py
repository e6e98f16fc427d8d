"""A pruned training on a GPU is kept, and found again: its snapshots lie in the host's memory, its
mask on the device.
"""

from __future__ import annotations

import torch

from lth_bench.models.mlp import MLP
from lth_bench.training.checkpoints.cache import TrainingCache
from lth_bench.training.dispatch.workbench import Workbench
from lth_bench.training.input.resident import ResidentData
from lth_bench.training.recipe import Recipe

SHORT = Recipe(lr=0.05, steps=4, batch_size=20, val_size=60, eval_every=4)


def test_a_pruned_training(pretend_gpu, blobs, half_mask, request_of, tmp_path):
    device = torch.device("cuda:0")

    def bench():
        data = ResidentData(blobs, SHORT.val_size, device)
        return Workbench(
            model=MLP(hidden=(7,)),
            model_config={"name": "mlp"},
            data=data,
            data_config={"name": "blobs"},
            recipe=SHORT,
            device=device,
            cache=TrainingCache(tmp_path),
        )

    first = bench()
    trained = first.fit(request_of(first, mask=half_mask(first)))
    assert (tmp_path / trained.key / "training.json").exists()
    again = bench()
    found = again.find(trained.key, frozenset())
    assert found is not None
    for key, value in trained.values.items():
        assert torch.equal(value.cpu(), found.values[key])
    assert trained.peak_memory == found.peak_memory > 0

"""What a rank's layout does on GPUs, where NCCL ends a wait without an error."""

from __future__ import annotations

from multiprocessing import Pipe
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lth_bench.errors import TrainingError
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.training.input.task_data import Share
from lth_bench.training.parallel import layout, leader
from lth_bench.training.parallel.follower import NoCrew
from lth_bench.training.parallel.group import Ranks
from lth_bench.training.parallel.layout import DataParallel
from lth_bench.training.parallel.leader import RankLeader
from lth_bench.training.recipe import Recipe

CUDA = torch.device("cuda:0")
READS = {
    "evaluate": [[0]],
    "live": [0],
    "gradients": [0],
    "snapshots": [[0]],
    "state": [0],
}


class Killed:
    """A follower that is dead."""

    name = "rank 1 of 2 (cuda:1)"

    def __init__(self) -> None:
        self.pipe, _ = Pipe()
        self.sentinel = self.pipe

    def how(self) -> str:
        return "was killed by SIGKILL"

    def kill(self) -> None:
        """It is dead."""


class Wrapped(nn.Module):
    """Instead of torch's DistributedDataParallel: what it was given."""

    def __init__(self, module: nn.Module, **options: Any) -> None:
        super().__init__()
        self.module, self.options = module, options

    def forward(self, x: Tensor) -> Any:
        return self.module(x)


@pytest.fixture
def alone(make_bench: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`alone(crew)`: the layout of one rank of one, with `crew`."""
    monkeypatch.setattr(layout, "DistributedDataParallel", Wrapped)
    bench = make_bench(ConvBN(), Recipe(steps=4, batch_size=20, val_size=60))

    def make(crew: Any) -> DataParallel:
        group = Ranks(Share(0, 1), bench.device)
        made = DataParallel(bench.network, bench.data, bench.recipe, group=group, crew=crew)
        started(made, bench)
        return made

    return make


def started(made: DataParallel, bench: Any) -> None:
    """Load a member."""
    made.begin([1], [0], [bench.initial(1).values], [bench.dense_mask()], penalties={})


@pytest.mark.parametrize("read", READS)
def test_no_value_is_read_once_a_rank_is_lost(read: str, alone: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(leader, "CAUSE", 0.2)
    lead = RankLeader(lambda *_: Killed(), ["cuda:0", "cuda:1"])
    lead._followers = [Killed()]
    made = alone(lead)
    lead._group = made.group
    getattr(made, read)(*READS[read])  # nothing is lost
    made.group.abort()
    with pytest.raises(TrainingError, match=r"^rank 1 of 2 \(cuda:1\) was killed by SIGKILL$"):
        getattr(made, read)(*READS[read])
    assert lead._group is None and not lead._followers


def test_what_the_reducer_is_given_on_a_cpu(alone: Any) -> None:
    made = alone(NoCrew())
    assert made._parallel.options == {
        "device_ids": None,
        "find_unused_parameters": False,
        **layout.BUFFERS,
    }


def on_gpu(make_bench: Any, net: Any) -> tuple[DataParallel, Any]:
    bench = make_bench(net, Recipe(steps=4, batch_size=20, val_size=60), device=CUDA)
    group = Ranks(Share(0, 1), CUDA)
    made = DataParallel(bench.network, bench.data, bench.recipe, group=group, crew=NoCrew())
    started(made, bench)
    return made, bench


def test_batch_norm_on_a_gpu(pretend_gpu: Any, make_bench: Any, monkeypatch: Any) -> None:
    """It is torch's synchronised one; the network's own is left for evaluations."""
    monkeypatch.setattr(layout, "DistributedDataParallel", Wrapped)
    made, bench = on_gpu(make_bench, ConvBN())
    assert made._parallel.options["device_ids"] == [CUDA]
    ours = [m for m in bench.network.module.modules() if isinstance(m, nn.BatchNorm2d)]
    theirs = [m for m in made._replica.modules() if isinstance(m, nn.SyncBatchNorm)]
    assert len(ours) == len(theirs) > 0
    for a, b in zip(ours, theirs, strict=True):
        assert a.running_mean.data_ptr() == b.running_mean.data_ptr()


def test_steps_are_queued_and_only_reads_wait(
    pretend_gpu: Any, make_bench: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(layout, "DistributedDataParallel", Wrapped)
    monkeypatch.setattr(Ranks, "mean", lambda self, value: value.detach().clone())
    monkeypatch.setattr(Ranks, "spread", lambda self, tensors: None)
    made, _ = on_gpu(make_bench, MLP(hidden=(3,), dropout=0.5))
    made.advance(0, 1, lambda _: 0.1, lambda: False)  # an epoch's order is copied to the device
    pretend_gpu.reset()
    assert made.advance(1, 3, lambda _: 0.1, lambda: False) == 3
    assert not pretend_gpu.waits
    made.live(0)
    assert sum(pretend_gpu.waits.values()) == 1

"""Two processes under DDP (gloo) keep one mask, whatever data each selects it from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from thoroughness import some

PROGRAM = """
import sys
import torch, torch.nn.functional as F, torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
import lth_bench

rank, store, out, strategy, early, kind = int(sys.argv[1]), *sys.argv[2:7]

class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.lstm, self.head = nn.LSTM(6, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, x):
        x = x.squeeze(1)
        x = self.attention(x, x, x, need_weights=False)[0]
        return self.head(self.lstm(x)[0].mean(1))

torch.set_num_threads(1)
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
torch.manual_seed(rank)  # each begins with values of its own
net = nn.Sequential(nn.Flatten(), nn.Linear(36, 20), nn.ReLU(), nn.Linear(20, 3))
net = net if kind == "mlp" else Reader()
draws = torch.Generator().manual_seed(100 + rank)  # and sees data of its own
x = torch.randn(256, 1, 6, 6, generator=draws)
y = torch.randint(0, 3, (256,), generator=draws)
optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
params = {"rigl": {"update_every": 4}, "snip": {"batch_size": 64}}[strategy]

def sparsify(model):
    return lth_bench.sparsify(
        model, optimizer, strategy, 0.3, steps=16, data=(x, y), params=params
    )

sparse = sparsify(net) if early == "before" else None
ddp = DistributedDataParallel(net)
sparse = sparse or sparsify(ddp)
for step in range(16):
    part = slice(16 * step, 16 * step + 16)
    optimizer.zero_grad()
    F.cross_entropy(ddp(x[part]), y[part]).backward()
    optimizer.step()
torch.save({"mask": sparse.mask.items_by_key(), "values": net.state_dict()}, out)
dist.destroy_process_group()
"""


@pytest.mark.skipif(not dist.is_available() or not dist.is_gloo_available(), reason="needs gloo")
@pytest.mark.parametrize(
    ("strategy", "early", "kind"),
    some([("rigl", "after", "mlp"), ("snip", "before", "mlp"), ("rigl", "before", "reader")]),
)
def test_both_processes_have_one_mask(tmp_path: Path, strategy: str, early: str, kind: str) -> None:
    files = [tmp_path / f"{rank}.pt" for rank in range(2)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(rank), str(tmp_path / "store"), str(file),
             strategy, early, kind],
            stderr=subprocess.PIPE, text=True,
        )
        for rank, file in enumerate(files)
    ]  # fmt: skip
    for process in processes:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
    first, second = (torch.load(file, weights_only=True) for file in files)
    assert len(first["mask"]) == {"mlp": 2, "reader": 5}[kind]
    for key, kept in first["mask"].items():
        assert torch.equal(kept, second["mask"][key])
        weight = first["values"][key]
        assert not weight[~kept].any() and weight[kept].any()
    for key, value in first["values"].items():
        assert torch.equal(value, second["values"][key])

"""How ranks meet, and how one's wait for another is ended."""

from __future__ import annotations

import os
from typing import Any

import pytest
import torch
import torch.distributed as dist

from lth_bench.training.input.task_data import Share
from lth_bench.training.parallel.group import OWN_WATCH, Ranks


@pytest.mark.parametrize(
    ("device", "available", "backend", "limit"),
    [("cuda:1", True, "nccl", 20), ("cuda:1", False, "gloo", 10), ("cpu", True, "gloo", 10)],
)
def test_gpus_talk_by_nccl_under_the_leaders_watch(
    device: str, available: bool, backend: str, limit: int, monkeypatch: Any, tmp_path: Any
) -> None:
    """Without it, torch's threads would end the process: https://pytorch.org/docs, NCCL."""
    said: dict[str, Any] = {}

    def init(name: str, **options: Any) -> None:
        said.update(options, name=name)

    for name in (*OWN_WATCH, "GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setattr(dist, "init_process_group", init)
    monkeypatch.setattr(dist, "is_nccl_available", lambda: available)
    Ranks.join(tmp_path / "meet", Share(1, 3), torch.device(device), 10.0)
    assert (said["name"], said["rank"], said["world_size"]) == (backend, 1, 3)
    assert said["timeout"].total_seconds() == limit
    assert {os.environ[name] for name in OWN_WATCH} == {"0" if backend == "nccl" else "1"}


@pytest.fixture
def group(tmp_path: Any) -> Any:
    """A rank that is the only one."""
    made = Ranks.join(tmp_path / "meet", Share(0, 1), torch.device("cpu"), 60.0)
    yield made
    made.leave()


@pytest.mark.parametrize("notices", [True, False])
def test_a_group_is_left_once(notices: bool, group: Ranks, monkeypatch: Any, tmp_path: Any) -> None:
    monkeypatch.setattr(Ranks, "notices_loss", notices)
    group.settle()
    assert group.mean(torch.tensor(3.0)).item() == pytest.approx(3.0)
    group.abort()
    assert group.lost and not dist.is_initialized()
    with pytest.raises(RuntimeError, match="another rank was lost"):
        group.settle()
    with pytest.raises(ValueError, match="process group has not been initialized"):
        group.mean(torch.tensor(3.0))
    other = Ranks.join(tmp_path / "again", Share(0, 1), torch.device("cpu"), 60.0)
    group.leave()  # as a watch that comes too late
    group.abort()
    assert dist.is_initialized() and not other.lost
    other.leave()
    assert not dist.is_initialized() and not other.lost


@pytest.mark.parametrize("backend", ["gloo", "nccl"])
def test_only_nccl_waits_on(backend: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(dist, "get_backend", lambda: backend)
    assert Ranks(Share(0, 2), torch.device("cuda:0")).notices_loss == (backend == "gloo")

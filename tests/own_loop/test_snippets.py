"""The documentation's loops run as they are written: plain PyTorch, Lightning, Transformers."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from documents import ROOT, blocks

PLAIN, TOKENS, LIGHTNING, TRANSFORMERS = blocks(ROOT / "docs" / "how-to" / "own-loop.md", "python")


def run(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a snippet leaves behind. Others' warnings are not ours."""
    monkeypatch.chdir(folder)
    found: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(text, "own-loop.md", "exec"), found)
    return found


def held(sparse: Any, model: torch.nn.Module, density: float, steps: int) -> None:
    assert sparse.step == steps
    assert sparse.density == pytest.approx(density, abs=1e-3)
    values = model.state_dict()
    for key, kept in sparse.mask.items_by_key().items():
        assert not values[key][~kept].any()


def test_a_plain_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = run(PLAIN, tmp_path, monkeypatch)
    held(found["sparse"], found["model"], 0.1, 200)


def test_a_loop_over_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = run(TOKENS, tmp_path, monkeypatch)
    held(found["sparse"], found["model"], 0.1, 8)


def test_lightning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lightning", reason="Lightning is not installed")
    found = run(LIGHTNING, tmp_path, monkeypatch)
    model = found["classifier"]
    held(model.sparse, model, 0.1, 40)
    (file,) = tmp_path.rglob("*.ckpt")
    (saved,) = torch.load(file, weights_only=False)["optimizer_states"]
    assert saved["lth_bench"]["step"] == 40


def test_the_transformers_trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers", reason="Transformers is not installed")
    pytest.importorskip("accelerate", reason="Accelerate is not installed")
    found = run(TRANSFORMERS, tmp_path, monkeypatch)
    held(found["sparse"], found["model"], 0.2, 20)
    (file,) = tmp_path.rglob("optimizer.pt")
    assert torch.load(file, weights_only=True)["lth_bench"]["step"] == 20

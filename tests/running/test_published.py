"""Weights that torchvision publishes, in the formats of its files; nothing is downloaded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import nn

from lth_bench.errors import UserError
from lth_bench.models.torchvision import Torchvision
from lth_bench.running.published import as_built
from lth_bench.running.starts import find_start
from lth_bench.suite.start import StartSpec
from lth_bench.training.start import read_start, started

NAME = "SqueezeNet1_1_Weights.IMAGENET1K_V1"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch's folder of downloads."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("LTH_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LTH_BENCH_OFFLINE", "1")
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def network(name: str, classes: int = 10) -> nn.Module:
    with torch.device("meta"):
        return Torchvision(name).build((3, 96, 96), classes)


def published(*drawn: str, weights: str = NAME, model: str = "squeezenet1_1") -> Any:
    spec = StartSpec(f"torchvision:{weights}", drawn)
    return find_start(spec, network(model), "torchvision", "float32")


@pytest.mark.parametrize("zipped", [True, False])
def test_torchvisions_weights(hub: Path, zipped: bool):
    """As they are published: a state dict, of parameters in some files, in either format."""
    torch.manual_seed(0)
    module = Torchvision("squeezenet1_1").build((3, 32, 32), 1000)
    state = module.state_dict(keep_vars=not zipped)
    file = hub / "squeezenet1_1-b8a52dc0.pth"
    torch.save(state, file, _use_new_zipfile_serialization=zipped)
    assert file.read_bytes().startswith(b"PK" if zipped else b"\x80\x02")
    with pytest.raises(UserError, match=r'start_except = \["classifier.1.\*"\]'):
        published()
    start = published("classifier.*")
    assert start.drawn == ("classifier.1.bias", "classifier.1.weight")
    assert start.path.suffix == ".safetensors"
    assert published("classifier.*") == start  # the same bytes every time
    values = read_start(start.path, start.drawn)
    assert values.keys() == state.keys() - set(start.drawn)
    assert all(torch.equal(value, state[key]) for key, value in values.items())


def test_files_from_before_batch_norm_counted(hub: Path):
    """Those of resnet, vgg and shufflenet, among others, have no `num_batches_tracked`."""
    torch.manual_seed(0)
    state = Torchvision("shufflenet_v2_x0_5").build((3, 32, 32), 1000).state_dict()
    old = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    assert len(state) - len(old) == 56
    torch.save(old, hub / "shufflenetv2_x0.5-f707e7126e.pth")
    weights = "ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1"
    start = published("fc.*", weights=weights, model="shufflenet_v2_x0_5")
    assert start.drawn == ("fc.bias", "fc.weight")
    values = read_start(start.path, start.drawn)
    fresh = Torchvision("shufflenet_v2_x0_5").build((3, 32, 32), 10)
    fresh.load_state_dict(started(fresh.state_dict(), values))
    assert torch.equal(fresh.get_parameter("conv1.0.weight"), state["conv1.0.weight"])
    assert fresh.get_buffer("conv1.1.num_batches_tracked") == 0


def test_names_of_densenets_files():
    keys = list(network("densenet121").state_dict())
    files = [re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", key) for key in keys]
    assert "features.denseblock1.denselayer1.norm.1.weight" in files
    assert list(as_built(dict.fromkeys(files, torch.zeros(1)))) == keys


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_auxiliary_classifiers_of_files_are_left_out(name: str):
    with torch.device("meta"):
        whole = torchvision.models.get_model(name, weights=None, init_weights=False).state_dict()
    ours = network(name, 1000).state_dict()
    assert len(whole) > len(ours)
    assert as_built(whole).keys() == ours.keys()


class Evil:
    def __reduce__(self) -> Any:
        return exec, ("import pathlib; pathlib.Path('ran').touch()",)


def test_torchvisions_weights_run_no_code(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    torch.save({"a": Evil()}, hub / "squeezenet1_1-b8a52dc0.pth")
    with pytest.raises(UserError, match="cannot be loaded"):
        published()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [torch.zeros(2), {"epoch": 3}, [1]])
def test_files_that_hold_no_state_dict(hub: Path, content: Any):
    torch.save(content, hub / "squeezenet1_1-b8a52dc0.pth")
    with pytest.raises(UserError, match=r"squeezenet1_1-b8a52dc0.pth cannot be loaded"):
        published()


def test_torchvisions_weights_that_are_not_there(hub: Path):
    with pytest.raises(UserError, match=r"squeezenet1_1-b8a52dc0.pth is missing, and .*OFFLINE"):
        published()
    spec = StartSpec("torchvision:SqueezeNet1_1_Weights.IMAGENET1K_V3")
    with pytest.raises(UserError, match=r"unknown weights of torchvision .*did you mean"):
        find_start(spec, nn.Linear(1, 1), "linear", "float32")

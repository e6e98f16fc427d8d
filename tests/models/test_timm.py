"""timm's classifiers, where timm is installed; and what is said where it is not."""

from __future__ import annotations

import sys

import pytest
import torch

from lth_bench.errors import UserError
from lth_bench.models.prunable import prunable_layers
from lth_bench.models.timm import Timm


def test_without_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UserError, match=r"pip install 'lth-bench\[timm\]'"):
        Timm("resnet18").build((3, 32, 32), 10)


@pytest.fixture
def timm() -> None:
    pytest.importorskip("timm", reason="timm is not installed; the extra `timm` has it")


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize("name", ["resnet10t", "vit_tiny_patch16_224"])
def test_its_networks_are_built_for_the_data(name: str) -> None:
    shape = (1, 32, 32)
    net = Timm(name).build(shape, 7)
    assert net.eval()(torch.zeros(2, *shape)).shape == (2, 7)
    layers = prunable_layers(net, shape, 7)
    assert layers[-1].kind == "output" and layers[0].shape[1] == 1


@pytest.mark.usefixtures("timm")
def test_what_it_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    import timm

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("too small")

    with pytest.raises(UserError, match=r"unknown timm classifier 'resnet17'.*did you mean"):
        Timm("resnet17").build((3, 32, 32), 10)
    monkeypatch.setattr(timm, "create_model", refuse)
    with pytest.raises(UserError, match=r"cannot be built for images of 3×30×30: .*too small"):
        Timm("resnet18").build((3, 30, 30), 10)

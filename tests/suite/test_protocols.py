"""How papers trained: the rows themselves, and in what a recipe differs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lth_bench.plugins import load_registry
from lth_bench.suite.protocols import protocol_of, protocols
from lth_bench.suite.published import figures

RENDA = next(p for p in protocols() if (p.paper, p.network) == ("renda2020", "ResNet-20"))
SAME = {
    "optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 2e-4, "batch_size": 128,
    "epochs": 182, "crop": 4, "flip": True,
}  # fmt: skip


def test_rows_are_of_papers_with_figures_and_of_models_that_are_here() -> None:
    registry = load_registry()
    papers = {(f.name.partition("/")[0], f.network, f.dataset) for f in figures().values()}
    seen = [(p.paper, p.network, p.dataset) for p in protocols()]
    assert len(seen) == len(set(seen))
    for p in protocols():
        assert (p.paper, p.network, p.dataset) in papers
        assert registry.get("models", p.model.partition("(")[0].partition(":")[0])
        assert registry.get("datasets", p.data.partition(":")[0])
        assert p.basis in ("source", "unverified")
        assert p.augmentation in ("", "none", "crop", "flip", "crop and flip")
        for number in (p.batch_size, p.lr, p.momentum, p.weight_decay):
            assert not number or float(number) >= 0


def test_methods_of_figures_are_strategies_that_are_here() -> None:
    registry = load_registry()
    for name, figure in figures().items():
        for method in filter(None, (figure.method, figure.versus)):
            strategy, _, control = method.partition("/")
            assert strategy == "synflow" or registry.get("strategies", strategy), name
            assert control in ("", "reinit"), name
        assert bool(figure.method) == bool(figure.metric), name
        assert not figure.versus or figure.unit in ("points", "ratio"), name


def test_the_same_recipe_differs_in_nothing() -> None:
    assert list(RENDA.differences("resnet20", SAME)) == []


@pytest.mark.parametrize(
    ("model", "change", "said"),
    [
        ("resnet20", {"batch_size": 64}, ["batch size 64 here, 128 there"]),
        ("resnet20", {"epochs": None, "steps": 5000}, ["5,000 steps here, 182 epochs there"]),
        ("resnet20", {"optimizer": "adam"}, ["adam here, sgd there"]),
        ("resnet20", {"crop": 0, "flip": False}, ["augmentation none here, crop and flip there"]),
        (
            "resnet20",
            {"crop": 0, "resized_crop": {}},
            ["augmentation resized crop and flip here, crop and flip there"],
        ),
        ("resnet20", {"crop": 0}, ["augmentation flip here, crop and flip there"]),
        ("resnet20(gamma_init=0.5)", {}, ["gamma_init=0.5 here"]),
        ("resnet20", {"lr": None}, ["learning rate the default here, 0.1 there"]),
    ],
)
def test_what_differs_is_said(model: str, change: dict[str, object], said: list[str]) -> None:
    assert list(RENDA.differences(model, {**SAME, **change})) == said


def test_what_is_not_known_is_said() -> None:
    unknown = replace(RENDA, length="", lr="", augmentation="")
    assert list(unknown.differences("resnet20", SAME)) == [
        "not known of the paper: length, learning rate, augmentation"
    ]


def test_a_model_may_have_more_parameters_than_the_papers_but_not_other_ones() -> None:
    wide = next(p for p in protocols() if p.paper == "evci2020")
    assert wide.is_task("wide_resnet(depth=22,width=2)", "cifar10")
    assert wide.is_task("wide_resnet(depth=22,gamma_init=0.5,width=2)", "cifar10")
    assert not wide.is_task("wide_resnet(depth=16,width=2)", "cifar10")
    assert not wide.is_task("wide_resnet(depth=22,width=2)", "cifar100")
    figure = figures()["evci2020/wrn22-rigl-erk-5"]
    assert protocol_of(figure) == wide
    imagenet = protocol_of(figures()["renda2020/r50-dense"])
    assert imagenet is not None
    assert imagenet.is_task("torchvision:resnet50", "image_folder:imagenet(resize=256,size=224)")
    assert protocol_of(figures()["liu2019/vgg16-ft-70"]) is None

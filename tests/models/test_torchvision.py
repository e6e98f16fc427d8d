from __future__ import annotations

import pytest
import torch

from lth_bench.errors import UserError
from lth_bench.models.prunable import prunable_layers
from lth_bench.models.torchvision import Torchvision
from lth_bench.structure import unit_groups


@pytest.mark.parametrize(
    ("name", "shape", "weights", "output"),
    [
        ("resnet18", (3, 32, 32), 11_172_032, "fc"),
        ("mobilenet_v2", (3, 32, 32), 2_202_560, "classifier.1"),
        ("squeezenet1_1", (3, 64, 64), 724_672, "classifier.1"),
        ("googlenet", (3, 64, 64), None, "fc"),
        ("vit_b_32", (3, 64, 64), None, "heads.head"),
    ],
)
def test_classifiers(
    name: str, shape: tuple[int, int, int], weights: int | None, output: str
) -> None:
    with torch.device("meta"):
        module = Torchvision(name).build(shape, 10)
    layers = prunable_layers(module, shape, 10)
    assert [x.name for x in layers if x.kind == "output"] == [output]
    assert weights in (None, sum(x.numel for x in layers))


def test_untrained_and_seeded() -> None:
    built = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        built.append(Torchvision("squeezenet1_1").build((3, 64, 64), 10).state_dict())
    assert all(torch.equal(built[0][key], built[1][key]) for key in built[0])
    assert any(not torch.equal(built[0][key], built[2][key]) for key in built[0])


def test_options() -> None:
    module = Torchvision("resnet18", init="glorot_normal", gamma_init=0.5).build((3, 32, 32), 10)
    assert not module.get_submodule("fc").bias.any()
    assert (module.get_submodule("bn1").weight == 0.5).all()
    assert (Torchvision("resnet18").build((3, 32, 32), 10).get_submodule("bn1").weight == 1).all()


def test_unknown_name() -> None:
    with pytest.raises(UserError, match=r"'resnet5'.*did you mean 'resnet"):
        Torchvision("resnet5").build((3, 224, 224), 10)
    # no classifier
    with pytest.raises(UserError, match="unknown torchvision classifier"):
        Torchvision("fcn_resnet50").build((3, 224, 224), 10)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("resnet18", (1, 28, 28), "3 channels, but got 1"),
        ("vit_b_32", (3, 64, 32), "square"),
        ("vit_b_32", (3, 33, 33), "cannot be built for images of 33×33"),
    ],
)
def test_inputs_that_do_not_fit(name: str, shape: tuple[int, int, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Torchvision(name).build(shape, 10)


def test_windows_of_attention_have_no_units() -> None:
    """Looking for them took ever more memory, without an end."""
    from torchvision.models import SwinTransformer

    swin = SwinTransformer([4, 4], 6, [2], [2], [4, 4], mlp_ratio=2.0, num_classes=3)
    with pytest.raises(
        UserError, match=r"SwinTransformer does not support structured pruning: .* reshapes"
    ):
        unit_groups(swin, (3, 32, 32))

"""The conventional loop trains as this package does, from the same batches and from its own."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch

from lth_bench.data.splits import channel_stats
from lth_bench.masks import Mask
from lth_bench.training.engine.cohort import Cohort
from lth_bench.training.engine.layouts import make_layout
from lth_bench.training.engine.network import Network
from lth_bench.training.input.resident import ResidentData
from lth_bench.training.pending_fit import PendingFit
from lth_bench.training.request import FitRequest
from training.conventional import Masked, Trainer, make_loader, prunable, prune
from training.images import STATISTICS, Images
from training.nets import Net
from training.samples import made

CPU = torch.device("cpu")


def start(net: Net) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Values, and masks of half of each layer's weights by parameter."""
    torch.manual_seed(0)
    network = net.build()
    masks = {n: torch.rand_like(network.get_parameter(n)) < 0.5 for n in prunable(network)}
    return {k: v.clone() for k, v in network.state_dict().items()}, masks


def train_ours(net: Net, data: ResidentData, steps: int) -> tuple[Network, dict[str, torch.Tensor]]:
    values, masks = start(net)
    network = Network(
        module=net.build(),
        input_shape=net.shape,
        classes=net.classes,
        device=CPU,
        dtype=net.recipe.dtype,
    )
    mask = Mask({k.removesuffix(".weight"): m for k, m in masks.items()}, layers=network.layers)
    asked = PendingFit(
        FitRequest(values=values, mask=mask, start=0, end=steps, seed=0, recipe=net.recipe)
    )
    Cohort(make_layout(network, data, net.recipe, 1), [[asked]]).run()
    assert asked.outcome is not None, asked.error
    return network, dict(asked.outcome.values)


def train_theirs(net: Net, batches: object) -> Trainer:
    values, masks = start(net)
    network = net.build()
    network.load_state_dict(values)
    trainer = Trainer(Masked(network, masks), net.recipe, CPU)
    trainer.train(batches)  # type: ignore[arg-type]
    return trainer


@pytest.mark.parametrize(
    "changes",
    [{"optimizer": "adam"}, {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 1e-3}],
)
def test_the_same_batches_give_the_same_weights(tiny: Net, changes: dict[str, object]) -> None:
    recipe = replace(tiny.recipe, **changes)  # type: ignore[arg-type]
    net = replace(tiny, recipe=recipe)
    data = ResidentData(made(tiny.shape, 400, 50), 10, CPU)
    _, ours = train_ours(net, data, 10)
    theirs = train_theirs(net, [data.batch(step, 0, recipe) for step in range(10)])
    theirs.model(torch.zeros(1, *net.shape))  # applies the masks to the last update
    for name, value in theirs.model.network.state_dict().items():
        torch.testing.assert_close(value, ours[name], rtol=1e-3, atol=1e-5)


def test_both_reach_the_same_accuracy_from_their_own_batches(
    tiny: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = made(tiny.shape, 2000, 500)
    mean, std = channel_stats(arrays.train_x)
    monkeypatch.setitem(STATISTICS, 1, (mean.tolist(), std.tolist()))
    data = ResidentData(arrays, 10, CPU)
    network, values = train_ours(tiny, data, 60)
    network.module.load_state_dict(values)
    x = data.normalise(arrays.test_x)
    mine = (network.module.eval()(x).argmax(1) == arrays.test_y).float().mean()

    images = Images(arrays.train_x, arrays.train_y)
    loader = make_loader(images, 32, 0, CPU, train=True)
    trainer = train_theirs(tiny, itertools.islice(loader, 60))
    test = make_loader(Images(arrays.test_x, arrays.test_y), 32, 0, CPU, train=False)
    _, theirs = trainer.evaluate(test)
    assert mine > 0.9
    assert theirs == pytest.approx(float(mine), abs=0.05)


def test_evaluate_is_the_mean_over_images(tiny: Net) -> None:
    arrays = made(tiny.shape, 50, 50)
    trainer = train_theirs(tiny, [])
    images = Images(arrays.test_x, arrays.test_y)
    loss, accuracy = trainer.evaluate(make_loader(images, 32, 0, CPU, train=False))
    with torch.no_grad():
        logits = trainer.model(torch.stack([images[i][0] for i in range(50)]))
    mean = float(torch.nn.functional.cross_entropy(logits, arrays.test_y))
    assert loss == pytest.approx(mean, rel=1e-5)
    assert accuracy == pytest.approx(float((logits.argmax(1) == arrays.test_y).float().mean()))


def test_masks_are_applied_before_every_forward(tiny: Net) -> None:
    _, masks = start(tiny)
    network = tiny.build()
    model = Masked(network, masks)
    model(torch.zeros(1, *tiny.shape))
    for name, mask in masks.items():
        assert (network.get_parameter(name)[~mask] == 0).all()
        assert (network.get_parameter(name)[mask] != 0).any()


def test_prune_takes_the_smallest_survivors_of_all_layers() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(4, 1), torch.nn.Linear(4, 1))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[0.1, -0.2, 0.3, -0.4]]))
        network[1].weight.copy_(torch.tensor([[0.01, 5.0, -6.0, 7.0]]))
    masks = {"0.weight": torch.ones(1, 4), "1.weight": torch.tensor([[0.0, 1.0, 1.0, 1.0]])}
    found = prune(network, masks, 3 / 7)
    assert found["0.weight"].tolist() == [[0, 0, 0, 1]]
    assert found["1.weight"].tolist() == [[0, 1, 1, 1]]

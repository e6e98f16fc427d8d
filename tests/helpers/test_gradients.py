"""Gradients and Hessian–vector products, against differences, a Hessian and torch's own."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lth_bench import (
    Layers,
    Mask,
    Unreachable,
    gradients_of,
    hessian_vector_product,
    loss_gradients,
    prunable_weights,
)
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP


@dataclass(frozen=True)
class Smooth:
    """Two layers with tanh: small, and curved everywhere. 36·3 + 3·3 = 117 weights."""

    def build(self, input_shape, classes):
        return nn.Sequential(nn.Flatten(), nn.Linear(36, 3), nn.Tanh(), nn.Linear(3, classes))


@dataclass(frozen=True)
class Unused:
    """Has a layer that its outputs do not depend on, and one that a person froze."""

    def build(self, input_shape, classes):
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.used = nn.Linear(36, classes)
                self.idle = nn.Linear(2, 2)
                self.used.weight.requires_grad_(False)

            def forward(self, x):
                return self.used(x.flatten(1))

        return Net()


def loss_at(ticket, weights, batch, temperature=1.0, training=False):
    """The loss as a function of the prunable weights alone."""
    x, y = batch
    module = ticket.module().train(training)
    values = {f"{name}.weight": w for name, w in weights.items()}
    return F.cross_entropy(torch.func.functional_call(module, values, (x,)) / temperature, y)


def random_like(layers, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return layers.map(lambda t: torch.randn(t.shape, generator=rng, dtype=t.dtype))


@pytest.fixture
def smooth(make_ticket):
    ticket = make_ticket(Smooth(), dtype="float64")
    return ticket, next(ticket.batches(40))


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_gradients_are_the_loss_s_slopes(smooth, temperature):
    ticket, batch = smooth
    found = loss_gradients(ticket, batch, temperature=temperature)
    theta, direction, h = ticket.initial.weights, random_like(ticket.initial.weights), 1e-5
    ahead, behind = (
        loss_at(ticket, theta + direction * step, batch, temperature).detach() for step in (h, -h)
    )
    assert float(found.dot(direction)) == pytest.approx(float(ahead - behind) / (2 * h), rel=1e-7)


@pytest.mark.parametrize("temperature", [1.0, 200.0])
def test_the_product_is_the_explicit_hessian_s(smooth, temperature):
    ticket, batch = smooth
    theta, v = ticket.initial.weights, random_like(ticket.initial.weights)
    shapes = [t.shape for t in theta.values()]
    sizes = [t.numel() for t in theta.values()]

    def loss(flat):
        parts = [p.view(s) for p, s in zip(flat.split(sizes), shapes, strict=True)]
        return loss_at(ticket, dict(zip(theta, parts, strict=True)), batch, temperature)

    hessian = torch.autograd.functional.hessian(loss, theta.flat())
    assert hessian.shape == (117, 117)
    found = hessian_vector_product(ticket, batch, v, temperature=temperature).flat()
    torch.testing.assert_close(found, hessian @ v.flat(), rtol=1e-10, atol=1e-14)
    assert float(found.abs().max()) > 0


def test_the_product_is_the_gradient_s_slope(smooth):
    """(g(θ + hv) − g(θ − hv)) / 2h, in train mode with batch norm's statistics too."""
    ticket, batch = smooth
    theta, v, h = ticket.initial.weights, random_like(ticket.initial.weights, 1), 1e-5

    def gradient(step):
        values = dict(ticket.initial.values)
        values |= {f"{name}.weight": w for name, w in (theta + v * step).items()}
        return loss_gradients(ticket, batch, values=values)

    expected = (gradient(h) - gradient(-h)) / (2 * h)
    found = hessian_vector_product(ticket, batch, v)
    torch.testing.assert_close(found.flat(), expected.flat(), rtol=1e-6, atol=1e-9)


@dataclass(frozen=True)
class Reads:
    """Reads the rows of an image in turn: an LSTM, or attention."""

    kind: str

    def build(self, input_shape, classes):
        class Net(nn.Module):
            def __init__(self, middle):
                super().__init__()
                self.middle, self.head = middle, nn.Linear(6, classes)

            def forward(self, x):
                x = x.squeeze(1)
                if isinstance(self.middle, nn.LSTM):
                    return self.head(self.middle(x)[0].mean(1))
                return self.head(self.middle(x, x, x, need_weights=False)[0].mean(1))

        return Net(
            nn.LSTM(6, 6, batch_first=True)
            if self.kind == "lstm"
            else nn.MultiheadAttention(6, 2, batch_first=True)
        )


@pytest.mark.parametrize("kind", ["lstm", "attention"])
def test_the_product_of_layers_with_fused_kernels(make_ticket, kind):
    """torch's fused attention has no second derivative, nor has cuDNN's LSTM."""
    ticket = make_ticket(Reads(kind), dtype="float64")
    batch = next(ticket.batches(20))
    theta, v, h = ticket.initial.weights, random_like(ticket.initial.weights, 1), 1e-5

    def gradient(step):
        moved = theta + v * step
        new = {layer.key: moved[layer.name] for layer in ticket.layers}
        return loss_gradients(ticket, batch, values={**ticket.initial.values, **new})

    expected = (gradient(h) - gradient(-h)) / (2 * h)
    found = hessian_vector_product(ticket, batch, v)
    torch.testing.assert_close(found.flat(), expected.flat(), rtol=1e-5, atol=1e-9)
    assert float(found.flat().abs().max()) > 1e-4


@dataclass(frozen=True)
class Hard:
    """Two layers with an activation whose second derivative torch does not have."""

    def build(self, input_shape, classes):
        hard = nn.Hardsigmoid()
        return nn.Sequential(nn.Flatten(), nn.Linear(36, 3), hard, nn.Linear(3, classes))


def test_an_operation_without_a_second_derivative_is_no_crash(make_ticket):
    ticket = make_ticket(Hard())
    batch = next(ticket.batches(20))
    with pytest.raises(Unreachable, match="torch has none of hardsigmoid"):
        hessian_vector_product(ticket, batch, random_like(ticket.initial.weights))


@pytest.mark.parametrize("training", [True, False])
def test_train_and_eval_mode(training, make_ticket):
    ticket = make_ticket(ConvBN(), dtype="float64")
    batch = next(ticket.batches(40))
    weights = {n: w.clone().requires_grad_() for n, w in ticket.initial.weights.items()}
    loss_at(ticket, weights, batch, training=training).backward()
    found = loss_gradients(ticket, batch, training=training)
    other = loss_gradients(ticket, batch, training=not training)
    for name, weight in weights.items():
        torch.testing.assert_close(found[name], weight.grad, rtol=1e-9, atol=1e-15)
        assert not torch.allclose(found[name], other[name], rtol=1e-3)


def test_under_a_mask_pruned_weights_are_zero_and_have_gradients(smooth):
    ticket, batch = smooth
    theta = ticket.initial.weights
    mask = Mask.top_k(abs(theta), 30)
    found = loss_gradients(ticket, batch, mask=mask)
    leaf = {n: w.requires_grad_() for n, w in (theta * mask.kept).items()}
    expected = torch.autograd.grad(loss_at(ticket, leaf, batch), list(leaf.values()))
    for gradient, (name, kept) in zip(expected, mask.kept.items(), strict=True):
        assert torch.allclose(found[name], gradient)
        assert bool(found[name][~kept].any())
    v = random_like(theta)
    values = {**ticket.initial.values, **{f"{n}.weight": w.detach() for n, w in leaf.items()}}
    products = (
        hessian_vector_product(ticket, batch, v, mask=mask),
        hessian_vector_product(ticket, batch, v, values=values),
    )
    assert torch.equal(products[0].flat(), products[1].flat())
    # the caller's values are not masked
    assert bool(ticket.initial.weights["1"].all())


def test_values_buffers_and_grad_mode_stay_as_they_are(make_ticket):
    ticket = make_ticket(ConvBN())
    batch = next(ticket.batches(40))
    values = {k: v.clone() for k, v in ticket.initial.values.items()}
    before = {k: v.clone() for k, v in values.items()}
    mask = Mask.top_k(abs(ticket.initial.weights), 50)
    with torch.no_grad():  # as in on_step
        gradients = loss_gradients(ticket, batch, values=values, mask=mask)
        product = hessian_vector_product(ticket, batch, gradients, values=values, mask=mask)
        assert not torch.is_grad_enabled()
    assert all(torch.equal(v, before[k]) for k, v in values.items())
    assert not any(t.requires_grad for t in (*gradients.values(), *product.values()))
    assert ticket.bench.network.parameters["fc.weight"].grad is None


def test_idle_and_frozen_weights(make_ticket):
    ticket = make_ticket(Unused())
    batch = next(ticket.batches(40))
    gradients = loss_gradients(ticket, batch)
    product = hessian_vector_product(ticket, batch, gradients)
    for answer in (gradients, product):
        assert bool(answer["used"].any())
        assert not bool(answer["idle"].any())


def test_a_gradient_of_one_s_own_objective(make_ticket):
    """R = Σ outputs of a linear network: ∂R/∂W is the input, in every row."""
    ticket = make_ticket(MLP(hidden=()))
    module = ticket.module()
    weights = prunable_weights(module, ticket.layers)
    x = torch.arange(36.0).view(1, 1, 6, 6)
    found = gradients_of(module(x).sum(), weights)
    assert isinstance(found, Layers)
    assert torch.equal(found["fc1"], x.view(1, 36).expand(3, 36))


def test_a_product_s_vector_has_the_network_s_layers(smooth):
    ticket, batch = smooth
    with pytest.raises(ValueError, match="layers must match"):
        hessian_vector_product(ticket, batch, {"1": torch.zeros(3, 36)})


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_is_positive(smooth, temperature):
    ticket, batch = smooth
    with pytest.raises(ValueError, match="temperature must be above 0, but got"):
        loss_gradients(ticket, batch, temperature=temperature)

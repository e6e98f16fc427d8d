"""A ticket's forms compute the same, and their bytes are those of what they store."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import lth_bench
from lth_bench.interchange.forms import FORMS, CSRConv2d, CSRLinear, forms_of

CPU = torch.device("cpu")


def thinned(layer: Any) -> Any:
    """With about a fifth of its weights."""
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        layer.weight *= torch.rand(layer.weight.shape, generator=rng) < 0.2
    return layer


@pytest.mark.parametrize("shape", [(4, 12), (2, 5, 12)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer_in_compressed_rows(shape: tuple[int, ...], bias: bool) -> None:
    layer = thinned(nn.Linear(12, 7, bias=bias))
    x = torch.randn(shape)
    torch.testing.assert_close(CSRLinear(layer)(x), layer(x))


@pytest.mark.parametrize(
    "options",
    [{}, {"padding": 1}, {"stride": 2, "bias": False}, {"padding": (2, 0), "dilation": (2, 1)}],
)
def test_a_convolution_in_compressed_rows(options: dict[str, Any]) -> None:
    layer = thinned(nn.Conv2d(3, 5, (3, 2), **options))
    x = torch.randn(4, 3, 9, 8)
    torch.testing.assert_close(CSRConv2d(layer)(x), layer(x))


@pytest.fixture(scope="module")
def found(home: Any, ticket_id: Any) -> dict[str, Any]:
    """The forms of each label's ticket."""
    labels = ("imp", "early_bird")
    tickets = {x: lth_bench.load_ticket(home.results, ticket_id(x)) for x in labels}
    return {x: (t, {f.name: f for f in forms_of(t, CPU)}) for x, t in tickets.items()}


@pytest.mark.parametrize("label", ["imp", "early_bird"])
def test_every_form_of_a_ticket_computes_the_same(found: Any, label: str) -> None:
    ticket, forms = found[label]
    assert list(forms) == list(FORMS)
    x = torch.randn(6, *ticket.input_shape, dtype=torch.float64)
    for name in ("masked", "csr", "shrunk"):
        if forms[name].network is not None:
            torch.testing.assert_close(forms[name].network(x), ticket.module()(x))
    assert forms["shrunk" if label == "early_bird" else "csr"].network is not None


def test_bytes_are_of_values_and_indices(found: Any) -> None:
    ticket, forms = found["imp"]
    weights = ticket.mask.kept
    biases = 8 * sum(len(kept) for kept in weights.values())
    assert forms["dense"].bytes == forms["masked"].bytes
    assert forms["dense"].bytes == biases + 8 * ticket.mask.total
    rows = 4 * sum(len(kept) + 1 for kept in weights.values())
    assert forms["csr"].bytes == biases + rows + (8 + 4) * ticket.mask.count


def test_the_dense_form_has_no_pruned_weights(found: Any) -> None:
    _, forms = found["imp"]
    weights = [p for n, p in forms["dense"].network.named_parameters() if n.endswith("weight")]
    assert all(bool((weight != 0).all()) for weight in weights)


def test_what_is_not_available_says_why(found: Any) -> None:
    _, forms = found["early_bird"]
    assert forms["2:4"].reason == "this device has no kernels for 2:4 sparsity"
    assert forms["2:4"].bytes is None

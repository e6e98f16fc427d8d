from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lth_bench.data.modular import Modular

ROOT = Path("nowhere")
OPERATIONS = {
    "add": lambda a, b, p: (a + b) % p,
    "subtract": lambda a, b, p: (a - b) % p,
    "multiply": lambda a, b, p: (a * b) % p,
}


@pytest.mark.parametrize("operation", ["add", "subtract", "multiply", "divide"])
def test_every_pair_is_there_once_with_its_result(operation) -> None:
    p = 7
    dataset = Modular(p, operation, train_fraction=0.3)
    arrays = dataset.load(ROOT)
    dataset.info(ROOT).require(arrays.info)
    x = torch.cat([arrays.train_x, arrays.test_x])
    y = torch.cat([arrays.train_y, arrays.test_y])
    assert len(x.unique(dim=0)) == len(x) == (p * p if operation != "divide" else p * (p - 1))
    assert len(arrays.train_y) == round(0.3 * len(x))
    assert bool((x[:, 2] == p).all())
    for (a, b, _), result in zip(x.tolist(), y.tolist(), strict=True):
        if operation == "divide":
            assert b != 0 and result * b % p == a
        else:
            assert result == OPERATIONS[operation](a, b, p)


def test_the_seed_decides_the_split() -> None:
    assert Modular(7).load(ROOT).fingerprint() == Modular(7).load(ROOT).fingerprint()
    assert Modular(7).load(ROOT).fingerprint() != Modular(7, seed=1).load(ROOT).fingerprint()


@pytest.mark.parametrize("p", [4, 91])
def test_a_modulus_that_is_no_prime(p: int) -> None:
    with pytest.raises(ValueError, match=f"p must be a prime, but got {p}"):
        Modular(p)

"""Operations that are sums of products: matrix products and convolutions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lth_bench.models.operations import PRODUCTS, Operation, TensorPiece


@dataclass(frozen=True, eq=False)
class Product:
    """out = a ∘ b, linear in each factor."""

    a: TensorPiece
    b: TensorPiece
    added: TensorPiece | None
    """A tensor added to the product, such as a bias."""
    multiplications: int


def product_of(operation: Operation) -> Product | None:
    """The operation as a product; None if it is not one."""
    read = _READERS.get(operation.aten)
    return read(operation) if read is not None else None


def _matrices(first: int) -> Callable[[Operation], Product]:
    """[…, m, k] times […, k, n], at argument positions `first` and `first + 1`."""

    def read(operation: Operation) -> Product:
        a, b = operation.args[first : first + 2]
        added = operation.args[0] if first else None
        columns = b.size[-1] if len(b.size) > 1 else 1
        return Product(a, b, added, math.prod(a.size) * columns)

    return read


def _linear(operation: Operation) -> Product:
    x, weight, *bias = operation.args
    added = bias[0] if bias else None
    return Product(x, weight, added, math.prod(x.size) * weight.size[0])


def _convolution(operation: Operation) -> Product:
    args: Any = operation.args
    x, weight, bias, transposed = args[0], args[1], args[2], args[6]
    at = x if transposed else operation.outs[0]
    positions = math.prod(at.size) // at.size[1]
    return Product(x, weight, bias, positions * math.prod(weight.size))


_READERS: dict[str, Callable[[Operation], Product]] = {
    "mm": _matrices(0),
    "bmm": _matrices(0),
    "mv": _matrices(0),
    "dot": _matrices(0),
    "vdot": _matrices(0),
    "addmm": _matrices(1),
    "addmm_": _matrices(1),
    "_addmm_activation": _matrices(1),
    "baddbmm": _matrices(1),
    "baddbmm_": _matrices(1),
    "addbmm": _matrices(1),
    "addmv": _matrices(1),
    "linear": _linear,
    "convolution": _convolution,
}
assert _READERS.keys() == PRODUCTS

"""A network with two inputs, one hidden layer of ReLU units and two outputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lth_bench.geometry.polygons import Array


@dataclass(frozen=True)
class PlanarNetwork:
    """f(x) = B·max(A·x + c, 0) + d, with w hidden units. ValueError for other shapes, and for
    numbers that are not finite.
    """

    hidden: Array
    """[w, 2], A."""
    hidden_bias: Array
    """[w], c."""
    output: Array
    """[2, w], B."""
    output_bias: Array
    """[2], d."""

    def __post_init__(self) -> None:
        width = len(self.hidden)
        wanted = {"hidden": (width, 2), "hidden_bias": (width,)}
        wanted |= {"output": (2, width), "output_bias": (2,)}
        for name, shape in wanted.items():
            value = np.asarray(getattr(self, name), dtype=np.float64)
            if value.shape != shape:
                raise ValueError(f"{name} must be {list(shape)}, but got {list(value.shape)}")
            if not np.isfinite(value).all():
                raise ValueError(f"{name} must be finite")
            object.__setattr__(self, name, value)

    @property
    def has_biases(self) -> bool:
        """Whether any unit has one. Without them f(λx) = λ·f(x) for λ ≥ 0."""
        return bool(self.hidden_bias.any() or self.output_bias.any())

    @property
    def contrast(self) -> tuple[Array, float]:
        """v [w] and the number e of f₁ − f₂ = v·max(A·x + c, 0) + e."""
        return self.output[0] - self.output[1], float(self.output_bias[0] - self.output_bias[1])

    def outputs(self, x: Array) -> Array:
        """f of the points [m, 2]: [m, 2]."""
        units = np.maximum(x @ self.hidden.T + self.hidden_bias, 0)
        found: Array = units @ self.output.T + self.output_bias
        return found

    def contrasts(self, x: Array) -> Array:
        """f₁ − f₂ of the points [m, 2]: [m]. The decision boundary is where it is zero."""
        found = self.outputs(x)
        return found[:, 0] - found[:, 1]

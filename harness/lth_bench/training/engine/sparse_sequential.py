"""Sequential networks of linear layers that store and compute only their kept weights.

Under a fixed mask a pruned weight contributes nothing and its gradient is discarded. Skipping both
gives the same numbers up to rounding, and also skips every input pixel, unit and optimizer entry
that no kept weight touches.

LeNet-300-100, batch 128, Adam, random masks: a whole step's time over that of its bare dense matrix
products (one AVX-512 core of a busy machine, CPU time, medians of 15 ratios of neighbouring blocks
of 20 steps):

    density           0.5   0.3   0.2   0.1   0.05  0.02
    dense, autograd   1.67  1.74  1.77  1.68  1.66  1.64
    dense, by hand    1.37  1.42  1.50  1.42  1.42  1.38
    kept only         2.46  1.60  1.22  0.74  0.51  0.38

Skipping whole pixels and units instead gains almost nothing: with IMP on
MNIST almost every pixel and unit keeps a weight above a density of 0.05, and at 0.036 only 6 to 9%
of the products could be skipped (three runs of 18 rounds; Adam, 2 and 8 epochs a round; SGD, 2).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lth_bench.masks import Mask
from lth_bench.training.engine.sequential import Stage, cross_entropy

DENSITY = 0.22
"""A layer is stored sparse up to this density: at 0.21 a step takes 0.85 of the time by hand."""
SMALLEST = 4096
"""Minimum number of weights for a layer to be stored sparse: below it calls cost more than
arithmetic."""
LARGEST = 100_000
"""Minimum number of weights in the largest layer; otherwise the whole network stays dense. With
30,000 (a 64-300-100-10 network, batch 60) break-even is at density 0.13, and stacking 8 members
gains as much at 0.05."""


def sparse_layers(stages: Sequence[Stage], mask: Mask, limit: float = DENSITY) -> frozenset[str]:
    """The layers worth storing sparse under a mask; empty if the network is faster dense, as it is
    if the largest layer's density is above `limit`.

    Depends on the mask and the network alone, so that a rerun computes the same way.
    """
    kept = mask.kept_per_layer()
    sizes = {stage.name: stage.linear.weight.numel() for stage in stages}
    found = {n for n, s in sizes.items() if s >= SMALLEST and kept[n] <= DENSITY * s}
    # all other layers use the largest layer's activation format, [units, N]
    largest = max(sizes, key=lambda n: sizes[n])
    worth = sizes[largest] >= LARGEST and kept[largest] <= limit * sizes[largest]
    return frozenset(found if largest in found and worth else ())


class SparseWeight:
    """A weight [out, in] with fixed kept positions; stores their values [kept] in
    row-major order.
    """

    def __init__(self, kept: Tensor, dtype: torch.dtype) -> None:
        rows, columns = kept.nonzero(as_tuple=True)
        self.shape = kept.shape
        self._flat = rows * kept.shape[1] + columns
        self.values = torch.zeros(len(rows), dtype=dtype)
        self._matrix = _csr(kept.sum(1), columns, self.values, kept.shape)
        # the transpose has its own order; values are copied into it on use
        self._order = torch.argsort(columns, stable=True)
        self._transposed_values = torch.zeros_like(self.values)
        self._transposed = _csr(
            kept.sum(0), rows[self._order], self._transposed_values, kept.t().shape
        )

    def pack(self, weight: Tensor) -> Tensor:
        """The entries of a dense tensor [out, in] at the kept positions: [kept]."""
        return weight.reshape(-1).index_select(0, self._flat)

    def unpack(self, values: Tensor) -> Tensor:
        """A dense tensor [out, in] with these values [kept] at the kept positions, zero
        elsewhere.
        """
        flat = values.new_zeros(self.shape.numel())
        return flat.index_copy_(0, self._flat, values).view(self.shape)

    def times(self, h: Tensor) -> Tensor:
        """weight @ h: [in, N] to [out, N]."""
        product: Tensor = torch.sparse.mm(self._matrix, h, "sum")
        return product

    def transposed_times(self, g: Tensor) -> Tensor:
        """weightᵀ @ g: [out, N] to [in, N]."""
        torch.index_select(self.values, 0, self._order, out=self._transposed_values)
        product: Tensor = torch.sparse.mm(self._transposed, g, "sum")
        return product

    def gradient(self, g: Tensor, h: Tensor) -> Tensor:
        """g [out, N] @ hᵀ [N, in] at the kept positions: [kept]."""
        # beta=0: uses the matrix's positions, not its values
        product: Tensor = torch.sparse.sampled_addmm(self._matrix, g, h.t(), beta=0.0)
        return product.values()


def _csr(per_row: Tensor, columns: Tensor, values: Tensor, shape: torch.Size) -> Tensor:
    """A CSR matrix that shares the memory of `values`."""
    starts = torch.zeros(len(per_row) + 1, dtype=torch.int64)
    starts[1:] = per_row.cumsum(0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(
            starts, columns, values, size=shape, dtype=values.dtype, check_invariants=False
        )


class SparseSequential:
    """The network under a mask; `sparse` layers store only their kept weights."""

    def __init__(self, stages: Sequence[Stage], mask: Mask, sparse: frozenset[str]) -> None:
        self.stages = tuple(stages)
        dtype = self.stages[0].linear.weight.dtype
        self.sparse = {n: SparseWeight(mask.kept[n], dtype) for n in sparse}
        self.parameters: dict[str, Tensor] = {}
        """What the optimizer updates, keyed as in the state dict: a sparse layer's [kept] values,
        and the other parameters whole. Tensors of its own, not the module's."""
        for stage in self.stages:
            for key, parameter in stage.linear.named_parameters():
                is_sparse = key == "weight" and stage.name in self.sparse
                self.parameters[f"{stage.name}.{key}"] = (
                    self.sparse[stage.name].values if is_sparse else parameter.detach().clone()
                )
        self._gradients = {k: torch.zeros_like(p) for k, p in self.parameters.items()}

    def pack(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert tensors from the state dict's shapes to those of `parameters`. Pruned entries are
        not read.
        """
        return {
            key: t if (weight := self._sparse(key)) is None else weight.pack(t)
            for key, t in tensors.items()
        }

    def unpack(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The reverse, for values, gradients and optimizer state: zeros at pruned positions."""
        return {
            key: t if (weight := self._sparse(key)) is None else weight.unpack(t)
            for key, t in tensors.items()
        }

    def _sparse(self, key: str) -> SparseWeight | None:
        name, _, kind = key.rpartition(".")
        return self.sparse.get(name) if kind == "weight" else None

    @torch.no_grad()
    def logits(self, x: Tensor) -> Tensor:
        """Logits [N, classes] of a batch [N, …]."""
        return self._activations(x)[-1].t()

    @torch.no_grad()
    def backward(self, x: Tensor, y: Tensor, smoothing: float = 0.0) -> Tensor:
        """The loss of a batch, x [N, …] and y [N]. Gradients are left in the `.grad` of
        `parameters`.
        """
        for key, parameter in self.parameters.items():
            parameter.grad = self._gradients[key]
        inputs = self._activations(x)
        loss, gradient = cross_entropy(inputs.pop().t().contiguous(), y, smoothing)
        g = gradient.t().contiguous()
        for i in range(len(self.stages) - 1, -1, -1):
            stage, h = self.stages[i], inputs[i]
            weight, bias = self._of(stage)
            sparse = self.sparse.get(stage.name)
            if sparse is not None:
                weight.grad = sparse.gradient(g, h)
            else:
                torch.mm(g, h.t(), out=weight.grad)
            if bias is not None:
                torch.sum(g, 1, out=bias.grad)
            if i:
                g = sparse.transposed_times(g) if sparse is not None else torch.mm(weight.t(), g)
                if self.stages[i - 1].relu:
                    g = torch.ops.aten.threshold_backward(g, h, 0)
        return loss

    def _of(self, stage: Stage) -> tuple[Tensor, Tensor | None]:
        return self.parameters[f"{stage.name}.weight"], self.parameters.get(f"{stage.name}.bias")

    def _activations(self, x: Tensor) -> list[Tensor]:
        """Every layer's input, then the logits: [units, N] each."""
        found = [x.flatten(1).t().contiguous()]
        for stage in self.stages:
            weight, bias = self._of(stage)
            sparse = self.sparse.get(stage.name)
            h = found[-1]
            out = sparse.times(h) if sparse is not None else torch.mm(weight, h)
            if bias is not None:
                out.add_(bias[:, None])
            found.append(out.clamp_min_(0) if stage.relu else out)
        return found

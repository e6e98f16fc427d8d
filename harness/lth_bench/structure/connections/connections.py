"""The two sweeps over a recorded forward pass, and what they find of a mask."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from lth_bench.masks import Layer, Mask, weight_key
from lth_bench.models import examples
from lth_bench.models.operations import Operation, TensorPiece, mapped, record
from lth_bench.models.products import product_of
from lth_bench.structure.connections import rules
from lth_bench.structure.connections.marks import Marks, ReachMark
from lth_bench.system.blame import ends_the_run
from lth_bench.system.guard import unchanged


class Connections:
    """A network's connections, recorded once and asked for many masks.

    `Unsupported` where the network has an operation that no rule knows, or where what the dense
    network's sweeps find is not what the network computes.
    """

    def __init__(
        self, module: nn.Module, input_shape: tuple[int, ...], layers: Sequence[Layer]
    ) -> None:
        """`module` reads [N, *input_shape], and is left as it is."""
        twin = copy.deepcopy(module).cpu().eval()
        rng = torch.Generator().manual_seed(0)
        x = examples.random(2, input_shape, rng=rng)
        if x.is_floating_point():
            x = x.to(next(p.dtype for p in twin.parameters() if p.is_floating_point()))
        self._layers = tuple(layers)
        self._keys = [layer.key for layer in layers]
        self._kernels = {key for key in self._keys if _has_kernel(twin, key)}
        watched = {key: twin.get_parameter(key) for key in self._keys}
        watched |= {
            f"{name}.weight": part.weight  # a mask may hold γ at zero
            for name, part in twin.named_modules()
            if isinstance(part, _NormBase) and part.weight is not None
        }
        try:
            with unchanged():
                self._record = record(twin, _fewest(twin, x), watched)
        except BaseException as error:  # whatever the user's network raises
            if ends_the_run(error):
                raise
            raise rules.Unsupported(f"its operations cannot be recorded ({error})") from error
        _require_simple_memory(self._record.element_sizes)
        self._sources: dict[int, tuple[TensorPiece, Tensor]] = {}
        self._sources = self._find_sources()
        self._sources |= self._find_unreached()
        dense = self.effective(Mask.ones(layers))
        self.dense = dense.density
        """Effective density of the dense network."""
        self.unused = tuple(x.name for x in layers if not bool(dense.kept[x.name].all()))
        """Layers of which some weight reaches no output, even in the dense network."""
        if self.unused:
            with unchanged():
                _require_unused(twin, x, dense)

    def effective(self, mask: Mask) -> Mask:
        """The kept weights on some path of kept weights from the input to an output.

        A path leads from channel to channel: a weight counts wherever in the kernel it lies.
        """
        device = next(iter(mask.kept.values())).device
        on = self._on(mask.used(), device)
        marks = self._backward(self._forward(on, device), device)
        found = {}
        for layer in self._layers:
            reached = marks.read(self._record.weights[layer.key]) > 0
            kept = mask.kept[layer.name]
            found[layer.name] = kept & self._whole(layer.key, reached)
        return Mask(found, layers=mask.layers)

    def _whole(self, key: str, weights: Tensor) -> Tensor:
        """What holds of a weight (bool, in its shape) for all of a kernel, where it holds for one
        place of it.
        """
        if key not in self._kernels:
            return weights
        return over_kernel(_pairs(weights), weights.shape)

    def _on(self, mask: Mask, device: torch.device) -> dict[str, Tensor]:
        """Marks of the watched weights: what lets something through."""
        on = {
            key: torch.ones(piece.size, device=device)
            for key, piece in self._record.weights.items()
        }
        for name, kept in mask.kept.items():
            key = weight_key(name)
            on[key] = self._whole(key, kept).float()
        on |= {key: held.float() for key, held in mask.held.items() if key in on}
        return on

    def _forward(self, on: Mapping[str, Tensor], device: torch.device) -> list[_Step]:
        """What the examples reach."""
        found = self._record
        marks = Marks(found.sizes, device)
        marks.write(found.inputs, torch.ones(found.inputs.size, device=device))
        for key, piece in found.weights.items():
            marks.write(piece, on[key])
        steps = []
        for i, operation in enumerate(found.operations):
            step = _step(operation, marks, self._sources.get(i))
            steps.append(step)
            for piece, out in zip(operation.outs, step.outs, strict=True):
                marks.write(piece, out)
        return steps

    def _backward(
        self, steps: Sequence[_Step], device: torch.device, everywhere: bool = False
    ) -> Marks:
        """What reaches the outputs; with `everywhere`, what reaches the next operation."""
        found = self._record
        marks = Marks(found.sizes, device)
        marks.write(found.outputs, torch.ones(found.outputs.size, device=device))
        for operation, step in zip(reversed(found.operations), reversed(steps), strict=True):
            size = operation.outs[0].size
            reads = [marks.read(piece) for piece in operation.outs if piece.size == size]
            wanted = reads[0] if len(reads) == 1 else torch.stack(reads).amax(0)
            if everywhere:
                wanted = torch.ones_like(wanted)
            for piece in operation.outs:  # earlier content of that memory no longer matters
                marks.clear(piece)
            for piece, by in step.back(wanted):
                marks.add(piece, by)
        return marks

    def _find_sources(self) -> dict[int, tuple[TensorPiece, Tensor]]:
        """Inputs of products that no example reaches even in the dense network, and to which no
        weight of their column passes examples: learned queries, coordinates. They count as inputs
        of the network. Operation → the input, and its positions.
        """
        device = torch.device("cpu")
        dense = self._on(Mask.ones(self._layers), device)
        marks = self._backward(self._forward(dense, device), device, everywhere=True)
        unfed = {}
        for key, piece in self._record.weights.items():
            fed = self._whole(key, marks.read(piece) > 0)
            unfed[key] = (~fed).float()
        if not any(bool(unfed[key].any()) for key in self._keys):
            return {}
        found = {}
        for i, step in enumerate(self._forward(unfed, device)):
            product = product_of(step.operation)
            if product is None:
                continue
            for piece, by in step.back(torch.ones(step.operation.outs[0].size)):
                if piece in (product.a, product.b) and piece.origin == "data" and bool(by.any()):
                    found[i] = (piece, by)
        return found

    def _find_unreached(self) -> dict[int, tuple[TensorPiece, Tensor]]:
        """Places of a product's input that no example reaches, where weights act that no example
        passes on to an output: a class token's own query, beside those of the patches. They count
        as inputs of the network, as in `_find_sources`.
        """
        device = torch.device("cpu")
        forward = self._forward(self._on(Mask.ones(self._layers), device), device)
        marks = self._backward(forward, device)
        unfed = {
            key: (~self._whole(key, marks.read(piece) > 0)).float()
            for key, piece in self._record.weights.items()
        }
        if not any(bool(unfed[key].any()) for key in self._keys):
            return {}
        found = {}
        for i, step in enumerate(self._forward(unfed, device)):
            product = product_of(step.operation)
            if product is None or i in self._sources:
                continue
            reached = {id(piece): on for piece, on in forward[i].reads}
            for piece, by in step.back(torch.ones(step.operation.outs[0].size)):
                new = by * (1 - reached[id(piece)])
                if piece in (product.a, product.b) and piece.origin == "data" and bool(new.any()):
                    found[i] = (piece, new)
        return found


@dataclass(frozen=True, eq=False)
class _Step:
    """An operation's outputs, and how marks propagate back through it."""

    operation: Operation
    reads: tuple[tuple[TensorPiece, Tensor], ...]
    """What it read, and the marks of that."""
    outs: tuple[Tensor, ...]
    back: Callable[[Tensor], list[tuple[TensorPiece, Tensor]]]


def _step(operation: Operation, marks: Marks, source: tuple[TensorPiece, Tensor] | None) -> _Step:
    leaves: dict[int, tuple[TensorPiece, Tensor]] = {}

    def mark(x: object) -> object:
        if not isinstance(x, TensorPiece):
            return x
        if id(x) not in leaves:
            on = marks.read(x)
            if source is not None and x is source[0]:
                on = torch.maximum(on, source[1].to(on.device))
            leaves[id(x)] = (x, on.detach().requires_grad_(x.origin != "constant"))
        return ReachMark(*leaves[id(x)])

    args, kwargs = mapped(mark, operation.args), mapped(mark, dict(operation.kwargs))
    try:
        with torch.enable_grad():
            raw = rules.apply(rules.Call(operation, args, kwargs))
    except rules.Unsupported:
        raise
    except Exception as error:  # a call that the rule does not support
        raise rules.Unsupported(f"the rule of {operation.func} failed ({error})") from error
    # sums of products are integers; some kernels round them slightly
    limit = 0.5 if product_of(operation) is not None else 0.0
    first = (raw.detach() > limit).float()
    outs = tuple(
        first if piece.size == operation.outs[0].size else torch.zeros(piece.size).to(first)
        for piece in operation.outs
    )

    def back(wanted: Tensor) -> list[tuple[TensorPiece, Tensor]]:
        used = [(piece, on) for piece, on in leaves.values() if on.requires_grad]
        if not raw.requires_grad or not bool(wanted.any()):
            return []
        gradients: Sequence[Tensor | None] = torch.autograd.grad(
            raw, [on for _, on in used], wanted.to(raw), allow_unused=True
        )
        return [
            (piece, (gradient > limit).float())
            for (piece, _), gradient in zip(used, gradients, strict=True)
            if gradient is not None
        ]

    reads = tuple((piece, on.detach()) for piece, on in leaves.values())
    return _Step(operation, reads, outs, back)


@torch.no_grad()
def _fewest(module: nn.Module, x: Tensor) -> Tensor:
    """One example, unless the network treats a single example differently from one in a batch."""
    both = module(x.clone())
    try:
        one = module(x[:1].clone())
    except BaseException as error:  # a network may raise anything for a batch of one
        if ends_the_run(error):
            raise
        return x
    same = one.shape == both[:1].shape and torch.allclose(one, both[:1], 1e-3, 1e-3, equal_nan=True)
    return x[:1] if same else x


def _pairs(weights: Tensor) -> Tensor:
    """Bool [out, in]: whether anything is kept between two channels, anywhere in the kernel."""
    return weights.flatten(2).any(2)


def over_kernel(pairs: Tensor, shape: torch.Size) -> Tensor:
    """[out, in] repeated over the kernel, in a weight's shape [out, in, *kernel]."""
    return pairs.reshape(*pairs.shape, *(1,) * (len(shape) - pairs.dim())).expand(shape)


def _has_kernel(module: nn.Module, key: str) -> bool:
    owner = module.get_submodule(key.rpartition(".")[0])
    return isinstance(owner, _ConvNd) and owner.weight.dim() > 2


def _require_simple_memory(element_sizes: Mapping[int, frozenset[int]]) -> None:
    if any(len(sizes) > 1 for sizes in element_sizes.values()):
        raise rules.Unsupported(
            "memory is read with another element size (complex numbers, for example)"
        )


@torch.no_grad()
def _require_unused(module: nn.Module, x: Tensor, dense: Mask) -> None:
    """Unsupported if the outputs change with weights that should not reach them."""
    rng = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        if not parameter.any():  # behind a head, a scale or a gate of zeros nothing would show
            parameter.copy_(torch.rand(parameter.shape, generator=rng))
    before = module(x.clone())
    for name, reached in dense.kept.items():
        weight = module.get_parameter(weight_key(name))
        rng = torch.Generator().manual_seed(0)
        noise = torch.rand(weight.shape, generator=rng).to(weight) + 0.5
        weight.copy_(torch.where(reached, weight, noise))
    if not torch.equal(before.nan_to_num(), module(x.clone()).nan_to_num()):
        layers = ", ".join(n for n, reached in dense.kept.items() if not bool(reached.all()))
        raise rules.Unsupported(
            f"the weights of {layers} affect the outputs in a way that was not traced"
        )

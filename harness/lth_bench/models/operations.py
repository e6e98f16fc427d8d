"""Records a forward pass operation by operation, with the memory each one reads and writes.

This is below the level of modules and autograd: `F.linear` on a weight, attention's own products
and a layer are all matrix products of memory that holds a parameter. Views need no record: a view
of a weight is the same memory with other strides.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from lth_bench.models.tracing import Dispatched, eager

Origin = Literal["data", "weights", "constant"]
"""`data`: computed from the examples; `weights`: from watched weights without examples;
`constant`: from neither."""


PRODUCTS = frozenset(
    (
        "mm",
        "bmm",
        "mv",
        "dot",
        "vdot",
        "addmm",
        "addmm_",
        "_addmm_activation",
        "baddbmm",
        "baddbmm_",
        "addbmm",
        "addmv",
        "linear",
        "convolution",
    )
)
"""The operations that are sums of products; `models.products` says of which arguments."""


@dataclass(frozen=True, eq=False, kw_only=True)
class TensorPiece:
    """A tensor as a piece of a numbered block of memory, in elements."""

    memory: int
    size: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    origin: Origin
    weights: frozenset[str]
    """The watched weights it consists of: viewed, scaled or concatenated, but not multiplied."""
    has_gradient: bool
    """Whether a gradient flows back to it in training."""
    value: Tensor | None = None
    """For integer and boolean tensors, which may select elements."""
    is_zero: bool = False
    """Whether the forward pass made it of zeros, as the first state of a recurrent network."""

    @cached_property
    def is_in_order(self) -> bool:
        """Whether its elements are contiguous."""
        step = 1
        for size, stride in zip(reversed(self.size), reversed(self.stride), strict=True):
            if size != 1:
                if stride != step:
                    return False
                step *= size
        return True

    @cached_property
    def overlaps(self) -> bool:
        """Whether elements may share memory, as in an expanded tensor."""
        steps = sorted((t, s) for s, t in zip(self.size, self.stride, strict=True) if s != 1)
        reach = 0
        for stride, size in steps:
            if stride <= reach:
                return True
            reach += stride * (size - 1)
        return False

    @property
    def numel(self) -> int:
        """Number of elements."""
        return math.prod(self.size)


@dataclass(frozen=True, eq=False)
class Operation:
    """One call of an aten operation that involves examples or watched weights."""

    func: Any
    """The `torch.ops.aten` overload."""
    args: tuple[Any, ...]
    """Its arguments, with a `TensorPiece` in place of each tensor."""
    kwargs: Mapping[str, Any]
    outs: tuple[TensorPiece, ...]
    """The tensors it wrote: new ones, or those changed in place."""

    @cached_property
    def aten(self) -> str:
        """Its name without overload, such as `mm`; prefixed with its library if that is
        not aten.
        """
        name: str = self.func._schema.name
        return name.removeprefix("aten::")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of its arguments, in order."""
        return tuple(argument.name for argument in self.func._schema.arguments)


@dataclass(frozen=True, eq=False, kw_only=True)
class ForwardRecord:
    """A recorded forward pass."""

    operations: tuple[Operation, ...]
    sizes: Mapping[int, int]
    """Memory → number of elements."""
    inputs: TensorPiece
    outputs: TensorPiece
    weights: Mapping[str, TensorPiece]
    """The watched weights, by name."""
    element_sizes: Mapping[int, frozenset[int]] = field(repr=False)
    """Memory → bytes per element as read; more than one size if it was reinterpreted."""


def record(module: nn.Module, x: Tensor, watched: Mapping[str, Tensor]) -> ForwardRecord:
    """Record a forward pass of `module` on `x`, in its current mode; `watched` are some of its
    parameters.

    Operations that a device or a fast path would fuse are recorded in their parts.
    """
    with _in_parts(), torch.enable_grad(), _Recorder(module, x, watched) as recorder:
        out = module(x)
    found: ForwardRecord = recorder.finish(out)
    return found


@contextmanager
def _in_parts() -> Iterator[None]:
    """Within the block: attention as plain products, no fused recurrent or encoder layers, no
    compilation.
    """
    sdp: Any = torch.backends.cuda  # untyped in torch's stubs
    mha, mkldnn = torch.backends.mha, torch.backends.mkldnn
    fused = {
        sdp.enable_flash_sdp: sdp.flash_sdp_enabled(),
        sdp.enable_mem_efficient_sdp: sdp.mem_efficient_sdp_enabled(),
        sdp.enable_cudnn_sdp: sdp.cudnn_sdp_enabled(),
        mha.set_fastpath_enabled: mha.get_fastpath_enabled(),
    }
    math, kernels = sdp.math_sdp_enabled(), mkldnn.enabled
    try:
        for switch in fused:
            switch(False)
        sdp.enable_math_sdp(True)
        mkldnn.enabled = False  # type: ignore[assignment]  # a property of the module
        with eager():
            yield
    finally:
        for switch, before in fused.items():
            switch(before)
        sdp.enable_math_sdp(math)
        mkldnn.enabled = kernels


class _Recorder(Dispatched):
    def __init__(self, module: nn.Module, x: Tensor, watched: Mapping[str, Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._numbers: dict[int, int] = {}
        self._kept: list[
            Any
        ] = []  # keep alive: freed memory would be reused under the same address
        self._sizes: dict[int, int] = {}
        self._element_sizes: dict[int, set[int]] = {}
        self._data: set[int] = set()
        self._weights: dict[int, frozenset[str]] = {}
        """Memory computed from weights → the weights it consists of."""
        self._operations: list[Operation] = []
        self._own = {self._memory(t) for t in chain(module.parameters(), module.buffers())}
        self._x = x
        self._data.add(self._memory(x))
        for name, weight in watched.items():
            memory = self._memory(weight)
            self._weights[memory] = self._weights.get(memory, frozenset()) | {name}
        self._inputs = self._piece(x)
        self._watched = {name: self._piece(weight) for name, weight in watched.items()}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        flat, shape = tree_flatten((args, kwargs))
        tensors = [a for a in flat if isinstance(a, Tensor)]
        memories = {self._memory(t) for t in tensors}
        matters = any(m in self._data or m in self._weights for m in memories)
        # before it runs, since it may overwrite its inputs
        before = [self._piece(a) if isinstance(a, Tensor) else a for a in flat] if matters else []
        out = func(*args, **kwargs)
        if not matters or torch.Tag.inplace_view in func.tags or _is_fresh(func):
            return out
        written = _written(func, args, kwargs)
        if not written:
            results = [t for t in tree_flatten(out)[0] if isinstance(t, Tensor)]
            written = [t for t in results if self._memory(t) not in memories]
        if not written:
            return out  # a view
        from_data = any(m in self._data for m in memories)
        from_weights = [self._weights[m] for m in memories if m in self._weights]
        names = frozenset().union(*from_weights)
        if func._schema.name.removeprefix("aten::") in PRODUCTS:
            names = frozenset()
        for tensor in written:
            memory = self._memory(tensor)
            if from_data:
                self._data.add(memory)
            if from_weights:
                self._weights[memory] = self._weights.get(memory, frozenset()) | names
        new_args, new_kwargs = tree_unflatten(before, shape)
        outs = tuple(self._piece(t) for t in written)
        self._operations.append(Operation(func, tuple(new_args), new_kwargs, outs))
        return out

    def _memory(self, tensor: Tensor) -> int:
        storage = tensor.untyped_storage()
        number = self._numbers.get(storage._cdata)
        if number is None:
            number = self._numbers[storage._cdata] = len(self._numbers)
            self._kept.append(storage)
            self._sizes[number] = storage.nbytes() // tensor.element_size()
            self._element_sizes[number] = set()
        self._element_sizes[number].add(tensor.element_size())
        return number

    def _piece(self, tensor: Tensor) -> TensorPiece:
        memory = self._memory(tensor)
        weights = self._weights.get(memory)
        origin: Origin = "constant"
        if memory in self._data:
            origin = "data"
        elif weights is not None:
            origin = "weights"
        whole = not tensor.is_floating_point() and not tensor.is_complex()
        made = origin == "constant" and memory not in self._own and not whole
        return TensorPiece(
            memory=memory,
            size=tuple(tensor.shape),
            stride=tuple(tensor.stride()),
            offset=int(tensor.storage_offset()),
            origin=origin,
            weights=weights if weights is not None and origin == "weights" else frozenset(),
            has_gradient=tensor.requires_grad and torch.is_grad_enabled(),
            value=tensor.detach().clone() if whole and not tensor.is_meta else None,
            is_zero=made and not tensor.is_meta and not bool(tensor.detach().any()),
        )

    def finish(self, out: Tensor) -> ForwardRecord:
        return ForwardRecord(
            operations=tuple(self._operations),
            sizes=dict(self._sizes),
            inputs=self._inputs,
            outputs=self._piece(out),
            weights=self._watched,
            element_sizes={m: frozenset(sizes) for m, sizes in self._element_sizes.items()},
        )


FRESH = re.compile(r"aten::(new_\w+|\w+_like)")
"""Operations that only take a shape from a tensor."""


def _is_fresh(func: Any) -> bool:
    return FRESH.fullmatch(func._schema.name) is not None


def mapped(function: Callable[[Any], Any], x: Any) -> Any:
    """An operation's arguments, including those in lists and tuples, with a function applied to
    each.
    """
    if isinstance(x, list | tuple):
        return type(x)([mapped(function, part) for part in x])
    if isinstance(x, dict):
        return {name: mapped(function, part) for name, part in x.items()}
    return function(x)


def _written(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Tensor]:
    """The arguments that an operation changes in place."""
    found: list[Tensor] = []
    for i, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = kwargs.get(argument.name, args[i] if i < len(args) else None)
            values = value if isinstance(value, list | tuple) else [value]
            found += [v for v in values if isinstance(v, Tensor)]
    return found

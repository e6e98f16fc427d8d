"""Dependencies between inputs and outputs, operation by operation.

From the marks of an operation's inputs, a rule computes numbers that are positive exactly where an
output depends on a marked input. Every rule is a sum of products of marks, so its gradient is
positive exactly where an input affects a marked output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from lth_bench.models.operations import Operation, mapped
from lth_bench.models.products import product_of
from lth_bench.structure.connections.marks import ReachMark


class Unsupported(Exception):
    """An operation without a rule."""


@dataclass(frozen=True, eq=False)
class Call:
    """An operation with the marks of its inputs."""

    operation: Operation
    args: tuple[Any, ...]
    """Its arguments, with a `ReachMark` in place of each tensor."""
    kwargs: dict[str, Any]

    @cached_property
    def marks(self) -> list[ReachMark]:
        """The marks of all tensors, in order."""
        return _marks((self.args, self.kwargs))

    @property
    def size(self) -> tuple[int, ...]:
        """The size of the first output."""
        return self.operation.outs[0].size

    def get(self, name: str, default: Any = None) -> Any:
        """An argument by its name in the operation's schema."""
        if name in self.kwargs:
            return self.kwargs[name]
        names = self.operation.names
        at = names.index(name) if name in names else len(self.args)
        return self.args[at] if at < len(self.args) else default


ReachRule = Callable[[Call], Tensor]

PLACES = frozenset({"index", "indices", "mask", "repeats"})
"""Arguments that select elements."""


def apply(call: Call) -> Tensor:
    """The rule's result for the operation's first output; any other outputs have the same
    dependencies.
    """
    operation = call.operation
    name = operation.aten.rstrip("_") if not operation.aten.startswith("_") else operation.aten
    rule = RULES.get(name)
    if rule is None and product_of(operation) is not None:
        rule = product
    if rule is None and _is_pointwise(operation.func, name):
        rule = pointwise
    if rule is None:
        raise Unsupported(f"there is no rule for the operation {operation.func}")
    return rule(call)


def _is_pointwise(func: Any, name: str) -> bool:
    """By torch's tags; for an in-place operation without its own, those of the out-of-place one."""
    packet = getattr(torch.ops.aten, name, func)
    overloads = [getattr(packet, o) for o in getattr(packet, "overloads", list)()]
    return any(torch.Tag.pointwise in one.tags for one in (func, *overloads))


def _marks(x: Any) -> list[ReachMark]:
    found: list[ReachMark] = []
    mapped(lambda part: found.append(part) if isinstance(part, ReachMark) else None, x)
    return found


# ---- sums and products ------------------------------------------------------------------------


def either(marks: Sequence[ReachMark], size: tuple[int, ...]) -> Tensor:
    """An output element depends on every input element at its position."""
    found = torch.zeros(size, device=marks[0].on.device)
    data = any(m.is_data for m in marks)
    for mark in marks:
        if mark.is_data or not data:
            found = found + mark.on
        elif mark.is_weight:  # affects the output, but carries no examples
            found = found + (mark.on - mark.on.detach())
    return found


def pointwise(call: Call) -> Tensor:
    """Element by element; a product with a weight passes on only where the weight is kept."""
    marks, size = call.marks, call.size
    if call.operation.aten.rstrip("_") not in ("mul", "div"):
        return either(marks, size)
    factors = marks if call.operation.aten.startswith("mul") else marks[:1]
    if any(m.piece.is_zero for m in factors):
        return nothing(call)
    others = [m for m in marks if not m.is_weight]
    weights = [m.on for m in marks if m.is_weight]
    if not weights or not any(m.is_data for m in others):
        weights, others = weights[1:], [*others, *[m for m in marks if m.is_weight][:1]]
    found = either(others, size)
    for weight in weights:
        found = found * weight
    return found


def product(call: Call) -> Tensor:
    """Matrix products and convolutions: a kept weight connects. A product of two tensors that both
    come from the examples passes on what either carries, since the other may have any value.
    """
    found = product_of(call.operation)
    assert found is not None
    by_piece = {id(m.piece): m for m in call.marks}
    a, b = by_piece[id(found.a)], by_piece[id(found.b)]
    if a.is_data and b.is_data:
        out = _multiply(call, a.on, torch.ones_like(b.on))
        out = out + _multiply(call, torch.ones_like(a.on), b.on)
    else:
        out = _multiply(call, _or_ones(a), _or_ones(b))
    if found.added is None:
        return out
    added = by_piece[id(found.added)]
    if added.is_data and not (a.is_data or b.is_data):
        return added.on.expand(call.size) + (out - out.detach())
    return either([ReachMark(call.operation.outs[0], out), added], call.size)


def _or_ones(mark: ReachMark) -> Tensor:
    """A constant lets everything through, unless it is zero: the first state of a recurrence."""
    if mark.is_data or mark.is_weight:
        return mark.on
    return torch.zeros_like(mark.on) if mark.piece.is_zero else torch.ones_like(mark.on)


def _multiply(call: Call, a: Tensor, b: Tensor) -> Tensor:
    name = call.operation.aten
    if name == "convolution":
        out: Tensor = torch.ops.aten.convolution(a, b, None, *call.args[3:])
        return out
    if name == "linear":
        return torch.nn.functional.linear(a, b)
    out = torch.matmul(a, b)
    return out.sum(0) if name == "addbmm" else out


# ---- reductions and normalisation -------------------------------------------------------------


def reduction(call: Call) -> Tensor:
    """Sum, mean, maximum, deviation, norm: an output depends on all elements it is reduced from."""
    mark, *others = call.marks
    if others:  # elementwise maximum of two tensors
        return pointwise(call)
    dim = call.get("dim")
    if dim is None or dim == []:
        out = mark.on.sum()
    else:
        out = mark.on.sum(dim, keepdim=bool(call.get("keepdim", False)))
    return out.reshape(call.size)


def along(call: Call) -> Tensor:
    """Sorting and selecting: an output depends on its whole line."""
    mark = call.marks[0]
    dim = call.get("dim", -1)
    return mark.on.sum(dim, keepdim=True).expand(call.size)


def running(call: Call) -> Tensor:
    """Cumulative sums."""
    return call.marks[0].on.cumsum(call.get("dim"))


def norm(channel: int | None) -> ReachRule:
    """Normalisation, element by element: it connects no neighbours. A pruned scale (a γ held at
    zero) passes nothing on. The scale is along dimension `channel`, or the last ones.
    """

    def rule(call: Call) -> Tensor:
        x = call.args[0]
        out: Tensor = x.on
        for name in ("weight", "bias"):
            part = call.get(name)
            if not isinstance(part, ReachMark) or not (part.is_data or part.is_weight):
                continue
            on = part.on
            if channel is not None:
                on = on.view(-1, *(1,) * (out.dim() - 1 - channel))
            if part.is_weight:
                out = out * on if name == "weight" else out + (on - on.detach())
            else:
                out = out + on
        return out

    return rule


def itself(call: Call) -> Tensor:
    """Softmax, element by element, as a normalisation."""
    on: Tensor = call.args[0].on
    return on


# ---- moving elements --------------------------------------------------------------------------


def moved(call: Call) -> Tensor:
    """Moves elements, or sums them with positive weights: the operation is applied to the marks."""
    names = call.operation.names
    given = {**dict(zip(names, call.args, strict=False)), **call.kwargs}
    data = any(m.is_data for name, x in given.items() if name not in PLACES for m in _marks(x))

    def on(name: str, x: Any) -> Any:
        if not isinstance(x, ReachMark):
            return x
        if name in PLACES:
            if x.is_data:
                raise Unsupported(f"{call.operation.func} computes its indices from the examples")
            assert x.piece.value is not None
            return x.piece.value.to(x.on.device)
        return x.on - x.on.detach() if data and x.is_weight else x.on

    done = {name: mapped(partial(on, name), x) for name, x in given.items()}
    args = [done[name] for name in names[: len(call.args)]]
    kwargs = {name: done[name] for name in call.kwargs}
    out: Tensor = getattr(torch.ops.aten, call.operation.aten.rstrip("_"))(*args, **kwargs)
    return out


def padded(call: Call) -> Tensor:
    """Padding with a constant."""
    out: Tensor = torch.ops.aten.constant_pad_nd(call.args[0].on, call.args[1], 0.0)
    return out


def copied(call: Call) -> Tensor:
    """A copy of the last tensor, overwriting earlier content."""
    return call.marks[-1].on.expand(call.size)


def nothing(call: Call) -> Tensor:
    """Constants, overwriting earlier content."""
    return torch.zeros(call.size, device=call.marks[0].on.device)


def gathered(call: Call) -> Tensor:
    """The values and the indices of a lookup: indices may come from the examples."""
    x, index = call.args[0], call.args[2]
    out = torch.gather(x.on, call.args[1], index.piece.value.to(x.on.device))
    where: Tensor = index.on
    return out + where if index.is_data else out


def embedded(call: Call) -> Tensor:
    """Rows of a table by integer index. Any row may be read."""
    table, index = call.args[0], call.args[1]
    if index.is_data:
        out: Tensor = index.on.unsqueeze(-1) * _or_ones(table).sum(0)
    else:
        out = table.on[index.piece.value.to(table.on.device)]
    return out


def distances(call: Call) -> Tensor:
    """Distances between the rows of two matrices: each depends on both rows."""
    a, b = call.marks
    out: Tensor = a.on.sum(-1, keepdim=True) + b.on.sum(-1).unsqueeze(-2)
    return out


def gated(call: Call) -> Tensor:
    """Half of the elements multiplied by a gate computed from the other half."""
    a, b = call.marks[0].on.chunk(2, call.get("dim", -1))
    return a + b


def pooled(call: Call) -> Tensor:
    """Pooling windows over the last dimensions: an output depends on its whole window."""
    x = call.args[0].on
    digits = [c for c in call.operation.aten if c.isdigit()]
    dims = int(digits[0])

    def each(value: Any, default: Any) -> list[int]:
        value = default if value is None or value == [] else value
        values = [value] if isinstance(value, int) else list(value)
        return values * dims if len(values) == 1 else values

    kernel = each(call.get("kernel_size"), None)
    stride = each(call.get("stride"), kernel)
    padding = each(call.get("padding"), 0)
    dilation = each(call.get("dilation"), 1)
    flat = x.reshape(-1, 1, *x.shape[-dims:])
    # padding needed at the end if sizes are rounded up
    edges: list[int] = []
    for i in reversed(range(dims)):
        reach = (call.size[i - dims] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1
        edges += [padding[i], max(0, reach - x.shape[i - dims] - padding[i])]
    flat = torch.nn.functional.pad(flat, edges)
    ones = torch.ones(1, 1, *kernel, device=x.device)
    convolve: Any = (None, torch.conv1d, torch.conv2d, torch.conv3d)[dims]
    out: Tensor = convolve(flat, ones, None, stride, 0, dilation)
    # a padded end may fit one more window
    for i in range(dims):
        out = out.narrow(i + 2, 0, call.size[i - dims])
    return out.reshape(call.size)


def pooled_to_size(call: Call) -> Tensor:
    """Adaptive pooling, maximum or mean."""
    x, size = call.args[0].on, call.args[1]
    dims = len(size)
    pools: Any = torch.nn.functional
    pool = (None, pools.adaptive_avg_pool1d, pools.adaptive_avg_pool2d, pools.adaptive_avg_pool3d)
    out: Tensor = pool[dims](x, size)  # type: ignore[misc]  # dims is 1 to 3
    return out


def _each(rule: ReachRule, names: str) -> dict[str, ReachRule]:
    return dict.fromkeys(names.split(), rule)


RULES: dict[str, ReachRule] = {
    **_each(
        reduction,
        "sum mean amax amin max min var std var_mean std_mean norm linalg_vector_norm logsumexp "
        "prod any all argmax argmin nansum aminmax _linalg_det",
    ),
    **_each(along, "topk sort kthvalue median mode nanmedian argsort"),
    **_each(running, "cumsum cumprod logcumsumexp cummax cummin"),
    **_each(
        norm(1),
        "native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training "
        "_batch_norm_with_update _batch_norm_no_update cudnn_batch_norm native_group_norm",
    ),
    **_each(norm(None), "native_layer_norm _fused_rms_norm"),
    **_each(itself, "_softmax _log_softmax _safe_softmax native_dropout"),
    **_each(
        moved,
        "cat stack index index_select flip roll repeat repeat_interleave tril triu im2col col2im "
        "reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d "
        "replication_pad3d pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle "
        "slice_scatter select_scatter diagonal_scatter as_strided_scatter index_put scatter "
        "scatter_add index_add index_copy diag_embed rot90 unfold_copy _unsafe_view take "
        "upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d "
        "_upsample_nearest_exact2d upsample_linear1d upsample_bilinear2d upsample_trilinear3d "
        "avg_pool1d avg_pool2d avg_pool3d",
    ),
    **_each(padded, "constant_pad_nd"),
    **_each(copied, "copy clone _to_copy lift_fresh_copy expand_copy view_copy"),
    **_each(nothing, "fill zero uniform normal bernoulli random exponential"),
    **_each(gathered, "gather"),
    **_each(embedded, "embedding"),
    **_each(gated, "glu"),
    **_each(distances, "_cdist_forward _euclidean_dist"),
    **_each(
        pooled,
        "max_pool1d max_pool2d max_pool3d max_pool2d_with_indices max_pool3d_with_indices "
        "max_pool1d_with_indices",
    ),
    **_each(
        pooled_to_size,
        "_adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_avg_pool1d adaptive_max_pool1d "
        "adaptive_max_pool2d adaptive_max_pool3d",
    ),
    # element by element, though torch does not tag them so
    **_each(
        pointwise,
        "rsub leaky_relu hardswish log_sigmoid_forward _prelu_kernel rrelu_with_noise "
        "masked_scatter bitwise_and bitwise_or nan_to_num polar",
    ),
}

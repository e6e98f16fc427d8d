"""What the loop demands of a hook's answer. Each error names the plugin and the hook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from lth_bench.masks import Layer, Mask
from lth_bench.plugins.dispatch import StrategyError
from lth_bench.ticket import Ticket
from lth_bench.training.dispatch.workbench import Workbench
from lth_bench.training.state import RewindPoint, Trained


def check_mask(
    label: str, mask: Mask, ticket: Ticket, *, k: int, dynamic: bool, structured: bool
) -> Mask:
    """The selected mask: the network's layers and shapes, nested, not sparser than allowed."""
    mask = _check_shapes(label, "select_mask", mask, ticket.layers, ticket.bench)
    if not dynamic:
        for name, kept in mask.kept.items():
            revived = int((kept & ~ticket.mask.kept[name]).sum())
            if revived:
                raise StrategyError(
                    label,
                    "select_mask",
                    f"{revived} weights of layer {name!r} return that an earlier round removed; "
                    f"set dynamic = True on the strategy if that is the method",
                    contract="nested_masks",
                )
    if not dynamic:
        _check_count(label, "select_mask", mask, k, structured)
    return mask


def check_start(label: str, point: RewindPoint, bench: Workbench) -> RewindPoint:
    """The rewind point: all values, of the network's shapes, at a step of the schedule. In tensors
    that the strategy cannot change later.
    """
    _check_values(label, "rewind_point", point.values, bench)
    step: object = point.step  # a hook may have put anything there
    if not isinstance(step, int) or not 0 <= step <= bench.total_steps:
        raise StrategyError(
            label,
            "rewind_point",
            f"step {point.step} is outside the schedule, 0 to {bench.total_steps}",
        )
    return replace(point, values=_own(point.values))


def check_trained(
    label: str, trained: Trained, ticket: Ticket, *, k: int, dynamic: bool, structured: bool
) -> Trained:
    """The trained ticket: its mask allowed, and every pruned weight exactly zero. In tensors that
    the strategy cannot change later.
    """
    mask = _check_shapes(label, "train", trained.mask, ticket.layers, ticket.bench)
    if not dynamic and mask != ticket.mask:
        raise StrategyError(
            label,
            "train",
            "the trained mask differs from the selected one; set dynamic = True on the strategy "
            "if the method rewires while it trains",
            contract="nested_masks",
        )
    _check_count(label, "train", mask, k, structured)
    _check_values(label, "train", trained.values, ticket.bench)
    if not trained.curve:
        raise StrategyError(label, "train", "the curve is empty; `ticket.fit` returns one")
    for key, kept in mask.items_by_key().items():
        alive = int((trained.values[key].masked_fill(kept, 0) != 0).sum())
        if alive:
            raise StrategyError(
                label,
                "train",
                f"{alive} pruned entries of {key!r} are not zero",
                contract="pruned_zero",
            )
    best = replace(trained.best, values=_own(trained.best.values))
    return replace(trained, mask=mask, values=_own(trained.values), best=best)


def check_untouched(label: str, hook: str, ticket: Ticket, mask: Mask) -> None:
    """The ticket's mask is still the one that was selected."""
    if ticket.mask != mask:
        raise StrategyError(
            label,
            hook,
            "ticket.mask was changed in place; a mask is never changed once made: return another "
            "one from select_mask, or from train under dynamic = True",
        )


def _own(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k: v.detach().clone() for k, v in values.items()}


def _check_values(label: str, hook: str, values: object, bench: Workbench) -> None:
    if not isinstance(values, Mapping):
        raise StrategyError(
            label, hook, f"values must be a state dict, but are a {type(values).__name__}"
        )
    for key in bench.shapes:
        if not isinstance(values.get(key), Tensor):
            raise StrategyError(
                label, hook, f"values lack the tensor {key!r}; all parameters and buffers count"
            )
    for key, value in values.items():
        if key not in bench.shapes:
            raise StrategyError(label, hook, f"the network has no parameter or buffer {key!r}")
        if tuple(value.shape) != bench.shapes[key]:
            raise StrategyError(
                label,
                hook,
                f"{key!r} has shape {list(value.shape)}, the network's {list(bench.shapes[key])}",
            )


def _check_shapes(
    label: str, hook: str, mask: Mask, layers: tuple[Layer, ...], bench: Workbench
) -> Mask:
    expected = {layer.name: layer.shape for layer in layers}
    if set(mask.kept) != set(expected):
        odd = sorted(set(mask.kept) ^ set(expected))
        raise StrategyError(
            label,
            hook,
            f"the mask must cover exactly the prunable layers {list(expected)}, "
            f"but differs in {odd}",
        )
    for name, shape in expected.items():
        if tuple(mask.kept[name].shape) != shape:
            raise StrategyError(
                label,
                hook,
                f"the mask of {name!r} has shape {list(mask.kept[name].shape)}, "
                f"the layer's weight {list(shape)}",
            )
    for key, held in mask.held.items():
        if tuple(held.shape) != bench.shapes.get(key):
            raise StrategyError(
                label, hook, f"held {key!r} does not match a parameter of the network"
            )
    ordered = {name: mask.kept[name] for name in expected}
    # the strategy may keep its tensors and change them later
    return Mask(ordered, mask.held, layers).to(bench.device).copy()


def _check_count(label: str, hook: str, mask: Mask, k: int, structured: bool) -> None:
    if mask.count < k and not structured:
        raise StrategyError(
            label,
            hook,
            f"{mask.count} weights are kept, fewer than the target's {k}; every strategy is "
            f"reported at the same densities (structured = True allows the largest count below)",
            contract="exact_density",
        )
    if mask.count == 0:
        raise StrategyError(label, hook, "the mask keeps nothing", contract="exact_density")

"""Checks of each hook's return value. Every error names the plugin and the hook."""

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
    """Check a selected mask: the network's layers and shapes, nested, and not below the target
    count.
    """
    mask = _check_shapes(label, "select_mask", mask, ticket.layers, ticket.bench)
    if not dynamic:
        for name, kept in mask.kept.items():
            revived = int((kept & ~ticket.mask.kept[name]).sum())
            if revived:
                raise StrategyError(
                    label,
                    "select_mask",
                    f"{revived} weights of layer {name!r} are revived that an earlier round "
                    "pruned; "
                    f"set dynamic = True on the strategy if the method revives weights",
                    contract="nested_masks",
                )
    if not dynamic:
        _check_count(label, "select_mask", mask, k, structured)
    return mask


def check_start(label: str, point: RewindPoint, bench: Workbench) -> RewindPoint:
    """Check a rewind point: all values, in the network's shapes, at a step of the schedule. Returns
    copies that the strategy cannot change later.
    """
    _check_values(label, "rewind_point", point.values, bench)
    step: object = point.step  # a hook may return anything
    if not isinstance(step, int) or not 0 <= step <= bench.total_steps:
        raise StrategyError(
            label,
            "rewind_point",
            f"step {point.step} is outside the schedule; allowed: 0 to {bench.total_steps}",
        )
    return replace(point, values=_own(point.values))


def check_trained(
    label: str, trained: Trained, ticket: Ticket, *, k: int, dynamic: bool, structured: bool
) -> Trained:
    """Check a trained ticket: its mask is allowed, and every pruned weight is exactly zero, or what
    it is frozen at. Returns copies that the strategy cannot change later.
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
        raise StrategyError(label, "train", "the curve is empty; return what `ticket.fit` returned")
    frozen = mask.frozen_by_key()
    for key, kept in mask.items_by_key().items():
        off = trained.values[key] != frozen.get(key, 0)
        alive = int((off & ~kept).sum())
        if alive:
            raise StrategyError(
                label,
                "train",
                f"{alive} pruned entries of {key!r} are not "
                + (
                    "what the mask freezes them at; take mask.apply_(values)"
                    if key in frozen
                    else "zero; multiply the values by the mask"
                ),
                contract="pruned_zero",
            )
    best = replace(trained.best, values=_own(trained.best.values))
    return replace(trained, mask=mask, values=_own(trained.values), best=best)


def check_untouched(label: str, hook: str, ticket: Ticket, mask: Mask) -> None:
    """Check that the ticket's mask is still the one that was selected."""
    if ticket.mask != mask:
        raise StrategyError(
            label,
            hook,
            "ticket.mask was changed in place, but masks are immutable: return a new one from "
            "select_mask, or from train under dynamic = True",
        )


def _own(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k: v.detach().clone() for k, v in values.items()}


def _check_values(label: str, hook: str, values: object, bench: Workbench) -> None:
    if not isinstance(values, Mapping):
        raise StrategyError(
            label, hook, f"values must be a state dict, but got {type(values).__name__}"
        )
    for key in bench.shapes:
        if not isinstance(values.get(key), Tensor):
            raise StrategyError(
                label, hook, f"values lack {key!r}; all parameters and buffers are required"
            )
    for key, value in values.items():
        if key not in bench.shapes:
            raise StrategyError(
                label, hook, f"values have {key!r}, which is no parameter or buffer"
            )
        if tuple(value.shape) != bench.shapes[key]:
            raise StrategyError(
                label,
                hook,
                f"{key!r} must have shape {list(bench.shapes[key])}, but got {list(value.shape)}",
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
                f"the mask of {name!r} must have the weight's shape {list(shape)}, "
                f"but got {list(mask.kept[name].shape)}",
            )
    for key, held in mask.held.items():
        if tuple(held.shape) != bench.shapes.get(key):
            raise StrategyError(
                label, hook, f"held[{key!r}] does not match a parameter of the network"
            )
    ordered = {name: mask.kept[name] for name in expected}
    # copies, since the strategy may change its own tensors later
    return Mask(ordered, mask.held, layers, mask.frozen).to(bench.device).copy()


def _check_count(label: str, hook: str, mask: Mask, k: int, structured: bool) -> None:
    if mask.count < k and not structured:
        raise StrategyError(
            label,
            hook,
            f"the mask keeps {mask.count} weights, fewer than the target's {k}; all strategies are "
            f"compared at the same counts (structured = True allows the largest count below)",
            contract="exact_density",
        )
    if mask.count == 0:
        raise StrategyError(label, hook, "the mask keeps nothing", contract="exact_density")

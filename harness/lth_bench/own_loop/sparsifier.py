"""Holds a mask in a training loop of one's own, and rewires it as the strategy says.

Everything happens around `optimizer.step()`, by torch's own hooks: between backward and update the
strategy's `on_step` sees values, gradients and optimizer state; after the update the mask is
enforced. So schedulers, accumulation, gradient scalers and trainers need not know of it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lth_bench.errors import UserError
from lth_bench.masks import Layer, Layers, Mask, weight_key
from lth_bench.own_loop.loop_bench import tensors_of
from lth_bench.own_loop.selection import SparseStart, from_first_process
from lth_bench.training.callback_state import Unwritable, flatten, restore
from lth_bench.training.randomness import seeded
from lth_bench.training.request import Change, StepView

ENTRY = "lth_bench"
"""The key in the optimizer's state dict under which the mask and the strategy's memory lie."""


class Sparsifier:
    """A model under a strategy. `lth_bench.sparsify` makes one; the loop need not touch it."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        layers: tuple[Layer, ...],
        selection: SparseStart,
        *,
        name: str,
        seed: int,
        steps: int | None,
    ) -> None:
        self.model, self.optimizer, self.layers, self.strategy = model, optimizer, layers, name
        self.mask: Mask = from_first_process(selection.mask.copy())
        """Which weights are kept now."""
        self.step = 0
        """Updates that the optimizer has done."""
        self.memo: dict[str, Any] = {}
        """What the strategy's `on_step` remembers."""
        self._selection, self._seed, self._end = selection, seed, steps
        self._change: Change | None = None
        self._put_back: list[tuple[Tensor, Tensor]] = []
        self._skipped = False
        self._pruned: dict[str, Tensor] = {}
        with torch.no_grad():
            for key, value in tensors_of(model).items():
                value.copy_(selection.values[key])
        self._unmasked: dict[str, Tensor] | None = {
            key: model.get_parameter(key).detach().clone() for key in self.mask.items_by_key()
        }
        """Values before the mask was put on, until the first step: those of a saved training may be
        loaded before `sparsify` selects a mask, and its own mask after."""
        self.apply()
        hook = _LoadHook(self)
        self._handles = [
            optimizer.register_step_pre_hook(self._before_step),
            optimizer.register_step_post_hook(self._after_step),
            optimizer.register_state_dict_post_hook(self._save),
            optimizer.register_load_state_dict_pre_hook(self._load),
            model.register_load_state_dict_post_hook(hook),  # type: ignore[no-untyped-call]
        ]

    @property
    def density(self) -> float:
        """Kept fraction of the prunable weights now, in (0, 1]."""
        return self.mask.density

    def state_dict(self) -> dict[str, Any]:
        """Mask, step and the strategy's memory. The optimizer's state dict has it too, so saving
        model and optimizer saves all.
        """
        tensors: dict[str, Tensor] = {}
        try:
            memo = flatten(self.memo, tensors)
        except Unwritable as error:
            raise UserError(f"strategy {self.strategy!r} cannot be saved: {error}") from error
        mask = {key: kept.clone() for key, kept in self.mask.items_by_key().items()}
        return {
            "strategy": self.strategy, "step": self.step, "mask": mask, "memo": memo,
            "tensors": tensors,
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from a saved state. UserError if it is another strategy's or another model's."""
        if state["strategy"] != self.strategy:
            raise UserError(
                f"the saved state is of strategy {state['strategy']!r}, not {self.strategy!r}; "
                f"call sparsify with the strategy that it was saved under"
            )
        kept = {x.name: state["mask"].get(x.key) for x in self.layers}
        other = [n for x in self.layers for n in [x.name] if _shape(kept[n]) != x.shape]
        if other:
            raise UserError(
                f"the saved masks do not fit this model: layer {other[0]!r} has shape "
                f"{list(self._weight(other[0]).shape)} and its mask {_shape(kept[other[0]])}; "
                f"build the model as it was saved, and exclude the same layers"
            )
        keys = {x.key for x in self.layers}
        held = {key: mask for key, mask in state["mask"].items() if key not in keys}
        device = self._weight(self.layers[0].name).device
        self.mask = Mask(kept, held, self.layers).to(device).copy()
        self.step = int(state["step"])
        self.memo = restore(state["memo"], state["tensors"], device, self.layers)
        self._pruned = {}
        with torch.no_grad():
            for key, value in (self._unmasked or {}).items():
                self.model.get_parameter(key).copy_(value)
        self.apply()

    @torch.no_grad()
    def apply(self) -> None:
        """Set every pruned weight to zero, as is done after each step."""
        if not self._pruned:
            self._pruned = {key: ~kept for key, kept in self.mask.items_by_key().items()}
        for key, pruned in self._pruned.items():
            parameter = self.model.get_parameter(key)
            if pruned.device != parameter.device:  # the model was moved
                pruned = self._pruned[key] = pruned.to(parameter.device)
            parameter.masked_fill_(pruned, 0.0)

    def loaded(self) -> None:
        """The model has been given other values."""
        self._unmasked = None

    def remove(self) -> nn.Module:
        """Remove all hooks, and return the model with pruned weights at zero."""
        for handle in self._handles:
            handle.remove()
        self.apply()
        return self.model

    def _weight(self, name: str) -> nn.Parameter:
        return self.model.get_parameter(weight_key(name))

    def _before_step(
        self, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Ask `on_step`; after the closure, where gradients are computed in one."""
        # `args` begins with the optimizer itself in some versions of torch
        closure = kwargs.get("closure") or next((a for a in args if _is_closure(a)), None)
        if closure is None:
            self._ask()
            return None

        def then_ask() -> Any:
            loss = closure()
            self._ask()
            return loss

        if "closure" in kwargs:
            return args, {**kwargs, "closure": then_ask}
        return tuple(then_ask if a is closure else a for a in args), kwargs

    @torch.no_grad()
    def _ask(self) -> None:
        # a scaler that found infinite gradients lets a fused optimizer skip the step itself
        found = getattr(self.optimizer, "found_inf", None)
        self._skipped = found is not None and bool(found)
        chosen = self._selection
        due = chosen.on_step is not None and self.step % chosen.every == 0
        if self._skipped or not due or self.step >= (self._end or 0):
            return
        assert chosen.on_step is not None
        with seeded("on_step", self._seed, self.step):  # as in a run; the loop's draws go on
            change = chosen.on_step(self._view())
        if change is None:
            return
        if change.mask is not None:
            change.mask.require(self.layers)
            self._require_target(change.mask)
        self._change = change
        if change.replace_update:
            self._put_back = [(tensor, tensor.clone()) for tensor in self._updated()]

    def _view(self) -> StepView:
        scale = getattr(self.optimizer, "grad_scale", None)
        gradients = {}
        for layer in self.layers:
            weight = self._weight(layer.name)
            found = torch.zeros_like(weight) if weight.grad is None else weight.grad
            gradients[layer.name] = (found if scale is None else found / scale).contiguous()
        assert self._end is not None
        values = {k: v.detach().contiguous() for k, v in tensors_of(self.model).items()}
        state = {k: self._state(p) for k, p in self.model.named_parameters()}
        return StepView(
            step=self.step,
            end=self._end,
            values=values,
            gradients=Layers(gradients),
            optimizer_state=state,
            mask=self.mask,
            memo=self.memo,
        )

    def _state(self, parameter: Tensor) -> dict[str, Any]:
        """A parameter's optimizer state; zeros before the first step where torch names them."""
        if state := self.optimizer.state.get(parameter):
            return dict(state)
        zeros = torch.zeros_like(parameter)
        if isinstance(self.optimizer, torch.optim.SGD):
            momentum = any(group["momentum"] for group in self.optimizer.param_groups)
            return {"momentum_buffer": zeros} if momentum else {}
        if isinstance(self.optimizer, torch.optim.Adam):
            return {"step": torch.zeros(()), "exp_avg": zeros, "exp_avg_sq": zeros.clone()}
        return {}

    def _require_target(self, mask: Mask) -> None:
        """The last change leaves the target's count, as a run demands it."""
        last = self.step + self._selection.every >= (self._end or 0)
        if last and mask.count != self._selection.target:
            raise UserError(
                f"strategy {self.strategy!r}: its last change, at step {self.step}, keeps "
                f"{mask.count} weights, and the density means {self._selection.target}"
            )

    def _updated(self) -> list[Tensor]:
        """What an update changes: parameters, and their state but for the counts of steps."""
        found = []
        for group in self.optimizer.param_groups:
            for parameter in group["params"]:
                found.append(parameter.detach())
                entries = self.optimizer.state.get(parameter, {}).values()
                found += [e for e in entries if _shape(e) == tuple(parameter.shape)]
        return found

    @torch.no_grad()
    def _after_step(self, *_: Any) -> None:
        if self._skipped:
            return
        for tensor, before in self._put_back:
            tensor.copy_(before)
        if self._put_back:
            self._forget_first_momentum()
        self._put_back = []
        if self._change is not None:
            change, self._change = self._change, None
            self.apply()  # what the change revives starts at zero, not at this step's update
            self._carry_out(change)
        self.step += 1
        self._unmasked = None
        self.apply()

    def _forget_first_momentum(self) -> None:
        """A skipped update leaves no trace: optimizer state that it created is reset to zero."""
        kept = {id(tensor) for tensor, _ in self._put_back}
        for parameter, entries in self.optimizer.state.items():
            for entry in entries.values():
                if _shape(entry) == tuple(parameter.shape) and id(entry) not in kept:
                    entry.zero_()

    def _carry_out(self, change: Change) -> None:
        live = self.model.state_dict()
        for key, value in (change.values or {}).items():
            live[key].copy_(value)
        if change.reset_momentum == "all":
            for entries in self.optimizer.state.values():
                for name, entry in entries.items():
                    if name != "step" and isinstance(entry, Tensor):
                        entry.zero_()
            resets: Mapping[str, Tensor] = {}
        else:
            resets = change.reset_momentum or {}
        for name, where in resets.items():
            weight = self._weight(name)
            for entry in self.optimizer.state.get(weight, {}).values():
                if _shape(entry) == tuple(weight.shape):
                    entry.masked_fill_(where.to(entry.device), 0.0)
        if change.mask is not None:
            mask = Mask(change.mask.kept, change.mask.held, self.layers)
            self.mask = from_first_process(mask.copy())
            self._pruned = {}

    def _save(self, _: Any, state: dict[str, Any]) -> None:
        state[ENTRY] = self.state_dict()

    def _load(self, _: Any, state: dict[str, Any]) -> dict[str, Any]:
        if ENTRY in state:
            self.load_state_dict(state[ENTRY])
        return {key: value for key, value in state.items() if key != ENTRY}


class _LoadHook:
    """Enforces the mask before the first forward pass after values were loaded into the model; not
    at once, for the mask that belongs to them may be loaded after them, with the optimizer's state.

    A copy of the model, or one that was pickled, has none.
    """

    def __init__(self, owner: Sparsifier | None = None) -> None:
        self._owner: Callable[[], Sparsifier | None] = (
            weakref.ref(owner) if owner is not None else _none
        )

    def __call__(self, module: nn.Module, _: Any) -> None:
        owner = self._owner()
        if owner is not None and owner.model is module:
            owner.loaded()
            _Once(self, module)

    def enforce(self) -> None:
        """Pruned weights to zero."""
        owner = self._owner()
        if owner is not None:
            owner.apply()

    def __deepcopy__(self, _: Any) -> _LoadHook:
        return _LoadHook()

    def __reduce__(self) -> Any:
        return _LoadHook, ()


class _Once:
    """A forward hook that removes itself."""

    def __init__(self, hook: _LoadHook, module: nn.Module) -> None:
        self._hook = hook
        self._handle = module.register_forward_pre_hook(self)

    def __call__(self, *_: Any) -> None:
        self._handle.remove()
        self._hook.enforce()


def _none() -> None:
    return None


def _is_closure(argument: Any) -> bool:
    return callable(argument) and not isinstance(argument, torch.optim.Optimizer)


def _shape(value: Any) -> tuple[int, ...] | None:
    return tuple(value.shape) if isinstance(value, Tensor) else None

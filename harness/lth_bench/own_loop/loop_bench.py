"""What a ticket finds in the place of a task, when the training is the user's own loop."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import NoReturn

import torch
from torch import Tensor, nn

from lth_bench.errors import UserError
from lth_bench.masks import Layer, Mask
from lth_bench.objectives import Objective
from lth_bench.own_loop.examples import LoopData
from lth_bench.own_loop.loss import LoopLoss, Loss
from lth_bench.own_loop.refusal import LoopTraining, Missing, Trains
from lth_bench.structure import UnitGroup, unit_groups
from lth_bench.ticket import DenseRun
from lth_bench.training.recipe import Recipe
from lth_bench.training.request import FitRequest
from lth_bench.training.state import State, Trained

UNKNOWN = 1000
"""Steps that hooks see while the length of training is not known."""


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers, live, by state-dict key."""
    return {k: v for k, v in model.state_dict().items() if isinstance(v, Tensor)}


class LoopNetwork:
    """The user's model, of which hooks get copies."""

    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        self.module, self.dtype = module, dtype

    def as_input(self, x: Tensor) -> Tensor:
        """Inputs in the model's precision; tokens stay integers."""
        return x.to(self.dtype) if x.is_floating_point() else x

    def twin(self, values: Mapping[str, Tensor]) -> nn.Module:
        """A module of its own with these values, in the mode that it is in."""
        module = copy.deepcopy(self.module)
        module.zero_grad(set_to_none=True)
        # what a module keeps beside tensors came with the copy
        module.load_state_dict(values, strict=len(tensors_of(module)) == len(module.state_dict()))
        return module


class LoopBench:
    """As much of `Workbench` as a `Ticket` asks for. What trains is refused, but for `train`'s own
    training, which the loop does.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: tuple[Layer, ...],
        data: object,
        *,
        steps: int | None,
        optimizer: torch.optim.Optimizer,
        loss: Objective | Loss | None = None,
    ) -> None:
        first = model.get_parameter(layers[0].key)
        self.device = first.device
        self.layers, self._steps, self._optimizer = layers, steps, optimizer
        self.data = LoopData(data, self.device)
        self.objective = LoopLoss(loss)
        self.network = LoopNetwork(model, first.dtype)
        values = {k: v.detach().clone() for k, v in tensors_of(model).items()}
        self._initial = State(values, 0, layers)
        self.shapes = {k: tuple(v.shape) for k, v in values.items()}
        self.counted = False
        """Whether a hook asked for the length of training."""
        self.trains = False
        """Whether the hook that runs is `train`."""

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole training. Where it is not known, any: what came of it is
        refused then, after the hook has shown whether it would train.
        """
        self.counted = True
        return self._steps or UNKNOWN

    def require_steps(self) -> None:
        """Missing where a hook went by the length of training, and it is not known."""
        if self.counted and self._steps is None:
            raise Missing("its schedule goes by the length of training; pass steps=")

    @property
    def recipe(self) -> Recipe:
        """What is known of the training: its length, the learning rate, the batch size."""
        size = self.data.batch_size
        lr = float(self._optimizer.param_groups[0].get("lr", 0.1)) or 0.1
        return _LoopRecipe(steps=self.total_steps, lr=lr, batch_size=size or 1, known=bool(size))

    @property
    def has_momentum(self) -> bool:
        """False for SGD without momentum; of optimizers other than torch's it is not known."""
        if isinstance(self._optimizer, torch.optim.SGD):
            return any(group["momentum"] for group in self._optimizer.param_groups)
        return True

    @property
    def units(self) -> tuple[UnitGroup, ...]:
        """Groups of coupled units; UserError for a network whose units cannot be removed."""
        shape = self.data.input_shape
        if len(shape) != 3:
            raise UserError(f"units are found for images [C, H, W], but an input is {list(shape)}")
        return unit_groups(self.network.module, shape)

    def initial(self, seed: int, purpose: str = "init") -> State:  # as Workbench
        """The model's values now, whatever the seed."""
        if purpose != "init":
            raise Trains(f"values drawn for {purpose!r}")
        return self._initial

    def dense_mask(self) -> Mask:
        """The mask that keeps everything."""
        return Mask.ones(self.layers, self.device)

    def fit(self, request: FitRequest, *_: object, **__: object) -> NoReturn:
        """LoopTraining, where `train` asks for the whole training; Trains otherwise."""
        extra = [n for n in ("penalty", "parametrize", "until") if getattr(request, n) is not None]
        if not self.trains or (request.start, request.end) != (0, self.total_steps):
            raise Trains(f"steps {request.start} to {request.end} of a training")
        if extra:
            raise Trains(f"a training with {' and '.join(extra)}")
        raise LoopTraining(request)

    def checkpoint(self, *_: object) -> None:
        """There is none."""


class NoDenseRun(DenseRun):
    """The unpruned training, which a loop of one's own has not done."""

    @property
    def trained(self) -> Trained:
        """Trains."""
        raise Trains("the dense run")

    def at(self, step: int) -> State:
        """The model's values at step 0; Trains for a later one."""
        if step:
            raise Trains(f"the dense run up to step {step}")
        return super().at(0)


class _LoopRecipe(Recipe):
    """A recipe that says so where the batch size is not known."""

    def __init__(self, *, steps: int, lr: float, batch_size: int, known: bool) -> None:
        super().__init__(steps=steps, lr=lr, batch_size=batch_size)
        object.__setattr__(self, "_known", known)

    def steps_per_epoch(self, train_size: int) -> int:
        """Updates in one pass over the training split."""
        if not self._known:  # type: ignore[attr-defined]
            raise Missing("it counts in epochs; pass a DataLoader as data=, which has a batch size")
        return super().steps_per_epoch(train_size)

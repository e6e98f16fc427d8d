"""A task's network on its device: layers, values, forward pass and evaluation."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, reduce
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lth_bench.data.info import Targets
from lth_bench.errors import TrainingError
from lth_bench.masks import Mask
from lth_bench.models.declared import NOTHING_DECLARED, Declared
from lth_bench.models.prunable import prunable_layers
from lth_bench.models.tracing import Outputs, eager, to_trace
from lth_bench.objectives import CrossEntropy, Objective
from lth_bench.training.behaviour import (
    SideEffects,
    evaluating,
    side_effects_of,
    takes_channels_last,
)
from lth_bench.training.engine.loss import Judged, is_plain, judge
from lth_bench.training.engine.sparse_input.linear import MOST, SparseInputSequential, sparse_stages
from lth_bench.training.flops import count_flops
from lth_bench.training.input.resident import ResidentSplit
from lth_bench.training.input.sparse_images import SparseImages, SparseRows
from lth_bench.training.input.task_data import Examples, TaskData
from lth_bench.training.request import Parametrize

EVAL_BATCH = 1000
"""Examples per evaluation batch, where memory allows. Fixed, because another size changes the last
bits."""
LARGEST = 2**28
"""Maximum elements of one operation's output during evaluation: 1 GB in float32. Conv-2's first
convolution has 65,536 per example, so 64 members at 1,000 examples would have 4.2e9; logits of 128
tokens of a vocabulary of 50,000 are 6.4e6 per example."""


class OverRanks(Protocol):
    """What evaluates on several devices."""

    def judge(
        self, split: Examples, data: TaskData, name: str | int | None, *, right: bool
    ) -> Judged | None:
        """What one device finds; None where one device must do it."""


class Network:
    """One module, reused for every training of a task on this device."""

    def __init__(
        self,
        *,
        module: nn.Module,
        input_shape: tuple[int, ...],
        classes: int,
        device: torch.device,
        dtype: str,
        objective: Objective | None = None,
        targets: Targets = "class",
        declared: Declared = NOTHING_DECLARED,
    ) -> None:
        """`objective` is bound to the training split; plain cross-entropy by default. `declared`
        says what else is prunable, or is not.
        """
        self.layers = prunable_layers(module, input_shape, classes, targets, declared)
        self.objective = objective or CrossEntropy()
        self.targets, self.classes = targets, classes
        self.flops = count_flops(module, self.layers, input_shape)
        self.largest_output = largest_output(module, input_shape)
        """Elements per example of the largest tensor that an operation of the forward pass
        computes."""
        self.input_shape = input_shape
        self.device = device
        self.dtype = torch.float64 if dtype == "float64" else torch.float32
        self._autocast = dtype == "bfloat16"
        self.module = module.to(device=device, dtype=self.dtype)
        if not module.training:
            module.train()  # as in every training loop; single submodules may be held in eval mode
        if takes_channels_last(self.module, input_shape):
            # convolutions take .77 to .89 of the time on a CPU with AVX-512 (conv_bn, conv2 and
            # resnet20 at 8×8 and 32×32, medians of 5 to 9 blocks)
            self.module.to(memory_format=torch.channels_last)
        self.parameters = dict(self.module.named_parameters())
        self.over_ranks: OverRanks | None = None
        """Shares evaluations out while a training of the network is spread over devices."""

    @cached_property
    def stacks(self) -> str | None:
        """How members of this network are stacked: `explicit`, `vmap`, or None if it
        trains alone.
        """
        from lth_bench.training.engine.stacking.agree import how_it_stacks

        about = (self.objective, self.targets, self.classes)
        return how_it_stacks(self.module, self.input_shape, *about)

    @cached_property
    def side_effects(self) -> SideEffects:
        """What its forward pass does besides computing its outputs."""
        return side_effects_of(self.module, self.input_shape)

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Copy values into the module, converting device and dtype."""
        self.module.load_state_dict(values)

    def values(self) -> dict[str, Tensor]:
        """Copies of the module's parameters and buffers."""
        return {k: standard(v) for k, v in self.module.state_dict().items()}

    def twin(self, values: Mapping[str, Tensor]) -> nn.Module:
        """A separate module with these values, on the device, in the modes that the network trains
        in.
        """
        module = copy.deepcopy(self.module).to(memory_format=torch.contiguous_format)
        module.zero_grad(set_to_none=True)
        module.load_state_dict(values)
        return module

    def as_input(self, x: Tensor) -> Tensor:
        """Inputs in the network's precision; tokens stay integers."""
        return x.to(self.dtype) if x.is_floating_point() else x

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """bfloat16 if the recipe asks for it; master weights stay float32."""
        if self._autocast:
            # each weight is used once per pass; a cached cast would outlive a captured pass
            return torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False)
        return contextlib.nullcontext()

    def forward(self, x: Tensor, mask: Mask, parametrize: Parametrize | None) -> Tensor:
        """Outputs [N, …] in float32 (float64 if that is the recipe's dtype)."""
        before = {k: self.module.get_buffer(k) for k in self.side_effects.rebound_buffers}
        with self.autocast():
            x = self.as_input(x)
            if parametrize is None:
                out: Tensor = self.module(x)
            else:
                out = torch.func.functional_call(
                    self.module, parametrized(self.parameters, mask, parametrize), (x,)
                )
        for key, tensor in before.items():  # the layout holds the original tensors
            self._put_back(key, tensor)
        return out.to(self.dtype)

    @torch.no_grad()
    def _put_back(self, key: str, tensor: Tensor) -> None:
        """Restore a buffer's original tensor, with the new tensor's values."""
        owner, _, name = key.rpartition(".")
        tensor.copy_(self.module.get_buffer(key))
        setattr(self.module.get_submodule(owner), name, tensor)

    def evaluation_batch(self, members: int = 1) -> int:
        """Examples per evaluation batch for so many members at once."""
        return max(1, min(EVAL_BATCH, LARGEST // (members * self.largest_output)))

    @cached_property
    def first_is_largest(self) -> bool:
        """Whether no layer has more weights than the first."""
        return self.layers[0].numel == max(layer.numel for layer in self.layers)

    def sparse_input_sequential(self, data: TaskData) -> SparseInputSequential | None:
        """A sequential copy of the network that skips the images' background, with uninitialised
        values; None if that is impossible or slower.
        """
        stages = None if self._autocast else sparse_stages(self.module, data, self.device)
        if stages is None or data.background is None:
            return None
        return SparseInputSequential(stages, data.background)

    @torch.no_grad()
    def evaluate(
        self,
        split: Examples,
        data: TaskData,
        mask: Mask,
        parametrize: Parametrize | None = None,
        *,
        name: str | int | None = None,
    ) -> Judged:
        """Mean loss, metrics and the examples that are right over a split, in eval mode. Waits for
        the device once for plain cross-entropy. By its `name` other ranks know the split: `test`,
        or n for `data.sample(n)`; the validation split needs none.
        """
        if self.over_ranks is not None and parametrize is None:
            found = self.over_ranks.judge(split, data, name, right=True)
            if found is not None:
                return found
        with evaluating(self.module):
            outputs = self._outputs(split, data, mask, parametrize)
            if not is_plain(self.objective):
                return judge(self.objective, outputs)
            sums, which = loss_and_correct(outputs)
        loss, right = sums.flatten().tolist()
        accuracy = {"accuracy": right / len(split)}
        return Judged(loss / len(split), accuracy, {"accuracy": which})

    @torch.no_grad()
    def evaluated(
        self, split: Examples, data: TaskData, mask: Mask, parametrize: Parametrize | None = None
    ) -> Tensor:
        """[2, 1], float64, on the device: summed cross-entropy over a split, and number of correct
        examples, in eval mode.
        """
        with evaluating(self.module):
            return loss_and_correct_sums(self._outputs(split, data, mask, parametrize))

    def outputs(
        self, split: Examples, data: TaskData, mask: Mask, parametrize: Parametrize | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Outputs [n, …] and targets [n, …] of a split, batch by batch, in eval mode."""
        with evaluating(self.module):
            yield from self._outputs(split, data, mask, parametrize)

    def _outputs(
        self, split: Examples, data: TaskData, mask: Mask, parametrize: Parametrize | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        sequential = self.sparse_input_sequential(data) if parametrize is None else None
        if sequential is not None:
            sequential.load(self.parameters)
            yield from self.sparse_logits(sequential, split, data)
            return
        size = self.evaluation_batch()
        for i in range(0, len(split), size):
            x, y = data.normalise(split.x[i : i + size]), split.y[i : i + size]
            yield self.forward(x, mask, parametrize), y

    def batch_of(self, data: TaskData) -> int:
        """Examples per evaluation batch of `outputs`, without `parametrize`."""
        skips = not self._autocast and sparse_stages(self.module, data, self.device) is not None
        return EVAL_BATCH if skips else self.evaluation_batch()

    def sparse_logits(
        self, sequential: SparseInputSequential, split: Examples, data: TaskData
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Logits [N, classes] and labels [N] over a split, batch by batch."""
        background = data.background
        assert background is not None
        images: Iterable[SparseRows]
        if isinstance(split, ResidentSplit) and split.x.numel() <= MOST:
            images = split.without_background(background, self.dtype).in_order(EVAL_BATCH)
        else:
            shades = background.shades.to(self.dtype)
            starts = range(0, len(split), EVAL_BATCH)
            parts = (split.x[i : i + EVAL_BATCH] for i in starts)
            images = (SparseImages(x, background.value, shades).in_order(len(x))[0] for x in parts)
        for x, y in zip(images, torch.split(split.y, EVAL_BATCH), strict=True):
            yield sequential.logits(x), y


def largest_output(module: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Elements per example of the largest tensor that an operation of a forward pass computes."""
    twin, examples = to_trace(module, input_shape)
    with eager(), torch.no_grad(), Outputs() as seen:
        twin(examples)
    return int(max(seen.elements, examples.numel())) // len(examples)


def require_finite(module: nn.Module, built: str) -> None:
    """TrainingError if an initial parameter is NaN or infinite in `module`'s dtype. Buffers may be
    infinite: attention masks are full of −∞.
    """
    for name, parameter in module.named_parameters():
        wrong = parameter.numel() - int(parameter.isfinite().sum())
        if parameter.requires_grad and wrong:
            raise TrainingError(
                f"the network's initial values are not finite: {wrong} of {parameter.numel()} "
                f"entries of {name!r} are NaN or infinite ({built})"
            )


def loss_and_correct_sums(batches: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """The sums of `loss_and_correct`."""
    return loss_and_correct(batches)[0]


def loss_and_correct(batches: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Over batches of logits [n, classes] and labels [n], on their device, without a
    synchronisation.

    Returns:
        Summed cross-entropy and number of correct examples, float64 [2, 1], and which examples are
        correct, bool [N] in the batches' order.
    """
    losses, which = losses_and_correct(batches)
    # in sequence: another order of summation would change the last bits
    return torch.stack([reduce(torch.add, losses), which.sum().double()])[:, None], which


def losses_and_correct(batches: Iterable[tuple[Tensor, Tensor]]) -> tuple[list[Tensor], Tensor]:
    """The same before it is summed: each batch's cross-entropy, float64 [], and which examples are
    correct, bool [N].
    """
    losses, right = [], []
    for logits, y in batches:
        losses.append(F.cross_entropy(logits, y, reduction="sum").double())
        right.append(logits.argmax(1) == y)
    return losses, torch.cat(right)


def standard(tensor: Tensor) -> Tensor:
    """A contiguous copy, whatever the memory layout of the training step."""
    return tensor.detach().clone(memory_format=torch.contiguous_format)


def parametrized(
    trainables: Mapping[str, Tensor], mask: Mask, parametrize: Parametrize
) -> dict[str, Tensor]:
    """The weights that `parametrize` computes from the trainables, with the mask applied. Pruned
    weights are zero, or frozen, and pass no gradient on.
    """
    # parameters it does not return are used unchanged
    weights = {**trainables, **parametrize(dict(trainables), mask)}
    frozen = mask.frozen_by_key()
    for key, kept in mask.items_by_key().items():
        if key in frozen:
            weights[key] = torch.where(kept, weights[key], frozen[key].to(weights[key]))
        else:
            weights[key] = weights[key] * kept
    return weights

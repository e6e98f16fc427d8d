"""The contracts of a model."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from lth_bench.data.info import DatasetInfo
from lth_bench.errors import UserError
from lth_bench.models import examples
from lth_bench.running.task_plan import outline
from lth_bench.system.guard import unchanged
from lth_bench.testing.contract import Broken, NotJudged, contract
from lth_bench.testing.parts.case import PartCase, call

INFOS = (
    *(DatasetInfo(shape, 3, 9, 9) for shape in ((1, 8, 8), (1, 28, 28), (3, 32, 32))),
    *(DatasetInfo(shape, 3, 9, 9, inputs="features") for shape in ((6,), (8, 4), (2, 8, 8))),
    DatasetInfo((8,), 3, 9, 9, inputs="tokens", vocabulary=11),
    DatasetInfo((8,), 11, 9, 9, inputs="tokens", vocabulary=11, targets="tokens"),
)
"""What a model may be built for, where no dataset is named."""
STEPS = 30
"""Steps of the short training."""


class ModelCase(PartCase):
    """A model under test, on whatever it can be built for, or on one dataset's examples."""

    group = "models"

    def __init__(
        self,
        cls: type[Any],
        params: Mapping[str, object] | None = None,
        info: DatasetInfo | None = None,
    ) -> None:
        super().__init__(cls, params)
        self._infos = INFOS if info is None else (info,)

    @cached_property
    def fitting(self) -> tuple[dict[str, tuple[DatasetInfo, int, int]], dict[str, str]]:
        """Kind of inputs → an example of it, and the weights that are prunable and those that are
        not; and kind → why not, of those that the model is not for.
        """
        fits: dict[str, tuple[DatasetInfo, int, int]] = {}
        refused: dict[str, str] = {}
        for info in self._infos:
            kind = info.inputs + (" to tokens" if info.targets == "tokens" else "")
            if kind in fits:
                continue
            try:
                with unchanged():
                    config = {"name": self.cls.__qualname__}
                    layers, rest, _ = outline(config, self.made, info)
            except UserError as error:
                refused.setdefault(kind, error.message)
            else:
                fits[kind] = info, sum(x.numel for x in layers), sum(rest.values())
                refused.pop(kind, None)
        return fits, refused

    @property
    def infos(self) -> list[DatasetInfo]:
        """What it can be built for. NotJudged if that is nothing."""
        if not self.fitting[0]:
            raise NotJudged("it cannot be built for anything")
        return [info for info, _, _ in self.fitting[0].values()]

    def network(self, info: DatasetInfo, seed: int = 0) -> nn.Module:
        """A new one with the initial values of a seed."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            made = call("build", self.made.build, info.input_shape, info.classes)
        assert isinstance(made, nn.Module), "outline has built it"
        return made


def batch(info: DatasetInfo, n: int) -> Tensor:
    """The same `n` examples every time."""
    return examples.random(n, info.input_shape, torch.float32, torch.Generator().manual_seed(n))


@contract(
    "it is built for images, features or tokens, and refuses the others with a reason",
    meet="return an nn.Module that answers [N, classes] for inputs [N, *input_shape] (or [N, T, "
    "classes] where input_shape.targets is 'tokens'); read input_shape.kind and "
    "input_shape.vocabulary, and raise ValueError for what it is not for",
)
def builds(case: ModelCase) -> str:
    """For the small examples of every kind, or for a dataset's own."""
    fits, refused = case.fitting
    if not fits:
        raise Broken("; ".join(dict.fromkeys(refused.values())))
    shown = ", ".join(f"{kind} {list(info.input_shape)}" for kind, (info, _, _) in fits.items())
    return f"for {shown}" + (f"; not for {', '.join(refused)}" if refused else "")


@contract(
    "outputs are finite floating point [N, classes], for tokens [N, T, classes], in both modes",
    meet="give logits or values from the last layer, without softmax, for any N, in training mode "
    "and in evaluation mode",
)
def output_shape(case: ModelCase) -> None:
    """With a batch, and in evaluation mode with a single example too."""
    for info in case.infos:
        network = case.network(info)
        for training, n in ((True, 4), (False, 4), (False, 1)):
            network.train(training)
            mode = "training" if training else "evaluation"
            answer = call(f"the network in {mode} mode", network, batch(info, n))
            wanted = (n, *info.output_shape)
            if not isinstance(answer, Tensor) or tuple(answer.shape) != wanted:
                found = list(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
                raise Broken(f"in {mode} mode it answers {found} instead of {list(wanted)}")
            if not answer.is_floating_point() or not bool(answer.isfinite().all()):
                raise Broken(f"in {mode} mode it answers {answer.dtype} with values not finite")


@contract(
    "the same seed gives the same initial values, and another seed others",
    meet="draw initial values from torch's global generator, as torch's layers do, and from no "
    "generator of your own: it is seeded before build",
)
def seedable(case: ModelCase) -> None:
    """Comparisons are paired by the seed."""
    for info in case.infos:
        one, again, other = (case.network(info, seed).state_dict() for seed in (0, 0, 1))
        odd = [k for k in one if k not in again or not torch.equal(one[k], again[k])]
        if odd or len(one) != len(again):
            raise Broken(f"{', '.join(odd[:3]) or 'the layers'} differ at the same seed")
        if all(torch.equal(one[k], other[k]) for k in one):
            raise Broken("all initial values are the same at another seed")


@contract(
    "in evaluation mode an example's output depends on it alone, and nothing is changed",
    meet="use batch norm and dropout as torch has them, and no statistics of the batch in "
    "evaluation mode",
)
def single_examples(case: ModelCase) -> None:
    """Metrics would otherwise depend on the size of batches."""
    for info in case.infos:
        network = case.network(info).eval()
        before = {k: v.clone() for k, v in network.state_dict().items()}
        x = batch(info, 4)
        with torch.no_grad():
            whole = call("the network", network, x)
            alone = torch.cat([call("the network", network, x[i : i + 1]) for i in range(4)])
        if not torch.allclose(whole, alone, rtol=1e-3, atol=1e-4):
            far = float((whole - alone).abs().max())
            raise Broken(f"outputs of a batch of four and of its examples differ by {far:.2g}")
        odd = [k for k, v in network.state_dict().items() if not torch.equal(v, before[k])]
        if odd:
            raise Broken(f"evaluation mode changes {', '.join(odd[:3])}")


@contract(
    f"it trains: gradients are finite and reach every parameter, {STEPS} steps lower the loss",
    meet="use every layer in forward, without detach() or no_grad(), and initial values that are "
    "neither all zero nor huge",
)
def trains(case: ModelCase) -> None:
    """Adam on one batch, with the usual objective of the targets."""
    for info in case.infos:
        network = case.network(info).train()
        x, y = batch(info, 16), torch.arange(16) % info.classes
        if info.targets == "tokens":
            y = x % info.classes
        values = info.targets in ("labels", "values")
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
        losses = []
        for step in range(STEPS):
            answer = call("the network in training mode", network, x)
            if values:
                loss = answer.square().mean() + (answer.sum(-1) - 1).square().mean()
            else:
                loss = nn.functional.cross_entropy(answer.flatten(0, -2), y.flatten())
            optimizer.zero_grad()
            call("backward", loss.backward)
            if step == 0:
                _require_gradients(network)
            optimizer.step()
            losses.append(float(loss.detach()))
        if not min(losses[1:]) < losses[0]:
            raise Broken(f"the loss is {losses[0]:.3g} at first, and {losses[-1]:.3g} at the end")


def _require_gradients(network: nn.Module) -> None:
    learnt = {n: p.grad for n, p in network.named_parameters() if p.requires_grad}
    silent = [name for name, grad in learnt.items() if grad is None]
    if silent:
        raise Broken(f"{', '.join(silent[:3])} get no gradient: the output does not depend on them")
    odd = [n for n, grad in learnt.items() if grad is not None and not grad.isfinite().all()]
    if odd:
        raise Broken(f"the gradient of {', '.join(odd[:3])} is not finite")


@contract(
    "it has prunable weights: those of convolutions and linear layers",
    meet="use torch's nn.Linear and nn.Conv2d with weights that are parameters of their own",
)
def prunable(case: ModelCase) -> str:
    """Says how much of it is prunable."""
    said = []
    for info in case.infos:
        _, count, rest = next(f for f in case.fitting[0].values() if f[0] is info)
        if not count:
            raise Broken(f"for {info.inputs} it has {rest:,} parameters, none of them prunable")
        said.append(f"{count:,} of {count + rest:,} parameters ({count / (count + rest):.0%})")
    return f"prunable: {' · '.join(dict.fromkeys(said))}"

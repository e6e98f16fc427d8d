"""Networks without values: to be made and run once, for their shapes."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from lth_bench.models import examples as made
from lth_bench.models.refusals import copied
from lth_bench.system.blame import ends_the_run

SMALL = 30_000_000
"""Parameters and buffers up to which a copy is made of real numbers."""
PIXELS = 64 * 64
"""Pixels of an image up to which it is."""


def to_trace(module: nn.Module, input_shape: tuple[int, ...]) -> tuple[nn.Module, Tensor]:
    """A copy in eval mode, and two examples of `input_shape` for it: [2, …].

    Two, since batch norm and squeezes treat a batch of one apart. Both lie on the CPU where that
    costs little, and otherwise on the meta device, which takes no memory, unless the network looks
    at values. There the first operation costs a second, since torch imports its compiler for it.
    """
    tensors = list(chain(module.parameters(), module.buffers()))
    dtype = next((t.dtype for t in tensors if t.is_floating_point()), torch.float32)
    small = sum(t.numel() for t in tensors) <= SMALL
    if not small or math.prod(input_shape[-2:]) > PIXELS:
        twin = copied(module).to("meta").eval()
        examples = made.zeros(2, input_shape, dtype, "meta")
        if _runs(twin, examples):
            return twin, examples
    blanks: dict[int, Any] = {id(t): _blank(t) for t in tensors if t.is_meta}
    twin = copied(module, blanks).to("cpu")
    return twin.eval(), made.zeros(2, input_shape, dtype)


@torch.no_grad()
def _runs(module: nn.Module, x: Tensor) -> bool:
    try:
        module(x)
    except BaseException as error:  # whatever the user's network raises
        if ends_the_run(error):
            raise
        return False
    return True


def _blank(tensor: Tensor) -> Tensor:
    """Zeros on the CPU in a meta tensor's place. Module.to_empty would import the compiler."""
    zeros = torch.zeros(tensor.shape, dtype=tensor.dtype)
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(zeros, requires_grad=tensor.requires_grad)
    return zeros


def eager() -> AbstractContextManager[object]:
    """Compiled networks are computed as they were written inside: what follows their operations
    would be compiled along with them.
    """
    # to ask for it imports the compiler, without which nothing is compiled
    compiles = "torch._dynamo" in sys.modules
    return torch.compiler.set_stance("force_eager") if compiles else nullcontext()


@contextmanager
def shapes_only() -> Iterator[None]:
    """Networks made here take no memory, however large, and draw no values."""
    with torch.device("meta"), _Undrawn():
        yield


class Dispatched(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's stub
    """Sees every operation inside, without torch's compiler."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Otherwise torch imports its compiler, which costs each process a second."""
        return False


class Outputs(Dispatched):
    """Counts the operations inside, and notes the size of the largest tensor that one makes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's stub
        self.elements = 0
        """Of the largest tensor."""
        self.operations = 0
        """Views too."""

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        made = out if isinstance(out, tuple | list) else (out,)
        sizes = [t.numel() for t in made if isinstance(t, Tensor)]
        self.elements = max([self.elements, *sizes])
        self.operations += 1
        return out


class _Undrawn(TorchFunctionMode):
    """Leaves out the drawing of initial values. On the meta device there is nothing to draw, and
    the attempt costs a second: torch imports its compiler for it.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        drawn = args[0] if args else kwargs.get("tensor")
        draws = func in (Tensor.normal_, Tensor.uniform_) or _module_of(func) == nn.init.__name__
        if draws and isinstance(drawn, Tensor) and drawn.is_meta:
            return drawn
        return func(*args, **kwargs)


def _module_of(func: Callable[..., Any]) -> str | None:
    return getattr(func, "__module__", None)  # getters of attributes have none

"""Networks without values, built and run once to find their shapes."""

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
"""Maximum number of parameters and buffers for a copy with real values."""
PIXELS = 64 * 64
"""Maximum number of pixels of an image for a copy with real values."""


def to_trace(module: nn.Module, input_shape: tuple[int, ...]) -> tuple[nn.Module, Tensor]:
    """A copy in eval mode, and two examples of `input_shape` for it: [2, …].

    Two, since batch norm and squeezes treat a batch of one differently. Both are on the CPU if that
    is cheap, otherwise on the meta device, which needs no memory, unless the network depends on
    values. The first operation there takes a second, because torch imports its compiler for it.
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
    except BaseException as error:  # the user's network may raise anything
        if ends_the_run(error):
            raise
        return False
    return True


def _blank(tensor: Tensor) -> Tensor:
    """Zeros on the CPU in place of a meta tensor. Module.to_empty would import the compiler."""
    zeros = torch.zeros(tensor.shape, dtype=tensor.dtype)
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(zeros, requires_grad=tensor.requires_grad)
    return zeros


def eager() -> AbstractContextManager[object]:
    """Within the block compiled networks run uncompiled: a dispatch mode would otherwise be
    compiled with them.
    """
    # asking imports the compiler; if it is not imported, nothing is compiled
    compiles = "torch._dynamo" in sys.modules
    return torch.compiler.set_stance("force_eager") if compiles else nullcontext()


@contextmanager
def shapes_only() -> Iterator[None]:
    """Networks built within the block use no memory, however large, and draw no values."""
    with torch.device("meta"), _Undrawn():
        yield


class Dispatched(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's stub
    """Sees every operation within the block, without torch's compiler."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Otherwise torch imports its compiler, which takes each process a second."""
        return False


class Outputs(Dispatched):
    """Counts operations, and records the size of the largest tensor that one computes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's stub
        self.elements = 0
        """Elements of the largest tensor; views, such as a transposed weight, take no memory."""
        self.operations = 0
        """Number of operations, views included."""

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
        if not func.is_view:
            self.elements = max([self.elements, *sizes])
        self.operations += 1
        return out


class _Undrawn(TorchFunctionMode):
    """Skips the drawing of initial values. On the meta device there are no values, but trying takes
    a second: torch imports its compiler for it.
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
    return getattr(func, "__module__", None)  # attribute getters have none

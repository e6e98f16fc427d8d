"""Tensors that say they are on a GPU, and hold their numbers on the CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from pretend_gpu import memory, streams
from pretend_gpu.memory import Block


def unseen(function: Any) -> Any:
    """A function that a traceback shows as no file's, as torch's C++ shows in none."""
    function.__code__ = function.__code__.replace(co_filename="<pretend GPU>")
    return function


@unseen
def compute(func: Any, args: Any, kwargs: Any) -> Any:
    """An operation; what it raises has no frames of `dispatch` in its traceback."""
    from pretend_gpu.dispatch import dispatch

    try:
        return dispatch(func, args, kwargs or {})
    except BaseException as error:
        error.__traceback__ = None
        raise


class PretendTensor(Tensor):
    """A wrapper: autograd, shapes and devices are its own, the numbers are those of `inner`."""

    inner: Tensor
    block: Block

    @staticmethod
    def __new__(cls, inner: Tensor, device: int) -> PretendTensor:
        made: PretendTensor = Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            layout=inner.layout,
            device=torch.device("cuda", device),
            requires_grad=False,
        )
        made.inner = inner
        made.block = memory.block_of(inner, device)
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    @unseen
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return compute(func, args, kwargs)

    # with these two, `Module.to` swaps parameters in place, as it sets their data on a real GPU
    def __tensor_flatten__(self) -> tuple[list[str], int]:
        return ["inner"], self.device.index

    @staticmethod
    def __tensor_unflatten__(parts: Any, index: int, size: Any, stride: Any) -> PretendTensor:
        return PretendTensor(parts["inner"], index)

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"{self.inner!r} on {self.device}"

    def __deepcopy__(self, memo: dict[int, Any]) -> PretendTensor:
        if id(self) not in memo:
            if not self.is_leaf:
                raise RuntimeError("Only Tensors created explicitly by the user support deepcopy")
            with torch.no_grad():
                copied = self.detach().clone(memory_format=torch.preserve_format)
            copied.requires_grad_(self.requires_grad)
            if self.grad is not None:
                copied.grad = self.grad.__deepcopy__(memo)
            if getattr(self, "_is_param", False):
                copied._is_param = True
            memo[id(self)] = copied
        found: PretendTensor = memo[id(self)]
        return found

    def tolist(self) -> Any:
        streams.machine.wait("tolist")
        return self.inner.tolist()

    def data_ptr(self) -> int:
        return self.inner.data_ptr()

    def numpy(self, *_: Any, **__: Any) -> Any:
        raise TypeError(
            f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy "
            f"the tensor to host memory first."
        )

    __array__ = numpy


class Mode(TorchDispatchMode):
    """Catches what makes tensors on a device out of none. Each thread needs its own."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else the first operation would import the compiler, for 2 s

    @unseen
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return compute(func, args, kwargs)

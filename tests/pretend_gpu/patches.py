"""What is replaced while a pretend GPU is there: `torch.cuda`, threads, backward passes."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch

from pretend_gpu import backward, dispatch, graphs, hooks, memory, ranks, streams
from pretend_gpu.machine import SYNC_DEBUG, Machine
from pretend_gpu.tensors import Mode, PretendTensor

__all__ = ["dispatch", "pretend", "pretend_for_good", "unsupported"]

VARIABLE = "LTH_PRETEND_GPU"
"""Holds a machine as text, for `site/sitecustomize.py` of child processes."""


@contextlib.contextmanager
def pretend(machine: Machine | None = None, **options: Any) -> Iterator[Machine]:
    """Everything inside sees this machine's GPUs. `hooks.NotHere` where that cannot be."""
    machine = machine or Machine(**options)
    if streams_in_use():
        raise RuntimeError("there is a pretend GPU already")
    hooks.with_context()
    torch._C._ensureCUDADeviceGuardSet()
    with contextlib.ExitStack() as stack:
        stack.callback(streams.begin, machine)
        streams.begin(machine)
        streams.everything.clear()
        graphs.outside.clear()
        graphs.graph.default_capture_stream = None
        memory.machine = machine
        for name, value in _cuda(machine).items():
            for module in _holders(name):
                stack.enter_context(mock.patch.object(module, name, value))
        run = threading.Thread.run
        stack.enter_context(
            mock.patch.object(
                threading.Thread, "run", functools.partialmethod(_run_pretending, run)
            )
        )
        engine = backward.engine(machine, torch.autograd._engine_run_backward)
        stack.enter_context(mock.patch.object(torch.autograd, "_engine_run_backward", engine))
        compatible = _compatible(torch._has_compatible_shallow_copy_type)
        stack.enter_context(
            mock.patch.object(torch, "_has_compatible_shallow_copy_type", compatible)
        )
        stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        stack.enter_context(ranks.averaging())
        stack.enter_context(_in_this_thread())
        _in_use.append(machine)
        stack.callback(_in_use.remove, machine)
        yield machine


_in_use: list[Machine] = []
_for_good = contextlib.ExitStack()


def streams_in_use() -> bool:
    """Whether there is a pretend machine."""
    return bool(_in_use)


def pretend_for_good(text: str) -> None:
    """In a process of its own, as soon as torch is there."""
    _for_good.enter_context(pretend(Machine.from_text(text)))


def _compatible(usual: Any) -> Any:
    """Whether `Module.to` may set one's data to the other: not between host and device, where it
    swaps the tensors (to the device) or makes new ones (to the host).
    """

    def compatible(input, from_):  # torch's compiler compares the signature
        ours = isinstance(input, PretendTensor) or isinstance(from_, PretendTensor)
        return not ours and bool(usual(input, from_))

    compatible.__annotations__ = {"input": torch.Tensor, "from_": torch.Tensor, "return": bool}
    return compatible


def _holders(name: str) -> list[Any]:
    """`torch.cuda` and those of its modules that have imported this from each other."""
    usual = getattr(torch.cuda, name, None)
    modules = [m for n, m in sys.modules.items() if n.startswith("torch.cuda")]
    return [m for m in modules if usual is not None and getattr(m, name, None) is usual]


def _run_pretending(thread: threading.Thread, run: Any) -> None:
    with _in_this_thread():
        run(thread)


@contextlib.contextmanager
def _in_this_thread() -> Iterator[None]:
    """What torch keeps for each thread: without its own autograd threads, backward stays here."""
    before = torch._C._only_lift_cpu_tensors()
    torch._C._set_only_lift_cpu_tensors(True)
    try:
        with torch.autograd.set_multithreading_enabled(False), Mode():
            yield
    finally:
        torch._C._set_only_lift_cpu_tensors(before)


def _cuda(machine: Machine) -> dict[str, Any]:
    """Replacements in `torch.cuda`; what is not here is torch's own, and made of these."""
    local = machine.local

    def initialize() -> None:
        machine.initialize()

    def exchange(index: int) -> int:
        machine.initialize()
        before = local.device
        if index >= 0:
            local.device = machine.index(index)
        return before

    def set_device(device: Any) -> None:
        machine.initialize()
        if not isinstance(device, int) or device >= 0:
            local.device = machine.index(device)

    def current_device() -> int:
        machine.initialize()
        return local.device

    def properties(device: Any = None) -> SimpleNamespace:
        machine.initialize()
        return SimpleNamespace(
            name="NVIDIA Pretend",
            total_memory=machine.memory,
            multi_processor_count=132,
            major=9,
            minor=0,
            index=machine.index(device),
        )

    def sync_debug(mode: Any) -> None:
        machine.sync_debug = SYNC_DEBUG[mode] if isinstance(mode, str) else mode

    def bad_fork() -> bool:
        return machine.initialized and machine.process != os.getpid()

    def capturing() -> bool:
        return machine.capture is not None and streams.current_stream() in machine.capture.streams

    return {
        "is_available": lambda: machine.devices > 0,
        "device_count": lambda: machine.devices,
        "is_initialized": lambda: machine.initialized and not bad_fork(),
        "_lazy_init": initialize,
        "_lazy_call": machine.once_initialized,
        "init": initialize,
        "_is_in_bad_fork": bad_fork,
        "_exchange_device": exchange,
        "_maybe_exchange_device": exchange,
        "current_device": current_device,
        "set_device": set_device,
        "get_device_properties": properties,
        "get_device_name": lambda device=None: properties(device).name,
        "get_device_capability": lambda device=None: (9, 0),
        "is_bf16_supported": lambda *_, **__: True,
        "default_generators": machine.generators,
        "Stream": streams.Stream,
        "Event": streams.Event,
        "current_stream": streams.current_stream,
        "default_stream": streams.default_stream,
        "set_stream": streams.set_stream,
        "synchronize": streams.synchronize,
        "CUDAGraph": graphs.CUDAGraph,
        "graph": graphs.graph,
        "graph_pool_handle": lambda: (0, 0),
        "is_current_stream_capturing": capturing,
        "set_sync_debug_mode": sync_debug,
        "get_sync_debug_mode": lambda: machine.sync_debug,
        "empty_cache": lambda: None,
        "mem_get_info": memory.free_and_total,
        "memory_stats": memory.stats,
        "memory_allocated": lambda d=None: memory.stats(d)["allocated_bytes.all.current"],
        "max_memory_allocated": lambda d=None: memory.stats(d)["allocated_bytes.all.peak"],
        "memory_reserved": lambda d=None: memory.stats(d)["reserved_bytes.all.current"],
        "max_memory_reserved": lambda d=None: memory.stats(d)["reserved_bytes.all.peak"],
        "reset_peak_memory_stats": memory.reset_peak,
        "set_per_process_memory_fraction": memory.set_fraction,
    }


def unsupported() -> str:
    """Why no GPU can be pretended here; "" where one can: a backward pass is tried."""
    try:
        with pretend():
            x = torch.ones(2, device="cuda", requires_grad=True)
            (x * x).sum().backward()
            assert x.grad is not None and x.grad.tolist() == [2.0, 2.0]
    except hooks.NotHere as error:
        return str(error)
    except (RuntimeError, AttributeError, AssertionError) as error:
        return f"with torch {torch.__version__}: {type(error).__name__}: {error}"
    return ""

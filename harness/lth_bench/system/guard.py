"""Restores random states and process-wide settings after user code."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.backends import cudnn, mkldnn

Setting = tuple[Callable[[], Any], Callable[[Any], object]]


def _deterministic(value: tuple[bool, bool]) -> None:
    # torch.use_deterministic_algorithms would also import the compiler, which takes 1.3 s
    torch._C._set_deterministic_algorithms(value[0], warn_only=value[1])


def _of(owner: Any, name: str) -> Setting:
    """How to read and set a switch of a torch backend."""
    return partial(getattr, owner, name), partial(setattr, owner, name)


def _default_device(device: torch.device) -> None:
    # torch's default is no mode at all; naming the CPU would slow down every call
    torch.set_default_device(None if device.type == "cpu" else device)


def _autocast(device: str, on: bool) -> None:
    torch.set_autocast_enabled(device, on)


def _precision(backend: str, operation: str) -> Setting:
    """The precision of float32 products, in the form of torch 2.9 and later."""
    return (
        partial(torch._C._get_fp32_precision_getter, backend, operation),
        partial(torch._C._set_fp32_precision_setter, backend, operation),
    )


SETTINGS: tuple[Setting, ...] = (
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.get_default_device, _default_device),
    (torch.get_num_threads, torch.set_num_threads),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    (
        lambda: (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        _deterministic,
    ),
    (lambda: torch.is_autocast_enabled("cpu"), lambda on: _autocast("cpu", on)),
    (lambda: torch.is_autocast_enabled("cuda"), lambda on: _autocast("cuda", on)),
    _of(cudnn, "enabled"),
    _of(cudnn, "benchmark"),
    _of(cudnn, "deterministic"),
    _of(cudnn, "allow_tf32"),
    _of(mkldnn, "enabled"),
    _of(mkldnn, "deterministic"),
    _of(torch.backends.cuda.matmul, "allow_bf16_reduced_precision_reduction"),
    _of(torch.backends.cuda.matmul, "allow_fp16_reduced_precision_reduction"),
    _of(torch.backends.cuda.matmul, "allow_fp16_accumulation"),
    (torch.backends.cuda.flash_sdp_enabled, torch.backends.cuda.enable_flash_sdp),
    (torch.backends.cuda.mem_efficient_sdp_enabled, torch.backends.cuda.enable_mem_efficient_sdp),
    (torch.backends.cuda.math_sdp_enabled, torch.backends.cuda.enable_math_sdp),
    (torch.backends.cuda.cudnn_sdp_enabled, torch.backends.cuda.enable_cudnn_sdp),
    # after the older switches of the same, which set these; what is not set is inherited, hence
    # from the whole to its parts
    _precision("generic", "all"),
    *(_precision(b, op) for b in ("mkldnn", "cuda") for op in ("all", "matmul", "conv", "rnn")),
    # no getter: a subnormal number survives a product, or does not
    (lambda: not bool(torch.tensor([1e-310], dtype=torch.float64) * 1), torch.set_flush_denormal),
)
"""Process-wide settings that affect numbers: how to read each, and how to set it."""
UNREADABLE = object()
"""The value of an older switch if a newer one for the same setting differs: torch then refuses
to read it."""


def settings() -> list[Any]:
    """The value of each of `SETTINGS`."""
    return [_read(get) for get, _ in SETTINGS]


def put_back(values: Sequence[Any]) -> None:
    """Restore every setting that has changed."""
    for before, (get, put) in zip(values, SETTINGS, strict=True):
        if before is not UNREADABLE and _read(get) != before:
            put(before)


def _read(get: Callable[[], Any]) -> Any:
    try:
        return get()
    except RuntimeError:
        return UNREADABLE


@contextlib.contextmanager
def unchanged() -> Iterator[None]:
    """Restores random states, settings, grad mode and inference mode after the block.

    Gradients are enabled within it. Takes 0.2 ms on a CPU core, half of it for numpy's state.
    """
    cuda = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]  # torch's stub
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    of_devices = torch.cuda.get_rng_state_all() if cuda else []
    before = settings()
    try:
        # its end also restores grad mode, even if the code inside left one on
        with torch.inference_mode(False):
            yield
    finally:
        put_back(before)
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])
        if of_devices:
            torch.cuda.set_rng_state_all(of_devices)

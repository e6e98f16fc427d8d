"""Devices by name: `auto`, `cpu`, `cuda`, `cuda:1`."""

from __future__ import annotations

import os
from collections.abc import Sequence

from lth_bench.errors import UserError


def resolve(name: str) -> list[str]:
    """The devices that a run spreads over: every GPU for `cuda`, or the CPU.

    `auto` takes the GPUs where there are any. UserError where the machine has no such device.
    """
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    here = "cpu" + "".join(f", cuda:{i}" for i in range(count))
    if name == "auto":
        return [f"cuda:{i}" for i in range(count)] or ["cpu"]
    if name == "cpu":
        return ["cpu"]
    if name == "cuda" and count:
        return [f"cuda:{i}" for i in range(count)]
    if name.startswith("cuda:") and name[5:].isdigit() and int(name[5:]) < count:
        return [name]
    raise UserError(f"no device {name!r} on this machine; it has: {here} (or say auto)")


def workers_for(devices: Sequence[str], asked: int | None) -> list[str]:
    """One device name a worker process: one a GPU; on a CPU one single-threaded a core."""
    if asked is not None and asked < 1:
        raise UserError(f"--workers takes at least 1, but got {asked}")
    if list(devices) == ["cpu"]:
        return ["cpu"] * (asked or cores())
    return [devices[i % len(devices)] for i in range(asked or len(devices))]


def cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_dtype(dtype: str, devices: Sequence[str], recipe: str) -> None:
    """UserError where the device has no bfloat16 units: emulation is 10 to 20 times slower."""
    if dtype != "bfloat16":
        return
    import torch

    for device in devices:
        if device == "cpu":
            good = _cpu_has_bfloat16()
        else:
            good = torch.cuda.get_device_capability(device) >= (8, 0)
        if not good:
            raise UserError(
                f"recipe {recipe!r} asks for dtype 'bfloat16', which {device} has no units for; "
                f'add --set recipes.{recipe}.dtype="float32"'
            )


def _cpu_has_bfloat16() -> bool:
    try:
        with open("/proc/cpuinfo") as file:
            flags = file.read()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags or "bf16" in flags.split()


def prepare_process(device: str) -> None:
    """Process-wide settings that belong to the recorded numerics."""
    import torch

    if device == "cpu":
        # two single-threaded processes beat one with two threads on networks of this size
        torch.set_num_threads(1)
        # dead units and constant pixels decay into subnormals, which cost 5 to 40 times more
        torch.set_flush_denormal(True)
    else:
        torch.cuda.set_device(device)
        # an operation without a deterministic form warns; it does not fail
        torch.use_deterministic_algorithms(True, warn_only=True)
        # which would fill every new tensor; nothing here reads what it has not written
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False

"""What a device is, and which versions drive it."""

from __future__ import annotations

from typing import Any

import torch


def about(device: str) -> dict[str, Any]:
    """Name, memory, and the versions of driver, runtime and libraries."""
    found: dict[str, Any] = {"torch": torch.__version__, "name": "cpu"}
    if device == "cpu":
        return found
    properties = torch.cuda.get_device_properties(device)
    free, total = torch.cuda.mem_get_info(device)
    capability = f"{properties.major}.{properties.minor}"
    return {
        **found,
        "name": properties.name,
        "capability": capability,
        "multiprocessors": properties.multi_processor_count,
        "free": free,
        "total": total,
        "runtime": torch.version.cuda or torch.version.hip,
        "driver": driver(),
        "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]  # torch's stub
        "built_for": torch.cuda.get_arch_list(),
    }


def driver() -> str | None:
    """The newest CUDA that the driver can run, such as `12.8`; None where it does not say."""
    ask = getattr(torch._C, "_cuda_getDriverVersion", None)
    try:
        version = int(ask()) if ask is not None else 0
    except RuntimeError:
        version = 0
    return f"{version // 1000}.{version % 1000 // 10}" if version else None

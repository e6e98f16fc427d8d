"""What a device does at best: bytes copied and multiply-adds a second."""

from __future__ import annotations

import time

import torch

from training.ours import synchronize


def ceilings(device: str) -> dict[str, float]:
    """Terabytes/s of a copy, read and written, and TFLOP/s of a matrix product, on random data."""
    where = torch.device(device)
    small = where.type == "cpu"
    numbers = torch.randn(1 << (24 if small else 30), device=where)
    copy = torch.empty_like(numbers)
    seconds = _median_seconds(lambda: copy.copy_(numbers), where)
    found = {"copy_terabytes_per_second": 2 * numbers.numel() * 4 / seconds / 1e12}
    size = 1024 if small else 8192
    for dtype in (torch.float32,) if small else (torch.float32, torch.bfloat16):
        a, b = (torch.randn(size, size, device=where).to(dtype) for _ in range(2))
        seconds = _median_seconds(lambda a=a, b=b: torch.mm(a, b), where)  # type: ignore[misc]
        name = str(dtype).removeprefix("torch.")
        found[f"{name}_teraflops_per_second"] = 2 * size**3 / seconds / 1e12
    return found


def _median_seconds(action: object, device: torch.device, times: int = 7) -> float:
    taken = []
    for _ in range(times):
        synchronize(device)
        began = time.perf_counter()
        action()  # type: ignore[operator]
        synchronize(device)
        taken.append(time.perf_counter() - began)
    return sorted(taken)[times // 2]

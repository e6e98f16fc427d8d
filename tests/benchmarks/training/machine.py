"""What a measurement was made on: hardware, versions, flags."""

from __future__ import annotations

import os
import platform
from typing import Any

import torch

from lth_bench.system.devices import cores, cpu_name, installed_versions

PACKAGES = ("torch", "torchvision", "pillow", "numpy")


def machine(device: str) -> dict[str, Any]:
    """As JSON."""
    facts: dict[str, Any] = {
        "cpu": cpu_name(),
        "cores": cores(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": installed_versions(PACKAGES),
        "load_average": [round(x, 2) for x in os.getloadavg()],
    }
    if device != "cpu":
        properties = torch.cuda.get_device_properties(device)
        facts["gpu"] = {
            "name": properties.name,
            "memory_gb": round(properties.total_memory / 1e9, 1),
            "multiprocessors": properties.multi_processor_count,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        }
    return facts


def flags() -> dict[str, Any]:
    """Of this process: what decides how fast, and which last bits, torch computes."""
    return {
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "tf32_matmul": torch.backends.cuda.matmul.allow_tf32,
        "tf32_cudnn": torch.backends.cudnn.allow_tf32,
        "environment": {
            name: value
            for name, value in os.environ.items()
            if name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUBLAS_WORKSPACE_CONFIG")
        },
    }

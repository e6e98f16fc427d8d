"""What a result was made with: versions, device, threads, the code's commit."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("lth-bench", "torch", "torchvision", "torch-pruning", "pluggy", "duckdb", "numpy")


def describe(devices: Sequence[str]) -> dict[str, Any]:
    """The environment of a run, as JSON."""
    import torch

    cuda = [d for d in devices if d.startswith("cuda")]
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "torch": torch.__version__,
        "cuda": torch.version.cuda if cuda else None,
        "device": device_name(devices),
        "devices": list(devices),
        "host": socket.gethostname(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": 1,
        "git": _git(),
    }


def device_name(devices: Sequence[str]) -> str:
    """What the devices are: the name of the first GPU, or `cpu`."""
    import torch

    cuda = [d for d in devices if d.startswith("cuda")]
    return torch.cuda.get_device_name(cuda[0]) if cuda else "cpu"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _git() -> str | None:
    """The commit of the folder the run was started in, with `-dirty` where files differ."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def command() -> str:
    """The command line, as it was typed."""
    import shlex

    return shlex.join(["lth-bench", *sys.argv[1:]])

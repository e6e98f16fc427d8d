"""The machine: processors, GPUs, memory, disks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lth_bench.data.root import writable
from lth_bench.maintenance.finding import UNMEASURED, Finding

LITTLE_MEMORY, LITTLE_SPACE = 2e9, 2e9
"""Bytes below which runs of the shipped suites may not end."""


def check_torch() -> Iterator[Finding]:
    """torch, and the devices it sees."""
    try:
        import torch
    except Exception as error:  # a broken installation raises anything
        yield Finding(
            "problem",
            "torch",
            f"cannot be imported: {type(error).__name__}: {error}",
            "install it again",
        )
        return
    from lth_bench.system.devices import cores

    build = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
    yield Finding("ok", "torch", f"{torch.__version__}, {build}")
    given = os.environ.get("OMP_NUM_THREADS")
    yield Finding(
        "ok",
        "CPU",
        f"{cores()} cores for this process; a run takes one single-threaded worker each"
        + (f" (OMP_NUM_THREADS={given})" if given else ""),
    )
    yield from _gpus(torch)
    yield from _torchvision()


def _gpus(torch: Any) -> Iterator[Finding]:
    driver = Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi")
    if not torch.version.cuda:
        if driver:
            yield Finding(
                "warning",
                "GPU",
                "there is an NVIDIA driver, but this torch is built without CUDA",
                "install the CUDA build of torch to use it: pytorch.org/get-started",
            )
        else:
            yield Finding("ok", "GPU", "none; runs take place on the CPU")
        return
    if not torch.cuda.is_available():
        if driver:
            yield Finding(
                "problem",
                "GPU",
                f"there is a driver, but torch's CUDA {torch.version.cuda} cannot use it",
                "upgrade the driver, or install a torch for an older CUDA; `nvidia-smi` "
                "shows the driver's",
            )
        else:
            yield Finding("ok", "GPU", "none; runs take place on the CPU")
        return
    yield Finding("warning", "CUDA", UNMEASURED, "try yours: lth-bench doctor --device cuda")
    for index in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(index)
        bfloat16 = "bfloat16" if (about.major, about.minor) >= (8, 0) else "no bfloat16"
        try:
            free, total = torch.cuda.mem_get_info(index)
        except Exception as error:  # a GPU in exclusive use, or one that has failed
            yield Finding(
                "problem",
                f"GPU {index}",
                f"{about.name} cannot be used: {error}",
                "see `nvidia-smi`; choose another with --device",
            )
            continue
        text = f"{about.name}, {free / 1e9:.1f} of {total / 1e9:.1f} GB free, {bfloat16}"
        if free < LITTLE_MEMORY:
            yield Finding("warning", f"GPU {index}", text, "other processes use it; see nvidia-smi")
        else:
            yield Finding("ok", f"GPU {index}", text)


def _torchvision() -> Iterator[Finding]:
    # its import takes 4 s, most of them torch's compiler; that its files match torch shows sooner
    from importlib.metadata import PackageNotFoundError, version
    from importlib.util import find_spec

    try:
        installed = version("torchvision")
        spec = find_spec("torchvision")
    except (PackageNotFoundError, ImportError, ValueError):
        spec, installed = None, ""
    if spec is None or spec.origin is None:
        yield Finding(
            "problem",
            "torchvision",
            "is not installed",
            "pip install torchvision: datasets need it",
        )
        return
    yield from _built_for(installed, Path(spec.origin).parent)


def _built_for(installed: str, folder: Path) -> Iterator[Finding]:
    """Whether its binary can be loaded beside this torch."""
    import ctypes

    binaries = sorted(folder.glob("_C*.so")) + sorted(folder.glob("_C*.pyd"))
    try:
        for binary in binaries[:1]:
            ctypes.CDLL(str(binary))
    except OSError as error:
        yield Finding(
            "problem",
            "torchvision",
            f"{installed} does not fit this torch: {error}",
            "install the two of one release together: pip install --upgrade torch torchvision",
        )
        return
    yield Finding("ok", "torchvision", f"{installed}, at {folder}")


def check_memory() -> Iterator[Finding]:
    """Main memory, where the system tells."""
    try:
        with open("/proc/meminfo") as file:
            known = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in file}
        free, total = known["MemAvailable"], known["MemTotal"]
    except (OSError, KeyError, ValueError, IndexError):
        return
    text = f"{free / 1e9:.1f} of {total / 1e9:.1f} GB free"
    if free < LITTLE_MEMORY:
        yield Finding("warning", "memory", text, "close other programs, or lower --workers")
    else:
        yield Finding("ok", "memory", text)


def check_folder(what: str, folder: Path, set_by: str) -> Iterator[Finding]:
    """Space in a folder, and whether it can be written to."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        yield Finding("problem", what, f"{place} is no folder", f"name another with {set_by}")
        return
    free = shutil.disk_usage(place).free
    text = f"{folder}, {free / 1e9:.1f} GB free"
    if not writable(place):
        yield Finding("problem", what, f"{text}, read-only", f"name another place with {set_by}")
    elif free < LITTLE_SPACE:
        yield Finding("warning", what, text, f"free some, or name another place with {set_by}")
    else:
        yield Finding("ok", what, text)

"""Checks of the machine: Python and libraries, processors, GPUs, memory, disks."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import Any

from lth_bench.data.root import writable
from lth_bench.maintenance import UNMEASURED, Diagnosis

OWN = "lth-bench"


def check_versions() -> Iterator[Diagnosis]:
    """Check the versions of Python and of the libraries that lth-bench requires."""
    try:
        wanted = requires(OWN) or []
        python = str(metadata(OWN)["Requires-Python"] or "")
    except PackageNotFoundError:
        yield Diagnosis(
            "problem", "lth-bench", "the package is not installed",
            "run `pip install .` in the checkout, so that its plugins are found",
        )  # fmt: skip
        return
    here = platform.python_version()
    if satisfies(here, python):
        yield Diagnosis("ok", "Python", f"{here} at {sys.executable}")
    else:
        yield Diagnosis(
            "problem", "Python", f"{here} does not satisfy {python}", "create a new environment"
        )
    bad, count = [], 0
    for text in wanted:
        name, range_, marker = parse(text)
        if "extra" in marker:
            continue
        count += 1
        try:
            installed = version(name)
        except PackageNotFoundError:
            bad.append(f"{name} is missing")
            continue
        if not satisfies(installed, range_):
            bad.append(f"{name} {installed} does not satisfy {range_}")
    if bad:
        yield Diagnosis(
            "problem", "libraries", "; ".join(bad), "run pip install --upgrade lth-bench"
        )
    else:
        yield Diagnosis("ok", "libraries", f"all {count} have a supported version")


def parse(requirement: str) -> tuple[str, str, str]:
    """`numpy>=2; extra == "dev"` as name, range and marker."""
    head, _, marker = requirement.partition(";")
    found = re.match(r"\s*([\w.-]+)\s*(?:\[[^\]]*\])?\s*\(?([^)]*)\)?", head)
    assert found is not None, requirement
    return found[1], found[2].strip(), marker.strip()


def satisfies(installed: str, range_: str) -> bool:
    """Whether a version is in a range of `>=` and `<`; other comparisons count as satisfied."""
    for part in filter(None, (p.strip() for p in range_.split(","))):
        if part.startswith(">=") and numbers(installed) < numbers(part[2:]):
            return False
        if part.startswith("<") and part[1:2] != "=" and numbers(installed) >= numbers(part[1:]):
            return False
    return True


def numbers(text: str) -> tuple[int, ...]:
    """`2.15.0+cu130` as (2, 15); trailing zeros are dropped."""
    found = [int(n) for n in re.findall(r"\d+", re.split(r"[+a-zA-Z]", text.strip())[0])]
    while found and found[-1] == 0:
        found.pop()
    return tuple(found)


LOW_MEMORY, LOW_SPACE = 2e9, 2e9
"""Bytes below which runs of the shipped suites may not finish."""


def check_torch() -> Iterator[Diagnosis]:
    """Check torch and the devices that it finds."""
    try:
        import torch
    except Exception as error:  # a broken installation raises anything
        yield Diagnosis(
            "problem",
            "torch",
            f"cannot be imported: {type(error).__name__}: {error}",
            "reinstall it",
        )
        return
    from lth_bench.system.devices import cores

    build = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
    yield Diagnosis("ok", "torch", f"{torch.__version__}, {build}")
    given = os.environ.get("OMP_NUM_THREADS")
    yield Diagnosis(
        "ok",
        "CPU",
        f"{cores()} cores for this process; a run starts a single-threaded worker on each"
        + (f" (OMP_NUM_THREADS={given})" if given else ""),
    )
    yield from _gpus(torch)
    yield from _torchvision()


def _gpus(torch: Any) -> Iterator[Diagnosis]:
    driver = Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi")
    if not torch.version.cuda:
        if driver:
            yield Diagnosis(
                "warning",
                "GPU",
                "an NVIDIA driver is installed, but this torch is built without CUDA",
                "install the CUDA build of torch to use it: pytorch.org/get-started",
            )
        else:
            yield Diagnosis("ok", "GPU", "none; runs use the CPU")
        return
    if not torch.cuda.is_available():
        if driver:
            yield Diagnosis(
                "problem",
                "GPU",
                f"a driver is installed, but torch's CUDA {torch.version.cuda} cannot use it",
                "upgrade the driver, or install a torch for an older CUDA; `nvidia-smi` "
                "shows the driver's version",
            )
        else:
            yield Diagnosis("ok", "GPU", "none; runs use the CPU")
        return
    yield Diagnosis("warning", "CUDA", UNMEASURED, "test yours: lth-bench doctor --device cuda")
    for index in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(index)
        bfloat16 = "bfloat16" if (about.major, about.minor) >= (8, 0) else "no bfloat16"
        try:
            free, total = torch.cuda.mem_get_info(index)
        except Exception as error:  # a GPU in exclusive use, or one that has failed
            yield Diagnosis(
                "problem",
                f"GPU {index}",
                f"{about.name} cannot be used: {error}",
                "see `nvidia-smi`, or choose another with --device",
            )
            continue
        text = f"{about.name}, {free / 1e9:.1f} of {total / 1e9:.1f} GB free, {bfloat16}"
        if free < LOW_MEMORY:
            yield Diagnosis(
                "warning", f"GPU {index}", text, "other processes use it; see nvidia-smi"
            )
        else:
            yield Diagnosis("ok", f"GPU {index}", text)


def _torchvision() -> Iterator[Diagnosis]:
    # importing it takes 4 s, mostly for torch's compiler; checking its files is faster
    from importlib.metadata import PackageNotFoundError, version
    from importlib.util import find_spec

    try:
        installed = version("torchvision")
        spec = find_spec("torchvision")
    except (PackageNotFoundError, ImportError, ValueError):
        spec, installed = None, ""
    if spec is None or spec.origin is None:
        yield Diagnosis(
            "problem",
            "torchvision",
            "is not installed",
            "run pip install torchvision; datasets need it",
        )
        return
    yield from _built_for(installed, Path(spec.origin).parent)


def _built_for(installed: str, folder: Path) -> Iterator[Diagnosis]:
    """Whether its binary can be loaded with this torch."""
    import ctypes

    binaries = sorted(folder.glob("_C*.so")) + sorted(folder.glob("_C*.pyd"))
    try:
        for binary in binaries[:1]:
            ctypes.CDLL(str(binary))
    except OSError as error:
        yield Diagnosis(
            "problem",
            "torchvision",
            f"{installed} does not match this torch: {error}",
            "install matching releases: pip install --upgrade torch torchvision",
        )
        return
    yield Diagnosis("ok", "torchvision", f"{installed}, at {folder}")


def check_memory() -> Iterator[Diagnosis]:
    """Check main memory, if the system reports it."""
    try:
        with open("/proc/meminfo") as file:
            known = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in file}
        free, total = known["MemAvailable"], known["MemTotal"]
    except (OSError, KeyError, ValueError, IndexError):
        return
    text = f"{free / 1e9:.1f} of {total / 1e9:.1f} GB free"
    if free < LOW_MEMORY:
        yield Diagnosis("warning", "memory", text, "close other programs, or lower --workers")
    else:
        yield Diagnosis("ok", "memory", text)


def check_folder(what: str, folder: Path, set_by: str) -> Iterator[Diagnosis]:
    """Check the free space in a folder, and whether it is writable; `set_by` names the option or
    variable that chooses it.
    """
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        yield Diagnosis(
            "problem", what, f"{place} is not a folder", f"choose another with {set_by}"
        )
        return
    free = shutil.disk_usage(place).free
    text = f"{folder}, {free / 1e9:.1f} GB free"
    if not writable(place):
        yield Diagnosis("problem", what, f"{text}, read-only", f"choose another with {set_by}")
    elif free < LOW_SPACE:
        yield Diagnosis("warning", what, text, f"free some space, or choose another with {set_by}")
    else:
        yield Diagnosis("ok", what, text)

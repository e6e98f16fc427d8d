"""The GPUs visible to this process, or why there are none."""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path

VISIBLE = "CUDA_VISIBLE_DEVICES"
NONE_LEFT = "No CUDA GPUs are available"
"""CUDA's message if there is a driver but no GPU, or all are hidden."""


def count() -> int:
    """Number of GPUs that torch can use, among those left visible by `CUDA_VISIBLE_DEVICES`."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `why_none` reports it
        return torch.cuda.device_count() if torch.cuda.is_available() else 0


def driver() -> bool:
    """Whether there is an NVIDIA driver, whether or not torch can use it."""
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def apple() -> bool:
    """Whether torch could use Apple's GPU."""
    import torch

    return torch.backends.mps.is_available()


def why_none() -> tuple[str, str]:
    """Why there is no GPU, and what to do about it. Only if `count` is 0."""
    import torch

    build = torch.version.cuda or torch.version.hip
    if build is None:
        found = "there is an NVIDIA driver, but " if driver() else ""
        return (
            f"{found}this torch ({torch.__version__}) is built without CUDA",
            "install a build with it to use a GPU: pytorch.org/get-started",
        )
    said = _what_cuda_says()
    if said.startswith(NONE_LEFT):
        visible = os.environ.get(VISIBLE)
        if visible is not None and not visible.strip():
            return f"{VISIBLE} is set to nothing, which hides every GPU", f"unset {VISIBLE}"
        if visible is not None:
            return (
                f"{VISIBLE}={visible} names no GPU of this machine",
                "unset it or name others; `nvidia-smi -L` lists them with their UUIDs",
            )
        return "the driver finds no GPU", "see `nvidia-smi`"
    if "too old" in said:
        return (
            f"{said}, and this torch ({torch.__version__}) is built for CUDA {build}",
            "upgrade the driver, or install a torch for an older CUDA; see `nvidia-smi`",
        )
    if "no NVIDIA driver" in said:
        return "there is no NVIDIA driver", "install one if this machine has a GPU"
    return f"CUDA says: {said}", "see `nvidia-smi`"


def _what_cuda_says() -> str:
    """The first sentence of the error raised when CUDA is initialised."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            torch.cuda.init()  # type: ignore[no-untyped-call]  # torch's stub
        except Exception as error:  # a driver problem can make torch raise anything
            text = " ".join(str(error).split()) or type(error).__name__
            return text.partition(". ")[0].removesuffix(".")
    return NONE_LEFT


def names() -> list[str]:
    """The model of each GPU, in order."""
    import torch

    return [torch.cuda.get_device_name(i) for i in range(count())]


def described() -> str:
    """The devices available to `--device`: `cpu, cuda:0 (NVIDIA H200, 141 GB)`."""
    import torch

    found = ["cpu"]
    for i in range(count()):
        about = torch.cuda.get_device_properties(i)
        found.append(f"cuda:{i} ({about.name}, {about.total_memory / 1e9:.0f} GB)")
    return ", ".join(found)

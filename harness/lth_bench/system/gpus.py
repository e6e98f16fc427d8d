"""The GPUs that this process sees, and why it sees none."""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path

VISIBLE = "CUDA_VISIBLE_DEVICES"
NONE_LEFT = "No CUDA GPUs are available"
"""What CUDA says where there is a driver and nothing for it to drive, or all of it is hidden."""


def count() -> int:
    """GPUs that torch can use, of those that `CUDA_VISIBLE_DEVICES` leaves visible."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `why_none` says it as an error does
        return torch.cuda.device_count() if torch.cuda.is_available() else 0


def driver() -> bool:
    """Whether there is an NVIDIA driver, whatever torch can make of it."""
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def apple() -> bool:
    """Whether torch could use Apple's GPU."""
    import torch

    return torch.backends.mps.is_available()


def why_none() -> tuple[str, str]:
    """Why there is no GPU, and what to do about it. For where `count` is 0."""
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
    """The first sentence of the error that starting CUDA raises."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            torch.cuda.init()  # type: ignore[no-untyped-call]  # torch's stub
        except Exception as error:  # whatever a driver makes torch raise
            text = " ".join(str(error).split()) or type(error).__name__
            return text.partition(". ")[0].removesuffix(".")
    return NONE_LEFT


def names() -> list[str]:
    """What each GPU is, in the order of their numbers."""
    import torch

    return [torch.cuda.get_device_name(i) for i in range(count())]


def described() -> str:
    """What `--device` can name here: `cpu, cuda:0 (NVIDIA H200, 141 GB)`."""
    import torch

    found = ["cpu"]
    for i in range(count()):
        about = torch.cuda.get_device_properties(i)
        found.append(f"cuda:{i} ({about.name}, {about.total_memory / 1e9:.0f} GB)")
    return ", ".join(found)

"""Devices by name (`auto`, `cpu`, `cuda`, `cuda:1`, `cuda:0,cuda:2`), and the operating systems."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from lth_bench.errors import UserError
from lth_bench.system import gpus

OTHERS = {"mps": "Apple's", "xpu": "Intel's", "hip": "AMD's", "rocm": "AMD's"}
"""Other devices that torch or users know, which are not supported or tested here."""
FORMS = "auto, cpu, cuda (every GPU of one kind), cuda:N, or several such as cuda:0,cuda:2"


@dataclass(frozen=True)
class Devices:
    """The devices used by a run."""

    names: tuple[str, ...]
    """`cpu`, or GPUs by torch's names."""
    notes: tuple[str, ...] = ()
    """A sentence for every GPU that is left out, and for `auto` without a GPU if that may be
    surprising."""
    named: bool = False
    """Whether each was given by name: then none may be left out."""

    def without(self, unusable: dict[str, str]) -> Devices:
        """The remaining devices, with a note for each of the others. `unusable` has the reasons."""
        names = tuple(n for n in self.names if n not in unusable)
        notes = (f"{name} is left out: {why}" for name, why in unusable.items())
        return replace(self, names=names, notes=(*self.notes, *notes))


def choose(asked: str) -> Devices:
    """The devices selected by `--device`. UserError if this machine does not have them.

    `auto` uses the GPUs if there are any. If there are several kinds, `auto` and `cuda` use that of
    `cuda:0`, since the last bits of a result depend on the kind.
    """
    if asked == "cpu":
        return Devices(("cpu",))
    wanted = asked.split(",")
    for name in wanted:
        kind = name.strip().lower().partition(":")[0]
        if kind in OTHERS:
            raise UserError(
                f"no device {name!r}: lth-bench trains on the CPU and on NVIDIA's GPUs, not on "
                f"{OTHERS[kind]}; use --device cpu. This machine has: {gpus.described()}"
            )
    if asked not in ("auto", "cuda") and not all(re.fullmatch(r"cuda:\d+", x) for x in wanted):
        raise UserError(
            f"--device takes {FORMS}, but got {asked!r}; this machine has: {gpus.described()}"
        )
    count = gpus.count()
    if not count:
        return _without_gpu(asked)
    if asked in ("auto", "cuda"):
        return _of_one_kind()
    missing = [x for x in wanted if int(x[5:]) >= count]
    if missing:
        visible = os.environ.get(gpus.VISIBLE)
        hidden = f" (as {gpus.VISIBLE}={visible} leaves it)" if visible is not None else ""
        raise UserError(
            f"no device {missing[0]!r} on this machine{hidden}; it has: {gpus.described()}"
        )
    return Devices(tuple(dict.fromkeys(f"cuda:{int(x[5:])}" for x in wanted)), named=True)


def _without_gpu(asked: str) -> Devices:
    why, do = gpus.why_none()
    if asked != "auto":
        raise UserError(f"no device {asked!r}: {why}; {do}. This machine has: cpu (or say auto)")
    # no note if no GPU can have been expected
    surprising = gpus.driver() and os.environ.get(gpus.VISIBLE, "x").strip() not in ("", "-1")
    if gpus.apple():
        return Devices(("cpu",), ("on the CPU: Apple's GPU (mps) is not one that is trained on",))
    return Devices(("cpu",), (f"on the CPU: {why}; {do}",) if surprising else ())


def _of_one_kind() -> Devices:
    kinds = gpus.names()
    chosen = tuple(f"cuda:{i}" for i, kind in enumerate(kinds) if kind == kinds[0])
    notes = tuple(
        f"cuda:{i} ({kind}) is left out, since cuda:0 is of another kind ({kinds[0]}); name the "
        f"devices, as in --device cuda:0,cuda:{i}, to use both"
        for i, kind in enumerate(kinds)
        if kind != kinds[0]
    )
    return Devices(chosen, notes)


def workers_for(
    devices: Sequence[str], asked: int | None, each: int = 1, *, imagined: bool = False
) -> list[str]:
    """One device name per worker process: one process per GPU; on a CPU one single-threaded process
    per core. Where a training is spread over `each` devices, a worker has as many, joined by commas
    (`cuda:0,cuda:1`), and as many processes; on a CPU one on each core.

    UserError where there are fewer, unless they are only `imagined`, for a plan.
    """
    if asked is not None and asked < 1:
        raise UserError(f"--workers takes at least 1, but got {asked}")
    slots = ["cpu"] * cores() if list(devices) == ["cpu"] else list(devices)
    if each > len(slots) and not imagined:
        have = f"{len(slots)} CPU cores" if slots[0] == "cpu" else ", ".join(slots)
        raise UserError(
            f"a recipe trains on {each} devices at once, but the run has {have}; set its devices "
            f"to what there is, which makes it another experiment, as in --set recipes.NAME."
            f"devices={len(slots)}"
        )
    count = asked or max(1, len(slots) // each)
    return [",".join(slots[(i * each + j) % len(slots)] for j in range(each)) for i in range(count)]


def too_few(devices: Sequence[str], each: int) -> list[str]:
    """A note where a run could not begin here, though it can be planned."""
    try:
        workers_for(devices, None, each)
    except UserError as error:
        return [error.message]
    return []


def all_of(workers: Sequence[str]) -> list[str]:
    """The device of every process of these workers."""
    return [device for worker in workers for device in worker.split(",")]


def cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_name() -> str:
    """The CPU's model name on Linux, elsewhere what Python knows of it."""
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def installed_versions(packages: Sequence[str]) -> dict[str, str | None]:
    """The version of each package; None where it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, str | None] = dict.fromkeys(packages)
    for name in packages:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def check_dtype(dtype: str, devices: Sequence[str], recipe: str) -> None:
    """UserError if the device has no bfloat16 units: emulation is 10 to 20 times slower."""
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


def use(device: str) -> None:
    """Make a device the current one of this thread. CUDA's current device is a property of the
    thread, and 0 in every new one: work for another device would run on the wrong one.
    """
    if device != "cpu":
        import torch

        torch.cuda.set_device(device)


def prepare_process(device: str) -> None:
    """Process-wide settings that are part of the recorded numerics."""
    import torch

    if device == "cpu":
        # for networks of this size, two single-threaded processes beat one with two threads
        torch.set_num_threads(1)
        # dead units and constant pixels decay to subnormals, which are 5 to 40 times slower
        torch.set_flush_denormal(True)
    else:
        use(device)
        # an operation without a deterministic form warns; it does not fail (and without torch's
        # wrapper, which imports the compiler: 1.3 s a worker)
        torch._C._set_deterministic_algorithms(True, warn_only=True)
        # this would fill every new tensor; nothing here reads uninitialised memory
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False


@contextmanager
def prepared(device: str) -> Iterator[None]:
    """The same within the block only: the caller's own settings come back."""
    import torch

    from lth_bench.system.guard import unchanged

    threads = torch.get_num_threads()
    with unchanged():
        prepare_process(device)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


SYSTEM = sys.platform


def require_system() -> None:
    """UserError on Windows, before anything is trained or written.

    On Windows SIGTERM cannot be caught, so workers could not write checkpoints; a database that
    another process reads cannot be replaced; and the journal would be opened in text mode.
    """
    if SYSTEM in ("win32", "cygwin"):
        raise UserError(
            f"lth-bench trains and writes results on Linux and macOS only, and this is {SYSTEM}; "
            f"use WSL 2, which is Linux (`wsl --install`), and run the same command there"
        )

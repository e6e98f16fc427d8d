"""Whether GPUs can be used, asked by processes of their own before a run begins.

A GPU that is full, in another's exclusive use or too old for this torch fails at the first
operation, and one that hangs never answers. The coordinator itself uses none: what it held there
would be taken from the workers.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from lth_bench.errors import UserError, out_of_memory
from lth_bench.running.executors.processes import starting, take_over_environment, worker_context
from lth_bench.system.devices import Devices

DEADLINE = 90.0
"""Seconds for all answers: torch is imported in them where there is no server to fork from."""
NEEDED = 1e9
"""Bytes that must be free: the smallest networks with their data, and CUDA's own."""


@dataclass(frozen=True, kw_only=True)
class Probed:
    """What a GPU answered."""

    device: str
    name: str = ""
    uuid: str = ""
    capability: str = ""
    """Such as `9.0`."""
    free: int = 0
    """Bytes."""
    total: int = 0
    error: str | None = None
    """Why it cannot be used."""

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {key: value for key, value in asdict(self).items() if key != "error"}


def usable(devices: Devices, deadline: float = DEADLINE) -> tuple[Devices, list[Probed]]:
    """The devices that can be trained on, and what each of them is.

    UserError where one that was asked for by its name cannot be used, or none of them.
    """
    found = probe([d for d in devices.names if d != "cpu"], deadline)
    bad = {p.device: p.error for p in found if p.error is not None}
    if bad and (devices.named or len(bad) == len(devices.names)):
        which = "; ".join(f"{device} cannot be used: {why}" for device, why in bad.items())
        others = [_short(p) for p in found if p.error is None]
        raise UserError(
            f"{which}. This machine has: {', '.join(['cpu', *others])} to choose from with "
            f"--device; `nvidia-smi` shows what uses a GPU"
        )
    return devices.without(bad), [p for p in found if p.error is None]


def _short(p: Probed) -> str:
    return f"{p.device} ({p.name}, {p.free / 1e9:.1f} of {p.total / 1e9:.1f} GB free)"


def probe(names: Sequence[str], deadline: float = DEADLINE) -> list[Probed]:
    """Ask all GPUs at once."""
    if not names:
        return []
    context = worker_context()
    end = time.monotonic() + deadline
    asked = {}
    for name in names:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_child, args=(theirs, name, dict(os.environ)), daemon=True)
        with starting():
            process.start()
        theirs.close()
        asked[ours] = (name, process)
    found: dict[str, Probed] = {}
    try:
        while waiting := [pipe for pipe, (name, _) in asked.items() if name not in found]:
            ready = wait(waiting, max(0.0, end - time.monotonic()))
            if not ready:
                break
            for pipe in ready:
                assert isinstance(pipe, Connection)
                name, process = asked[pipe]
                try:
                    found[name] = Probed(**pipe.recv())
                except (EOFError, OSError):
                    process.join()
                    code = process.exitcode
                    found[name] = Probed(
                        device=name, error=f"asking it ended the process (code {code})"
                    )
    finally:
        for pipe, (_, process) in asked.items():
            process.kill()
            process.join()
            pipe.close()
    late = f"it did not answer within {deadline:.0f} s"
    return [found.get(name) or Probed(device=name, error=late) for name in names]


def _child(pipe: Connection, device: str, environment: Mapping[str, str]) -> None:
    take_over_environment(environment)
    with contextlib.suppress(OSError):
        os.dup2(2, 1)  # the output is the command's
    pipe.send(asdict(ask(device)))


def ask(device: str) -> Probed:
    """Use a GPU, in this process."""
    import torch

    from lth_bench.system.devices import use

    try:
        use(device)
        about = torch.cuda.get_device_properties(device)
        numbers = torch.arange(1024, device=device, dtype=torch.float32)
        right = float((numbers * 2).sum()) == 1023 * 1024
        free, total = torch.cuda.mem_get_info(device)
    except Exception as error:  # whatever a driver, or a memory that is full, makes torch raise
        text = " ".join(str(error).split()).partition(". ")[0]
        why = "its memory is full" if out_of_memory(error) else f"{type(error).__name__}: {text}"
        return Probed(device=device, error=why)
    found = Probed(
        device=device,
        name=about.name,
        uuid=str(getattr(about, "uuid", "")),
        capability=f"{about.major}.{about.minor}",
        free=free,
        total=total,
    )
    if not right:
        return Probed(device=device, error=f"{about.name} computes a sum wrong")
    if free < NEEDED:
        least = f"{NEEDED / 1e9:.0f} GB is the least that a training needs"
        full = f"{free / 1e9:.1f} of {total / 1e9:.1f} GB is free"
        return Probed(device=device, error=f"{about.name} is full: {full}, and {least}")
    return found

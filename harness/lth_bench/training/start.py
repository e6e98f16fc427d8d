"""Initial values from a safetensors file, checked against the network that is to start from them.

Nothing in such a file can run code. A start belongs to the address of every training from it, by
the content of the file; what is drawn in spite of it is drawn as without it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from lth_bench.errors import UserError
from lth_bench.system.text import printable

NAMED = 3
"""Tensors that a message names of each kind."""
COUNTED = ".num_batches_tracked"
"""Batch norm's count of batches, which files from before torch 0.4.1 lack, as many published ones
do. It is 0 in them, as torch's `load_state_dict` has it, and in a new network."""
PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
"""How files begin that torch.save and pickle write."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """A file that fits a network."""

    path: Path
    sha256: str
    """Of the file's content, hexadecimal."""
    drawn: tuple[str, ...]
    """The network's state-dict keys that keep drawn values, sorted."""
    fixed: int
    """Parameters that the file fixes."""

    @property
    def identity(self) -> dict[str, object]:
        """What decides the values: part of a model's configuration, of every training's address and
        of every experiment's.
        """
        return {"sha256": self.sha256, "drawn": list(self.drawn)}


def check_start(
    path: Path,
    what: str,
    state: Mapping[str, Tensor],
    *,
    parameters: Sequence[str],
    patterns: Sequence[str],
    dtype: torch.dtype,
    command: str = "",
) -> Start:
    """The start that a file gives to a network with this state dict, whose values are not read.

    `parameters` are the keys of its parameters, and `patterns` choose those that keep drawn values.
    `what` begins messages, and `command` is said to make a file that is missing. UserError for a
    file that is none, or no safetensors, or has missing, extra or differently shaped tensors, or
    values that are NaN or infinite in `dtype`.
    """
    _require_file(path, what, command)
    with _opened(path, what) as file:
        found = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118
        shapes = {key: tuple(part.get_shape()) for key, part in found.items()}
        drawn = _drawn(what, list(state), list(shapes), patterns)
        _require_fitting(what, state, shapes, drawn, patterns)
        for key in shapes.keys() & state.keys() - drawn:
            _require_values(what, key, state[key], file.get_tensor(key), dtype)
    fixed = [key for key in parameters if key not in drawn]
    return Start(
        path=path,
        sha256=hash_file(path),
        drawn=tuple(sorted(drawn)),
        fixed=sum(state[key].numel() for key in fixed),
    )


def read_start(path: Path, drawn: Sequence[str], what: str = "start") -> dict[str, Tensor]:
    """The file's tensors on the CPU, by state-dict key, without those that are drawn.

    UserError for a file that is none, or no safetensors.
    """
    _require_file(path, what)
    with _opened(path, what) as file:
        return {k: file.get_tensor(k) for k in file.keys() if k not in set(drawn)}  # noqa: SIM118


def kept_start(artifacts: Path, sha256: str) -> Path:
    """Where a run keeps a start: the name is the content's."""
    return artifacts / "starts" / f"{sha256}.safetensors"


def start_values(artifacts: Path, model: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors that a model's configuration is started from; none without a start."""
    start = model.get("start")
    if start is None:
        return {}
    return read_start(kept_start(artifacts, str(start["sha256"])), start["drawn"])


def started(drawn: Mapping[str, Tensor], start: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Drawn values, replaced by those of a start, in the dtype and on the device of the drawn."""
    return {k: start[k].to(v.device, v.dtype) if k in start else v for k, v in drawn.items()}


def without_start(model: Mapping[str, Any]) -> dict[str, Any]:
    """A model's configuration as it would be without a start: what its drawn values depend on."""
    return {key: value for key, value in model.items() if key != "start"}


def hash_file(path: Path) -> str:
    """SHA-256 of a file's content, hexadecimal; computed once for each change of the file."""
    status = path.stat()
    return _hash_of(path, status.st_mtime_ns, status.st_size, status.st_ino)


@lru_cache(maxsize=64)
def _hash_of(path: Path, *_: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _require_file(path: Path, what: str, command: str = "") -> None:
    try:
        if not path.exists():
            advice = (
                f"the suite says that this makes it: {printable(command)}"
                if command
                else "paths are relative to the suite's folder; `lth-bench export ticket` writes "
                "such files"
            )
            raise UserError(f"{what}: there is no file {path}; {advice}")
        if not path.is_file():  # a pipe would wait for a writer
            raise UserError(f"{what}: {path} is not a file; name a .safetensors file")
        with path.open("rb") as file:
            begins = file.read(4)
    except OSError as error:
        raise UserError(f"{what}: {path} cannot be read ({error.strerror or error})") from error
    if begins.startswith(PICKLES):
        raise UserError(
            f"{what}: {path} is a pickle, and loading one can run any code; convert it once "
            f"where you trust it: safetensors.torch.save_file(torch.load(FILE, weights_only=True), "
            f"'NAME.safetensors')"
        )


def _opened(path: Path, what: str) -> Any:
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"{what}: {path} is not a safetensors file, or is damaged "
            f"({printable(str(error))[:200]}); write it again with safetensors.torch.save_file or "
            f"`lth-bench export ticket`"
        ) from error


def _drawn(
    what: str, keys: Sequence[str], in_file: Sequence[str], patterns: Sequence[str]
) -> set[str]:
    """The network's keys that keep drawn values. UserError for a pattern that matches nothing."""
    for pattern in patterns:
        if not any(fnmatchcase(key, pattern) for key in (*keys, *in_file)):
            raise UserError(
                f"{what}: start_except names {pattern!r}, but neither the network nor the file has "
                f"such a tensor; the network's are {_listed(keys)}"
            )
    drawn = {key for key in keys if any(fnmatchcase(key, p) for p in patterns)}
    if len(drawn) == len(keys):
        raise UserError(
            f"{what}: start_except leaves nothing that the file would fix; leave out start, or "
            f"name fewer tensors"
        )
    return drawn


def _require_fitting(
    what: str,
    state: Mapping[str, Tensor],
    shapes: Mapping[str, tuple[int, ...]],
    drawn: set[str],
    patterns: Sequence[str],
) -> None:
    wanted = state.keys() - drawn
    ignored = {key for key in shapes if any(fnmatchcase(key, p) for p in patterns)}
    missing = [k for k in state if k in wanted and k not in shapes and not k.endswith(COUNTED)]
    extra = [key for key in shapes if key not in state and key not in ignored]
    other = [k for k in state if k in wanted and k in shapes and shapes[k] != tuple(state[k].shape)]
    if not (missing or extra or other):
        return
    if extra and all(key.endswith("_mask") for key in extra) and len(extra) == len(shapes):
        raise UserError(f"{what} holds masks and no values; export the ticket with `--form dense`")
    wrong = [f"the file lacks {_listed(missing)}"] if missing else []
    wrong += [f"the network has no {_listed(extra)}"] if extra else []
    wrong += [
        f"{printable(key)} has shape {list(shapes[key])} in the file and "
        f"{list(state[key].shape)} in the network"
        for key in other[:NAMED]
    ]
    wrong += [f"{len(other) - NAMED} more differ in shape"] if len(other) > NAMED else []
    parents = dict.fromkeys(printable(key.rpartition(".")[0] or key) for key in [*missing, *other])
    advice = "the file must be of this network"
    if other and len(parents) <= NAMED and len(missing) + len(other) < len(wanted):
        patterns = [f'"{name}.*"' for name in parents]
        advice += (
            f", apart from what start_except names: with start_except = [{', '.join(patterns)}] "
            f"these keep drawn values"
        )
    raise UserError(f"{what} does not fit the network: {'; '.join(wrong)}; {advice}")


def _require_values(what: str, key: str, own: Tensor, value: Tensor, dtype: torch.dtype) -> None:
    """UserError for values that cannot be the network's, or that nothing can be trained from."""
    if own.is_floating_point() != value.is_floating_point() or value.is_complex():
        raise UserError(
            f"{what}: {printable(key)} is {str(value.dtype).removeprefix('torch.')} in the file, "
            f"but {str(own.dtype).removeprefix('torch.')} in the network"
        )
    if own.is_floating_point():
        wrong = value.numel() - int(value.to(dtype).isfinite().sum())
        if wrong:
            raise UserError(
                f"{what}: {wrong} of {value.numel()} values of {printable(key)} are NaN or infinite"
            )


def _listed(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
    return ", ".join(printable(key)[:80] for key in keys[:NAMED]) + more

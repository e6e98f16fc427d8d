"""A ticket as a safetensors file, with its recipe in the metadata; and the network back from it."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from lth_bench import __version__
from lth_bench.data.info import shape_of_recipe
from lth_bench.errors import UserError
from lth_bench.interchange.rebuilt import TaskNetwork, load_values, rebuilt
from lth_bench.interchange.saved_ticket import Moment, SavedTicket
from lth_bench.store.paths import disk_error
from lth_bench.structure import mask_of, removed_units, shrink_network, unit_groups

Form = Literal["dense", "masks", "shrunk"]
ENTRY = "lth_bench"
"""The metadata's key; its value is the recipe as JSON."""


def save_ticket(
    ticket: SavedTicket,
    file: Path,
    form: Form = "dense",
    moment: Moment = "final",
    force: bool = False,
) -> int:
    """Write a ticket to a safetensors file and return its size in bytes.

    `dense`: the state dict, pruned weights zero, for `load_state_dict` of the model's own class.
    `masks`: a boolean tensor for each prunable weight, named as `torch.nn.utils.prune` names them
    (`fc.weight_mask`). `shrunk`: the state dict of the network without its removed channels and
    neurons, for `load_network`. UserError for what cannot be written so.
    """
    if form not in get_args(Form):
        raise UserError(f"a ticket is exported as dense, masks or shrunk, but got {form!r}")
    require_target(file, force)
    recipe = {**ticket.recipe, "lth_bench": __version__, "form": form, "moment": moment}
    if form == "masks":
        tensors = {f"{key}_mask": kept for key, kept in ticket.mask.items_by_key().items()}
    elif form == "dense":
        tensors = ticket.masked(moment)
    else:
        tensors = ticket.shrunk(moment).state_dict()
        gone = removed_units(unit_groups(ticket.module(), ticket.input_shape), ticket.mask)
        recipe["removed_units"] = [units.nonzero().flatten().tolist() for units in gone]
    metadata = {"format": "pt", ENTRY: json.dumps(recipe)}
    return _write({k: v.detach().clone().contiguous() for k, v in tensors.items()}, metadata, file)


def require_target(file: Path, force: bool) -> None:
    """UserError for a folder, and for an existing file unless `force`."""
    if file.is_dir():
        raise UserError(f"{file} is a folder; name a file in it with --output")
    if file.exists() and not force:
        raise UserError(
            f"{file} exists; name another file with --output, or overwrite it with --force"
        )


def _write(tensors: dict[str, Tensor], metadata: dict[str, str], file: Path) -> int:
    """Whole or not at all."""
    aside = file.with_name(f".{file.name}.{uuid.uuid4().hex}.partial")
    try:
        file.absolute().parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, aside, metadata)
        os.replace(aside, file)
        return file.stat().st_size
    except (OSError, SafetensorError) as error:
        cause = error if isinstance(error, OSError) else OSError(str(error))
        raise disk_error(cause, file, "write") from error
    finally:
        aside.unlink(missing_ok=True)


def read_ticket_file(file: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors, on the CPU, and the recipe. UserError for a file that is not a ticket."""
    try:
        with safe_open(file, framework="pt") as opened:
            text = (opened.metadata() or {}).get(ENTRY)
            tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise UserError(f"there is no file {file}; `lth-bench export ticket` writes one") from None
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"{file} is not a safetensors file ({error}); pickles are not read, since loading one "
            f"can run any code: export the ticket with `lth-bench export ticket`"
        ) from error
    try:
        recipe = json.loads(text or "")
        assert isinstance(recipe, dict) and recipe["form"] in get_args(Form)
    except (ValueError, KeyError, AssertionError):
        raise UserError(
            f"{file} has no recipe in its metadata, so its network is not known; only what "
            f"`lth-bench export ticket` wrote can be built again"
        ) from None
    return tensors, recipe


def load_network(
    file: str | Path, *, plugins: Sequence[str | Path] = (), no_plugins: bool = False
) -> nn.Module:
    """The network of a file that `lth-bench export ticket` wrote, in eval mode on the CPU.

    `plugins` are one-file plugins that the model needs; `no_plugins` ignores those of other
    packages. Nothing else is read, and no data.
    UserError for a file of masks, of another network, or of none.
    """
    path = Path(file)
    tensors, recipe = read_ticket_file(path)
    if recipe["form"] == "masks":
        raise UserError(
            f"{path} holds masks and no values; give it to `lth_bench.mask_from`, or export the "
            f"values with `--form dense`"
        )
    try:
        shape = shape_of_recipe(recipe), int(recipe["classes"])
        task = rebuilt(
            recipe["model"], recipe["recipe"], shape=shape, plugins=plugins, no_plugins=no_plugins
        )
        module = task.network("shape")
        if recipe["form"] == "shrunk":
            module = _cut(module, task, recipe["removed_units"])
    except (KeyError, TypeError, IndexError) as error:
        raise UserError(f"{path}: its recipe lacks or garbles {error}; export it again") from error
    return load_values(module, tensors, str(path)).eval()


def _cut(module: nn.Module, task: TaskNetwork, removed: Sequence[Sequence[int]]) -> nn.Module:
    groups = unit_groups(module, task.input_shape)
    kept = [torch.ones(group.size, dtype=torch.bool) for group in groups]
    for units, gone in zip(kept, removed, strict=True):
        units[torch.tensor(list(gone), dtype=torch.int64)] = False
    mask = mask_of(groups, task.layers, kept)
    return shrink_network(module, task.input_shape, mask, groups)


def described(recipe: Mapping[str, Any]) -> str:
    """A ticket in a few words, from its recipe."""
    return (
        f"{recipe['label']} on {recipe['model']['name']} and {recipe['dataset']['name']}, "
        f"seed {recipe['seed']}, density {recipe['target_density']:g}"
    )

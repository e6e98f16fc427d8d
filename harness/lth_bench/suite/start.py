"""The start of a suite's model: where its initial values come from instead of being drawn."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lth_bench.errors import UserError
from lth_bench.params import dotted, show
from lth_bench.suite.source import FOLDER

if TYPE_CHECKING:
    from lth_bench.suite.spec import Component

START, DRAWN, COMMAND = "start", "start_except", "start_command"
TORCHVISION = "torchvision:"


@dataclass(frozen=True)
class StartSpec:
    """Initial values from a file, or from weights that torchvision publishes."""

    source: str
    """A .safetensors file's path, or `torchvision:` and the name of weights."""
    drawn: tuple[str, ...] = ()
    """Patterns of state-dict keys that keep the values drawn from the seed: `fc.*`."""
    folder: Path = field(default=Path(), compare=False)
    """Where relative paths start from: the suite's folder; the working directory if the suite is
    one of the package's, whose folder is not the user's."""
    command: str = field(default="", compare=False)
    """What to type to make the file, for the message where it is missing."""

    @property
    def weights(self) -> str | None:
        """The name of torchvision's weights; None for a file."""
        return self.source.removeprefix(TORCHVISION) if self._is_published else None

    @property
    def file(self) -> Path:
        """The file's path."""
        return self.folder / Path(self.source).expanduser()

    @property
    def name(self) -> str:
        """In labels and messages: without folders, which differ between machines."""
        return self.source if self._is_published else Path(self.source).name

    @property
    def _is_published(self) -> bool:
        return self.source.startswith(TORCHVISION)


def with_start(model: Component, folder: Path) -> Component:
    """A model with its keys `start`, `start_except` and `start_command` taken out of its
    parameters; `folder` is the suite's.
    """
    params = dict(model.params)
    source, drawn = params.pop(START, None), params.pop(DRAWN, None)
    command = params.pop(COMMAND, None)
    at = (*model.at, START)
    if source is None:
        for key, given, why in (
            (DRAWN, drawn, "the other values come from"),
            (COMMAND, command, "it makes"),
        ):
            if given is not None:
                raise UserError(
                    f"{dotted((*model.at, key))} needs `start`, the file that {why}",
                    (*model.at, key),
                )
        return model
    if not isinstance(source, str) or not source.removeprefix(TORCHVISION).strip("/. "):
        raise UserError(
            f"{dotted(at)} must be the path of a .safetensors file or torchvision:WEIGHTS, but got "
            f"{show(source)}",
            at,
        )
    patterns = [] if drawn is None else drawn
    if not isinstance(patterns, list | tuple) or not all(isinstance(p, str) for p in patterns):
        raise UserError(
            f'{dotted((*model.at, DRAWN))} must be a list of patterns such as ["fc.*"], but got '
            f"{show(drawn)}",
            (*model.at, DRAWN),
        )
    if command is not None and not (isinstance(command, str) and command.strip().isprintable()):
        raise UserError(
            f"{dotted((*model.at, COMMAND))} must be a command in one line, but got "
            f"{show(command)}",
            (*model.at, COMMAND),
        )
    if folder.resolve().is_relative_to(FOLDER):  # the papers' too
        folder = Path.cwd()
    start = StartSpec(source, tuple(dict.fromkeys(patterns)), folder, (command or "").strip())
    return dataclasses.replace(model, params=params, start=start)

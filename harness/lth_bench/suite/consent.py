"""A suite's one-file plugins are code: they load only if the command line names them too."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from lth_bench.errors import UserError
from lth_bench.suite.spec import Suite


def require_plugins(suite: Suite, files: Sequence[Path], command: str) -> None:
    """Refuse a suite whose `plugins` are not all among `files`; the error prints what to type.

    A suite names them relative to its own folder. `command` is what was typed, without --plugin:
    `lth-bench run mine.toml`.
    """
    folder = suite.path.resolve().parent
    named = {Path(file).resolve() for file in files}
    missing = [folder / name for name in suite.plugins if (folder / name).resolve() not in named]
    if missing:
        options = " ".join(f"--plugin {shlex.quote(_short(path))}" for path in [*files, *missing])
        raise UserError(
            f"suite {suite.name!r} needs code of its own: {', '.join(map(_short, missing))}."
            f" Read it, then allow it with\n  {command} {options}",
            ("plugins",),
        )


def _short(path: Path) -> str:
    try:
        return str(Path(path).resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)

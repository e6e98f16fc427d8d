"""The suites that come with the package, and the meaning of SUITE on the command line."""

from __future__ import annotations

import os
from pathlib import Path

from lth_bench.errors import UserError, suggest
from lth_bench.params import show

FOLDER = (Path(__file__).parents[1] / "suites").resolve()


def shipped() -> dict[str, Path]:
    """Name → file, sorted by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.toml"))}


def find(suite: str | os.PathLike[str]) -> Path:
    """The file of a suite given as a path or as a shipped suite's name.

    A path wins over a name: what ends in .toml, holds a separator or is a file here is a path.
    """
    text = os.fspath(suite)
    if not text:
        raise UserError(f"no suite given; name a .toml file or one of {', '.join(shipped())}")
    path = Path(text)
    separators = [s for s in (os.sep, os.altsep) if s]
    if path.suffix == ".toml" or any(s in text for s in separators) or _is_file(path):
        return path
    known = shipped()
    if text in known:
        return known[text]
    if _is_dir(path):
        raise UserError(f"{show(text)} is a directory, not a suite; give a .toml file")
    raise UserError(
        f"no suite {show(text)}{suggest(text, known)} (or give the path of a .toml file)"
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False

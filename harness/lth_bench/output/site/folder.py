"""The site's folder: whole or as it was before, and never another's files in it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lth_bench.errors import UserError
from lth_bench.system.files import read_json

MANIFEST = "lth-bench-site.json"
"""The list of a site's files, which tells it from other folders. It is written last."""


def check_folder(folder: Path) -> None:
    """UserError where the site could not be written, or where other files are, before anything is
    read.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UserError(f"{folder} is {_what(folder)}; name a folder that is new, empty or a site")
    above = folder.absolute().parent
    if not above.is_dir():
        raise UserError(f"there is no folder {above} to make {folder.name} in; make it, or name "
                        f"another place")  # fmt: skip
    if not os.access(above, os.W_OK | os.X_OK):
        raise UserError(f"{above} is not writable, so {folder.name} cannot be written there; make "
                        f"it writable, or name another place")  # fmt: skip
    if not folder.exists():
        return
    known = _listed(folder)
    others = sorted(name for name in _files(folder) if name not in known)
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise UserError(
            f"{folder} has files that are not a site's: {others[0]}{more}; name a folder that is "
            f"new, empty or a site, since all of it is replaced"
        )


@contextmanager
def replace_folder(folder: Path) -> Iterator[Path]:
    """A new folder to write into, which takes the place of `folder` when the block ends.

    Until then the old one stays as it is, and after an error it still does. UserError for one of
    the operating system.
    """
    target = folder.absolute()
    made = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        yield made
        _write_manifest(made)
        _swap(made, target)
    except OSError as error:
        raise UserError(
            f"cannot write the site to {folder}: {error.strerror or error}. What was there before "
            f"is unchanged; free some space or make it writable, or name another place"
        ) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _swap(made: Path, target: Path) -> None:
    if not target.exists():
        made.rename(target)
        return
    check_folder(target)  # files may have been put there meanwhile
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    target.rename(old)
    try:
        made.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _write_manifest(folder: Path) -> None:
    import lth_bench

    told = {"lth_bench": lth_bench.__version__, "files": sorted(_files(folder))}
    (folder / MANIFEST).write_text(json.dumps(told, indent=0) + "\n", encoding="utf-8")


def _listed(folder: Path) -> set[str]:
    """What an earlier run wrote there; nothing where the folder is no site."""
    with suppress(OSError, ValueError):
        told = read_json(folder / MANIFEST)
        if isinstance(told, dict) and isinstance(told.get("files"), list):
            return {MANIFEST, *map(str, told["files"])}
    return set()


def _files(folder: Path) -> Iterator[str]:
    """Relative names of all files and links below it."""
    for place, _, names in os.walk(folder):
        for name in names:
            yield (Path(place) / name).relative_to(folder).as_posix()


def _what(folder: Path) -> str:
    return "a link" if folder.is_symlink() else "a file"

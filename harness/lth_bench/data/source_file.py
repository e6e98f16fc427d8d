"""A file that a dataset is made of: found, of a size that can be read, and read once.

A plan asks for the sizes and a run for the data, and both need the whole file.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

from lth_bench.data.arrays import Arrays, DatasetInfo
from lth_bench.data.cache import stamp
from lth_bench.data.root import DataMissing
from lth_bench.errors import UserError
from lth_bench.system.files import NotRegular, require_regular
from lth_bench.system.memory import host_memory

SHARE = 0.5
"""Fraction of the memory that a file may take."""
KEPT = 1 << 28
"""Bytes of a dataset, at most, that is kept for the next look at the same file."""
INFOS = 64
"""Datasets whose sizes are kept."""

_last: tuple[Hashable, Arrays] | None = None
_infos: dict[Hashable, DatasetInfo] = {}


def find_file(dataset: str, path: Path) -> None:
    """DataMissing where there is no file; UserError for a folder, a device, an empty file, and one
    that is larger than half of the memory.
    """
    try:
        status = path.stat()
        require_regular(path, status)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataMissing(
            f"dataset {dataset!r} is not there: looked for {path}. Put the file there, give its "
            f"whole path, or name its folder in LTH_BENCH_DATA"
        ) from error
    except NotRegular as error:
        raise UserError(f"{path}: {error.strerror or error}; name a file") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error})") from error
    if not status.st_size:
        raise UserError(f"{path} is empty")
    require_memory(path, status.st_size)


def require_memory(path: Path, size: int) -> None:
    """UserError where a file's content, in bytes, takes more than half of the memory."""
    memory = host_memory()
    if size > SHARE * memory:
        raise UserError(
            f"{path} takes {size / 1e9:.1f} GB, but half of this machine's memory is "
            f"{SHARE * memory / 1e9:.1f} GB, and only images are streamed; take a part of it"
        )


def load_once(
    dataset: Hashable, path: Path, read: Callable[[], Arrays], files: Sequence[Path] = ()
) -> Arrays:
    """What `read` makes of the file, or made of it when it was last asked: as long as path, size
    and modification time are the same.

    `dataset` is the frozen dataclass with its parameters; `files` are those that it is made of
    where `path` is a folder. UserError for a file that changes while it is read.
    """
    global _last
    before = _stamps(path, files)
    key = (type(dataset), dataset, before)
    if _last is not None and _last[0] == key:
        return _last[1]
    arrays = read()
    if _stamps(path, files) != before:
        raise UserError(f"{path} changed while it was read; run again when it is complete")
    parts = (arrays.train_x, arrays.train_y, arrays.test_x, arrays.test_y)
    if sum(part.nbytes for part in parts) <= KEPT:
        _last = key, arrays
    while len(_infos) >= INFOS:
        del _infos[next(iter(_infos))]
    _infos[key] = arrays.info
    return arrays


def known_info(dataset: Hashable, path: Path, files: Sequence[Path] = ()) -> DatasetInfo | None:
    """The sizes that the file had when `load_once` read it; None if it is another one by now."""
    return _infos.get((type(dataset), dataset, _stamps(path, files)))


def _stamps(path: Path, files: Sequence[Path]) -> tuple[str, ...]:
    return tuple(stamp(file) for file in files or (path,))

"""A hash of the code behind a plugin, so that editing it gives new keys."""

from __future__ import annotations

import hashlib
import inspect
import sys
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any


def source_hash(cls: type[Any]) -> str:
    """160 bits over the source of a class's module and of the modules of its own package that it
    reaches by import. lth_bench's own files count through the engine's revision instead.
    """
    return _hash_of(cls.__module__)


@lru_cache(maxsize=256)
def _hash_of(module: str) -> str:
    h = hashlib.blake2b(digest_size=20)
    for path in sorted(_files(sys.modules[module])):
        h.update(path.name.encode())
        h.update(path.read_bytes())
    return h.hexdigest()


def _files(module: ModuleType) -> set[Path]:
    package = module.__name__.partition(".")[0]
    found: set[Path] = set()
    waiting, seen = [module], set()
    while waiting:
        current = waiting.pop()
        if current.__name__ in seen:
            continue
        seen.add(current.__name__)
        file = inspect.getsourcefile(current)
        if file is not None:
            found.add(Path(file))
        for value in vars(current).values():
            name = value.__name__ if isinstance(value, ModuleType) else None
            name = name or getattr(value, "__module__", None)
            if isinstance(name, str) and name.partition(".")[0] == package != "lth_bench":
                reached = sys.modules.get(name)
                if reached is not None:
                    waiting.append(reached)
    return found

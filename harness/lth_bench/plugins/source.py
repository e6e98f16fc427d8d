"""A hash of the code behind a plugin, so that editing it gives new keys."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import Any


def source_hash(cls: type[Any]) -> str:
    """160 bits over the source of a class's module and of the modules of its own package that it
    imports, directly or through others. lth_bench's own files count through the engine's revision
    instead.

    Remembered by class, not by module: a plugin file that is edited and loaded again in one
    process makes another class.
    """
    return _hash_of(cls)  # type: ignore[arg-type]  # classes can be hashed; mypy doubts it


@lru_cache(maxsize=1024)
def _hash_of(cls: type[Any]) -> str:
    h = hashlib.blake2b(digest_size=20)
    for path in sorted(_files(cls.__module__)):
        h.update(path.name.encode())
        h.update(path.read_bytes())
    return h.hexdigest()


def _files(module: str) -> set[Path]:
    own = module.partition(".")[0]
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _source(name) if name not in found else None
        if path is not None:
            found[name] = path
            if own != "lth_bench":
                waiting.extend(n for n in _imports(name, path) if n.partition(".")[0] == own)
    return set(found.values())


def _source(name: str) -> Path | None:
    """Where a module's source lies; None for a name that is no module or has no source."""
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):  # `from package.module import thing`: no module of that name
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)


def _imports(name: str, path: Path) -> Iterator[str]:
    """Names that a module's source imports, wherever in it; not all of them are modules."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            relative = "." * node.level + (node.module or "")
            base = resolve_name(relative, package) if node.level else relative
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)

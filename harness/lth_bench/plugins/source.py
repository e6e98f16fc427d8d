"""A hash of the code behind a plugin, so that editing it changes its keys."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import Any

SHIPPED = "lth_strategies"
"""The package of the built-in strategies, which others may build on."""


def source_hash(cls: type[Any]) -> str:
    """160-bit hash of the source of a class's module and of the modules it imports, directly or
    indirectly: those of its own package or distribution, the built-in strategies, and any that are
    not installed but in the user's own folders. Other installed distributions do not count, and
    lth_bench itself counts by the engine's revision.

    Cached by class, not by module: a plugin file that is edited and reloaded in the same process
    makes a new class.
    """
    return _hash_of(cls)  # type: ignore[arg-type]  # classes can be hashed; mypy doubts it


@lru_cache(maxsize=1024)
def _hash_of(cls: type[Any]) -> str:
    h = hashlib.blake2b(digest_size=20)
    for path in sorted(_files(cls.__module__)):
        h.update(path.name.encode())
        h.update(path.read_bytes())
    return h.hexdigest()


def module_spec(name: str) -> ModuleSpec | None:
    """Where a module is; None if there is none, or none that can be found.

    Finding `package.module` imports the package, and one that a stranger wrote may raise anything.
    """
    try:
        return find_spec(name)
    except (Exception, SystemExit):
        return None


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
                waiting.extend(n for n in _imports(name, path) if _counts(n.partition(".")[0], own))
    return set(found.values())


def _counts(top: str, own: str) -> bool:
    """Whether modules of the top-level name `top` belong to the code of the one called `own`."""
    if top in (own, SHIPPED):
        return True
    if not top or top == "lth_bench" or top in sys.stdlib_module_names:
        return False
    return _is_local(top) or (not _is_local(own) and _distributions(top) == _distributions(own))


@lru_cache(maxsize=1024)
def _is_local(top: str) -> bool:
    """Whether a module exists, but not among installed distributions."""
    spec = module_spec(top)
    if spec is None:
        return False
    packages = [Path(place) for place in spec.submodule_search_locations or ()]
    places = packages or ([Path(spec.origin)] if spec.origin else [])
    return bool(places) and not any(_is_installed(place) for place in places)


def _is_installed(place: Path) -> bool:
    """Whether pip put a module or package there; with `--target`, a folder has any name."""
    known = {"site-packages", "dist-packages"}
    return not known.isdisjoint(place.parts) or any(place.parent.glob("*.dist-info"))


def _distributions(top: str) -> frozenset[str]:
    """The distributions that install a module; a unique set if unknown."""
    return frozenset(_installed().get(top) or {top})


@lru_cache(maxsize=1)
def _installed() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


def _source(name: str) -> Path | None:
    """The path of a module's source; None if it is not a module, as `package.module.thing` is where
    `thing` is a name in the module, or has no source.
    """
    spec = module_spec(name)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)


def _imports(name: str, path: Path) -> Iterator[str]:
    """All names that a module's source imports anywhere; not all of them are modules. None of a
    source that is not Python of this version, which only an import that is never run can name.
    """
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            relative = "." * node.level + (node.module or "")
            base = resolve_name(relative, package) if node.level else relative
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)

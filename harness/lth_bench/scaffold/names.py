"""Checks the name of a new strategy: its form, and whether it is already in use."""

from __future__ import annotations

import builtins
import importlib.metadata
import importlib.util
import keyword
import re
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import TYPE_CHECKING

from lth_bench.errors import UserError
from lth_bench.params import show

if TYPE_CHECKING:
    from lth_bench.plugins import Registry

FORM = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
LONGEST = 40
"""Maximum characters; labels in suites have 64, and a second label needs a few more."""
TAKEN_CLASSES = {"Annotated", "StrategyConformance", *dir(builtins)}

KINDS = {
    "strategy": "strategies",
    "model": "models",
    "dataset": "datasets",
    "objective": "objectives",
}
"""What can be written, and its entry-point group."""


def require_name(name: str, registry: Registry, single_file: bool, kind: str = "strategy") -> None:
    """UserError if `name` is not a valid name for a plugin, or is already in use by its kind."""
    if not FORM.fullmatch(name) or len(name) > LONGEST:
        better = re.sub(r"[^a-z0-9]+", "_", _words(name)).strip("_0123456789")[:LONGEST].strip("_")
        hint = f"; try {better!r}" if FORM.fullmatch(better) else ""
        raise UserError(
            f"{article(kind)} {kind}'s name must start with a letter and have at most {LONGEST} "
            f"characters: a-z, 0-9 and single underscores between them, but got {show(name)}{hint}"
        )
    known = registry.groups[KINDS[kind]].get(name)
    if known is not None:
        raise UserError(
            f"the name {name!r} is used by the {kind} {name!r} of {known.source}; choose another"
        )
    if keyword.iskeyword(name):
        raise UserError(f"{name!r} is a Python keyword; choose another name")
    if name in sys.stdlib_module_names:
        raise UserError(f"{name!r} is a module of Python's standard library; choose another name")
    if single_file:
        _require_free_module(name)
    else:
        _require_free_distribution(f"lth-bench-{name}")
        _require_free_module(f"lth_{name}")


def article(kind: str) -> str:
    """`an` objective, `a` strategy."""
    return "an" if kind[0] in "aeiou" else "a"


def class_name(name: str) -> str:
    """`my_idea` → `MyIdea`; avoids names that the strategy's file imports, and built-in names."""
    import lth_bench

    title = "".join(part.capitalize() for part in name.split("_"))
    taken = title in TAKEN_CLASSES or title in lth_bench.__all__
    return f"{title}Strategy" if taken else title


def _words(name: str) -> str:
    """Lower case with underscores between words: `MyIdea` becomes `my_idea`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _require_free_module(module: str) -> None:
    spec = importlib.util.find_spec(module)
    # A folder on the path is a module too, but harmless without code; files in this folder are
    # refused when they are written.
    if spec is not None and spec.origin is not None and not _is_here(spec):
        raise UserError(
            f"a module {module!r} is already installed ({spec.origin}), and a file of that name"
            f" would shadow it or be shadowed by it; choose another name"
        )


def _is_here(spec: ModuleSpec) -> bool:
    return spec.origin is not None and Path(spec.origin).parent == Path.cwd()


def _require_free_distribution(distribution: str) -> None:
    try:
        installed = importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return
    raise UserError(
        f"the distribution {installed.name} {installed.version} is already installed; choose"
        f" another name for the strategy"
    )

"""Discovery: what is installed under the entry-point groups, and one-file plugins by path.

Nothing is imported until it is asked for, and a plugin that fails to import is listed with its
reason while everything else works.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lth_bench.errors import UnknownName, UserError

GROUPS = ("strategies", "models", "datasets", "observers")


@dataclass
class Entry:
    """One plugin: where it comes from, and the class once it is loaded."""

    name: str
    group: str
    origin: str
    """The distribution, or the file."""
    version: str
    point: importlib.metadata.EntryPoint | None = field(default=None, repr=False)
    error: str | None = None
    """Why it could not be loaded."""
    _loaded: Any = field(default=None, repr=False)

    def load(self) -> Any:
        """The class. UserError, naming the plugin and the reason, where it cannot be imported."""
        if self._loaded is None and self.error is None and self.point is not None:
            try:
                self._loaded = self.point.load()
            except Exception as error:  # whatever somebody's module raises
                self.error = f"{type(error).__name__}: {error}"
        if self._loaded is None:
            raise UserError(
                f"the {self.group} plugin {self.name!r} of {self.origin} {self.version} cannot be "
                f"loaded: {self.error}"
            )
        return self._loaded


class Registry:
    """Everything that suites can name, by group."""

    def __init__(self, entries: Iterable[Entry] = (), files: Sequence[Path] = ()) -> None:
        self.groups: dict[str, dict[str, Entry]] = {group: {} for group in GROUPS}
        self.files = tuple(files)
        for entry in entries:
            self.add(entry)

    @property
    def strategies(self) -> dict[str, Entry]:
        return self.groups["strategies"]

    @property
    def models(self) -> dict[str, Entry]:
        return self.groups["models"]

    @property
    def datasets(self) -> dict[str, Entry]:
        return self.groups["datasets"]

    @property
    def observers(self) -> dict[str, Entry]:
        return self.groups["observers"]

    def add(self, entry: Entry) -> None:
        """Add a plugin; two of one name in a group are an error that names both."""
        known = self.groups[entry.group].get(entry.name)
        if known is not None:
            raise UserError(
                f"two plugins are called {entry.name!r} among the {entry.group}: one of "
                f"{known.origin} {known.version}, one of {entry.origin} {entry.version}; "
                f"uninstall one or rename it"
            )
        self.groups[entry.group][entry.name] = entry

    def get(self, group: str, name: str) -> Any:
        """The class of that name. UnknownName with the nearest one, where there is none."""
        entries = self.groups[group]
        if name not in entries:
            singular = {"strategies": "strategy"}.get(group, group.removesuffix("s"))
            raise UnknownName(singular, name, entries)
        return entries[name].load()


def load_registry(files: Sequence[Path] = (), third_party: bool = True) -> Registry:
    """What is installed, and the one-file plugins at `files`."""
    entries = []
    for group in GROUPS:
        for point in importlib.metadata.entry_points(group=f"lth_bench.{group}"):
            origin = point.dist.name if point.dist is not None else "unknown"
            version = point.dist.version if point.dist is not None else ""
            if third_party or origin == "lth-bench":
                entries.append(Entry(point.name, group, origin, version, point))
    registry = Registry(entries, [Path(f).resolve() for f in files])
    for file in registry.files:
        for entry in _file_entries(file):
            registry.add(entry)
    return registry


def _file_entries(file: Path) -> list[Entry]:
    """The strategies of a one-file plugin: every class of its own with a `select_mask` hook.

    A strategy's name in suites is the class attribute `name`, or the class's name in snake case.
    """
    if not file.is_file():
        raise UserError(f"no plugin file {str(file)!r}; --plugin takes the path of a .py file")
    content = file.read_bytes()
    version = hashlib.blake2b(content, digest_size=6).hexdigest()
    # stable over processes, so that workers can unpickle what the file defines, and not shared by
    # two files of one name
    place = hashlib.blake2b(str(file).encode(), digest_size=4).hexdigest()
    module_name = f"lth_bench_plugin_{file.stem}_{place}"
    spec = importlib.util.spec_from_file_location(module_name, file)
    if spec is None or spec.loader is None:
        raise UserError(f"plugin file {str(file)!r} must be a Python file (.py)")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        # not through the loader: an edit within the same second would find the old bytecode
        exec(compile(content, str(file), "exec", dont_inherit=True), module.__dict__)
    except Exception as error:  # whatever somebody's module raises
        del sys.modules[module_name]
        raise UserError(
            f"plugin file {str(file)!r} fails to import: {type(error).__name__}: {error}"
        ) from error
    found = []
    for value in vars(module).values():
        own = isinstance(value, type) and value.__module__ == module_name
        if own and hasattr(value, "select_mask"):
            name = str(getattr(value, "name", None) or _snake(value.__name__))
            found.append(Entry(name, "strategies", str(file), version, None, None, value))
    if not found:
        raise UserError(
            f"plugin file {str(file)!r} defines no strategy: a frozen dataclass with a "
            f"@hookimpl method select_mask(self, ticket)"
        )
    return found


def _snake(name: str) -> str:
    parts = "".join(
        f"_{c.lower()}" if c.isupper() and i and not name[i - 1].isupper() else c.lower()
        for i, c in enumerate(name)
    )
    return parts.strip("_")

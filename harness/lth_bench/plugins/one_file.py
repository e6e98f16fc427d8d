"""One-file plugins: whatever a .py file defines, of all kinds together."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from lth_bench.errors import UserError, describe_error, error_text
from lth_bench.hookspecs import OBSERVER_HOOKS
from lth_bench.plugins.contract import HOOKS, METHODS, OBJECTIVE, marked, misspelt_hook
from lth_bench.system.blame import ends_the_run
from lth_bench.system.text import snake


class Found(NamedTuple):
    """A plugin's class in a file, not checked yet."""

    name: str
    """The class attribute `name`, or the class's name in snake case."""
    group: str
    version: str
    """A hash of the file's content."""
    cls: type[Any]


SHIPPED = "lth_observers"
"""The package whose modules `--plugin` takes by their names."""


def shipped(file: Path) -> Path:
    """The shipped one-file plugin of that name, or the file itself."""
    spec = None if file.suffix or file.exists() else importlib.util.find_spec(SHIPPED)
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        found = Path(folder) / f"{file}.py"
        if found.is_file() and found.parent == Path(folder):
            return found
    return file


def classes_of(file: Path) -> list[Found]:
    """The file's own plugins, in the order of the file.

    A strategy has `select_mask`, or something like it; a model has `build`; a dataset has `info`
    and `load`; an objective derives from `Objective`; an observer has `on_round` or `on_eval`, or
    only `score`. A class whose name starts with an underscore is a base class, and one derived
    from torch's `Module` a part of a network.
    """
    if not file.is_file():
        raise UserError(
            f"no plugin file {str(file)!r}; --plugin takes the path of a .py file, "
            f"or reliability, which is shipped"
        )
    module, version = _execute(file)
    found = []
    for value in vars(module).values():
        own = isinstance(value, type) and value.__module__ == module.__name__
        group = _group(value) if own and not value.__name__.startswith("_") else None
        if group is not None:
            name = str(getattr(value, "name", None) or snake(value.__name__))
            found.append(Found(name, group, version, value))
    if not found:
        raise UserError(
            f"plugin file {str(file)!r} defines no plugin: a strategy is a frozen dataclass with a "
            f"@hookimpl method select_mask(self, ticket), a model one with build(self, "
            f"input_shape, classes), a dataset one with info(self, root) and load(self, root), an "
            f"objective one derived from lth_bench.objectives.Objective; see plugins/README.md"
        )
    return found


def _execute(file: Path) -> tuple[ModuleType, str]:
    """The file's module, and a hash of its content."""
    content = file.read_bytes()
    version = hashlib.blake2b(content, digest_size=6).hexdigest()
    # the same in every process, so that workers can unpickle its classes, but different for
    # two files of the same name
    place = hashlib.blake2b(str(file).encode(), digest_size=4).hexdigest()
    module_name = f"lth_bench_plugin_{file.stem}_{place}"
    spec = importlib.util.spec_from_file_location(module_name, file)
    if spec is None or spec.loader is None:
        raise UserError(f"plugin file {str(file)!r} must be a Python file (.py)")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        # not through the loader: after an edit within the same second it would use old bytecode
        exec(compile(content, str(file), "exec", dont_inherit=True), module.__dict__)
    except BaseException as error:  # a plugin's module may raise anything
        del sys.modules[module_name]
        if ends_the_run(error):
            raise
        frames = _lines(error, file)
        where = f" (line {frames[-1]})" if frames else ""
        what = f"{describe_error(error)}{where}{_neighbour(error, file)}"
        raise UserError(f"plugin file {str(file)!r} fails to import: {what}") from error
    return module, version


def _neighbour(error: BaseException, file: Path) -> str:
    """Advice if the file imports another one beside it."""
    if not isinstance(error, ImportError):
        return ""
    name = (error.name or "").partition(".")[0]
    beside = [p for p in (file.parent / f"{name}.py", file.parent / name) if name and p.exists()]
    if not beside and "relative import" not in error_text(error):
        return ""
    what = f"{beside[0].name} is in the same folder, but a" if beside else "A"
    return (
        f". {what} one-file plugin must be self-contained: its source is recorded with the "
        "results, "
        f"and its folder is not on the import path. Put the code into the file, or make a "
        f"package of both, as `lth-bench plugin new NAME` does"
    )


def _lines(error: BaseException, file: Path) -> list[int]:
    """Lines of the file in the traceback; for a SyntaxError its own line."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    return [f.lineno for f in frames if f.filename == str(file) and f.lineno is not None]


def _group(cls: type[Any]) -> str | None:
    hooks = set(marked(cls))
    if hasattr(cls, "select_mask"):
        return "strategies"
    if group := _part_of_a_task(cls):
        return group
    if hooks & set(OBSERVER_HOOKS) or hooks == {"score"}:
        return "observers"
    if hooks - set(HOOKS):
        return "strategies"  # it lacks a valid hook: reported when it is used
    unmarked = (misspelt_hook(name, value) for name, value in vars(cls).items())
    return "strategies" if "select_mask" in unmarked else None


def _part_of_a_task(cls: type[Any]) -> str | None:
    """Whether it is a model, a dataset or an objective; with a method missing too, which is
    reported when it is used.
    """
    # by name: a file of strategies imports neither
    bases = {f"{base.__module__}.{base.__qualname__}" for base in cls.__mro__}
    if "torch.nn.modules.module.Module" in bases:
        return None
    if OBJECTIVE in bases or (hasattr(cls, "losses") and hasattr(cls, "measure")):
        return "objectives"
    methods = [m for m in METHODS["datasets"] if callable(getattr(cls, m, None))]
    if len(methods) == len(METHODS["datasets"]) or any(_takes_root(cls, m) for m in methods):
        return "datasets"
    return "models" if callable(getattr(cls, "build", None)) else None


def _takes_root(cls: type[Any], method: str) -> bool:
    value = inspect.getattr_static(cls, method)
    return inspect.isfunction(value) and "root" in inspect.signature(value).parameters

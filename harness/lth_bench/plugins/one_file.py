"""One-file plugins: the strategies and observers that a .py file defines."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from lth_bench.errors import UserError, text_of, told
from lth_bench.hookspecs import OBSERVER_HOOKS
from lth_bench.plugins.contract import HOOKS, marked, slip
from lth_bench.system.blame import ends_the_run


class Found(NamedTuple):
    """A plugin's class in a file, not looked at yet."""

    name: str
    """The class attribute `name`, or the class's name in snake case."""
    group: str
    version: str
    """A hash of the file."""
    cls: type[Any]


def classes_of(file: Path) -> list[Found]:
    """The file's own strategies, objectives and observers, in the order of the file.

    A strategy has `select_mask`, or what looks like it; an objective has `losses` and `measure`; an
    observer has `on_round` or `on_eval`, or `score` alone. A class whose name begins with an
    underscore is a base for others.
    """
    if not file.is_file():
        raise UserError(f"no plugin file {str(file)!r}; --plugin takes the path of a .py file")
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
            f"plugin file {str(file)!r} defines no strategy: a frozen dataclass with a "
            f"@hookimpl method select_mask(self, ticket); models and datasets come by the entry "
            f"points of an installed package, see plugins/README.md"
        )
    return found


def _execute(file: Path) -> tuple[ModuleType, str]:
    """The file's module, and a hash of its content."""
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
    except BaseException as error:  # whatever a plugin's module raises
        del sys.modules[module_name]
        if ends_the_run(error):
            raise
        frames = _lines(error, file)
        where = f" (line {frames[-1]})" if frames else ""
        what = f"{told(error)}{where}{_neighbour(error, file)}"
        raise UserError(f"plugin file {str(file)!r} fails to import: {what}") from error
    return module, version


def _neighbour(error: BaseException, file: Path) -> str:
    """What to do where the file imports another that lies beside it."""
    if not isinstance(error, ImportError):
        return ""
    name = (error.name or "").partition(".")[0]
    beside = [p for p in (file.parent / f"{name}.py", file.parent / name) if name and p.exists()]
    if not beside and "relative import" not in text_of(error):
        return ""
    what = f"{beside[0].name} lies beside it, but a" if beside else "A"
    return (
        f". {what} one-file plugin stands alone: what it is made of is recorded with the results, "
        f"and its folder is no place that modules come from. Put the code into the file, or make a "
        f"package of both, as `lth-bench plugin new NAME` does"
    )


def _lines(error: BaseException, file: Path) -> list[int]:
    """Lines of the file that the error passed through; a SyntaxError says its own."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    return [f.lineno for f in frames if f.filename == str(file) and f.lineno is not None]


def _group(cls: type[Any]) -> str | None:
    hooks = set(marked(cls))
    if hasattr(cls, "select_mask"):
        return "strategies"
    if hasattr(cls, "losses") and hasattr(cls, "measure"):
        return "objectives"
    if hooks & set(OBSERVER_HOOKS) or hooks == {"score"}:
        return "observers"
    if hooks - set(HOOKS):
        return "strategies"  # of a hook that is none: it is told so when it is used
    unmarked = (slip(name, value) for name, value in vars(cls).items())
    return "strategies" if "select_mask" in unmarked else None


def snake(name: str) -> str:
    """The name of a class as suites write it: `MyIdea` is `my_idea`, `SNIP` is `snip`."""
    parts = "".join(
        f"_{c.lower()}" if c.isupper() and i and not name[i - 1].isupper() else c.lower()
        for i, c in enumerate(name)
    )
    return parts.strip("_")

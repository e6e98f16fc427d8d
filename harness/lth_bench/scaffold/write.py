"""Writes the files of a new plugin: all or none."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template

from lth_bench.errors import UserError
from lth_bench.scaffold.names import KINDS, article, class_name

PACKAGE = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "readme.md",
    ".gitignore": "gitignore",
    "src/lth_{name}/__init__.py": "strategy.py",
    "tests/test_{name}.py": "test.py",
    "{name}.toml": "suite.toml",
}
"""Path in the package's folder → template."""
SINGLE_FILE = {"{name}.py": "strategy.py", "{name}.toml": "suite.toml"}


def package(name: str, kind: str = "strategy") -> dict[str, str]:
    """Path → text of an installable package."""
    return _rendered(_layout(PACKAGE, kind), name, kind, name_line="", plugins_line="")


def single_file(name: str, kind: str = "strategy") -> dict[str, str]:
    """Path → text of a one-file plugin, and of the suite that uses it."""
    return _rendered(
        _layout(SINGLE_FILE, kind),
        name,
        kind,
        name_line=f'    name = "{name}"  # in suites\n\n',
        plugins_line=f'plugins = ["{name}.py"] # loaded only if --plugin names it too\n',
    )


def write_folder(folder: Path, texts: Mapping[str, str]) -> None:
    """Create the folder with these files. UserError if it exists or cannot be created."""
    if folder.exists() or folder.is_symlink():
        raise UserError(f"{folder} already exists; remove it, or choose another name or --output")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Written to a temporary folder, then renamed: all of it appears at once or nothing.
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise _cannot(folder, error) from error
    try:
        draft.chmod(0o777 & ~_umask())  # mkdtemp's is readable by the owner only
        for name, text in texts.items():
            path = draft / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        draft.rename(folder)
    except OSError as error:
        raise _cannot(folder, error) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write_files(folder: Path, texts: Mapping[str, str]) -> None:
    """Write these files into the folder. UserError, writing none, if one of them exists."""
    made: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            with (folder / name).open("x", encoding="utf-8") as file:
                made.append(folder / name)
                file.write(text)
    except BaseException as error:
        for path in made:
            path.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        if isinstance(error, FileExistsError):
            raise UserError(
                f"{error.filename} already exists; remove it, or choose another name or --output"
            ) from error
        raise _cannot(folder, error) from error


def _layout(layout: Mapping[str, str], kind: str) -> dict[str, str]:
    """The same files from the templates of another kind of plugin."""
    if kind == "strategy":
        return dict(layout)
    parts = {name: f"part_{name}" for name in ("readme.md", "suite.toml", "test.py")}
    return {p: parts.get(t, t.replace("strategy", kind)) for p, t in layout.items()}


def _rendered(layout: Mapping[str, str], name: str, kind: str, **lines: str) -> dict[str, str]:
    from lth_bench import __version__

    words = {
        "name": name,
        "class_name": class_name(name),
        "version": __version__,
        "kind": kind,
        "article": article(kind),
        "group": KINDS[kind],
        "conformance": f"{kind.capitalize()}Conformance",
        "model": name if kind == "model" else "mlp",
        "dataset": name if kind == "dataset" else "digits",
        "objective_line": f'objective = "{name}"\n' if kind == "objective" else "",
        **lines,
    }
    templates = files("lth_bench.scaffold") / "templates"
    return {
        path.format(name=name): Template(
            (templates / f"{template}.tmpl").read_text(encoding="utf-8")
        ).substitute(words)
        for path, template in layout.items()
    }


def _cannot(folder: Path, error: OSError) -> UserError:
    return UserError(f"{folder} cannot be written: {error.strerror or error}")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

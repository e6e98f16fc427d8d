"""The house in numbers: `python tests/house/count.py [FOLDER]`.

Modules and their lengths, what lies loose at the top, import circles, and names that mean two
things: public classes and types that more than one module defines. `tests/test_house.py` holds the
bounds; this prints the figures, and where to look.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from statistics import median

PACKAGE = Path(__file__).resolve().parents[2] / "harness" / "lth_bench"
FRONT_DOOR = {"__init__", "__main__", "api", "errors", "hookspecs", "ticket", "ticket_view"}
"""What may lie at the top: the author's front door."""
SHORT = 60
"""A module of fewer lines is seldom a thought of its own."""


def modules(package: Path) -> dict[str, Path]:
    """Each module with code in it, by its dotted name below the package's."""
    found = {}
    for file in sorted(package.rglob("*.py")):
        name = ".".join(file.relative_to(package).with_suffix("").parts)
        if file.name != "__init__.py" or file.parent == package:
            found[name] = file
    return found


@cache
def tree(file: Path) -> ast.Module:
    """A module's syntax tree, read once."""
    return ast.parse(file.read_text(encoding="utf-8"))


def lines(file: Path) -> int:
    """Lines of a file, blank ones and comments too."""
    return file.read_text(encoding="utf-8").count("\n")


def types(module: ast.Module) -> Iterator[str]:
    """Public classes, and type aliases: capitalised names given to a subscript or a union."""
    for node in module.body:
        if isinstance(node, ast.ClassDef):
            name = node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            name = target.id if isinstance(target, ast.Name) else ""
            if name.isupper() or not isinstance(node.value, ast.Subscript | ast.BinOp):
                continue
        else:
            continue
        if name[:1].isupper():
            yield name


def two_meanings(found: Mapping[str, Path]) -> dict[str, list[str]]:
    """Names of types that more than one module defines, and the modules."""
    where = defaultdict(list)
    for module, file in found.items():
        for name in types(tree(file)):
            where[name].append(module)
    return {name: sorted(those) for name, those in sorted(where.items()) if len(those) > 1}


def imports(file: Path, names: Mapping[str, Path]) -> set[str]:
    """Modules of the package that a file imports when it is imported: not for types, not later."""
    found = set()

    def visit(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                continue
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.ImportFrom) and (child.module or "").startswith("lth_bench"):
                module = (child.module or "").removeprefix("lth_bench").strip(".")
                for alias in child.names:
                    inner = f"{module}.{alias.name}".strip(".")
                    init = f"{module}.__init__".strip(".")
                    found.update({n for n in (inner, module, init) if n in names})
            visit(child)

    visit(tree(file))
    return found


def circles(found: Mapping[str, Path]) -> list[list[str]]:
    """Groups of modules that import each other when imported (strongly connected components)."""
    arrows = {module: imports(file, found) for module, file in found.items()}

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [*arrows[start]]
        while waiting:
            module = waiting.pop()
            if module not in seen:
                seen.add(module)
                waiting += arrows[module]
        return seen

    after = {module: reached(module) for module in arrows}
    groups = {
        tuple(sorted({other for other in after[m] if m in after[other]})): None
        for m in arrows
        if m in after[m]
    }
    return [list(group) for group in groups]


def loose(found: Mapping[str, Path]) -> list[str]:
    """Modules at the top that are not the author's front door."""
    return [module for module in found if "." not in module and module not in FRONT_DOOR]


def constructors(found: Mapping[str, Path]) -> dict[str, int]:
    """Classes, and how many arguments their constructors take by position.

    Those of dataclasses and of `NamedTuple`s are their fields, inherited ones too. A module of
    torch's has none here: its arguments follow torch's own order.
    """
    trees = {module: tree(file) for module, file in found.items()}
    classes = {
        (module, node.name): node
        for module, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    where = {
        (module, alias.asname or alias.name): ((node.module or "")[10:], alias.name)
        for module, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lth_bench.")
        for alias in node.names
    }

    def count(module: str, node: ast.ClassDef) -> int:
        bases = [ast.unparse(base).partition("[")[0] for base in node.bases]
        if any(base.split(".")[-1] == "Module" for base in bases):
            return 0
        own = next((x for x in node.body if getattr(x, "name", "") == "__init__"), None)
        if isinstance(own, ast.FunctionDef):
            return len(own.args.posonlyargs + own.args.args) - 1
        keys = [(module, base) for base in bases]
        inherited = [where.get(key, key) for key in keys]
        above = sum(count(key[0], classes[key]) for key in inherited if key in classes)
        made = [ast.unparse(d) for d in node.decorator_list if "dataclass" in ast.unparse(d)]
        if "NamedTuple" not in bases and (not made or "kw_only=True" in made[0]):
            return above
        return above + len(positional_fields(node))

    return {f"{m}.{name}": count(m, node) for (m, name), node in classes.items()}


def positional_fields(node: ast.ClassDef) -> list[str]:
    """The fields that a dataclass's own body declares and its constructor takes by position."""
    names = []
    for field in node.body:
        if not isinstance(field, ast.AnnAssign):
            continue
        kind, value = ast.unparse(field.annotation), ast.unparse(field.value or ast.Constant(0))
        if "KW_ONLY" in kind:
            break
        if "ClassVar" not in kind and "kw_only=True" not in value and "init=False" not in value:
            names.append(ast.unparse(field.target))
    return names


def functions(found: Mapping[str, Path]) -> dict[str, int]:
    """Functions and methods, and how many arguments they take by position."""
    counts = {}
    for module, file in found.items():
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name != "__init__":
                args = [a.arg for a in node.args.posonlyargs + node.args.args]
                counts[f"{module}.{node.name}:{node.lineno}"] = len(
                    args[1:] if args[:1] in (["self"], ["cls"]) else args
                )
    return counts


def main(package: Path = PACKAGE) -> None:
    """Print the figures, then the short modules, the circles and the names."""
    found = modules(package)
    length = {module: lines(file) for module, file in found.items()}
    short = sorted((n, module) for module, n in length.items() if n < SHORT)
    names, groups = two_meanings(found), circles(found)
    print(f"modules: {len(found)}, median {median(length.values()):g} lines")
    print(f"lines: {sum(length.values()):,}; longest: {max(length.values())}")
    print(f"under {SHORT} lines: {len(short)} ({len(short) / len(found):.0%})")
    print(f"loose at the top: {len(loose(found))} {' '.join(loose(found))}")
    print(f"import circles: {len(groups)}")
    print(f"names with two meanings: {len(names)}")
    for group in groups:
        print("circle:", " ".join(group))
    for name, where in names.items():
        print(f"{name}: {', '.join(where)}")
    for n, module in short:
        print(f"{n:4} {module}")


if __name__ == "__main__":
    main(*(Path(folder) for folder in sys.argv[1:2]))

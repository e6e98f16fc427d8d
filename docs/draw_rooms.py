"""The map of rooms in ARCHITECTURE.md: `python docs/draw_rooms.py` writes docs/rooms.svg.

An arrow is an import, as the code has it now: of two rooms, and only where no longer way leads from
one to the other. Imports for type checkers alone do not count. The picture is committed, so that it
shows wherever Markdown is shown, without scripts and without a network.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "harness" / "lth_bench"
PICTURE = ROOT / "docs" / "rooms.svg"

PLACES: tuple[dict[str, tuple[float, str]], ...] = (
    {
        "cli": (1.5, "one file per command"),
        "api": (3, "lth_bench.run"),
        "own_loop": (4, "lth_bench.sparsify"),
        "notebook": (0, "lth_bench.results"),
    },
    {
        "testing": (0, "contracts of a strategy"),
        "maintenance": (1, "doctor, gc, why, verify"),
        "output": (2, "tables, figures, report"),
        "tuning": (3, "Optuna studies"),
        "scaffold": (4, "plugin new"),
    },
    {"interchange": (0, "tickets taken home"), "running": (2, "plan, executors, recorder")},
    {"analysis": (1, "rows, verdicts, ranks"), "lottery": (3.5, "the round loop")},
    {
        "store": (0, "journal and DuckDB"),
        "stats": (1, "pure functions"),
        "suite": (2, "TOML to a checked suite"),
        "helpers": (4, "what strategies often need"),
    },
    {"plugins": (2.8, "discovery, hook calls")},
    {
        "hookspecs": (1.5, "every hook"),
        "ticket_view": (2.5, "what an observer sees"),
        "ticket": (3.5, "what a hook receives"),
    },
    {"training": (2, "fit: engine, input, dispatch")},
    {"geometry": (0, "polygons, boundaries"), "structure": (1.5, "units and connections")},
    {"models": (1.5, "networks"), "objectives": (3, "losses and metrics")},
    {"data": (3, "datasets")},
    {"masks": (1.5, "top-k, allocation")},
)
"""Rows from top to bottom: where each room is, in columns, and what it is in a few words."""

AUTHORS = {"hookspecs", "ticket", "ticket_view"}
"""What an author of strategies meets."""
EVERYWHERE = ("params", "system", "errors")
"""Any room may use them, so they have no arrows."""
DOOR = {"__init__", "__main__"}

COLUMN, ROW, WIDE, HIGH, MARGIN = 190, 84, 172, 48, 16
"""Pixels: from one place to the next, the size of a box, and around the whole."""

HEAD = """<title>The rooms of lth_bench, and which imports which</title>
<style>
  text { font: 13px system-ui, sans-serif; text-anchor: middle; fill: #1f2933 }
  .name { font-weight: 600 }
  .about { font-size: 11.5px; fill: #52606d }
  .room { fill: #f5f7fa; stroke: #9aa5b1 }
  .author { fill: #e3f0ff; stroke: #4a7fb5 }
  path { fill: none; stroke: #7b8794; stroke-width: 1.3 }
  marker path { fill: #7b8794; stroke: none }
  @media (prefers-color-scheme: dark) {
    text { fill: #e4e7eb }
    .about { fill: #b6bfc9 }
    .room { fill: #2b3138; stroke: #7b8794 }
    .author { fill: #1f3a56; stroke: #6ea3d8 }
    path { stroke: #9aa5b1 }
    marker path { fill: #9aa5b1 }
  }
</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"
 orient="auto"><path d="M0 0 8 4 0 8z"/></marker></defs>"""


def imported(file: Path) -> Iterator[str]:
    """Rooms that a module imports, when it is imported or later, type checkers' imports apart."""

    def visit(node: ast.AST) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.ImportFrom) and child.module == "lth_bench":
                yield from (alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and child.module:
                top, *rooms = child.module.split(".")
                yield from rooms[:1] if top == "lth_bench" else ()
            yield from visit(child)

    return visit(ast.parse(file.read_text(encoding="utf-8")))


def rooms(package: Path = PACKAGE) -> dict[str, set[str]]:
    """Each room, and those that it imports; without what any room may use."""
    found: dict[str, set[str]] = {}
    for file in sorted(package.rglob("*.py")):
        room = file.relative_to(package).parts[0].removesuffix(".py")
        if room not in {*EVERYWHERE, *DOOR}:
            found.setdefault(room, set()).update({*imported(file)} - {room})
    return {room: {r for r in others if r in found} for room, others in found.items()}


def reduced(arrows: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """The arrows between rooms that no longer way joins. Needs arrows without circles."""

    def reached(room: str) -> set[str]:
        return arrows[room].union(*(reached(other) for other in arrows[room]))

    return [
        (room, other)
        for room, others in arrows.items()
        for other in sorted(others)
        if not any(other in reached(between) for between in others - {other})
    ]


def box(name: str, about: str, middle: float, top: float, *, wide: float, kind: str) -> str:
    """A rectangle with a name and a few words in it."""
    return (
        f'<rect class="{kind}" x="{middle - wide / 2:g}" y="{top:g}" width="{wide:g}" '
        f'height="{HIGH}" rx="6"/>'
        f'<text class="name" x="{middle:g}" y="{top + 20:g}">{name}</text>'
        f'<text class="about" x="{middle:g}" y="{top + 37:g}">{escape(about)}</text>'
    )


def draw() -> str:
    """The picture, as SVG. Raises ValueError where `PLACES` does not fit the code."""
    place = {
        room: (MARGIN + WIDE / 2 + column * COLUMN, MARGIN + y * ROW)
        for y, row in enumerate(PLACES)
        for room, (column, _) in row.items()
    }
    arrows = rooms()
    if unplaced := place.keys() ^ arrows.keys():
        raise ValueError(f"PLACES must name every room and no other; see {sorted(unplaced)}")
    width = 2 * MARGIN + WIDE + 4 * COLUMN
    height = 2 * MARGIN + len(PLACES) * ROW + HIGH
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">', HEAD]
    for room, other in reduced(arrows):
        (x, y), (to_x, to_y) = place[room], place[other]
        y += HIGH
        if to_y <= y:
            raise ValueError(f"{room} imports {other}, so PLACES must have {other} further down")
        half = (y + to_y) / 2
        line = f"M{x:g} {y:g}C{x:g} {half:g} {to_x:g} {half:g} {to_x:g} {to_y - 1:g}"
        parts.append(f'<path id="{room}-{other}" marker-end="url(#head)" d="{line}"/>')
    for row in PLACES:
        for room, (_, about) in row.items():
            kind = "author" if room in AUTHORS else "room"
            parts.append(box(room, about, *place[room], wide=WIDE, kind=kind))
    below, last = " · ".join(EVERYWHERE), MARGIN + len(PLACES) * ROW
    wide = width - 2 * MARGIN
    parts.append(box(below, "any room may use them", width / 2, last, wide=wide, kind="room"))
    return "\n".join([*parts, "</svg>\n"])


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
    print(f"wrote {PICTURE.relative_to(ROOT)}", file=sys.stderr)

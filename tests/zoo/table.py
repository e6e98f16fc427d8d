"""The table of what the zoo's networks come to, as text.

`.venv/bin/python tests/zoo/table.py` makes it again, in some minutes; with names of columns, only
those. Tests hold every cell.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PATH = Path(__file__).with_name("TABLE.md")
HEAD = """\
# What becomes of the zoo's networks

A row for each network of `nets/`, a column for each check of `checks.py`. `test_zoo.py` holds every
cell: a covering set in `make test`, all of them in `make test-slow`.

- **alone**: trained alone, in every backend that takes it, under masks of density .5 and .1: as a
  loop of plain torch with the mask multiplied in; pruned weights are zero.
- **stacked**: in cohorts of 2 and 4 with another seed and a dense mask: as plain torch; and how.
- **resumed**: stopped in mid-training and taken up again: the same bits.
- **FLOPs**: as torch's counter, less what no prunable weight takes part in (counted by hand).
- **connected**: effective density of the dense network, with the layers that are not all used.
- **paths**: effective masks of random tickets, against trying every connection (networks of ReLU).
- **units**: the network with half of its units cut out computes what the masked one does.
- then strategies with both controls: how their experiments ended.

There is a column for each thing that a method asks of a network, since every experiment takes a
third of a second or more. `dense_rewind` asks for no more than `dense`; `early_imp` than `imp`;
`magnitude_init` and `supermask` than `one_shot`; `lr_rewind`, `fine_tune`, `bimp` and `sculpt`
than `late_rewind`; `slimming` than `early_bird`; `iter_snip` and `force` than `snip`; `gradual`,
`acdc`, `granet`, `set`, `snfs` and `srigl` than `rigl`; `signed_supermask` and `aws` than
`edge_popup`; `n_m` for fan-ins alone, which a plan checks. `grasp` takes second derivatives,
`filter_l1` units without batch norm, and `edge_popup` replaces weights by a function of trained
scores; torchvision's networks, of which a cell takes up to a minute, are left out of these three.

`–` is for what cannot be asked of a network, or is left out. Numbers in brackets are the messages
below.
"""


def to_text(cells: Mapping[str, Mapping[str, str]], families: Mapping[str, str]) -> str:
    """The file's text. `cells`: row → column → cell, its reason behind the first `: ` or `; `."""
    columns = list(next(iter(cells.values())))
    notes: dict[str, int] = {}
    lines = [f"| network | kind | {' | '.join(columns)} |", "|---" * (len(columns) + 2) + "|"]
    for name, row in cells.items():
        short = [_short(row[column], notes) for column in columns]
        lines.append(f"| `{name}` | {families[name]} | {' | '.join(short)} |")
    return "\n".join([HEAD, *lines, "", *(f"{n}. {text}" for text, n in notes.items()), ""])


def _short(cell: str, notes: dict[str, int]) -> str:
    word, _, reason = re.match(r"([^:;]*)([:;] )?(.*)", cell, re.DOTALL).groups()  # type: ignore[union-attr]
    if not reason:
        return word
    said = " ".join(reason.split()).replace("|", "/")
    return f"{word} [{notes.setdefault(said, len(notes) + 1)}]"


def parsed(text: str) -> dict[str, dict[str, str]]:
    """Row → column → cell, with its message as `word [message]`."""
    notes = dict(re.findall(r"^(\d+)\. (.*)$", text, re.MULTILINE))
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    columns = lines[0][2:]
    return {
        line[0].strip("`"): {
            column: re.sub(r"\[(\d+)\]", lambda m: f"[{notes[m[1]]}]", cell)
            for column, cell in zip(columns, line[2:], strict=True)
        }
        for line in lines[1:]
    }


def as_parsed(cell: str) -> str:
    """A check's answer as the table tells it."""
    notes: dict[str, int] = {}
    short = _short(cell, notes)
    return short.replace("[1]", f"[{next(iter(notes))}]") if notes else short


def as_cell(told: str) -> str:
    """A check's answer, from what the table tells: the inverse of `as_parsed`."""
    return re.sub(r" \[(.*)\]$", r": \1", told, flags=re.DOTALL)


def main(again: Sequence[str]) -> None:
    """Make every cell, or those of some columns and of new rows, and write the file."""
    sys.path.insert(0, str(PATH.parents[1]))
    import zoo.nets  # noqa: F401  # fills the rows
    from zoo.columns import COLUMNS, Subject
    from zoo.rows import ROWS

    known = parsed(PATH.read_text()) if again else {}
    cells = {}
    for name, row in ROWS.items():
        subject = Subject(row, thorough=True)
        kept = {c: as_cell(x) for c, x in known.get(name, {}).items() if c not in again}
        cells[name] = {c: kept[c] if c in kept else subject.cell(c) for c in COLUMNS}
        print(name, file=sys.stderr)
    PATH.write_text(to_text(cells, {name: row.family for name, row in ROWS.items()}))


if __name__ == "__main__":
    main(sys.argv[1:])

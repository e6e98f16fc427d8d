"""Replaces infinite and NaN numbers by null, in SQL and in JSON.

No run writes them, but an untrusted journal may have them: JSON's 1e999 is infinite to DuckDB, and
the text "nan" is a number to it. They would cause errors in sums, intervals and pages.
"""

from __future__ import annotations

import json
import math


def finite(value: str, kind: str, depth: int = 0) -> str | None:
    """SQL for the expression `value` of DuckDB type `kind`, with null for numbers that are not
    finite.

    None if the type cannot contain such a number. Descends into lists, structs, and maps with text
    keys.
    """
    name = f"x{depth}"
    if kind == "DOUBLE":
        return f"CASE WHEN isfinite({value}) THEN {value} END"
    if kind.endswith("[]"):
        inner = finite(name, kind.removesuffix("[]"), depth + 1)
        return inner and f"list_transform({value}, lambda {name}: {inner})"
    if kind.startswith("MAP(VARCHAR, "):
        inner = finite(f"{name}.value", kind.removeprefix("MAP(VARCHAR, ")[:-1], depth + 1)
        entry = f"lambda {name}: {{'key': {name}.key, 'value': {inner}}}"
        return inner and f"map_from_entries(list_transform(map_entries({value}), {entry}))"
    if kind.startswith("STRUCT("):
        fields = _fields(kind)
        looked = {n: finite(f'{value}."{n}"', k, depth + 1) for n, k in fields.items()}
        if any(looked.values()):
            parts = (f"'{n}': " + (looked[n] or f'{value}."{n}"') for n in fields)
            return f"CASE WHEN {value} IS NOT NULL THEN {{{', '.join(parts)}}} END"
    return None


def _fields(struct: str) -> dict[str, str]:
    """Name and type of each field of `STRUCT(name type, …)`."""
    parts, depth = [""], 0
    for letter in struct.removeprefix("STRUCT(")[:-1]:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    pairs = (part.strip().split(" ", 1) for part in parts)
    return {name.strip('"'): kind for name, kind in pairs}


def _float(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _integer(text: str) -> int | None:
    """None for an integer too large for a float: tables and pages use floats."""
    return int(text) if len(text) < 308 else None


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is not a number")


STRICT = json.JSONDecoder(parse_float=_float, parse_int=_integer, parse_constant=_no_number)
"""Numbers that are too large become null; anything that JSON does not allow as a number is an
error."""

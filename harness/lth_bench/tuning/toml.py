"""Writing TOML, which Python only reads: as much of it as suites have."""

from __future__ import annotations

import json
import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_WIDTH = 100


def value(item: Any) -> str:
    """A value on one line. TypeError for what TOML has no form for."""
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, int):
        return str(item)
    if isinstance(item, float):
        return repr(item) if math.isfinite(item) else str(item)
    if isinstance(item, str):
        # JSON's escapes are TOML's, but for the one control character that JSON lets stand
        return json.dumps(item, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(item, Mapping):
        inner = ", ".join(f"{key(k)} = {value(v)}" for k, v in item.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(item, Sequence):
        return f"[{', '.join(map(value, item))}]"
    raise TypeError(f"TOML has no {type(item).__name__}")


def key(name: str) -> str:
    """A key, in quotes where it needs them."""
    return name if _BARE.fullmatch(name) else value(name)


def entries(table: Mapping[str, Any]) -> list[str]:
    """`key = value` lines; a list that is too long for one is broken."""
    lines: list[str] = []
    for name, item in table.items():
        line = f"{key(name)} = {value(item)}"
        if len(line) > _WIDTH and isinstance(item, list):
            lines += [f"{key(name)} = [", *(f"    {value(x)}," for x in item), "]"]
        else:
            lines.append(line)
    return lines


def comment(text: str) -> list[str]:
    """Comment lines. No character of the text can end them."""
    lines = (line for part in text.splitlines() for line in textwrap.wrap(part, _WIDTH - 2))
    return [f"# {''.join(c if c.isprintable() else '�' for c in line)}" for line in lines]

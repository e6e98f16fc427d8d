"""How errors name what a hook answered."""

from __future__ import annotations


def short(value: object) -> str:
    """What a hook answered, in a word."""
    return "None" if value is None else f"a {type(value).__name__}"

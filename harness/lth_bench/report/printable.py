"""Names and values from a database, which may come from a stranger, made safe to print."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text without control characters, which could steer a terminal; they become �."""
    return "".join(c if c.isprintable() else "�" for c in text)

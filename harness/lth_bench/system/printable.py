"""Names and values from a database, which may come from a stranger, made safe to print."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def printable(text: str) -> str:
    """The text without control characters, which could steer a terminal; they become �."""
    return "".join(c if c.isprintable() else "�" for c in text)


def columns_of(text: str) -> int:
    """Columns of a terminal that a text takes: a Chinese character takes two, a mark on the letter
    before it none.
    """
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def aligned(text: str, width: int, right: bool = False) -> str:
    """The text filled up to `width` columns of a terminal."""
    space = " " * (width - columns_of(text))
    return space + text if right else text + space


def packed(parts: Iterable[str], width: int, indent: str = "  ", gap: str = "   ") -> Iterator[str]:
    """The parts side by side, indented, in lines of at most `width` columns where each fits."""
    line = ""
    for part in parts:
        if line and columns_of(line + gap + part) > width:
            yield line
            line = ""
        line = f"{line}{gap}{part}" if line else indent + part
    if line:
        yield line

"""Untrusted text: hides passwords, and removes terminal control characters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

HIDDEN = "***"

# scheme://user:password@ up to the last @ of the word: an unescaped password may contain a slash or
# an @ itself
_IN_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^\s/:@'\"\\]*:)(?!\*\*\*@)[^\s'\"\\]+(?=@)")
_IN_QUERY = re.compile(
    r"([?&;](?:password|passwd|pwd|secret|token|api_?key)=)(?!\*\*\*)[^\s&;'\"\\]+", re.IGNORECASE
)


def redacted(text: str) -> str:
    """The text with `***` in place of every password in a URL; for command lines, messages, suites
    and JSON.
    """
    if "://" not in text:
        return text
    return _IN_QUERY.sub(rf"\1{HIDDEN}", _IN_URL.sub(rf"\1{HIDDEN}", text))


def printable(text: str) -> str:
    """The text with control characters, which could manipulate a terminal, replaced by �."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "�" for c in text)


def columns_of(text: str) -> int:
    """Number of terminal columns of a text: a Chinese character takes two, a combining
    mark none.
    """
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def aligned(text: str, width: int, right: bool = False) -> str:
    """The text padded to `width` terminal columns."""
    space = " " * (width - columns_of(text))
    return space + text if right else text + space


def packed(parts: Iterable[str], width: int, indent: str = "  ", gap: str = "   ") -> Iterator[str]:
    """The parts side by side, indented, in lines of at most `width` columns if each fits."""
    line = ""
    for part in parts:
        if line and columns_of(line + gap + part) > width:
            yield line
            line = ""
        line = f"{line}{gap}{part}" if line else indent + part
    if line:
        yield line


def snake(name: str) -> str:
    """A class's name as written in suites: `MyIdea` is `my_idea`, `SNIP` is `snip`."""
    parts = "".join(
        f"_{c.lower()}" if c.isupper() and i and not name[i - 1].isupper() else c.lower()
        for i, c in enumerate(name)
    )
    return parts.strip("_")

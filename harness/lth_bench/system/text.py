"""Text from strangers: passwords kept out of it, and what could steer a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

HIDDEN = "***"

# scheme://user:password@ up to the last @ of the word: a password that should have been escaped may
# hold a slash or an @ itself
_IN_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^\s/:@'\"\\]*:)(?!\*\*\*@)[^\s'\"\\]+(?=@)")
_IN_QUERY = re.compile(
    r"([?&;](?:password|passwd|pwd|secret|token|api_?key)=)(?!\*\*\*)[^\s&;'\"\\]+", re.IGNORECASE
)


def redacted(text: str) -> str:
    """The text with `***` for every password of a URL in it: a command line, a message, a suite,
    a line of JSON.
    """
    if "://" not in text:
        return text
    return _IN_QUERY.sub(rf"\1{HIDDEN}", _IN_URL.sub(rf"\1{HIDDEN}", text))


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

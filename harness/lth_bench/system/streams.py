"""Standard output and error that survive what they are connected to: an ASCII-only terminal, a
reader that goes away, a full disk, nothing at all.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import select
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

T = TypeVar("T")

SPELLED = {
    "±": "+/-", "²": "2", "µ": "u", "·": ".", "×": "x", "Δ": "delta", "–": "-", "—": "-", "†": "+",
    "‡": "#", "…": "...", "→": "->", "−": "-", "≈": "~", "≤": "<=", "≥": ">=", "•": "*", "□": "o",
    "√": "sqrt ", "�": "?", "●": "o", "◄": "<", "►": ">", "├": "[", "┤": "]", "┼": "+", "─": "-",
    "│": "|", "\N{ZERO WIDTH SPACE}": "", "\N{NO-BREAK SPACE}": " ",
} | dict(zip("▁▂▃▄▅▆▇█", "12345678", strict=True))  # fmt: skip
"""Replacements for the characters of our tables and messages, if they cannot be encoded."""
ERRORS = "lth_bench.spelled"
"""The name under which `_spelled` is registered as Python's encoding error handler."""


def _spelled(error: UnicodeError) -> tuple[str | bytes, int]:
    """Our own symbols in ASCII; every other character by its number, so that names stay
    distinct.
    """
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    return "".join(map(_in_ascii, text)), error.end


def _in_ascii(character: str) -> str:
    if character in SPELLED:
        return SPELLED[character]
    if "─" <= character <= "╿":  # box drawing: lines, and corners and crossings
        return "-" if character in "─━┄┅┈┉╌╍═╴╶╸╺╼╾" else "|" if character in "│┃┆┇║" else "+"
    if "\u2800" <= character <= "\u28ff":  # Braille, used by spinners
        return "*"
    if "\udc80" <= character <= "\udcff":  # a byte of a file's name that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("ascii", "backslashreplace").decode()


codecs.register_error(ERRORS, _spelled)


def spelled(text: str, encoding: str) -> str:
    """The text as a stream with this encoding shows it; needed before columns are aligned."""
    return text.encode(encoding, ERRORS).decode(encoding)


def typed(text: str) -> str:
    """An argument as it was typed: in a locale other than UTF-8, Python decodes its bytes
    differently. Unchanged if its bytes are not UTF-8.
    """
    try:
        return os.fsencode(text).decode("utf-8")
    except UnicodeError:
        return text


class _Lasting(io.RawIOBase):
    """A stream that discards output after its first write error."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self.lost: OSError | None = None
        """Why it goes nowhere."""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def isatty(self) -> bool:
        return self._raw.isatty()

    def write(self, data: ReadableBuffer, /) -> int:
        left = memoryview(data).cast("B")
        size = len(left)
        while left and self.lost is None:
            try:
                written = self._raw.write(left)
                if written is None:  # set non-blocking by a program that shares it
                    select.select([], [self], [])
            except OSError as error:
                self.lost = error
            else:
                left = left[written or 0 :]
        return size


def guard_streams() -> None:
    """From now on, characters that cannot be encoded are spelled out, and writes to standard output
    or error never raise; `lost` tells whether standard output failed. Closed streams become the
    null device; otherwise the next file to be opened, such as the journal, would take their place
    and receive the messages.

    Streams that were replaced, as in tests and notebooks, are left alone.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    for number, name in ((1, "stdout"), (2, "stderr")):
        before = getattr(sys, name)
        if before is None or before is getattr(sys, f"__{name}__"):
            setattr(sys, name, _guarded(number, before))


def _guarded(number: int, before: TextIO | None) -> TextIO:
    if not isinstance(before, io.TextIOWrapper):
        return open(number, "w", encoding="utf-8", errors=ERRORS, closefd=False)
    with contextlib.suppress(OSError):
        before.flush()
    raw: Any = getattr(before.buffer, "raw", before.buffer)
    lasting: Any = _Lasting(raw)
    return io.TextIOWrapper(
        lasting if before.write_through else io.BufferedWriter(lasting),
        encoding=before.encoding,
        errors=ERRORS,
        line_buffering=before.line_buffering or number == 2,
        write_through=before.write_through,
    )


def lost() -> OSError | None:
    """The error that made standard output fail, if any; flushes first."""
    with contextlib.suppress(ValueError):  # closed by the code that replaced the stream
        sys.stdout.flush()
    buffer = getattr(sys.stdout, "buffer", None)
    raw = getattr(buffer, "raw", buffer)
    return raw.lost if isinstance(raw, _Lasting) else None


def reader_gone() -> bool:
    """Whether the reader of standard output has gone, as after `| head`."""
    error = lost()
    return error is not None and error.errno in (errno.EPIPE, errno.ECONNRESET)


def until_reader_gone(rows: Iterable[T]) -> Iterator[T]:
    """Yield the rows until the reader of standard output has gone."""
    for number, row in enumerate(rows):
        if number % 1000 == 999 and reader_gone():
            return
        yield row

"""Standard output and error that bear what they are connected to: a terminal that knows ASCII
alone, a reader that goes away, a full disk, nothing at all.
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
    "±": "+/-", "µ": "u", "·": ".", "×": "x", "Δ": "delta", "–": "-", "—": "-", "†": "+",
    "…": "...", "→": "->", "−": "-", "≈": "~", "≤": "<=", "≥": ">=", "•": "*", "□": "o", "�": "?",
    "\N{ZERO WIDTH SPACE}": "", "\N{NO-BREAK SPACE}": " ",
} | dict(zip("▁▂▃▄▅▆▇█", "12345678", strict=True))  # fmt: skip
"""What tables and messages are made of, for who has no such character."""
ERRORS = "lth_bench.spelled"
"""The name of `_spelled` among Python's ways to treat what cannot be encoded."""


def _spelled(error: UnicodeError) -> tuple[str | bytes, int]:
    """Our own signs in ASCII; every other character by its number, so that names stay apart."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    return "".join(map(_in_ascii, text)), error.end


def _in_ascii(character: str) -> str:
    if character in SPELLED:
        return SPELLED[character]
    if "─" <= character <= "╿":  # box drawing: lines, and corners and crossings
        return "-" if character in "─━┄┅┈┉╌╍═╴╶╸╺╼╾" else "|" if character in "│┃┆┇║" else "+"
    if "\u2800" <= character <= "\u28ff":  # Braille: a spinner turns in it
        return "*"
    if "\udc80" <= character <= "\udcff":  # a byte of a file's name that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("ascii", "backslashreplace").decode()


codecs.register_error(ERRORS, _spelled)


def spelled(text: str, encoding: str) -> str:
    """The text as a stream of this encoding shows it: to be known before columns are aligned."""
    return text.encode(encoding, ERRORS).decode(encoding)


def typed(text: str) -> str:
    """An argument as it was typed: where the locale is none of UTF-8, Python has taken its bytes
    for others. As it is where its bytes are no UTF-8.
    """
    try:
        return os.fsencode(text).decode("utf-8")
    except UnicodeError:
        return text


class _Lasting(io.RawIOBase):
    """A stream that is written to for as long as that goes well, and then goes nowhere."""

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
                if written is None:  # made non-blocking by a program that shares it
                    select.select([], [self], [])
            except OSError as error:
                self.lost = error
            else:
                left = left[written or 0 :]
        return size


def guard_streams() -> None:
    """From now on what cannot be encoded is spelled out, and no write to standard output or error
    raises: `lost` tells for standard output. What is closed becomes the null device, or the next
    file to be opened, such as the journal, would take its place and get the messages.

    Streams that were put in their places, as tests and notebooks do, are left alone.
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
    """Why standard output goes nowhere, if it does; what is buffered is written first."""
    with contextlib.suppress(ValueError):  # closed by the code that replaced it
        sys.stdout.flush()
    buffer = getattr(sys.stdout, "buffer", None)
    raw = getattr(buffer, "raw", buffer)
    return raw.lost if isinstance(raw, _Lasting) else None


def reader_gone() -> bool:
    """Whether standard output has lost its reader, as after `| head`."""
    error = lost()
    return error is not None and error.errno in (errno.EPIPE, errno.ECONNRESET)


def heard(rows: Iterable[T]) -> Iterator[T]:
    """The rows, until the reader has gone."""
    for number, row in enumerate(rows):
        if number % 1000 == 999 and reader_gone():
            return
        yield row

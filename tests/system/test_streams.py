"""The streams by themselves; tests/cli/test_streams.py has them as a shell connects them."""

from __future__ import annotations

import ast
import errno
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lth_bench
from lth_bench.system import streams
from lth_bench.system.streams import SPELLED, spelled

SOURCES = Path(lth_bench.__file__).parent
ELSEWHERE = (
    "system/streams.py", "output/page/", "output/paper/", "output/pictures/", "output/formats.py"
)  # fmt: skip
"""HTML, figures and LaTeX, whose encoding is their own."""


def said(source: Path) -> set[str]:
    """The characters beyond ASCII in a module's strings, its docstrings left out."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    docs = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
    texts = (
        n.value
        for n in ast.walk(tree)
        if isinstance(n, ast.Constant) and isinstance(n.value, str) and id(n) not in docs
    )
    return {c for text in texts for c in text if not c.isascii()}


def test_whatever_we_say_has_a_form_in_ascii() -> None:
    for source in SOURCES.rglob("*.py"):
        where = source.relative_to(SOURCES).as_posix()
        if where.startswith(ELSEWHERE):
            continue
        for character in said(source):
            assert "\\" not in spelled(character, "ascii"), f"{character!r} in {where}"


@given(st.text(st.characters(categories=["L", "M", "N", "P", "S", "Z", "Cs"])))
@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8", "shift_jis"])
def test_any_text_can_be_shown(encoding: str, text: str) -> None:
    shown = spelled(text, encoding)
    shown.encode(encoding)
    if encoding == "utf-8" and not any("\ud800" <= c <= "\udfff" for c in text):
        assert shown == text


@given(st.text(st.characters(categories=["L", "N"]), min_size=1), st.data())
def test_two_names_stay_two(name: str, data: st.DataObject) -> None:
    other = data.draw(st.text(st.characters(categories=["L", "N"]), min_size=1))
    ours = set(SPELLED)
    if name != other and not ours & {*name, *other}:
        assert spelled(name, "ascii") != spelled(other, "ascii")


def test_bytes_of_a_file_name_are_shown_as_such() -> None:
    assert spelled("caf\udce9", "utf-8") == "caf\\xe9"


class Raw(io.RawIOBase):
    """Takes three bytes at a time, and refuses after `room` of them."""

    def __init__(self, room: int, why: int = errno.ENOSPC) -> None:
        self.taken, self.room, self.why = b"", room, why

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        if len(self.taken) >= self.room:
            raise OSError(self.why, "refused")
        some = bytes(memoryview(data))[: min(3, self.room - len(self.taken))]  # type: ignore[arg-type]
        self.taken += some
        return len(some)


@given(st.binary(max_size=100), st.integers(0, 120))
def test_everything_is_written_for_as_long_as_that_goes_well(data: bytes, room: int) -> None:
    raw = Raw(room)
    out = streams._Lasting(raw)
    assert out.write(data) == len(data)
    if len(data) <= room:
        assert (raw.taken, out.lost) == (data, None)
    else:
        assert data.startswith(raw.taken)
        assert out.lost is not None


@pytest.mark.parametrize(("why", "gone"), [(errno.EPIPE, True), (errno.ENOSPC, False)])
def test_a_reader_that_left_is_told_from_a_full_disk(
    monkeypatch: pytest.MonkeyPatch, why: int, gone: bool
) -> None:
    out = io.TextIOWrapper(io.BufferedWriter(streams._Lasting(Raw(5, why))), encoding="ascii")
    monkeypatch.setattr("sys.stdout", out)
    assert streams.lost() is None
    print("more than five bytes")
    assert streams.reader_gone() is gone
    assert streams.lost() is not None
    assert (len(list(streams.until_reader_gone(range(5000)))) < 5000) is gone


def test_streams_put_in_their_places_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = io.StringIO()
    monkeypatch.setattr("sys.stdout", ours)
    monkeypatch.setattr("sys.stderr", ours)
    import sys

    streams.guard_streams()
    assert sys.stdout is sys.stderr is ours
    assert streams.lost() is None


def test_nothing_goes_around_the_streams() -> None:
    """typer.echo writes UTF-8 past a stream that says it is ASCII."""
    for source in SOURCES.rglob("*.py"):
        for line in source.read_text(encoding="utf-8").splitlines():
            assert "typer.echo(" not in line or "err=True" in line, source

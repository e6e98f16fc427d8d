from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.errors import UserError
from lth_bench.store.journal import Journal, decode, encode, end_of_lines, finished
from lth_bench.store.paths import DiskError, Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "deep" / "results.duckdb")


def outcome(identity: str, status: str = "ok") -> dict[str, Any]:
    return {"record": "experiment", "experiment_id": identity, "status": status}


def test_files_lie_beside_the_database(paths: Paths) -> None:
    names = [p.name for p in (paths.journal, paths.artifacts, paths.lock, paths.torn)]
    assert names == [
        "results.journal.jsonl", "results.artifacts", "results.journal.lock",
        "results.journal.jsonl.torn",
    ]  # fmt: skip


def test_a_folder_is_refused_as_a_database(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="names a folder"):
        Paths(tmp_path)


def test_appended_records_are_read_back_with_offsets(paths: Paths) -> None:
    with Journal(paths) as journal:
        journal.append(outcome("a"))
        journal.append({**outcome("ü\n\u2028"), "nested": {"x": [1, None]}})
    found = list(Journal(paths).read())
    assert [r["experiment_id"] for r, _ in found] == ["a", "ü\n\u2028"]
    assert found[-1][1] == paths.journal.stat().st_size
    assert [r for r, _ in Journal(paths).read(found[0][1])] == [found[1][0]]
    assert all(r["at"].endswith("+00:00") for r, _ in found)


def test_a_missing_journal_has_no_records(paths: Paths) -> None:
    assert list(Journal(paths).read()) == []
    assert finished(paths) == {}


def test_the_line_is_on_disk_before_append_returns(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    write, fsync = os.write, os.fsync
    monkeypatch.setattr(os, "write", lambda fd, data: (calls.append("write"), write(fd, data))[1])
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append("fsync"), fsync(fd))[1])
    with Journal(paths) as journal:
        calls.clear()
        journal.append(outcome("a"))
        assert calls == ["write", "fsync"]
        assert paths.journal.read_bytes().endswith(b"}\n")


def test_numbers_that_are_not_finite_become_null() -> None:
    line = encode({"record": "ticket", "metrics": {"a": float("nan"), "b": [float("inf"), 1.5]}})
    assert json.loads(line)["metrics"] == {"a": None, "b": [None, 1.5]}


def test_invalid_utf8_becomes_a_question_mark() -> None:
    assert json.loads(encode({"record": "x", "reason": "file \udcff"}))["reason"] == "file ?"


@given(
    st.dictionaries(
        st.text(min_size=1),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=8,
        ),
    )
)
def test_any_record_is_one_line(fields: dict[str, Any]) -> None:
    line = encode({**fields, "record": "x", "at": "t"})
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line, Path("j"), 0)["record"] == "x"


def test_an_incomplete_last_line_is_skipped_and_set_aside(paths: Paths) -> None:
    with Journal(paths) as journal:
        journal.append(outcome("a"))
    whole = paths.journal.read_bytes()
    paths.journal.write_bytes(whole + b'{"record":"experiment","experi')
    assert [r["experiment_id"] for r, _ in Journal(paths).read()] == ["a"]
    assert finished(paths) == {"a": "ok"}
    assert not paths.torn.exists()
    with Journal(paths) as journal:
        journal.append(outcome("b"))
    assert paths.journal.read_bytes().startswith(whole)
    assert finished(paths) == {"a": "ok", "b": "ok"}
    assert paths.torn.read_bytes() == b'{"record":"experiment","experi\n'


def test_a_journal_of_one_incomplete_line_starts_empty(paths: Paths) -> None:
    paths.make_folder()
    paths.journal.write_bytes(b"x" * 200_000)
    assert list(Journal(paths).read()) == []
    with Journal(paths) as journal:
        journal.append(outcome("a"))
    assert finished(paths) == {"a": "ok"}
    assert paths.torn.stat().st_size == 200_001


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 200_000])
def test_the_end_of_the_last_whole_line_is_found(tmp_path: Path, size: int) -> None:
    file = tmp_path / "j"
    file.write_bytes(b"abc\n" + b"x" * size)
    assert end_of_lines(file, 4 + size) == 4
    assert end_of_lines(file, 2) == 0


@pytest.mark.parametrize("line", ["nonsense", "[]", "5", "{}", '{"record": 5}', "{" * 100_000])
def test_an_invalid_line_is_named_by_its_number(paths: Paths, line: str) -> None:
    with Journal(paths) as journal:
        journal.append(outcome("a"))
        journal.append(outcome("b"))
    with paths.journal.open("a") as file:
        file.write(line + "\n")
    with Journal(paths) as journal:
        journal.append(outcome("c"))
    with pytest.raises(UserError, match=r"line 3 is not a record .*Delete that line"):
        list(Journal(paths).read())


def test_empty_lines_are_ignored(paths: Paths) -> None:
    with Journal(paths) as journal:
        journal.append(outcome("a"))
    with paths.journal.open("a") as file:
        file.write("\n")
    assert finished(paths) == {"a": "ok"}
    assert len(list(Journal(paths).read())) == 1


@given(st.binary(max_size=300))
def test_any_bytes_give_records_or_a_clean_error(content: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        paths = Paths(Path(folder) / "results.duckdb")
        paths.journal.write_bytes(content)
        with contextlib.suppress(UserError):  # anything else is a fault
            for record, _ in Journal(paths).read():
                assert isinstance(record["record"], str)


def test_the_last_status_of_an_experiment_counts(paths: Paths) -> None:
    with Journal(paths) as journal:
        for identity, status in (("a", "failed"), ("b", "ok"), ("a", "ok"), ("b", "timeout")):
            journal.append(outcome(identity, status))
        journal.append({"record": "ticket", "experiment_id": "c", "status": "ok"})
    assert finished(paths) == {"a": "ok", "b": "timeout"}


# locks and disks

HOLD = """
    import sys
    from pathlib import Path
    from lth_bench.store.journal import Journal
    from lth_bench.store.paths import Paths
    with Journal(Paths(Path(sys.argv[1]))):
        print("open", flush=True)
        sys.stdin.read()
"""


def test_a_second_writer_is_refused_and_the_first_is_named(paths: Paths) -> None:
    command = [sys.executable, "-c", textwrap.dedent(HOLD), str(paths.results)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(UserError, match=rf"another run .*process {other.pid} on "):
            Journal(paths).open()
        assert list(Journal(paths).read()) == []
        other.kill()
        other.wait()
    with Journal(paths) as journal:  # the lock died with its process
        journal.append(outcome("a"))


def test_closing_releases_the_lock(paths: Paths) -> None:
    with Journal(paths), pytest.raises(UserError, match="another run"):
        Journal(paths).open()
    with Journal(paths):
        pass


def test_a_full_disk_leaves_no_part_of_the_record(tmp_path: Path) -> None:
    """A real refusal in the middle of a write: the file may not grow beyond 300 bytes."""
    code = """
        import resource, signal, sys
        from pathlib import Path
        from lth_bench.errors import UserError
        from lth_bench.store.journal import Journal
        from lth_bench.store.paths import Paths
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        with Journal(Paths(Path(sys.argv[1]))) as journal:
            journal.append({"record": "x", "text": "a" * 100})
            resource.setrlimit(resource.RLIMIT_FSIZE, (300, resource.RLIM_INFINITY))
            try:
                journal.append({"record": "x", "text": "b" * 1000})
            except UserError as error:
                print(error.message)
    """
    results = tmp_path / "results.duckdb"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(results)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert str(Paths(results).journal) in done.stdout
    assert "Free some space" in done.stdout
    (record,) = [r for r, _ in Journal(Paths(results)).read()]
    assert record["text"] == "a" * 100
    assert Paths(results).journal.read_bytes().endswith(b"\n")


def test_a_folder_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    results = tmp_path / "file" / "sub" / "results.duckdb"
    with pytest.raises(DiskError, match=r"cannot make the folder .*file/sub.*--results"):
        Journal(Paths(results)).open()


def test_a_read_only_folder_is_named(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    paths.make_folder()
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(DiskError, match=r"Permission denied\. Make it writable"):
        Journal(paths).open()


def test_a_folder_that_vanishes_is_named(paths: Paths) -> None:
    import shutil

    with Journal(paths) as journal:
        journal.append(outcome("a"))
        shutil.rmtree(paths.results.parent)
        with pytest.raises(
            DiskError, match=r"removed or replaced while in use\. Restore the folder"
        ):
            journal.append(outcome("b"))
    with Journal(paths) as journal:
        journal.append(outcome("c"))
    assert finished(paths) == {"c": "ok"}


@pytest.mark.parametrize("size", [0, 20])
def test_a_journal_truncated_while_open_stops_the_writer(paths: Paths, size: int) -> None:
    with Journal(paths) as journal:
        journal.append(outcome("a"))
        os.truncate(paths.journal, size)
        for _ in range(2):
            with pytest.raises(DiskError, match="what was written before is missing"):
                journal.append(outcome("b"))
        with pytest.raises(DiskError, match="what was written before is missing"):
            journal.extend([b"{}\n"])
    assert paths.journal.stat().st_size == size


@pytest.mark.parametrize("how", ["removed", "replaced", "moved", "folder moved"])
def test_a_journal_removed_while_open_stops_the_writer(paths: Paths, how: str) -> None:
    folder = paths.results.parent
    with Journal(paths) as journal:
        journal.append(outcome("a"))
        match how:
            case "removed":
                paths.journal.unlink()
            case "replaced":
                copy = paths.journal.with_suffix(".copy")
                copy.write_bytes(paths.journal.read_bytes())
                os.replace(copy, paths.journal)
            case "moved":
                paths.journal.rename(folder / "elsewhere.jsonl")
            case "folder moved":
                folder.rename(folder.with_name("elsewhere"))
        with pytest.raises(DiskError, match="while in use"):
            journal.append(outcome("b"))
        with pytest.raises(DiskError, match="while in use"):
            journal.extend([b"{}\n"])
    assert how != "folder moved" or not folder.exists()
    if how == "replaced":
        assert finished(paths) == {"a": "ok"}


def test_an_error_before_the_first_record_leaves_no_journal(paths: Paths) -> None:
    with pytest.raises(UserError), Journal(paths):
        raise UserError("no")
    assert not paths.journal.exists()
    with Journal(paths):
        pass
    assert paths.journal.exists()
    with pytest.raises(UserError), Journal(paths):
        raise UserError("it was there before")
    assert paths.journal.exists()

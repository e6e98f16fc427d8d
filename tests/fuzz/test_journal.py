"""Any journal, in part or wholly a stranger's: it is read and shown, or refused in one sentence."""

from __future__ import annotations

import copy
import itertools
import json
import re
import runpy
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import duckdb
import pytest
from close import close_rows
from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st

from lth_bench.analysis.experiment import account
from lth_bench.analysis.leaderboard import leaderboard
from lth_bench.errors import UserError
from lth_bench.output.account import shown
from lth_bench.running.pending import DONE
from lth_bench.store import Paths, fold, schema
from lth_bench.store.database import open_safe
from lth_bench.store.glossary import VIEWS
from lth_bench.store.history import read_history
from lth_bench.store.journal import finished
from lth_bench.store.mark import FileMark
from lth_bench.store.staging import COLUMNS, StagedLines, copy_lines, stage, unstage
from lth_bench.store.trials import read_studies
from lth_bench.tuning.journal import earlier_outcomes

pytestmark = pytest.mark.fuzz
# without shrinking: a case says itself what is bad in it
FUZZ = settings(settings.get_profile("fuzz"), phases=[Phase.generate])
SECONDS = 60.0
TOGETHER = 25
"""Journals that are folded at once: most of the time goes into the statements, not the rows."""
RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))

_scenario = RECORDS["Scenario"](
    strategies=("dense", "imp", "early_bird", "imp-tuned"), seeds=(0,), controls=("reinit",),
    densities=(0.5,), weights=True, tuned={"imp-tuned": "imp"},
    outcomes={("early_bird", 0): ("failed", "so it goes")},
)  # fmt: skip
GOOD: list[dict[str, Any]] = json.loads(
    json.dumps([*_scenario.records(), *itertools.islice(RECORDS["Search"]().records(), 4)])
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in inner:
            yield (*path, key)
            yield from places(item, (*path, key))


# of every kind of record one, or the thousands of tickets' fields would be all that is looked at
_kinds = {(r["record"], r.get("label"), r.get("reported")): i for i, r in enumerate(GOOD)}
PLACES = {i: list(places(GOOD[i])) for i in _kinds.values()}

names = st.sampled_from(
    [*COLUMNS, "experiment_id", "config_id", "test_accuracy", "early_stop_step", "imp", "dense",
     "ok", "failed", "none", "reinit", "test", "validation", "planned", "complete", "quickstart",
     "maximize", "accuracy", "train", "search", "nan", "-inf", "@1e999", "@-1e400",
     "", "\0", "\ud800", "<script>", "x" * 200, "é"]
)  # fmt: skip
numbers = (
    st.integers(-2, 9)
    | st.floats()
    | st.sampled_from(
        [2**31, 2**63 - 1, 2**63, -(2**64), 10**30, 10**400, 1e300, -0.0, 5e-324, 0.5, 1.0]
    )
)
values = st.recursive(
    st.none() | st.booleans() | numbers | names | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)


def line(record: Any) -> bytes:
    """With numbers that Python would not write, where a text stands for one."""
    return re.sub(r'"@(-?1e\d+)"(?!:)', r"\1", json.dumps(record)).encode()


LINES = [line(record) for record in GOOD]


class Content(bytes):
    """A journal that is printed as what is bad in it."""

    said: list[str]

    def __repr__(self) -> str:
        return "; ".join(self.said)


@st.composite
def journals(draw: st.DrawFn) -> Content:
    """The good one with one to three values exchanged, or lines that were torn, doubled, lost."""
    changed: dict[int, Any] = {}
    said = []
    for _ in range(draw(st.integers(1, 3))):
        i = draw(st.sampled_from(sorted(PLACES)))
        *path, last = draw(st.sampled_from(PLACES[i]))
        here = changed.setdefault(i, copy.deepcopy(GOOD[i]))
        try:
            for key in path:
                here = here[key]
            old = here[last]
        except (KeyError, IndexError, TypeError):
            continue
        how = draw(st.sampled_from(["value", "value", "remove", "key"]))
        if how == "value":
            here[last] = draw(values)
        elif how == "remove":
            del here[last]
        elif isinstance(here, dict):
            here[draw(names)] = here.pop(last)
        said.append(f"{how} {i} {path} {last!r}, was {old!r:.60}: {here!r:.200}")
    lines = [line(changed[i]) if i in changed else good for i, good in enumerate(LINES)]
    for _ in range(draw(st.integers(0, 1))):
        i, j = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, 400))
        cut = lines[i][: j % (len(lines[i]) + 1)]
        lines[i : i + 1] = draw(
            st.sampled_from([[cut], [cut + lines[i]], [lines[i], lines[i]], [], [b"[1]"], [b"\xff"],
                             [b"{" * 2000], [b'{"record":' + b"[" * 2000 + b"]" * 2000 + b"}"]])
        )  # fmt: skip
        said.append(f"line {i} is now {lines[i : i + 2]!r:.200}")
    end = draw(st.sampled_from([b"\n", b"", b"\n{", b"\r\n"]))
    content = Content(b"\n".join(lines) + end)
    content.said = [*said, f"end {end!r}"]
    return content


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute("SET threads = 1")
        schema.create(con)
        yield con


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    return Paths(tmp_path_factory.mktemp("journals") / "results.duckdb")


START = FileMark(schema_version=schema.SCHEMA_VERSION, offset=0, records=0, head="", tail="")


def staged(con: duckdb.DuckDBPyConnection, journal: Path) -> bool:
    """Whether the journal's lines are records; `staged` has them then."""
    batches: list[StagedLines | None] = []

    def copy_and_stage() -> None:
        batches.append(copy_lines(journal, START, journal.with_name("batch.jsonl")))
        if batches[0] is not None:
            stage(con, batches[0])

    said = refusal(copy_and_stage)
    if said is None:
        return batches != [None]
    con.execute("DROP TABLE IF EXISTS lines")
    assert len(said) < 5000
    return False


def refusal(action: Callable[[], object]) -> str | None:
    """What a clean error says; None where there is none. Any other error goes through."""
    try:
        action()
    except UserError as error:
        return error.message
    return None


def own_names(content: bytes, number: int) -> bytes:
    """The journal under ids and a suite of its own, so that several fold beside each other."""
    content = re.sub(rb'"[0-9a-f]{4}([0-9a-f]{12})"', rb'"%04x\1"' % number, content)
    return content.replace(b'"quickstart"', b'"suite%d"' % number)


def look_at_everything(con: duckdb.DuckDBPyConnection) -> None:
    """What the commands that read would do."""
    for view in VIEWS:
        con.execute(f"FROM {view}").fetchall()
    found = con.execute("SELECT DISTINCT experiment_id FROM plans ORDER BY ALL").fetchall()
    actions: list[Callable[[], object]] = [lambda: read_studies(con), lambda: leaderboard(con)]
    actions += [lambda i=i: shown(account(con, i)) for (i,) in found[::20]]  # type: ignore[misc]
    for action in actions:
        assert refusal(action) != ""


@settings(FUZZ, max_examples=-(-FUZZ.max_examples // TOGETHER))
@given(contents=st.lists(journals(), min_size=TOGETHER, max_size=TOGETHER))
def test_any_journal_is_read_or_refused(
    con: duckdb.DuckDBPyConnection,
    paths: Paths,
    limit: Callable[[float], AbstractContextManager[None]],
    contents: list[Content],
) -> None:
    with limit(SECONDS):
        good = []
        for number, content in enumerate(contents):
            paths.journal.write_bytes(content)
            readers: list[Callable[[], object]] = [
                lambda: finished(paths), lambda: finished(paths, 4),
                lambda: read_history(paths.journal), lambda: earlier_outcomes(paths, DONE),
            ]  # fmt: skip
            for reader in readers:
                said = refusal(reader)
                assert said is None or str(paths.journal) in said
            if staged(con, paths.journal):
                unstage(con)
                whole = content if content.endswith(b"\n") else content.rpartition(b"\n")[0] + b"\n"
                good.append(own_names(whole, number))
        event(f"{len(good)} of {TOGETHER} fold")
        paths.journal.write_bytes(b"".join(good))
        if not staged(con, paths.journal):
            assert not good
            return
        try:
            con.execute("BEGIN")
            sys.modules["lth_bench.store.fold"]._fold_batch(con)
            look_at_everything(con)
        finally:
            con.execute("ROLLBACK")
            unstage(con)


@settings(FUZZ, max_examples=max(3, FUZZ.max_examples // 50))
@given(content=journals())
def test_no_journal_leaves_half_a_database(
    tmp_path_factory: pytest.TempPathFactory,
    limit: Callable[[float], AbstractContextManager[None]],
    content: bytes,
) -> None:
    """A good beginning stays readable, whatever follows it; without that, all folds again."""
    paths = Paths(tmp_path_factory.mktemp("half") / "results.duckdb")
    good = b"".join(json.dumps(record).encode() + b"\n" for record in GOOD[:6])
    paths.journal.write_bytes(good)
    with limit(SECONDS):
        fold(paths)
        before = rows(paths)
        paths.journal.write_bytes(good + content)
        said = refusal(lambda: fold(paths))
        if said is not None:
            assert str(paths.journal) in said or str(paths.results) in said
            assert rows(paths) == before
            paths.journal.write_bytes(good)
            fold(paths)
            assert rows(paths) == before


def rows(paths: Paths) -> list[Any]:
    with open_safe(paths) as con:
        return [close_rows(con.execute(f"FROM {v}").fetchall()) for v in VIEWS]

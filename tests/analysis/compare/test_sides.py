from __future__ import annotations

from pathlib import Path

import pytest

from lth_bench.analysis.compare.sides import Selector, parse
from lth_bench.errors import UserError


@pytest.mark.parametrize(
    ("text", "path", "label", "control", "revision"),
    [
        ("imp", None, "imp", "none", None),
        ("imp-slow.2/reinit", None, "imp-slow.2", "reinit", None),
        ("imp@0.1.0", None, "imp", "none", "0.1.0"),
        ("imp/shuffle@v1-3-gabc", None, "imp", "shuffle", "v1-3-gabc"),
        ("old.duckdb", "old.duckdb", None, "none", None),
        ("/a:b/old.duckdb:imp", "/a:b/old.duckdb", "imp", "none", None),
        ("old.duckdb:imp/reinit@abc", "old.duckdb", "imp", "reinit", "abc"),
        ("results.db", "results.db", None, "none", None),  # a file that is here
        ("results.db:imp", "results.db", "imp", "none", None),
    ],
)
def test_every_form_is_parsed(tmp_path, monkeypatch, text, path, label, control, revision):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results.db").touch()
    found = parse(text)
    assert found == Selector(
        text=text,
        path=None if path is None else Path(path),
        label=label,
        control=control,
        revision=revision,
    )


@pytest.mark.parametrize(
    "text",
    ["", "a b", "imp/", "imp@", "/imp", "old.duckdb:", "gone.db:imp", "imp/a/b", "a\0b", "@x"],
)
def test_other_texts_are_refused(text):
    with pytest.raises(UserError, match="LABEL/CONTROL, LABEL@REV, PATH or PATH:LABEL"):
        parse(text)


def test_the_name_leaves_folders_out():
    assert parse("/very/far/old.duckdb:imp").name == "old.duckdb:imp"
    assert parse("imp@abc").name == "imp@abc"

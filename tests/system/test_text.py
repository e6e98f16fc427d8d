"""Passwords are hidden, and nothing else is changed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.store.journal import encode
from lth_bench.system.text import redacted

SECRET = "hunter2"


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me:hunter2@host/x",
        "lth-bench tune s.toml --storage postgresql+psycopg://me:hunter2@host:5432/x --smoke",
        "lth-bench tune s.toml --storage 'mysql://me:hunter2@host/x'",
        'tune.storage="postgresql://me:hunter2@host/x"',
        "postgresql://:hunter2@host/x",
        "postgresql://me:pa/ss@hunter2@host/x",
        "postgresql://me@host/x?password=hunter2&sslmode=require",
        "postgresql://host/x?sslmode=a&PASSWORD=hunter2",
        "two: a://u:hunter2@h/x and b://v:hunter2@h/y",
    ],
)
def test_no_password_stays(text):
    found = redacted(text)
    assert SECRET not in found and "***" in found
    assert "host" in found or "h/x" in found
    assert redacted(found) == found
    record = json.loads(encode({"record": "run", "command": text, "parts": [text]}))
    assert SECRET not in json.dumps(record)
    assert record["command"] == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "me:hunter2@host",
        "https://example.org/a:b",
        "sqlite:////lab/studies.db",
        "postgresql://me@host:5432/x",
        "see https://example.org and mail me: a@b",
        "a ratio 3://4",
    ],
)
def test_what_is_no_password_stays(text):
    assert redacted(text) == text


@given(st.text(), st.text(alphabet=st.characters(exclude_characters="\"'\\", codec="utf-8")))
def test_a_line_of_json_stays_one(before, word):
    text = f"{before} x://u:{word}@h"
    record = json.loads(encode({"record": "run", "text": text, "after": "still here"}))
    assert record["after"] == "still here"

"""What a reader meets uses the field's words: documents, help texts, suites, templates, source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from documents import DOCUMENTS, ROOT, TRACKED

from lth_bench.cli.app import app

INSTEAD = {
    r"anew": "again",
    r"mend(s|ed|ing)?": "fix",
    r"whoever": "name them",
    r"nobody|no one": "name them, or use the passive",
    r"somebody|someone": "name them",
    r"rungs?": "pruning level",
    r"ladders?": "sparsity schedule",
    r"as if nothing were shared": "without sharing",
    r"weights left|left %": "weights remaining",
    r"spoilt|spoiled": "ablated",
    r"goes? on from (there|here)": "resume",
}
"""A pattern, and what to write."""
READ = {("suites", ".toml"), ("harness", ".py"), ("plugins", ".py")}
"""Folder and suffix of what is read whole."""


def texts() -> Iterator[tuple[str, str]]:
    """(where, text) of each; code spans, code blocks and links' targets left out of documents."""
    for document in DOCUMENTS:
        text = re.sub(
            r"^```.*?^```|`[^`\n]+`|\]\([^)]*\)", "", document.read_text("utf-8"), flags=re.M | re.S
        )
        yield str(document.relative_to(ROOT)), text
    for file in TRACKED:
        name = file.relative_to(ROOT)
        if (name.parts[0], file.suffix) in READ or file.suffix == ".tmpl":
            yield str(name), file.read_text("utf-8")
    yield from helps(typer.main.get_command(app), "lth-bench")


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """A command and those in it, by what one types."""
    yield name, command
    for inner, found in getattr(command, "commands", {}).items():
        yield from commands(found, f"{name} {inner}")


def helps(command: Any, name: str) -> Iterator[tuple[str, str]]:
    """The help of a command, of its options, and of its commands."""
    for typed, found in commands(command, name):
        yield typed, found.help or ""
        for parameter in found.params:
            yield f"{typed} {parameter.name}", parameter.help or ""


@pytest.mark.parametrize("pattern", INSTEAD)
def test_no_word_that_the_field_does_not_use(pattern: str) -> None:
    wrong = [
        f"{where}: {found[0]!r}, better: {INSTEAD[pattern]}"
        for where, text in texts()
        for found in re.finditer(rf"\b(?:{pattern})\b", text, re.I)
    ]
    assert wrong == []


def test_helps_are_found() -> None:
    named = dict(helps(typer.main.get_command(app), "lth-bench"))
    assert "densities" not in named
    assert named["lth-bench run suite"].startswith("Path of a suite")
    assert len(named) > 150


def test_a_help_begins_as_a_sentence_and_ends_as_one() -> None:
    """Of commands and options: a capital, unless it begins with a value; a full stop."""
    values = r"(auto|accuracy|json|table|t|markdown|LABEL)\b"
    odd = [
        f"{name}: {text!r}"
        for name, text in helps(typer.main.get_command(app), "lth-bench")
        if text
        and not (re.match(rf"[A-Z]|{values}", text) and re.search(r"[.…]\"?\)?$", text.strip()))
    ]
    assert odd == []


def test_a_switch_asks_for_no_value() -> None:
    """`--json <bool>` in a help would have readers type `--json true`."""
    asked = [
        f"{name} {parameter.name}"
        for name, command in commands(typer.main.get_command(app), "lth-bench")
        for parameter in command.params
        if getattr(parameter, "is_flag", False)
        and parameter.metavar != ""
        and parameter.name not in ("help", "install_completion", "show_completion")
    ]
    assert asked == []

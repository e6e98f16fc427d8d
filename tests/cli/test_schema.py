from __future__ import annotations

import json

import typer
from typer.testing import CliRunner

import lth_bench.plugins
from lth_bench.cli.schema import schema
from lth_bench.plugins import Registry


def test_prints_json(monkeypatch):
    monkeypatch.setattr(lth_bench.plugins, "load_registry", lambda *_: Registry())
    app = typer.Typer()
    app.command()(schema)
    result = CliRunner().invoke(app, [])
    assert result.exit_code == 0, result.exception
    assert json.loads(result.stdout)["title"] == "lth-bench suite"

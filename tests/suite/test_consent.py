from __future__ import annotations

import pytest

from lth_bench.errors import UserError
from lth_bench.suite import load_suite
from lth_bench.suite.consent import require_plugins


def test_a_suite_cannot_load_code_by_itself(write, tmp_path, monkeypatch):
    path = write("schema_version = 1", 'schema_version = 1\nplugins = ["my idea.py"]')
    suite = load_suite(path)
    assert suite.plugins == ("my idea.py",)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        require_plugins(suite, [], "lth-bench run demo.toml")
    assert "lth-bench run demo.toml --plugin 'my idea.py'" in str(caught.value)
    require_plugins(suite, [tmp_path / "sub" / ".." / "my idea.py"], "lth-bench run demo.toml")


def test_what_was_named_already_stays_in_the_command(write, tmp_path, monkeypatch):
    suite = load_suite(write("schema_version = 1", 'schema_version = 1\nplugins = ["a.py"]'))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"run x --plugin b.py --plugin a.py$"):
        require_plugins(suite, [tmp_path / "b.py"], "run x")

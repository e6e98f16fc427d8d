from __future__ import annotations

import random
import runpy
from pathlib import Path

import optuna
import pytest

from lth_bench.errors import UserError
from lth_bench.store.paths import Paths
from lth_bench.tuning.storage import open_storage


@pytest.fixture
def paths(tmp_path):
    return Paths(tmp_path / "results.duckdb")


def study(storage, name="one"):
    return optuna.create_study(storage=storage, study_name=name, load_if_exists=True)


def test_the_storage_is_beside_the_results(paths):
    study(open_storage(None, paths)).ask()
    assert paths.tuning.name == "results.tuning.log"
    assert len(study(open_storage(None, paths)).trials) == 1


def test_a_torn_last_line_is_cut_off(paths):
    study(open_storage(None, paths)).ask()
    whole = paths.tuning.read_bytes()
    paths.tuning.write_bytes(whole + b'{"op_code": 4, "worker')
    again = study(open_storage(None, paths))
    again.ask()
    assert len(study(open_storage(None, paths)).trials) == 2
    assert paths.tuning.read_bytes().startswith(whole)


@pytest.mark.parametrize("damage", [b"not json\n", b'{"op_code": 99}\n', b"[]\n", b"\xff\xfe\n"])
def test_a_corrupt_storage_is_refused(paths, damage):
    study(open_storage(None, paths)).ask()
    paths.tuning.write_bytes(damage + paths.tuning.read_bytes())
    with pytest.raises(UserError, match=r"results\.tuning\.log is damaged .* move it away"):
        open_storage(None, paths)


def test_a_database_by_url(paths, tmp_path):
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    study(open_storage(url, paths)).ask()
    assert len(study(open_storage(url, paths)).trials) == 1
    assert not paths.tuning.exists()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("studies.log", "must be a database's URL"),
        ("nosuch://host/x", "cannot be opened"),
        ("sqlite:////no/such/folder/x.db", "cannot be opened"),
        ("sqlite://", "a database in memory, which would be lost"),
        ("sqlite:///:memory:", "a database in memory, which would be lost"),
        ("mysql://me@host/x", "pip install 'mysqlclient'"),
    ],
)
def test_an_invalid_url(paths, url, message):
    with pytest.raises(UserError, match=message) as caught:
        open_storage(url, paths)
    assert caught.value.path == ("tune", "storage")


def test_a_corrupt_database(paths, tmp_path):
    file = tmp_path / "studies.db"
    file.write_bytes(b"no database, but text that is long enough to be looked at" * 40)
    with pytest.raises(UserError, match="cannot be opened or is damaged"):
        open_storage(f"sqlite:///{file}", paths)


def test_no_password_is_shown(paths):
    with pytest.raises(UserError) as caught:
        open_storage("nosuch://me:secret@host/x", paths)
    assert "secret" not in caught.value.message
    assert "nosuch://me:***@host/x" in caught.value.message


@pytest.mark.parametrize("damage", [b"not json\n", b"[]\n", b"\xff\xfe\n", b"\n"])
def test_a_corrupt_last_line_is_refused(paths, damage):
    """Optuna reads over one, and fails when the next record stands behind it."""
    study(open_storage(None, paths)).ask()
    before = paths.tuning.read_bytes() + damage
    paths.tuning.write_bytes(before)
    with pytest.raises(UserError, match=r"results\.tuning\.log is damaged .* move it away"):
        open_storage(None, paths)
    assert paths.tuning.read_bytes() == before


DAMAGE = runpy.run_path(str(Path(__file__).parents[1] / "security" / "damage.py"))


def searched(storage):
    """Some trials more, as a search has them."""
    one = study(storage)
    for value in (0.1, 0.2, None):
        trial = one.ask()
        trial.suggest_float("lr", 1e-4, 1, log=True)
        trial.suggest_categorical("kind", ["a", "b"])
        trial.set_user_attr("steps", [1, 2])
        trial.report(0.5, 1)
        if value is not None:
            one.tell(trial, value)


@pytest.mark.parametrize("count", [40, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_damaged_storage_is_refused_or_resumes(paths, count):
    """Wherever the damage lies, it is met before anything trains, not by a later trial."""
    searched(open_storage(None, paths))
    good, draws, refused = paths.tuning.read_bytes(), random.Random(0), 0
    for _ in range(count):
        how, content = DAMAGE["spoilt"](draws, good)
        paths.tuning.write_bytes(content)
        try:
            storage = open_storage(None, paths)
        except UserError as error:
            assert "move it away" in error.message, how  # noqa: PT017
            refused += 1
        else:
            searched(storage)
            open_storage(None, paths)
    assert count / 4 < refused < count

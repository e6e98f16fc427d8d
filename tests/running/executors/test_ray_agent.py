"""What runs on a node of a Ray cluster, without one: folders, plugins, trainings on their way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from multiprocessing import Pipe
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lth_bench.errors import TrainingNotKept
from lth_bench.running.executors import ray_agent
from lth_bench.running.executors.ray_agent import Shelf
from lth_bench.training.checkpoints.cache import TrainingCache
from lth_bench.training.checkpoints.elsewhere import FetchingCache, store, take

KEY = "ab" * 20
FILES = {
    "training.json": b'{"checkpoints": [3]}',
    "final.safetensors": b"1",
    "step-3.safetensors": b"2",
}


def test_a_shared_folder_is_the_coordinators(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / ".shared-1").touch()
    assert ray_agent._artifacts(tmp_path, ".shared-1") == (tmp_path, True)
    elsewhere, shared = ray_agent._artifacts(tmp_path, ".shared-2")
    assert not shared and elsewhere != tmp_path
    assert ray_agent._artifacts(tmp_path / "other", ".shared-2")[0] != elsewhere
    monkeypatch.setenv("LTH_BENCH_NODE_ARTIFACTS", str(tmp_path / "own"))
    assert ray_agent._artifacts(tmp_path, ".shared-1") == (tmp_path / "own", False)


def test_a_nodes_own_data_goes_before_the_coordinators(tmp_path: Path, monkeypatch: Any) -> None:
    here, own = tmp_path / "here", tmp_path / "own"
    here.mkdir()
    monkeypatch.delenv("LTH_BENCH_DATA", raising=False)
    assert ray_agent._data_root(here) == here
    assert ray_agent._data_root(tmp_path / "missing") != tmp_path / "missing"
    monkeypatch.setenv("LTH_BENCH_DATA", str(own))
    assert ray_agent._data_root(here) == own


def test_a_one_file_plugin_travels_with_its_name(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("x = 1")
    assert ray_agent._plugin(file, b"x = 1") == file
    copy = ray_agent._plugin(file, b"x = 2")  # another file lies there on this node
    assert copy != file and copy.name == "mine.py" and copy.read_text() == "x = 2"


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    return tmp_path / "coordinator" / "trainings"


@pytest.fixture
def cache(tmp_path: Path, ours: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FetchingCache]:
    """Of a worker whose agent reaches the coordinator's folder `ours`."""
    monkeypatch.setattr("lth_bench.running.executors.ray_agent._ray_get", lambda found: found)
    shelf = Shelf(str(ours.parent))
    remote = SimpleNamespace(
        has=SimpleNamespace(remote=shelf.has),
        take=SimpleNamespace(remote=shelf.take),
        store=SimpleNamespace(remote=shelf.store),
    )
    agents, workers = Pipe()
    root = tmp_path / "node" / "trainings"
    thread = threading.Thread(target=ray_agent._pass_on, args=(agents, root, remote))
    thread.start()
    yield FetchingCache(workers, root)
    workers.close()
    thread.join(60)
    assert not thread.is_alive()


def test_a_training_that_is_kept_elsewhere_is_fetched_once(
    cache: FetchingCache, ours: Path
) -> None:
    assert cache.kept(KEY) == frozenset()
    store(ours, KEY, 1e9, FILES)
    assert cache.kept(KEY) == {3}
    assert take(cache.root, KEY) == (1e9, FILES)  # its time too, which `--rerun` goes by
    (ours / KEY / "training.json").unlink()
    assert cache.kept(KEY) == {3}


def test_a_training_of_an_earlier_run_on_the_node_is_brought_to_this_ones(
    cache: FetchingCache, ours: Path
) -> None:
    store(cache.root, KEY, 1e9, FILES)
    assert cache.kept(KEY) == {3}
    assert take(ours, KEY) == (1e9, FILES)
    # but replaces none
    cache._there.clear()
    store(ours, KEY, 2e9, FILES)
    assert cache.kept(KEY) == {3}
    assert take(ours, KEY) == (2e9, FILES)


def test_a_finished_training_is_the_coordinators_before_it_is_recorded(
    cache: FetchingCache, ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        TrainingCache, "put", lambda self, key, _: store(self.root, key, 1e9, FILES)
    )
    cache.put(KEY, None)  # type: ignore[arg-type]  # what is stored is given above
    assert take(ours, KEY) == (1e9, FILES)
    cache.put(KEY, None)  # type: ignore[arg-type]  # replaces the entry
    assert [f.name for f in ours.iterdir()] == [KEY]


def test_a_full_disk_at_the_coordinator_is_told(
    cache: FetchingCache, ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        TrainingCache, "put", lambda self, key, _: store(self.root, key, 1e9, FILES)
    )
    ours.parent.mkdir()
    ours.write_text("not a folder")
    with pytest.raises(TrainingNotKept, match="Everything recorded before is safe"):
        cache.put(KEY, None)  # type: ignore[arg-type]  # what is stored is given above


@pytest.mark.parametrize("key", ["../../etc", "", "AB" * 20, "a/b"])
def test_only_keys_are_folders(tmp_path: Path, key: str) -> None:
    with pytest.raises(OSError, match="no key"):
        store(tmp_path, key, 1e9, FILES)


def test_only_a_trainings_files_are_stored(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"no file '\.\./x'"):
        store(tmp_path, KEY, 1e9, {**FILES, "../x": b""})
    assert not (tmp_path / KEY).exists()


def test_starts_travel_but_those_known(tmp_path: Path) -> None:
    (tmp_path / "starts").mkdir()
    for name in ("a.safetensors", "b.safetensors"):
        (tmp_path / "starts" / name).write_bytes(name.encode())
    assert Shelf(str(tmp_path)).starts(["a.safetensors"]) == {"b.safetensors": b"b.safetensors"}
    assert Shelf(str(tmp_path / "none")).starts([]) == {}

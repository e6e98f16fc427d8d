"""How the data of finished results is looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from lth_bench.data.digits import Digits
from lth_bench.data.root import DataMissing
from lth_bench.errors import UserError
from lth_bench.maintenance.why import fingerprint_lookup
from lth_bench.params import build
from lth_bench.plugins import load_registry
from lth_bench.running.datasets import fingerprint_of
from lth_bench.training.input.placement import Placement

ON_DEVICE = Placement("device", None, 0, 1)


class Plain:
    """A third party's, as plugins had to be."""

    def __init__(self, arrays):
        self.arrays, self.loaded = arrays, 0

    def load(self, root):
        self.loaded += 1
        return self.arrays


class Quick(Plain):
    known = None

    def fingerprint(self, root):
        return self.known


def test_a_dataset_without_a_quick_fingerprint_is_loaded(blobs):
    for dataset in (Plain(blobs), Quick(blobs)):
        found = fingerprint_of("dataset 'x'", dataset, ON_DEVICE, Path())
        assert found == blobs.fingerprint() and dataset.loaded == 1
    dataset.known = "abc"
    assert fingerprint_of("dataset 'x'", dataset, ON_DEVICE, Path()) == "abc"
    assert dataset.loaded == 1


def test_a_dataset_that_raises_is_named(blobs):
    class Raises(Plain):
        def load(self, root):
            raise KeyError("a column")

    with pytest.raises(UserError, match=r"dataset 'x': load raised KeyError: 'a column'"):
        fingerprint_of("dataset 'x'", Raises(blobs), ON_DEVICE, Path())


@pytest.fixture
def registry():
    return load_registry(third_party=False)


def test_finished_experiments_need_no_download(registry, tmp_path):
    embedded = {"digits", "points", "modular", "tabular", "stdlib_text"}  # which need no files
    own = {"text", "arrays"}  # of the user's, named by a path
    names = set(registry.datasets) - embedded - own
    assert len(names) >= 7
    for name in names:
        params = {
            "image_folder": {"name": "photographs"},
            "class_subset": {"of": "mnist", "classes": [0, 1]},
        }
        dataset = build(registry.get("datasets", name), params.get(name, {}))
        with pytest.raises(DataMissing, match="was not found: looked for"):
            fingerprint_of(name, dataset, ON_DEVICE, tmp_path)
        assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"name": "nobody's", "params": {}},
        {"name": "mnist", "params": {"checksum": "maybe"}},
        {"name": "image_folder", "params": {"path": "nowhere"}},
        {"name": "image_folder", "params": {"path": "/"}},
        {"name": "image_folder", "params": {"name": "../elsewhere"}},
        {"name": "image_folder", "params": {"name": "~"}},
        {"name": ["mnist"], "params": 7},
        {"name": "mnist", "params": [1]},
    ],
)
def test_paths_in_an_untrusted_journal_are_not_followed(config, registry, tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "elsewhere" / "a").mkdir(parents=True)
    assert fingerprint_lookup(registry, tmp_path / "root")(config) is None
    assert not any((tmp_path / "root").iterdir())


def test_the_fingerprint_of_present_data_is_found(registry, tmp_path):
    read = Digits().load(tmp_path)
    look = fingerprint_lookup(registry, tmp_path)
    assert look({"name": "digits", "params": {}}) == read.fingerprint()

"""Nothing that is loaded can run code: where the source could, it is one of a few known places."""

from __future__ import annotations

import ast
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._base import BaseJournalSnapshot

from lth_bench.data.pickles import read_pickle

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*ROOT.glob("harness/lth_bench/**/*.py"), *ROOT.glob("plugins/**/src/**/*.py"),
                  *ROOT.glob("plugins/lth_strategies/*.py")])  # fmt: skip
DANGEROUS = {
    "pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "torch.load",
    "torch.jit.load", "torch.hub", "np.load", "numpy.load", "eval", "exec", "os.system",
    "os.popen", "yaml.load",
}  # fmt: skip
ALLOWED = {
    # an unpickler that makes arrays of numbers and nothing else, tested below
    ("data/pickles.py", "pickle"),
    # arrays of numbers, with `allow_pickle=False`; tests/data/test_array_file.py gives it objects
    ("data/array_file.py", "np.load"),
    # the contracts of a plugin, whose author runs them: what they pickled themselves, by a pipe or
    # at once
    ("testing/elsewhere.py", "pickle"),
    ("testing/worker.py", "pickle"),
    ("testing/parts/case.py", "pickle"),
    # a file after --plugin
    ("plugins/one_file.py", "exec"),
}


def dangers(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name.partition(".")[0] for a in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.Call):
            yield ast.unparse(node.func)
            if any(k.arg == "shell" for k in node.keywords):
                yield "eval"
            if any(k.arg == "allow_pickle" and not is_false(k.value) for k in node.keywords):
                yield "pickle"


def is_false(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is False


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("np.load(f, allow_pickle=False)", {"np.load"}),
        ("np.load(f, allow_pickle=True)", {"np.load", "pickle"}),
        ("np.load(f, allow_pickle=asked)", {"np.load", "pickle"}),
        ("reader.read(f, allow_pickle=1)", {"pickle"}),
        ("from pickle import loads", {"pickle"}),
        ("run(command, shell=True)", {"eval"}),
        ("torch.load(f)", {"torch.load"}),
    ],
)
def test_what_could_run_code_is_recognised(code: str, found: set[str]) -> None:
    assert set(dangers(ast.parse(code))) & DANGEROUS == found


def test_what_could_run_code_is_known() -> None:
    assert len(SOURCES) > 200
    found = {
        (path.relative_to(ROOT).as_posix().removeprefix("harness/lth_bench/"), name)
        for path in SOURCES
        for name in set(dangers(ast.parse(path.read_bytes()))) & DANGEROUS
    }
    assert found == ALLOWED


def test_optuna_s_file_of_studies_holds_no_pickle() -> None:
    """JournalStorage unpickles snapshots, which only backends of this kind have."""
    assert not issubclass(JournalFileBackend, BaseJournalSnapshot)


class Forged:
    """Bytes as an array of objects: numpy would take them for addresses."""

    def __init__(self, kind: tuple[Any, ...]) -> None:
        self.kind = kind

    def __reduce__(self) -> Any:
        return np.zeros(1).__reduce_ex__(5)[0], (b"A" * 8, Type(self.kind), (1,), "C")


class Type:
    def __init__(self, kind: tuple[Any, ...]) -> None:
        self.kind = kind

    def __reduce__(self) -> Any:
        return np.dtype, (self.kind[0], False, True), self.kind[1]


RECORD = ("V8", (3, "|", None, ("a",), {"a": (np.dtype("O"), 0)}, 8, 1, 0))
OBJECT = ("O8", (3, "|", None, None, None, -1, -1, 0))


@pytest.mark.parametrize("kind", [RECORD, OBJECT])
def test_no_array_of_addresses_comes_out_of_a_pickle(kind: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="which is not a number"):
        read_pickle(pickle.dumps({"data": Forged(kind)}))


class Call:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> Any:
        return self.function, self.arguments


@pytest.mark.parametrize(
    "call",
    [
        Call(eval, "1"), Call(print, "x"), Call(getattr, int, "real"),
        Call(subprocess.run, ["true"]), Call(np.fromfile, "/etc/hostname"), Call(np.load, "x.npy"),
        Call(sys.exit, 3),
    ],
)  # fmt: skip
def test_no_function_is_called(call: Call) -> None:
    with pytest.raises(ValueError, match="asks for"):
        read_pickle(pickle.dumps({"data": call}))

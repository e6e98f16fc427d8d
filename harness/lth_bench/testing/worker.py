"""The second process of `elsewhere.py`: `python -m lth_bench.testing.worker`.

Reads requests and writes answers, a JSON object a line, until its input ends.
"""

from __future__ import annotations

import base64
import contextlib
import importlib
import importlib.util
import json
import os
import pickle
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import torch

from lth_bench.errors import describe_error


def main() -> None:
    """Answer until there is nothing more to answer."""
    # what a plugin prints must not come between the answers
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        answers.write(json.dumps(answer(json.loads(line))) + "\n")
        answers.flush()


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Import, unpickle, play; the first of them that fails says why."""
    sys.path.extend(p for p in request["path"] if p not in sys.path)
    try:
        with no_gpu():
            find(request["module"], request["file"])
    except BaseException as error:  # even a module that exits
        return {"importing": describe_error(error)}
    if not request["pickled"]:
        return {}
    try:
        cls, params, strategy = pickle.loads(base64.b64decode(request["pickled"]))
    except BaseException as error:  # whatever the plugin's class raises
        return {"unpickling": describe_error(error)}
    try:
        return played(cls, params, strategy, request)
    except BaseException as error:  # whatever the plugin's class raises
        return {"unpickling": describe_error(error)}


def played(cls: Any, params: Any, strategy: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Compare the instance that travelled with one made here, and play seed 0 with the latter."""
    from lth_bench.errors import UserError
    from lth_bench.params import build, parameters
    from lth_bench.testing.bench import WatchedBench
    from lth_bench.testing.experiment import one_thread, record
    from lth_bench.testing.networks import TinyNetwork

    if strategy is None:
        return {}
    try:
        made = build(cls, params)
    except UserError as error:
        return {"unpickling": f"the parameters are refused there: {error.message}"}
    for param in parameters(cls):
        one, other = getattr(made, param.name), getattr(strategy, param.name, None)
        if repr(one) != repr(other):
            return {"unpickling": f"{param.name} is {other!r} after the journey, not {one!r}"}
    with one_thread():
        bench = WatchedBench.fresh(TinyNetwork(request["network"]))
        recording = record(made, bench, densities=request["densities"])
    if recording.fault is not None:
        return {"fault": recording.fault.what}
    return {"facts": recording.facts()}


def find(name: str, file: str) -> ModuleType:
    """The module of that name and file. A one-file plugin is found by its file alone."""
    try:
        module = importlib.import_module(name)
        if not file or os.path.realpath(str(module.__file__)) == os.path.realpath(file):
            return module
    except ModuleNotFoundError as error:
        if not file or not (name == error.name or name.startswith(f"{error.name}.")):
            raise
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None, file
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


@contextlib.contextmanager
def no_gpu() -> Iterator[None]:
    """Asking for a GPU raises an error that says when it was asked for."""

    def refuse() -> None:
        raise RuntimeError("a GPU was asked for while the module was imported; none is there")

    usual = torch.cuda._lazy_init
    torch.cuda._lazy_init = refuse
    try:
        yield
    finally:
        torch.cuda._lazy_init = usual


if __name__ == "__main__":
    main()

"""Reading pickled arrays without running what a pickle may ask for."""

from __future__ import annotations

import io
import pickle
import re
from typing import Any

import numpy as np


class _Type:
    """Stands for numpy.dtype. numpy's own believes a pickle that says objects are numbers, and
    would then take any bytes for addresses.
    """

    def __init__(self, name: str, *_: object) -> None:
        if not re.fullmatch(r"[biuf]\d{1,2}", name):
            raise pickle.UnpicklingError(f"it has an array of type {name!r}, which is no number")
        self.dtype = np.dtype(name)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stands for numpy.ndarray, until the whole pickle is read."""

    array: np.ndarray | None = None

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, by_columns, data = state
        self.array = _frombuffer(data, kind, shape, "F" if by_columns else "C")


def _frombuffer(data: Any, kind: _Type, shape: Any, order: Any) -> np.ndarray:
    if isinstance(data, str):  # bytes of Python 2
        data = data.encode("latin1")
    return np.frombuffer(bytearray(data), kind.dtype).reshape(shape, order=order)


def _scalar(kind: _Type, data: Any) -> Any:
    return _frombuffer(data, kind, (), "C")[()]


def _encode(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes for Python 2: as text that is encoded when it is read."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding!r}")
    return text.encode(encoding)


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _encode,
    # numpy's own names for these, of version 1 and of version 2
    **{
        (f"numpy.{core}.{module}", name): made
        for core in ("core", "_core")
        for module, name, made in (
            ("multiarray", "_reconstruct", _Array),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _frombuffer),
        )
    },
}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no array needs")
        return _ALLOWED[module, name]


def read_pickle(data: bytes) -> Any:
    """What a pickle of numbers, text, lists, dictionaries and numpy arrays holds.

    Arrays of numbers, as the whole or as values of its dictionary. Byte strings of Python 2 become
    text. ValueError for anything else, and for a damaged pickle.
    """
    try:
        found = _ArraysOnly(io.BytesIO(data), encoding="latin1").load()
        if isinstance(found, dict):
            return {key: _finished(value) for key, value in found.items()}
        return _finished(found)
    except Exception as error:  # a damaged pickle raises anything
        raise ValueError(f"is truncated or no pickle of arrays ({error})") from error


def _finished(value: Any) -> Any:
    return value.array if isinstance(value, _Array) else value

"""Reads pickled arrays without running code from the pickle."""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np


class _Type:
    """Replaces numpy.dtype, which would trust a pickle that passes objects off as numbers, and then
    use arbitrary bytes as addresses.
    """

    def __init__(self, name: str, *_: object) -> None:
        if not re.fullmatch(r"[biuf]\d{1,2}", name):
            raise pickle.UnpicklingError(f"it has an array of type {name!r}, which is not a number")
        self.dtype = np.dtype(name)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


Spend = Callable[[int], None]
"""Called with the number of bytes to be allocated; raises if that is more than a pickle can
hold."""


class _Array:
    """Replaces numpy.ndarray until the whole pickle is read."""

    array: np.ndarray | None = None

    def __init__(self, spend: Spend, *_: object) -> None:
        self._spend = spend

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, by_columns, data = state
        self.array = _frombuffer(self._spend, data, kind, shape, "F" if by_columns else "C")


def _frombuffer(spend: Spend, data: Any, kind: _Type, shape: Any, order: Any) -> np.ndarray:
    spend(len(data))
    if isinstance(data, str):  # Python 2 bytes
        data = data.encode("latin1")
    return np.frombuffer(bytearray(data), kind.dtype).reshape(shape, order=order)


def _scalar(spend: Spend, kind: _Type, data: Any) -> Any:
    return _frombuffer(spend, data, kind, (), "C")[()]


def _encode(spend: Spend, text: str, encoding: str) -> bytes:
    """How Python 3 pickles bytes for Python 2: as text that is encoded on reading."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding!r}")
    spend(len(text))
    return text.encode(encoding)


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _encode,
    # the names in numpy 1 and numpy 2
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
    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="latin1")
        # text is encoded, then copied; but ten bytes can request that repeatedly
        self._left = 4 * len(data)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no array needs")
        made = _ALLOWED[module, name]
        return made if made is _Type else partial(made, self._spend)

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise pickle.UnpicklingError("it asks for more bytes than it has")


def read_pickle(data: bytes) -> Any:
    """The content of a pickle of numbers, text, lists, dictionaries and numpy arrays.

    Arrays must be numeric, at the top level or values of its dictionary. Python 2 byte strings
    become text. ValueError for anything else, and for a damaged pickle.
    """
    try:
        found = _ArraysOnly(data).load()
        if isinstance(found, dict):
            return {key: _finished(value) for key, value in found.items()}
        return _finished(found)
    except Exception as error:  # a damaged pickle may raise anything
        raise ValueError(f"is truncated or not a pickle of arrays ({error})") from error


def _finished(value: Any) -> Any:
    return value.array if isinstance(value, _Array) else value

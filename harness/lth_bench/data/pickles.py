"""Reading pickled arrays without running what a pickle may ask for."""

from __future__ import annotations

import codecs
import io
import pickle
from typing import Any

import numpy as np

_NUMPY = ("numpy.core.multiarray", "numpy._core.multiarray")
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): codecs.encode,  # how Python 3 writes bytes for Python 2
    # numpy's own functions for arrays, under the names of version 1 and of version 2
    **{(module, "_reconstruct"): np.zeros(0).__reduce__()[0] for module in _NUMPY},
    **{(module, "scalar"): np.int64(0).__reduce__()[0] for module in _NUMPY},
    **{
        (module, "_frombuffer"): np.zeros(1).__reduce_ex__(5)[0]
        for module in ("numpy.core.numeric", "numpy._core.numeric")
    },
}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no array needs")
        return _ALLOWED[module, name]


def read_pickle(data: bytes) -> Any:
    """What a pickle of numbers, text, lists, dictionaries and numpy arrays holds.

    Byte strings of Python 2 become text. ValueError for anything else, and for a damaged pickle.
    """
    try:
        return _ArraysOnly(io.BytesIO(data), encoding="latin1").load()
    except Exception as error:  # a damaged pickle raises anything
        raise ValueError(f"is truncated or no pickle of arrays ({error})") from error

"""The one trick that is bound to torch's binary.

The autograd engine of a CUDA build asks CUDA's hooks, an object with a table of functions, whether
the GPU has a context; without a GPU that raises. One entry of the table is replaced: yes. Which one
it is, torch's own header says.
"""

from __future__ import annotations

import atexit
import ctypes
import re
import sys
from pathlib import Path
from typing import Any

import torch

TORCH = Path(torch.__file__).parent
HEADER = TORCH / "include" / "ATen" / "detail" / "AcceleratorHooksInterface.h"
BEFORE, ENTRIES = 2, 82
"""Words of the table before its first function (offset, type), and words that are copied."""
_kept: list[Any] = []


class NotHere(Exception):
    """Why this torch cannot be pretended to."""


def with_context() -> None:
    """Let the engine believe that every GPU has a context; NotHere where that cannot be done."""
    if _kept:
        return
    if sys.platform != "linux":
        raise NotHere(f"the hooks' table is known on Linux, not on {sys.platform}")
    try:
        library = ctypes.CDLL(str(TORCH / "lib" / "libtorch_cpu.so"))
        get = library._ZN2at6detail12getCUDAHooksEv
    except (OSError, AttributeError) as error:
        raise NotHere(f"torch {torch.__version__} has no hooks to be found: {error}") from error
    get.restype = ctypes.c_void_p
    word = ctypes.c_void_p
    hooks = ctypes.cast(get(), ctypes.POINTER(word))
    start = hooks[0]
    assert start is not None
    size = ctypes.sizeof(word)
    entries = ctypes.cast(start - BEFORE * size, ctypes.POINTER(word))
    table = (word * ENTRIES)(*[entries[i] for i in range(ENTRIES)])
    kind = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_int8)
    yes = kind(lambda this, index: True)
    table[BEFORE + _position()] = ctypes.cast(yes, word)
    hooks[0] = ctypes.addressof(table) + BEFORE * size
    _kept.extend([table, yes])
    atexit.register(hooks.__setitem__, 0, start)  # the table ends with the interpreter


def _position() -> int:
    """The place of `hasPrimaryContext` in the table: a virtual destructor takes two."""
    try:
        text = HEADER.read_text()
    except OSError as error:
        raise NotHere(f"torch {torch.__version__} comes without its headers") from error
    text = text[text.index("struct TORCH_API AcceleratorHooksInterface") :]
    found = re.findall(r"^\s*virtual [^;{]*?(~?\w+)\(", text, re.MULTILINE)
    if not found or not found[0].startswith("~") or "hasPrimaryContext" not in found:
        raise NotHere(f"torch {torch.__version__} has no hasPrimaryContext in its header")
    return found.index("hasPrimaryContext") + 1

"""Read by every Python that starts with this folder on its path: torch, once it is imported there,
sees the pretend GPUs that the variable describes. Nothing happens where the variable is not set.
"""

import importlib.abc
import importlib.util
import os
import sys
from pathlib import Path

DESCRIPTION = os.environ.get("LTH_PRETEND_GPU")


class AfterTorch(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports torch as usual, then pretends."""

    def find_spec(self, name, path=None, target=None):
        if name != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec("torch")
        if spec is not None:
            self.usual, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec):
        return self.usual.create_module(spec)

    def exec_module(self, module):
        self.usual.exec_module(module)
        sys.path.append(str(Path(__file__).parents[2]))
        from pretend_gpu.patches import pretend_for_good

        pretend_for_good(DESCRIPTION)


if DESCRIPTION:
    sys.meta_path.insert(0, AfterTorch())

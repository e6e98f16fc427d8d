"""What the tests of the conformance suite share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def good() -> type[Any]:
    """A strategy without fault."""
    from lth_bench.testing.worker import find

    file = Path(__file__).with_name("good.py")
    cls: type[Any] = find("conformance_good", str(file)).Good
    return cls

"""With the torch that the tests are made for, the pretend GPU's tests run."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest

from pretend_gpu import unsupported

CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"


def test_with_the_torch_of_the_constraints_nothing_is_skipped():
    (wanted,) = re.findall(r"^torch==(\S+)$", CONSTRAINTS.read_text(), re.MULTILINE)
    have = version("torch").partition("+")[0]
    if have != wanted:
        pytest.skip(f"torch {have} is not the {wanted} of the constraints")
    assert unsupported() == ""

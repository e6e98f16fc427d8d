"""Which weights lie on a path from the input to the output: a question about connections alone.

A recorded forward pass (`models.operations`) is swept twice. Forward, every number is marked that
the examples reach; backward, every number that reaches the outputs. Marks are 0 and 1, one for
each element of memory, so that views and changes in place need no special case. Values, biases,
constants and signs do not matter: `rules` says for each operation which of its outputs depend on
which of its inputs, and an operation without a rule is refused by name.
"""

from lth_bench.structure.connections.connections import Connections
from lth_bench.structure.connections.rules import Unsupported

__all__ = ["Connections", "Unsupported"]

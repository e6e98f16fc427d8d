"""`lth-bench plugin new`: writes a strategy that runs, as a starting point for a method."""

from lth_bench.scaffold.names import class_name, require_name
from lth_bench.scaffold.write import package, single_file, write_files, write_folder

__all__ = [
    "class_name",
    "package",
    "require_name",
    "single_file",
    "write_files",
    "write_folder",
]

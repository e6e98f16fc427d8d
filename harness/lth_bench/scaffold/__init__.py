"""`lth-bench plugin new`: a strategy that runs, to put a method in."""

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

"""`python -m lth_bench`."""

import os
import sys

# -m puts the current folder before everything else: a stranger's random.py there would be imported
if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:
    del sys.path[0]

from lth_bench.cli import main

main()

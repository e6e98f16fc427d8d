"""`python -m lth_bench`."""

from lth_bench.cli import main

main()

"""The child process of a self-test: `python -m lth_bench.maintenance.selftest`."""

from lth_bench.maintenance.selftest.steps import functions
from lth_bench.maintenance.selftest.supervised import serve

if __name__ == "__main__":
    serve(functions())

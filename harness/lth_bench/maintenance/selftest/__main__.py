"""A child that does the self-test's steps: `python -m lth_bench.maintenance.selftest`."""

from lth_bench.maintenance.selftest.child import serve
from lth_bench.maintenance.selftest.steps import functions

if __name__ == "__main__":
    serve(functions())

"""What tests need of their surroundings, whoever starts them: set in each of pytest's processes
before torch is imported, and so for those that tests start.

A shell's background job ignores Ctrl-C, a service's files are its user's alone, a continuous
integration's colours go into files, and so on.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
import time

FOR_TESTS = {"DATA", "FUZZ", "THOROUGH", "WHOLE", "OUTPUT"}
"""The variables LTH_BENCH_… that say something to the tests and benchmarks themselves."""
SHAPES_OUTPUT = {
    "COLUMNS", "LINES", "TERMINAL_WIDTH", "TERM", "NO_COLOR", "FORCE_COLOR", "CLICOLOR",
    "CLICOLOR_FORCE", "PY_COLORS", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "GITHUB_ACTIONS",
    "TYPER_USE_RICH", "LANG", "LANGUAGE", "LC_CTYPE", "LC_NUMERIC", "LC_TIME", "LC_MESSAGES",
    "MPLBACKEND", "MATPLOTLIBRC", "SOURCE_DATE_EPOCH",
}  # fmt: skip
SHAPES_PYTHON = {
    "PYTHONWARNINGS", "PYTHONSAFEPATH", "PYTHONHASHSEED", "PYTHONOPTIMIZE", "PYTHONDEVMODE",
    "PYTHONINSPECT", "PYTHONIOENCODING", "PYTHONUTF8", "PYTHONCOERCECLOCALE",
    "PYTHONWARNDEFAULTENCODING",
}  # fmt: skip
for name in list(os.environ):
    ours = name.startswith("LTH_BENCH_") and name.removeprefix("LTH_BENCH_") not in FOR_TESTS
    if ours or name in SHAPES_OUTPUT | SHAPES_PYTHON or name.startswith("GIT_"):
        del os.environ[name]
os.environ |= {
    # results must not depend on the number of cores, and pytest's processes share them
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    # what is fastest here and now is no test's business; those of stacking say their widths
    "LTH_BENCH_COHORT_SIZE": "1",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
}
if "PYTEST_XDIST_WORKER" not in os.environ:  # pytest's other processes take it over
    # the user's caches too are theirs: widths that were measured, datasets that were decoded
    os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="lth-bench-tests-")
    atexit.register(shutil.rmtree, os.environ["XDG_CACHE_HOME"], ignore_errors=True)
time.tzset()
os.umask(0o022)
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_SETMASK, ())

# `make help` lists the targets. Everything is installed into .venv; nothing else is touched.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
RAY := $(VENV)/.ray-installed
DOCS := $(VENV)/.docs-installed

# `make demo PYTHON=/path/to/python3.12` picks another interpreter for a new .venv.
PYTHON ?=
# `make test ARGS="-k masks -x"` passes options on to pytest.
ARGS ?=
# At most eight test processes, each with one thread: more only get in each other's way. Neighbours
# stay in one process, whose fixtures they share, until another has nothing left (worksteal).
WORKERS ?= auto --maxprocesses=8

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Hundreds of processes import lth-bench in the tests: it is compiled once, not by each of them.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install ray demo pretrained reference check quick test test-slow test-lowest fuzz lint docs bench soak clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | awk -F '\t' '{printf "  make %-11s %s\n", $$1, $$2}'

install: $(STAMP) ## create .venv and install lth-bench into it

ray: $(RAY) ## install Ray too: without it, the tests of clusters skip

demo: $(STAMP) ## compare all strategies on scikit-learn's digits and show the leaderboard
	$(BIN)/lth-bench run quickstart

pretrained: $(STAMP) ## train the network that the suite `pretrained` starts from
	$(BIN)/lth-bench run pretraining
	$(BIN)/lth-bench export ticket pretraining/dense --output reports/digits_mlp.safetensors --force

reference: $(STAMP) ## make the reference results in suites/reference, or what is left of them
	$(BIN)/python docs/make_reference.py

check: $(STAMP) ## style, types, layering and the quick tests, in half a minute once caches are warm
	@$(MAKE) --no-print-directory -j 2 lint quick

# What a change breaks most often, in one process beside `make lint`.
QUICK := $(addprefix tests/,masks params stats system suite/test_overrides.py suite/test_select.py \
  plugins/test_contract.py store/test_journal.py test_public_names.py)

quick: $(STAMP) ## the quick tests alone
	@OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -q $(QUICK) $(ARGS)

test: $(STAMP) ## run the tests
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

test-slow: $(STAMP) ## the tests marked slow, 500 cases of each fuzzer, and sixteen kills of runs
	LTH_BENCH_FUZZ=500 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest \
	  -m "slow or fuzz" -n $(WORKERS) --dist worksteal -o faulthandler_timeout=1200 $(ARGS)
	$(BIN)/python tests/soak/soak.py --kills 16

# What each dependency is used for, without the tests that take longest.
FAST := $(addprefix tests/,helpers masks models params plugins stats strategies structure \
  suite/test_load.py suite/test_overrides.py tuning/test_study.py tuning/test_storage.py \
  data/test_image_folder.py data/test_mnist.py data/test_cifar.py \
  store/test_export.py store/test_fold.py store/test_frames.py store/test_journal.py \
  store/test_query.py store/test_views.py analysis/boards output/paper \
  training/engine/test_cohort.py training/test_engine.py training/engine/test_sequential.py \
  cli/test_ls.py cli/test_plan.py cli/test_schema.py cli/test_ctrl_c.py test_project.py)

test-lowest: $(STAMP) ## the fast tests with the lowest versions that pyproject.toml allows
	@.ci/lowest .venv-lowest $(BIN)/python; code=$$?; [ $$code != 3 ] || exit 0; \
	[ $$code = 0 ] || exit $$code; OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 \
	  .venv-lowest/bin/python -m pytest -n $(WORKERS) --dist worksteal $(FAST) $(ARGS)

fuzz: $(STAMP) ## 10,000 bad suites, --set options and journals each, a quarter of an hour or more
	LTH_BENCH_FUZZ=10000 OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/fuzz -n $(WORKERS) \
	  -o faulthandler_timeout=0 $(ARGS)

# Not everything below: a strategy that a reader tries out beside it need not be in this style.
CODE := docs harness plugins tests

lint: $(STAMP) ## check style, types and layering
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

docs: $(DOCS) ## build the documentation site, strictly: build/docs/site
	$(BIN)/python docs/build_site.py

bench: $(STAMP) ## measure speed (tests/benchmarks); one process, nothing else should be running
	$(BIN)/python -m pytest tests/benchmarks -o python_files='bench_*.py' -s $(ARGS)

soak: $(STAMP) ## kill runs sixty times and see that nothing is lost (tests/soak); ten minutes
	$(BIN)/python tests/soak/soak.py $(ARGS)

clean: ## remove caches and build products; .venv and results stay
	rm -rf .venv-lowest build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find harness plugins tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Reinstalled when a dependency changes. hatchling goes first so that the editable build needs no
# environment of its own, and so no network once everything is here.
$(STAMP): pyproject.toml constraints.txt
	@.ci/venv $(VENV) $(PYTHON)
	@echo "installing lth-bench and what it needs into $(VENV); the first time this downloads PyTorch"
	@{ $(BIN)/python -m pip install -q -c constraints.txt hatchling && \
	   $(BIN)/python -m pip install --no-build-isolation -c constraints.txt -e ".[dev,timm]"; } || { \
	  echo "error: the installation into $(VENV) failed (see above); it needs the network once" >&2; \
	  exit 1; \
	}
	@touch $@

# Extras that the demo and nearly all tests do without.
$(RAY): $(STAMP)
	$(BIN)/python -m pip install -q --no-build-isolation -c constraints.txt -e ".[ray]"
	@touch $@

$(DOCS): $(STAMP)
	$(BIN)/python -m pip install -q --no-build-isolation -c constraints.txt -e ".[docs]"
	@touch $@
